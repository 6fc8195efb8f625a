//! The engine as a whole, on small sets and on the shipped one.

use super::{MappingSet, SourceFile};
use std::path::Path;

fn shipped() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut files = Vec::new();
    for folder in ["messages", "maps", "types", "tables"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".toml") || name.ends_with(".csv") {
                files.push(SourceFile {
                    path: format!("{folder}/{name}"),
                    text: std::fs::read_to_string(entry.path()).unwrap(),
                });
            }
        }
    }
    files
}

#[test]
fn the_shipped_set_loads_and_its_tests_pass() {
    let set = match MappingSet::load(shipped()) {
        Ok(set) => set,
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{} problems\n{}", all.len(), all.join("\n"));
        }
    };
    let failed: Vec<String> = set
        .run_tests()
        .into_iter()
        .filter(|test| !test.failures.is_empty())
        .map(|test| {
            format!("{}:{} {}\n    {}", test.file, test.line, test.name, test.failures.join("\n    "))
        })
        .collect();
    assert!(failed.is_empty(), "{} failed\n{}", failed.len(), failed.join("\n"));
}
