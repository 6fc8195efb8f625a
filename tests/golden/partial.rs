//! Reports of one order that come bit by bit. The newest is the whole of the order (national-base.md section 2: a report
//! unit is complete, and 中間報告 → 最終報告 is an update of the same), and what it lacks is taken back, never in silence.

use crate::shipped;
use renkei_bridge::record::Memory;
use renkei_translate::mapping::{Layer, MappingSet, Rank, SourceFile, translate};
use renkei_translate::translation::{Lists, PathPatient};

const A: &str = "OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|||||P";
const A_FINAL: &str = "OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|||||F";
const B: &str = "OBX|1|NM|3H020000002326101^クロール^JC10||104|meq/L^meq/L^99XYZ|||||F";

/// A message over MLLP, without a folder: nothing tells what it is the whole of.
fn report(kind: &str, at: u32, state: &str, lines: &[&str]) -> String {
    let head = format!(
        "MSH|^~\\&|HIS|S|GW|R|2024040112{at:02}00||{kind}|{at}|P|2.5||||||UNICODE UTF-8\rPID|||0000000123||見本^太郎^^^^^L^I\r"
    );
    let order = "OBR|1|000000000000003||3^生化学的検査^99LAB|||202404010830|||||||||||||||20240401103059\r";
    let control = format!("ORC|SC|000000000000003|||{state}\r");
    let body = match kind {
        "ORU^R01^ORU_R01" => format!("{control}{order}"),
        _ => format!("SPM|1|L001||023^血清^JC10|||||||||||||202404010830\r{order}{control}"),
    };
    format!("{head}{body}{}\r", lines.join("\r"))
}

/// What each message makes the record say and delete: the numbers of results, and of `results-gone`.
fn history(set: &MappingSet, messages: &[String]) -> Vec<(usize, usize, Option<String>)> {
    let mut memory = Memory::default();
    let context = shipped::context(None, PathPatient::Error, Lists::Whole);
    let told = |(n, message): (i64, &String)| {
        let translation = translate(set, message.as_bytes(), &context);
        assert!(!translation.has_error(), "{:?}", translation.findings);
        let (projection, findings) = memory.apply(&translation, n);
        let observations = |all: Vec<&String>| all.into_iter().filter(|kind| *kind == "Observation").count();
        let puts = observations(projection.puts.iter().map(|put| &put.resource_type).collect());
        let deletes = observations(projection.deletes.iter().map(|(kind, _)| kind).collect());
        let gone = findings.into_iter().find(|finding| finding.code == "results-gone");
        (puts, deletes, gone.map(|finding| finding.detail.unwrap_or_default().into_owned()))
    };
    (1..).zip(messages).map(told).collect()
}

#[test]
fn a_second_report_with_only_the_rest_takes_the_first_back_and_says_so() {
    for kind in ["ORU^R01^ORU_R01", "OUL^R22^OUL_R22"] {
        let bit_by_bit = [report(kind, 1, "A", &[A]), report(kind, 2, "CM", &[B])];
        let expected = [(1, 0, None), (1, 1, Some("1".to_owned()))];
        assert_eq!(history(shipped::set(), &bit_by_bit), expected, "{kind}");
        // Preliminary, then final with all of it: one update, and nothing to say.
        let whole = [report(kind, 1, "A", &[A]), report(kind, 2, "CM", &[A_FINAL, B])];
        assert_eq!(history(shipped::set(), &whole), [(1, 0, None), (2, 0, None)], "{kind}");
        // A preliminary one that comes behind the final one is kept and not sent; the results that it alone has are told.
        let late = [report(kind, 2, "CM", &[B]), report(kind, 1, "A", &[A])];
        assert_eq!(history(shipped::set(), &late), [(1, 0, None), (0, 0, Some("1".to_owned()))], "{kind}");
    }
}

/// The layer of a facility whose laboratory sends only what is new, as `mappings/README.md` has it.
fn adds_only() -> MappingSet {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/README.md"));
    let readme = readme.expect("the manual of the rules can be read");
    let block = readme.split("```").find(|block| block.starts_with("toml\n# 施設/messages/ORU-R01.toml"));
    let (_, text) = block.and_then(|block| block.split_once('\n')).expect("the manual has the layer");
    let layer = vec![SourceFile { path: "messages/ORU-R01.toml".into(), text: text.to_owned() }];
    shipped::set().over(Layer::new(Rank::Facility, layer)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn where_a_facility_says_that_reports_only_add_both_stand() {
    let kind = "ORU^R01^ORU_R01";
    let set = adds_only();
    let bit_by_bit =
        [report(kind, 1, "A", &[A]), report(kind, 2, "CM", &[B]), report(kind, 3, "CM", &[A_FINAL])];
    assert_eq!(history(&set, &bit_by_bit), [(1, 0, None), (1, 0, None), (1, 0, None)]);
    // Taken back as a whole, nothing of the order stays.
    let cancelled = report(kind, 4, "CA", &[A_FINAL]).replace("ORC|SC|", "ORC|CA|");
    let all = [bit_by_bit.as_slice(), &[cancelled]].concat();
    assert_eq!(history(&set, &all)[3], (0, 2, None));
}
