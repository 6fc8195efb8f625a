//! Target paths: `name[]`, `identifier[rpNumber].value`, `extension[Name].valueString`, `value[x]`.

use super::compile::Known;
use super::plan::{Index, Plan, Shape, Step, Target};
use super::problem::{Words, words};
use crate::profile::r4;

/// The JSON names of types behind a `[x]`, as functions make them.
pub(crate) const CHOICES: &[&str] = &[
    "String",
    "Quantity",
    "CodeableConcept",
    "Boolean",
    "DateTime",
    "Time",
    "Integer",
    "Decimal",
    "Period",
    "Range",
    "Ratio",
    "Code",
    "Coding",
    "Date",
    "Instant",
    "Reference",
    "Duration",
    "Uri",
    "Identifier",
    "Timing",
    "Age",
    "SampledData",
];

/// Parses a target path and checks it against the elements of FHIR R4.
pub(crate) fn parse(makes: &str, text: &str, plan: &mut Plan, known: &Known) -> Result<Target, Words> {
    let mut steps = Vec::new();
    // The path so far, as the element table knows it.
    let mut at = makes.to_owned();
    let parts: Vec<&str> = split(text);
    for (n, part) in parts.iter().enumerate() {
        let (name, bracket) = match part.split_once('[') {
            Some((name, rest)) => (
                name,
                Some(rest.strip_suffix(']').ok_or_else(|| {
                    words(format!("「{text}」のかっこが閉じていません。"), "a bracket is not closed")
                })?),
            ),
            None => (*part, None),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(words(
                format!("「{text}」は出力先として読めません。"),
                format!("'{text}' is not a target path"),
            ));
        }
        if bracket == Some("x") {
            if n + 1 < parts.len() {
                return Err(words(
                    format!("「{text}」: [x] の下には書けません。"),
                    format!("'{text}': nothing may stand below [x]"),
                ));
            }
            let mut choice = Vec::with_capacity(CHOICES.len());
            for kind in CHOICES {
                choice.push((*kind, plan.keys.intern(&format!("{name}{kind}"))));
            }
            let element = r4::element(&format!("{at}.{name}[x]"));
            if element.is_none() {
                return Err(no_element(&format!("{at}.{name}[x]")));
            }
            let key = plan.keys.intern(name);
            steps.push(Step { key, index: Index::Single, choice });
            return Ok(Target { text: text.to_owned(), steps, shape: Shape::Other, kind: String::new() });
        }
        let below = format!("{at}.{name}");
        let known_type = r4::type_of(&below);
        let array = r4::is_array(&below);
        if array.is_none() {
            return Err(no_element(&below));
        }
        let key = plan.keys.intern(name);
        let index = match bracket {
            None if array == Some(true) => {
                return Err(words(
                    format!("{below} は繰り返す要素です。{name}[] または {name}[0] と書きます。"),
                    format!("{below} repeats: write {name}[] or {name}[0]"),
                ));
            }
            None => Index::Single,
            Some(_) if array != Some(true) => {
                return Err(words(
                    format!("{below} は一つだけの要素です。[ ] は付けません。"),
                    format!("{below} does not repeat: write it without brackets"),
                ));
            }
            Some("") => Index::Append,
            Some("first") => Index::At(0),
            Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => {
                Index::At(number.parse().map_err(|_| too_large(text))?)
            }
            Some(slice) => named(name, slice, plan, known)?,
        };
        if let Index::At(n) = index
            && n > 99
        {
            return Err(too_large(text));
        }
        at = match (name, bracket.and_then(|b| b.split_once(':'))) {
            ("contained", Some((_, kind))) => kind.trim().to_owned(),
            _ => known_type.map_or(below, str::to_owned),
        };
        steps.push(Step { key, index, choice: Vec::new() });
        // `extension[Name]` with a value in the table writes that value.
        if name == "extension"
            && n + 1 == parts.len()
            && let Some((_, value)) = bracket.and_then(|b| known.extensions.get(b))
            && !value.is_empty()
        {
            at = r4::type_of(&format!("Extension.{value}")).unwrap_or_default().to_owned();
            steps.push(Step { key: plan.keys.intern(value), index: Index::Single, choice: Vec::new() });
        }
    }
    if steps.is_empty() {
        return Err(words("to が空です。", "to is empty"));
    }
    let shape = match at.as_str() {
        "boolean" => Shape::Boolean,
        "integer" | "positiveInt" | "unsignedInt" | "decimal" => Shape::Number,
        "Coding" => Shape::Coding,
        "CodeableConcept" => Shape::CodeableConcept,
        lower if lower.starts_with(|c: char| c.is_ascii_lowercase()) => Shape::Text,
        _ => Shape::Other,
    };
    Ok(Target { text: text.to_owned(), steps, shape, kind: at })
}

fn no_element(path: &str) -> Words {
    words(
        format!("FHIR R4 に {path} という要素はありません。綴りを確かめてください。"),
        format!("FHIR R4 has no element {path}: check its spelling"),
    )
}

fn too_large(text: &str) -> Words {
    words(format!("「{text}」: 番号は [99] までです。"), format!("'{text}': at most [99]"))
}

fn no_row(table: &str, name: &str) -> Words {
    words(
        format!("tables/{table}.csv に {name} という行がありません。"),
        format!("tables/{table}.csv has no '{name}'"),
    )
}

fn named(name: &str, slice: &str, plan: &mut Plan, known: &Known) -> Result<Index, Words> {
    if name == "contained" {
        let (id, kind) = slice
            .split_once(':')
            .ok_or_else(|| words("contained は [名前: 種類] と書きます。", "contained wants [name: Type]"))?;
        let fixed = vec![
            (vec![plan.keys.intern("resourceType")], kind.trim().to_owned()),
            (vec![plan.keys.intern("id")], id.trim().to_owned()),
        ];
        return Ok(Index::Named(plan.symbols.intern(id.trim()), fixed));
    }
    let fixed = if name == "extension" {
        let (url, _) = known.extensions.get(slice).ok_or_else(|| no_row("extensions", slice))?;
        vec![(vec![plan.keys.intern("url")], url.clone())]
    } else {
        let rows = known.slices.get(slice).ok_or_else(|| no_row("slices", slice))?;
        rows.iter()
            .map(|row| (row.path.iter().map(|p| plan.keys.intern(p)).collect(), row.value.clone()))
            .collect()
    };
    Ok(Index::Named(plan.symbols.intern(slice), fixed))
}

/// Splits at points outside brackets.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// Whether two targets are types of the same `[x]`: `performedPeriod` and `performedDateTime`.
pub(crate) fn same_choice(a: &Target, b: &Target) -> bool {
    let base = |target: &Target| {
        let text = target.text.strip_suffix("[x]").unwrap_or(&target.text);
        base(text).unwrap_or(text).to_owned()
    };
    base(a) == base(b)
}

/// The name of an element without the type that was chosen: `performed` of `performedPeriod`.
pub(crate) fn base(name: &str) -> Option<&str> {
    CHOICES.iter().filter_map(|choice| name.strip_suffix(choice)).min_by_key(|base| base.len())
}
