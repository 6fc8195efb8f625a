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
    ("intake", &["store", "units", "calendar", "tls", "shape"]),
    ("consent", &["store"]),
    ("pipeline", &["store", "record", "units"]),
    ("forward", &["store", "record", "units"]),
    ("participation", &["store", "record", "units"]),
    (
        "console",
        &["store", "consent", "forward", "participation", "pipeline", "telemetry", "units", "shape", "tls"],
    ),
    ("config", &["units", "calendar", "store", "intake", "forward", "console", "participation", "pipeline"]),
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
            "participation",
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
            "participation",
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

/// The text of a file without what is behind `#[cfg(test)]`: its lines become empty, so that lines still
/// count. Leans on rustfmt: an item ends in `;` or with a closing brace as far in as it begins.
fn without_tests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let shipped = line.trim() != "#[cfg(test)]";
        out.push_str(if shipped { line } else { "" });
        out.push('\n');
        if shipped {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indent}}}");
        let mut begun = false;
        for line in lines.by_ref() {
            out.push('\n');
            let (is_attribute, code) = (line.trim_start().starts_with("#["), line.split("//").next());
            let ends_alone = code.is_some_and(|code| code.trim_end().ends_with([';', ',', '}']));
            let same = line.strip_prefix(indent).is_some_and(|rest| rest.starts_with([')', ']']));
            if line.starts_with(&closing)
                || same && line.ends_with(';')
                || !begun && !is_attribute && ends_alone
            {
                break;
            }
            begun |= !is_attribute;
        }
    }
    out
}

/// The first names behind `crate::` and the lines that they stand on, those of `crate::{a, b::{c, d}}`
/// included.
fn crate_names(text: &str) -> Vec<(usize, String)> {
    // Comments may name what they like.
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        let line_of = |ahead: usize| code[..at + path.len() + ahead].matches('\n').count() + 1;
        let name_at = |from: usize| -> String {
            rest[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if !rest.starts_with('{') {
            found.push((line_of(0), name_at(0)));
            continue;
        }
        let (mut depth, mut expects) = (0, false);
        for (n, c) in rest.char_indices() {
            match c {
                '{' => (depth, expects) = (depth + 1, depth == 0),
                '}' => depth -= 1,
                ',' => expects = depth == 1,
                _ if expects && !c.is_whitespace() => {
                    found.push((line_of(n), name_at(n)));
                    expects = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

#[test]
fn tests_inside_a_file_are_left_out_and_nothing_else() {
    let text = "\
//! x
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = \"a_tests.rs\"]
mod more;
use crate::a;
impl X {
    #[cfg(test)]
    fn f() {
        let _ = \"crate::no\";
    }
    fn g() { crate::b() }
    #[cfg(test)]
    const N: usize = 1;
}
#[cfg(test)]
mod inline {
    use crate::no;
    fn h() {
    }
}
fn k() { crate::c() }
";
    let kept = without_tests(text);
    assert_eq!(kept.lines().count(), text.lines().count());
    assert!(!kept.contains("mod ") && !kept.contains("crate::no") && !kept.contains("fn h"), "{kept}");
    let names: Vec<_> = crate_names(&kept).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(names, ["7 a", "13 b", "23 c"]);
}

#[test]
fn every_name_of_a_grouped_use_is_seen() {
    let text = "use crate::{\n    a::{self, x},\n    b, // crate::no\n    c::{y::{z}, w},\n};\ncrate::d::{e, f};\nuse crate::{g};\n";
    let names: Vec<_> = crate_names(text).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(names, ["2 a", "3 b", "4 c", "6 d", "7 g"]);
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
        for (line, target) in crate_names(&without_tests(&read(&path))) {
            let named = arrows.contains_key(target.as_str());
            if named && target != module && !allowed.contains(&target.as_str()) {
                wrong.push(format!("{}:{line}: {module} → {target}", path.display()));
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
        let text = without_tests(&read(&path));
        for banned in ["std::fs", "std::net", "std::time::SystemTime", "std::thread", "Instant::now"] {
            assert!(!text.contains(banned), "{} uses {banned}", path.display());
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
        let text = without_tests(&read(&path));
        for call in ["Finding::error(", "Finding::warning(", "Finding::information("] {
            for rest in text.split(call).skip(1) {
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
