//! Decoding as a whole: message in, text and findings out.

use super::{Decoded, GaijiTable, decode, gaiji_code};
use crate::finding::{Finding, Severity};
use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS};

fn message(label: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("MSH|^~\\&|||||||ADT^A08|1|P|2.5||||||{label}\rNTE|1||").into_bytes();
    bytes.extend_from_slice(body);
    bytes.push(b'\r');
    bytes
}

fn facts(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|f| {
            format!("{} {} {}", f.code, f.location.position, f.detail.as_deref().unwrap_or(""))
                .trim()
                .to_owned()
        })
        .collect()
}

fn body(decoded: &Decoded) -> &str {
    decoded.text.rsplit_once("||").unwrap().1.trim_end_matches('\r')
}

#[track_caller]
fn check(label: &str, bytes: &[u8], text: &str, encoding: &str, findings: &[&str]) {
    let decoded = decode(&message(label, bytes), &GaijiTable::new());
    assert_eq!(body(&decoded), text);
    assert_eq!(decoded.encoding, encoding);
    let offset = message(label, b"").len() - 1;
    let expected: Vec<String> = findings
        .iter()
        .map(|fact| match fact.split_once('@') {
            Some((code, rest)) => {
                let (at, detail) = rest.split_once(' ').unwrap_or((rest, ""));
                format!("{code} byte {} {detail}", offset + at.parse::<usize>().unwrap()).trim().to_owned()
            }
            None => (*fact).to_owned(),
        })
        .collect();
    assert_eq!(facts(&decoded.findings), expected);
    assert!(!decoded.text.contains('\u{FFFD}'));
}

#[test]
fn each_encoding_is_read_under_its_label() {
    let text = "山田^太郎～①㈱髙ｶﾅ";
    check("~ISO IR87", b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "山田^太郎", "iso-2022-jp", &[]);
    check("~ISOIR87", b"\x1b$@;3ED\x1b(J", "山田", "iso-2022-jp", &[]);
    check("UNICODE UTF-8", text.as_bytes(), text, "utf-8", &[]);
    check("CP932", &SHIFT_JIS.encode(text).0, text, "cp932", &[]);
    check("EUC-JP", &EUC_JP.encode(text).0, text, "euc-jp", &[]);
    check("8859/1", b"Ren\xE9e", "Renée", "iso-8859", &[]);
    check("", b"plain", "plain", "ascii", &[]);
}

#[test]
fn a_label_that_contradicts_the_bytes_is_flagged_and_the_text_is_right() {
    let wrong = |what: &str| format!("charset-label-wrong MSH-18 {what}");
    let jis = ISO_2022_JP.encode("山田|太郎").0;
    check("UNICODE UTF-8", &jis, "山田|太郎", "iso-2022-jp", &[&wrong("utf-8 declared, iso-2022-jp found")]);
    let sjis = SHIFT_JIS.encode("表示ソ能").0;
    check("~ISO IR87", &sjis, "表示ソ能", "cp932", &[&wrong("iso-2022-jp declared, cp932 found")]);
    let euc = EUC_JP.encode("山田太郎").0;
    check("~ISO IR87", &euc, "山田太郎", "euc-jp", &[&wrong("iso-2022-jp declared, euc-jp found")]);
    check("8859/1", "山田".as_bytes(), "山田", "utf-8", &[&wrong("iso-8859 declared, utf-8 found")]);
    let missing = "charset-label-missing MSH-18 nothing declared, utf-8 found";
    check("", "山田".as_bytes(), "山田", "utf-8", &[missing]);
    check("KLINGON", "山田".as_bytes(), "山田", "utf-8", &["charset-label-unknown MSH-18"]);
}

#[test]
fn runs_of_iso_2022_are_decoded_by_their_set() {
    let label = "~ISO IR87";
    check(label, b"\x1b$(D0\"\x1b(B", "丄", "iso-2022-jp", &[]);
    check(label, b"\x1b(I6E\x1b(B", "ｶﾅ", "iso-2022-jp", &[]);
    check(label, b"\x0e6E\x0f!", "ｶﾅ!", "iso-2022-jp", &[]);
    check(label, b"\x1b$B-!-j\x1b(B", "①㈱", "iso-2022-jp", &[]);
    check(label, b"\x1b$B!]!A\x1b(B", "\u{FF0D}\u{FF5E}", "iso-2022-jp", &[]);
    // In a Roman run the declared delimiters stay what MSH declares.
    check(label, b"\x1b(Ja\\F\\b~c\x1b(B", "a\\F\\b~c", "iso-2022-jp", &[]);
    // Announced revision, space inside a run, four-byte form of the designator.
    check(label, b"\x1b&@\x1b$B;3 \x1b$(BED\x1b(B", "山 田", "iso-2022-jp", &[]);
}

