//! `mapping coverage`: what it prints and how it exits.

use super::{renkei, text};

const MESSAGE: &str = "MSH|^~\\&|H|S|G|R|20240401150000||PPR^ZD1^PPR_ZD1|1|P|2.5\rPID|||1||患者^太郎^^^^^L^I\r\
                       PRB|AD|20240401|20054174^胃炎^MDCDX2|000000000000001|||20240401\rZPR||20054174^胃炎^MDCDX2||||||||||||X\r";
const OPTIONS: &str =
    "segment\tfield\tname_en\tname_ja\tdatatype\tmaxlen\toptions\nPRB\t3\tProblem\t病名\tCWE\t9\t*=R\n";

/// Exit code, standard output and standard error.
fn coverage(arguments: &[&str]) -> (i32, String, String) {
    let output = renkei().args(["mapping", "coverage"]).args(arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The rows of a CSV with the given first cells.
fn rows<'o>(out: &'o str, message: &str, position: &str) -> Vec<&'o str> {
    let start = format!("{message},{position},");
    out.lines().filter(|line| line.starts_with(&start)).collect()
}

#[test]
fn text_says_what_a_field_becomes_by_which_rule_and_why_not() {
    let (code, out, _) = coverage(&["--message", "PPR-01"]);
    assert_eq!(code, 0);
    let line = |start: &str| {
        let found = out.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no line of {start}:\n{out}")).split_whitespace().collect::<Vec<_>>()
    };
    let wanted = ["PRB-7", "written", "Condition.recordedDate", "condition/recorded", "dateTime"];
    assert!(out.lines().any(|line| line.split_whitespace().eq(wanted)), "{out}");
    let skipped = line("ORC-18");
    assert_eq!(skipped[1], "skipped");
    assert!(skipped.contains(&"入力した端末") && skipped.contains(&"terminal"), "{skipped:?}");
    assert!(!out.contains("OMP-01  "), "one message file");
    assert_eq!(coverage(&["--message", "XXX-99"]).0, 2);
}

#[test]
fn csv_has_every_use_and_the_unread_positions_of_the_files_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.hl7");
    std::fs::write(&file, MESSAGE).unwrap();
    let (code, out, _) = coverage(&["--csv", file.to_str().unwrap()]);
    assert_eq!(code, 0);
    let header = "message,position,state,use,resource,target,map,rule,as,messages,why_ja,why_en";
    assert_eq!(out.lines().next(), Some(header));
    let unread = rows(&out, "PPR-01", "ZPR-14");
    assert_eq!(unread, ["PPR-01,ZPR-14,unread,,,,,,,1,,"]);
    let read = rows(&out, "PPR-01", "PRB-3.1");
    assert!(
        read.iter()
            .any(|row| row.contains("Condition,code.coding.code,condition,condition/code,CWE disease")),
        "{read:?}"
    );
}

#[test]
fn a_required_position_that_nobody_names_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("options.tsv");
    let path = file.to_str().unwrap();
    std::fs::write(&file, OPTIONS).unwrap();
    let (code, out, _) = coverage(&["--message", "PPR-01", "--options", path]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("PRB-3"), "{out}");
    std::fs::write(&file, format!("{OPTIONS}PRB\t99\tNo such\t無い\tST\t9\tPPR-01=R,*=N\n")).unwrap();
    let (code, out, _) = coverage(&["--message", "PPR-01", "--options", path]);
    assert_eq!(code, 1);
    assert!(out.lines().any(|line| line.contains("PRB-99") && line.contains("unexplained")), "{out}");
    std::fs::write(&file, "a\tb\n").unwrap();
    let (code, _, err) = coverage(&["--options", path]);
    assert_eq!(code, 1);
    assert!(err.contains("options.tsv:1"), "{err}");
}

#[test]
fn a_row_of_anothers_table_is_executed_or_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("ssmix2-jami");
    std::fs::create_dir(&at).unwrap();
    let header = "kind,map,line,src,src_text,target,target_text,equivalence,comment,note\n";
    let row = |line: &str, source: &str| {
        format!("segment,Segment PPR_01_PRB to Condition,{line},{source},,Condition.recordedDate,,,,\n")
    };
    let path = folder.path().to_str().unwrap();
    let write = |rows: &str| std::fs::write(at.join("rows.csv"), format!("{header}{rows}")).unwrap();
    write(&row("2", "PRB-7"));
    let (code, out, err) = coverage(&["--csv", "--against", path]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("PRB-7,Condition.recordedDate,executed,PPR-01 condition/recorded,,"), "{out}");
    write(&(row("2", "PRB-7") + &row("3", "PRB-16")));
    let (code, out, err) = coverage(&["--against", path]);
    assert_eq!(code, 1);
    assert!(out.lines().any(|line| line.contains("PRB-16") && line.contains("deviating")), "{out}");
    assert!(err.contains("1 rows are neither executed nor explained"), "{err}");
    assert_eq!(coverage(&["--against", "/no/such/folder"]).0, 1);
}
