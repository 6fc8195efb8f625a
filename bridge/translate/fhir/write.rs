//! Nodes as JSON: the same bytes as `serde_json` writes, without a serializer between node and text.

use super::{Arena, Id, Keys, Read, Watch, key};
use crate::quick;

/// Writes the node and all below it; shows it to `watch` and hands each literal reference to `refers`.
pub(super) fn node<'a>(
    arena: &'a Arena,
    keys: &Keys,
    id: Id,
    out: &mut String,
    watch: &mut impl Watch<'a>,
    refers: &mut impl FnMut(&'a str),
) {
    match arena.read(id) {
        Read::Object => {
            watch.open(true);
            let mut before = "{";
            for (key, child) in arena.children(id) {
                out.push_str(before);
                before = ",";
                out.push_str(&keys.written[key.0 as usize]);
                watch.key(key);
                node(arena, keys, child, out, watch, refers);
                if key == key::REFERENCE
                    && let Read::Text(text) = arena.read(child)
                    && !text.starts_with('#')
                {
                    refers(text);
                }
            }
            watch.close();
            out.push_str(if before == "{" { "{}" } else { "}" });
        }
        Read::Array => {
            watch.open(false);
            let mut before = "[";
            for (_, child) in arena.children(id) {
                out.push_str(before);
                before = ",";
                node(arena, keys, child, out, watch, refers);
            }
            watch.close();
            out.push_str(if before == "[" { "[]" } else { "]" });
        }
        Read::Text(value) => {
            let plain = text(value, out);
            watch.text(value, plain);
        }
        Read::Number(value) => {
            out.push_str(value);
            watch.number(value);
        }
        Read::Boolean(value) => {
            out.push_str(if value { "true" } else { "false" });
            watch.boolean();
        }
    }
}

/// A name of a member, with the colon behind it.
pub(super) fn member(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 3);
    text(name, &mut out);
    out.push(':');
    out
}

/// Writes a string; whether it could be copied as it is.
fn text(value: &str, out: &mut String) -> bool {
    out.push('"');
    // Hardly any text needs more than to be copied.
    let plain = quick::nowhere(value.as_bytes(), |w| {
        quick::below(w, b' ') | quick::has(w, b'"') | quick::has(w, b'\\')
    });
    if plain {
        out.push_str(value);
    } else {
        value.chars().for_each(|c| character(c, out));
    }
    out.push('"');
    plain
}

fn character(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn every_character_is_written_as_serde_json_writes_it() {
        let all: String = ('\0'..='\u{ff}').chain("漢字\u{2028}😀".chars()).collect();
        for value in all.chars().map(String::from).chain([all.clone(), String::new()]) {
            let mut out = String::new();
            text(&value, &mut out);
            assert_eq!(out, serde_json::to_string(&value).unwrap());
        }
    }
}
