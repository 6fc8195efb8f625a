//! The house rules that a machine can hold: layout, arrows between modules, sizes, sentences for findings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which module of the appliance may name which. `translate` is another crate and may name none of them.
const ARROWS: &[(&str, &[&str])] = &[
    ("store", &["record", "units"]),
    ("record", &[]),
    ("units", &[]),
    ("calendar", &[]),
    ("tls", &[]),
    ("intake", &["store", "units", "calendar", "tls"]),
    ("consent", &["store"]),
    ("pipeline", &["store", "record", "units"]),
    ("forward", &["store", "record", "units"]),
    ("console", &["store", "consent", "forward", "telemetry", "units", "tls"]),
    ("config", &["units", "calendar", "store", "intake", "forward", "console", "pipeline"]),
    ("telemetry", &[]),
    ("shape", &[]),
    (
        "app",
        &[
            "calendar",
            "config",
            "store",
            "record",
            "consent",
            "intake",
            "pipeline",
            "forward",
            "console",
            "telemetry",
        ],
    ),
    ("demo", &["app", "config", "store", "record", "intake", "forward", "console", "telemetry", "pipeline"]),
    (
        "cli",
        &[
            "app",
            "demo",
            "config",
            "store",
            "record",
            "consent",
            "intake",
            "pipeline",
            "forward",
            "console",
            "telemetry",
            "shape",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                found.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a source file is UTF-8")
}

/// The module of the appliance that a file belongs to: `bridge/intake/mllp.rs` → `intake`.
fn module_of(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("bridge")).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "translate" | "lib" | "main")).then(|| name.to_owned())
}

/// The files that are compiled into the program: those behind `#[cfg(test)] mod NAME;` are not, nor is what
/// lies below them.
fn shipped_files(dir: &Path) -> Vec<PathBuf> {
    let all = rust_files(dir);
    let mut tests = Vec::new();
    for path in &all {
        let text = read(path);
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let next = lines.find(|line| !line.starts_with("#[")).unwrap_or_default();
            let Some(name) = next.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';')) else {
                continue;
            };
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let parent = path.parent().expect("a file lies in a folder");
            let owner =
                if matches!(stem, "mod" | "lib" | "main") { parent.to_owned() } else { parent.join(stem) };
            tests.push(owner.join(name));
            tests.push(owner.join(format!("{name}.rs")));
            // `#[path = "x_tests.rs"] mod tests;`
            tests.push(parent.join(format!("{stem}_{name}.rs")));
        }
    }
    all.into_iter().filter(|path| !tests.iter().any(|test| path.starts_with(test))).collect()
}

/// The text before the inline tests of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn nothing_else_stands_at_the_top() {
    let allowed = BTreeSet::from([
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "CHANGELOG.md",
        "README.md",
        "bridge",
        "mappings",
        "web",
        "systemd",
        "tests",
        "target",
    ]);
    for entry in std::fs::read_dir(root()).expect("the root can be read").flatten() {
        let name = entry.file_name();
        let name = name.to_str().expect("names are UTF-8");
        assert!(name.starts_with('.') || allowed.contains(name), "{name} does not belong at the top");
    }
}

#[test]
fn test_modules_are_told_from_shipped_ones() {
    let shipped = shipped_files(&root().join("bridge"));
    let has = |name: &str| shipped.iter().any(|path| path.ends_with(name));
    assert!(has("bridge/translate/mapping/mod.rs") && has("bridge/store/accept.rs"));
    assert!(!has("bridge/translate/mapping/tests.rs") && !has("bridge/translate/trial.rs"));
}

#[test]
fn arrows_point_one_way() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in shipped_files(&root().join("bridge")) {
        let Some(module) = module_of(&path) else { continue };
        let Some(allowed) = arrows.get(module.as_str()) else {
            wrong.push(format!("{}: module {module} is not in the table of arrows", path.display()));
            continue;
        };
        let text = read(&path);
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for rest in code.split("crate::").skip(1) {
                let target: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let named = arrows.contains_key(target.as_str());
                if named && target != module && !allowed.contains(&target.as_str()) {
                    wrong.push(format!("{}:{}: {module} → {target}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows against the table:\n{}", wrong.join("\n"));
}

#[test]
fn translate_stays_pure() {
    let manifest = read(&root().join("bridge/translate/Cargo.toml"));
    for banned in ["tokio", "rusqlite", "chrono", "reqwest", "renkei-bridge"] {
        assert!(!manifest.contains(&format!("\n{banned}")), "translate depends on {banned}");
    }
    for path in shipped_files(&root().join("bridge/translate")) {
        let text = read(&path);
        for banned in ["std::fs", "std::net", "std::time::SystemTime", "std::thread", "Instant::now"] {
            assert!(!without_tests(&text).contains(banned), "{} uses {banned}", path.display());
        }
    }
}

#[test]
fn no_file_is_past_600_lines() {
    for path in rust_files(&root().join("bridge")).into_iter().chain(rust_files(&root().join("tests"))) {
        let lines = read(&path).lines().count();
        assert!(lines <= 600, "{}: {lines} lines", path.display());
    }
}

#[test]
fn every_module_says_what_it_is() {
    for path in rust_files(&root().join("bridge")).into_iter().chain(rust_files(&root().join("tests"))) {
        assert!(read(&path).starts_with("//!"), "{} does not open with //!", path.display());
    }
}

#[test]
fn every_finding_has_its_sentences() {
    let mut missing = BTreeSet::new();
    for path in shipped_files(&root().join("bridge")) {
        let text = read(&path);
        for call in ["Finding::error(", "Finding::warning(", "Finding::information("] {
            for rest in without_tests(&text).split(call).skip(1) {
                let Some(code) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                if renkei_translate::finding::sentence(code, renkei_translate::finding::Language::Ja)
                    .is_none()
                {
                    missing.insert(code.to_owned());
                }
            }
        }
    }
    assert!(missing.is_empty(), "no row in finding.tsv: {missing:?}");
}

#[test]
fn no_test_is_switched_off() {
    for path in rust_files(&root().join("bridge")).into_iter().chain(rust_files(&root().join("tests"))) {
        let text = read(&path);
        for banned in [concat!("#[", "ignore"), concat!("#[", "should_panic")] {
            assert!(!text.contains(banned), "{} has {banned}", path.display());
        }
    }
}