#[test]
fn roman_is_yen_and_overline_where_they_are_no_delimiters() {
    let bytes = b"MSH|^/#&|1\rNTE|\x1b(J\\~\x1b(B\r";
    assert!(decode(bytes, &GaijiTable::new()).text.ends_with("NTE|¥‾\r"));
}

#[test]
fn a_run_that_is_not_closed_ends_with_its_line() {
    check("~ISO IR87", b"\x1b$B;3ED", "山田", "iso-2022-jp", &["run-unterminated@7"]);
    let decoded = decode(b"MSH|^~\\&|1\rNTE|\x1b$B;3ED", &GaijiTable::new());
    assert!(decoded.text.ends_with("NTE|山田"));
    assert_eq!(facts(&decoded.findings)[1..], ["run-unterminated byte 22"]);
}

#[test]
fn a_code_without_a_character_is_a_geta_mark_and_a_warning() {
    check("~ISO IR87", b"\x1b$B)!;3\x1b(B", "〓山", "iso-2022-jp", &["gaiji-unknown@3 2921"]);
    check(
        "~ISO IR87",
        b"\x1b$B/!u!\x1b(B",
        "〓〓",
        "iso-2022-jp",
        &["gaiji-unknown@3 2F21", "gaiji-unknown@5 7521"],
    );
    check(
        "CP932",
        b"\xF0\x40\xF9\xFC\x8E\x52",
        "〓〓山",
        "cp932",
        &["gaiji-unknown@0 F040", "gaiji-unknown@2 F9FC"],
    );
    check("EUC-JP", b"\xF5\xA1\xBB\xB3", "〓山", "euc-jp", &["gaiji-unknown@0 7521"]);
    check("UTF-8", "\u{E000}山".as_bytes(), "〓山", "utf-8", &["gaiji-unknown@0 U+E000"]);
    check("UTF-8", "\u{FFFD}".as_bytes(), "〓", "utf-8", &["character-lost@0"]);
}

#[test]
fn the_facility_s_table_gives_the_character() {
    let gaiji = GaijiTable::from([("F040".into(), "𠮷".into()), ("7521".into(), "﨑".into())]);
    for (label, bytes) in [
        ("CP932", b"\xF0\x40".to_vec()),
        ("UTF-8", "\u{E000}".into()),
        ("~ISO IR87", b"\x1b$Bu!\x1b(B".to_vec()),
        ("EUC-JP", b"\xF5\xA1".to_vec()),
    ] {
        let decoded = decode(&message(label, &bytes), &gaiji);
        assert!(["𠮷", "﨑"].contains(&body(&decoded)), "{label}");
        assert!(decoded.findings.is_empty(), "{label} {:?}", decoded.findings);
    }
}

#[test]
fn bytes_that_break_the_encoding_are_an_error_with_their_place() {
    check("~ISO IR87", b"\x1b$B;\x1b(B!", "〓!", "iso-2022-jp", &["charset-broken@3"]);
    check("CP932", b"\x8E\x52\x80\xFF!\x8E", "山〓!〓", "cp932", &["charset-broken@2", "charset-broken@5"]);
    check("EUC-JP", b"\xBB\xB3\xBB!\xC5\xC4", "山〓!田", "euc-jp", &["charset-broken@2"]);
    check(
        "UTF-8",
        &["山田山".as_bytes(), b"\xE5\xB1!"].concat(),
        "山田山〓!",
        "utf-8",
        &["charset-broken@9"],
    );
}

#[test]
fn every_two_byte_code_that_others_know_decodes_the_same() {
    for row in 0x21..=0x7E_u8 {
        for cell in 0x21..=0x7E_u8 {
            let run = [0x1B, b'$', b'B', row, cell, 0x1B, b'(', b'B'];
            let pair = [row | 0x80, cell | 0x80];
            let (theirs, broken) = EUC_JP.decode_without_bom_handling(&pair);
            let (jis, jis_broken) = ISO_2022_JP.decode_without_bom_handling(&run);
            let ours = decode(&run, &GaijiTable::new());
            if broken || jis_broken {
                assert_eq!((ours.text.as_str(), ours.findings.len()), ("〓", 1), "{row:02X}{cell:02X}");
            } else {
                assert_eq!(ours.text, theirs, "{row:02X}{cell:02X}");
                assert_eq!(ours.text, jis, "{row:02X}{cell:02X}");
                assert!(ours.findings.is_empty());
            }
        }
    }
}

