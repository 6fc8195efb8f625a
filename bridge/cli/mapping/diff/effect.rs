//! What two translations of one message differ in, gathered by pattern.

use renkei_translate::translation::{Status, Translation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of an example's value.
const VALUE_CHARS: usize = 60;

/// What changes in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    /// The type of the resource; `message` or `finding` where those are meant.
    what: String,
    /// Where, without the places in lists: `code.coding[].system`.
    path: String,
    from: &'static str,
    to: &'static str,
}

/// How often, with one of them.
#[derive(Debug, Default)]
struct Seen {
    count: u64,
    example: String,
    /// `from → to` of the example.
    values: String,
}

/// What the messages so far bring.
#[derive(Debug, Default)]
pub(in crate::cli::mapping) struct Effect {
    seen: BTreeMap<Pattern, Seen>,
    /// Messages of which anything changes.
    pub(in crate::cli::mapping) changed: u64,
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Translated => "translated",
        Status::Quarantined => "quarantined",
        Status::Excluded => "excluded",
    }
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "list",
        Some(Value::Object(_)) => "object",
    }
}

/// Where two values differ: path, what stood there, what stands there.
type Difference<'v> = (String, Option<&'v Value>, Option<&'v Value>);

fn differ<'v>(path: &str, a: Option<&'v Value>, b: Option<&'v Value>, out: &mut Vec<Difference<'v>>) {
    match (a, b) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, a.get(key), b.get(key), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for n in 0..a.len().max(b.len()) {
                differ(&format!("{path}[]"), a.get(n), b.get(n), out);
            }
        }
        (a, b) => out.push((path.to_owned(), a, b)),
    }
}

fn short(value: Option<&Value>) -> String {
    let text = value.map(Value::to_string).unwrap_or_else(|| "absent".to_owned());
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The resources of a translation by type and id; those that share both (an Encounter without an id) by their place.
fn resources(translation: &Translation) -> BTreeMap<(String, String), Value> {
    let mut out = BTreeMap::new();
    for (n, resource) in translation.resources.iter().enumerate() {
        let id = if resource.id.is_empty() { format!("#{n}") } else { resource.id.clone() };
        let json = serde_json::from_slice(&resource.json).unwrap_or_default();
        out.insert((resource.resource_type.clone(), id), json);
    }
    out
}

impl Effect {
    /// Adds what one message becomes by either set.
    pub(in crate::cli::mapping) fn add(
        &mut self,
        a: &Translation,
        b: &Translation,
        name: impl Fn() -> String,
    ) {
        // What one message brings, each pattern once a resource.
        let mut found: Vec<(Pattern, String)> = Vec::new();
        let pattern = |what: &str, path: &str, from, to| Pattern {
            what: what.to_owned(),
            path: path.to_owned(),
            from,
            to,
        };
        if a.status != b.status {
            let kind = b.kind.as_deref().or(a.kind.as_deref()).unwrap_or_default();
            found.push((pattern("message", kind, word(a.status), word(b.status)), String::new()));
        }
        let codes = |one: &Translation| -> BTreeSet<String> {
            one.findings.iter().map(|finding| finding.code.to_string()).collect()
        };
        let (before, after) = (codes(a), codes(b));
        for code in before.symmetric_difference(&after) {
            let (from, to) = if before.contains(code) { ("said", "not said") } else { ("not said", "said") };
            found.push((pattern("finding", code, from, to), String::new()));
        }
        let (before, after) = (resources(a), resources(b));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (from, to) = (before.get(key), after.get(key));
            if from.is_none() || to.is_none() {
                let word = |value: Option<&Value>| if value.is_some() { "made" } else { "absent" };
                found.push((pattern(&key.0, "", word(from), word(to)), String::new()));
                continue;
            }
            let mut differences = Vec::new();
            differ("", from, to, &mut differences);
            let mut of_resource = BTreeMap::new();
            for (path, from, to) in differences {
                let values = format!("{} → {}", short(from), short(to));
                of_resource.entry(pattern(&key.0, &path, kind(from), kind(to))).or_insert(values);
            }
            found.extend(of_resource);
        }
        self.changed += u64::from(!found.is_empty());
        for (pattern, values) in found {
            let seen = self.seen.entry(pattern).or_default();
            if seen.count == 0 {
                (seen.example, seen.values) = (name(), values);
            }
            seen.count += 1;
        }
    }

    /// A line for each pattern, the most frequent first.
    pub(in crate::cli::mapping) fn lines(&self, values: bool) -> Vec<String> {
        let mut all: Vec<(&Pattern, &Seen)> = self.seen.iter().collect();
        all.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
        let line = |(pattern, seen): (&Pattern, &Seen)| {
            let Pattern { what, path, from, to } = pattern;
            let dot = if path.is_empty() { "" } else { "." };
            let values = match values && !seen.values.is_empty() {
                true => format!("  {}", seen.values),
                false => String::new(),
            };
            format!("{:>9}  {what}{dot}{path}: {from} → {to}  ({}){values}", seen.count, seen.example)
        };
        all.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Effect;
    use renkei_translate::finding::{Finding, Location};
    use renkei_translate::translation::{Resource, Role, Status, Translation};

    fn made(resources: &[(&str, &str)]) -> Translation {
        let resource = |(id, json): &(&str, &str)| Resource {
            resource_type: "Patient".into(),
            id: (*id).into(),
            role: Role::Unit,
            map: "patient".into(),
            json: json.as_bytes().to_vec(),
            references: Vec::new(),
            yields: false,
            line: String::new(),
        };
        Translation {
            status: Status::Translated,
            resources: resources.iter().map(resource).collect(),
            ..Translation::held(Vec::new())
        }
    }

    #[test]
    fn changes_are_gathered_by_pattern_and_their_values_are_not_told() {
        let a = made(&[
            ("1", r#"{"name":[{"text":"A"},{"text":"B"}],"gender":"male"}"#),
            ("2", r#"{"active":true}"#),
        ]);
        let b = made(&[("1", r#"{"name":[{"text":"C"},{"text":"D"}],"gender":"male","birthDate":"1970"}"#)]);
        let mut effect = Effect::default();
        effect.add(&a, &b, || "x.hl7".into());
        effect.add(&a, &b, || "y.hl7".into());
        effect.add(&a, &a, || "z.hl7".into());
        assert_eq!(effect.changed, 2);
        assert_eq!(
            effect.lines(false),
            [
                "        2  Patient: made → absent  (x.hl7)",
                "        2  Patient.birthDate: absent → text  (x.hl7)",
                // Two names of one resource are one.
                "        2  Patient.name[].text: text → text  (x.hl7)",
            ]
        );
        assert!(effect.lines(true)[2].ends_with(r#"(x.hl7)  "A" → "C""#));
    }

    #[test]
    fn how_a_message_ends_and_what_is_said_of_it_are_changes_too() {
        let a = made(&[]);
        let b = Translation::held(vec![Finding::error("field-empty", Location::default())]);
        let mut effect = Effect::default();
        effect.add(&a, &Translation { kind: Some("ADT-00".into()), ..b }, String::new);
        assert_eq!(
            effect.lines(false),
            [
                "        1  finding.field-empty: not said → said  ()",
                "        1  message.ADT-00: translated → quarantined  ()",
            ]
        );
    }
}
