//! The shipped mapping set and a facility to translate for, as the suite's tests use them.

use renkei_translate::identity::IdKey;
use renkei_translate::mapping::MappingSet;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Context, Facility, Lists, PathPatient};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// `mappings/` of this checkout, compiled once.
pub fn set() -> &'static MappingSet {
    static SET: OnceLock<MappingSet> = OnceLock::new();
    SET.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let files = renkei_bridge::app::mappings::folder(&root).expect("mappings can be read");
        MappingSet::load(files).unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("the shipped set has problems:\n{}", lines.join("\n"))
        })
    })
}

/// An invented facility.
pub fn facility() -> Arc<Facility> {
    Arc::new(Facility {
        code: "1319999999".into(),
        name: "架空病院".into(),
        local_system_base: "http://example.jp".into(),
        ..Facility::default()
    })
}

/// The context of one message.
pub fn context(file: Option<FileName>, path_patient: PathPatient, lists: Lists) -> Context {
    Context { facility: facility(), id_key: IdKey::test(), file, path_patient, lists, feed: None }
}

#[test]
fn every_rule_test_of_the_set_passes() {
    let failed: Vec<String> = set()
        .run_tests()
        .into_iter()
        .filter(|test| !test.failures.is_empty())
        .map(|test| {
            let failures: String = test.failures.iter().map(|failure| format!("\n    {failure}")).collect();
            format!("{}:{} {}{failures}", test.file, test.line, test.name)
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
