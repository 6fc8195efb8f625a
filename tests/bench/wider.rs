//! The shipped set made wider: thirty more data types with a map each, and a code table of 100,000 rows.

use renkei_translate::mapping::SourceFile;

/// Data types, each with a message file and a map of its own.
const MORE: usize = 30;
/// Rows of the table, which both messages look up.
const ROWS: usize = 100_000;

/// What is copied: a message file and one of its maps.
const COPIED: [(&str, &str); 6] = [
    ("OML-11", "lab-observation"),
    ("ADT-00", "observation-other"),
    ("OML-11", "specimen"),
    ("ADT-00", "allergy-al1"),
    ("OML-11", "lab-report"),
    ("ADT-00", "coverage"),
];

/// The files of the wider set. The first word of each new condition holds for the measured messages and the second
/// does not, and their ids stand before those of all shipped files: what is asked first is asked of every message.
pub fn files(shipped: &[SourceFile]) -> Vec<SourceFile> {
    let mut out = shipped.to_vec();
    for n in 0..MORE {
        let (message, map) = COPIED[n % COPIED.len()];
        let new = format!("{map}-{n}");
        let text = replaced(&rules(shipped, &format!("maps/{map}.toml")), "id", |_| format!("\"{new}\""));
        out.push(SourceFile { path: format!("maps/{new}.toml"), text });
        let text = rules(shipped, &format!("messages/{message}.toml"));
        let text = replaced(&text, "id", |_| format!("\"AAA-{n:02}\""));
        let text = replaced(&text, "is", |is| {
            let kind = is.split(" and ").next().expect("a condition has a first word");
            format!("{kind} and MSH-9.2 = 'Z{n:02}'\"")
        });
        let text = replaced(&text, "maps", |maps| maps.replacen('[', &format!("[\"{new}\", "), 1));
        out.push(SourceFile { path: format!("messages/AAA-{n:02}.toml"), text });
    }
    let table = out.iter_mut().find(|file| file.path == "tables/observation-status.csv");
    let table = table.expect("the shipped set has the table");
    for n in 0..ROWS {
        table.text += &format!(",X{n:06},見本,,final,,equivalent\n");
    }
    out
}

/// A shipped file without its tests.
fn rules(shipped: &[SourceFile], path: &str) -> String {
    let file = shipped.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is shipped"));
    file.text.split("\n[[test]]").next().unwrap_or_default().to_owned() + "\n"
}

/// The text with another value in the first line of a key.
fn replaced(text: &str, key: &str, new: impl Fn(&str) -> String) -> String {
    let is = |line: &&str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let line = text.lines().find(is).unwrap_or_else(|| panic!("the file has a line of '{key}'"));
    let (name, value) = line.split_once('=').expect("found by it");
    text.replacen(line, &format!("{name}= {}", new(value.trim())), 1)
}
