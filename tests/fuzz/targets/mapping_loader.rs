//! Any text in any file of a mapping set loads or is refused with problems; it never panics.
#![no_main]

use renkei_translate::mapping::{MappingSet, SourceFile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // `\0` parts the files of a set; the first byte of each says which kind it is.
    let files = text.split('\0').enumerate().map(|(n, part)| {
        let (folder, ending) = match part.as_bytes().first().map_or(0, |byte| byte % 5) {
            0 => ("messages", "toml"),
            1 => ("maps", "toml"),
            2 => ("types", "toml"),
            3 => ("feeds", "toml"),
            _ => ("tables", "csv"),
        };
        let text = part.chars().skip(1).collect();
        SourceFile { path: format!("{folder}/f{n}.{ending}"), text }
    });
    if let Err(problems) = MappingSet::load(files.collect()) {
        assert!(!problems.is_empty());
    }
});
