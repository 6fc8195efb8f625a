//! Merges that say too little or too much: each held with its own reason. What a good one sends is in the cases.

use crate::shipped;
use renkei_translate::mapping::translate;
use renkei_translate::translation::{Lists, PathPatient, Status};

fn held(behind: &str) -> (Status, Vec<String>) {
    let text = format!(
        "MSH|^~\\&|HIS|S|GW|R|20240402100000||ADT^A40^ADT_A39|1|P|2.5\rEVN||20240402100000\r{behind}"
    );
    let context = shipped::context(None, PathPatient::Error, Lists::Whole);
    let out = translate(shipped::set(), text.as_bytes(), &context);
    (out.status, out.findings.into_iter().map(|finding| finding.code.to_string()).collect())
}

#[test]
fn a_merge_that_cannot_be_carried_out_is_held_with_its_reason() {
    for (behind, code) in [
        ("PID|||0000000123", "merge-prior-missing"),
        ("PID|||0000000123\rMRG|", "merge-prior-missing"),
        ("PID|||0000000123\rMRG|0000000123", "merge-into-itself"),
        ("PID|||0000000123\rMRG|0000000456\rPID|||0000000789\rMRG|0000000012", "merge-several"),
    ] {
        let (status, codes) = held(behind);
        assert_eq!(status, Status::Quarantined, "{behind}");
        assert!(codes.iter().any(|found| found == code), "{behind}: {codes:?}");
    }
    assert_eq!(held("PID|||0000000123\rMRG|0000000456").0, Status::Translated);
}