#[test]
fn control_characters_are_left_out_and_said() {
    check("", b"a\0b\x07c", "abc", "ascii", &["control-character@1 0x00", "control-character@3 0x07"]);
    check(
        "UTF-8",
        "山\u{85}\0".as_bytes(),
        "山",
        "utf-8",
        &["control-character@3 0x85", "control-character@5 0x00"],
    );
}

#[test]
fn framing_is_taken_off_and_offsets_still_count_from_the_first_byte() {
    let decoded = decode(b"\x0bMSH|^~\\&|1\rNTE|\0\r\x1c\r", &GaijiTable::new());
    assert_eq!(decoded.text, "MSH|^~\\&|1\rNTE|\r");
    assert_eq!(facts(&decoded.findings), ["control-character byte 16 0x00"]);
}

#[test]
fn bytes_without_one_letter_are_no_text() {
    let decoded = decode(b"\xFB\xFC", &GaijiTable::new());
    assert_eq!(facts(&decoded.findings), ["not-text byte 0"]);
    assert_eq!(decoded.findings[0].severity, Severity::Error);
    // A file of a feed has no MSH either and is text.
    let row = SHIFT_JIS.encode("山田,太郎\r\n").0;
    let decoded = decode(&row, &GaijiTable::new());
    assert_eq!((decoded.text.as_str(), decoded.encoding), ("山田,太郎\r\n", "cp932"));
    assert!(decoded.findings.is_empty());
    let decoded = decode(b"\xEF\xBB\xBFMSH|^~\\&|1\r", &GaijiTable::new());
    assert_eq!((decoded.text.as_str(), decoded.encoding), ("MSH|^~\\&|1\r", "utf-8"));
}

#[test]
fn a_text_that_two_encodings_read_is_said() {
    let missing = "charset-label-missing MSH-18 nothing declared, cp932 found";
    let bytes = SHIFT_JIS.encode("ﾃｽ").0;
    check("", &bytes, "ﾃｽ", "cp932", &[missing, "charset-ambiguous@0 cp932 read, utf-8 possible"]);
    check("CP932", &bytes, "ﾃｽ", "cp932", &[]);
    // EUC-JP under the label of another: the better reading, and its label is called wrong.
    let name = EUC_JP.encode("山田^太郎^^^^^L^I").0;
    let wrong = "charset-label-wrong MSH-18 cp932 declared, euc-jp found";
    check("Shift_JIS", &name, "山田^太郎^^^^^L^I", "euc-jp", &[wrong]);
}

#[test]
fn utf_8_that_is_cut_is_broken_and_not_another_encoding() {
    let cut = [&"山田".as_bytes()[..5], b"^X^^^^^L^I"].concat();
    check("UNICODE UTF-8", &cut, "山〓^X^^^^^L^I", "utf-8", &["charset-broken@3"]);
    let many = "東京都千代田区霞が関".as_bytes();
    let wrong = "charset-label-wrong MSH-18 iso-2022-jp declared, utf-8 found";
    check("~ISO IR87", &many[..29], "東京都千代田区霞が〓", "utf-8", &[wrong, "charset-broken@27"]);
}

#[test]
fn every_form_of_a_gaiji_code_is_found_in_the_table() {
    for (code, label, bytes) in [
        ("f040", "CP932", b"\xF0\x40".to_vec()),
        ("7521", "~ISO IR87", b"\x1b$Bu!\x1b(B".to_vec()),
        ("8ff5a1", "EUC-JP", b"\x8F\xF5\xA1".to_vec()),
        ("8FF5A1", "~ISO IR87", b"\x1b$(Du!\x1b(B".to_vec()),
        ("2-7521", "~ISO IR87", b"\x1b$(Pu!\x1b(B".to_vec()),
        ("U+E001", "UTF-8", "\u{E001}".into()),
        (" u+10fffd", "UTF-8", "\u{10FFFD}".into()),
    ] {
        let gaiji = GaijiTable::from([(gaiji_code(code).unwrap(), "𠮷".to_owned())]);
        let decoded = decode(&message(label, &bytes), &gaiji);
        assert_eq!((body(&decoded), decoded.findings.len()), ("𠮷", 0), "{code} {:?}", decoded.findings);
    }
    for code in
        ["", "F04", "F0401", "8F2121", "8FF5", "9FF5A1", "U+3042", "U+0E001", "U+E0", "2-75", "外字", "G040"]
    {
        // 8FF5 alone is a code of CP932.
        assert_eq!(gaiji_code(code).is_some(), code == "8FF5", "{code}");
    }
}
