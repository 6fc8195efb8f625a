//! Each component of an input is changed in turn: what changes in the output is what the table says of it.

use super::{Part, parts};
use crate::hl7v2::Message;
use crate::mapping::functions::LIST;
use crate::mapping::plan::Shape;
use crate::mapping::tests::{context, file, message_file, set};
use crate::mapping::{MappingSet, apply};
use serde_json::Value;
use std::collections::BTreeSet;

/// A function of one target, with inputs that together show all that it reads.
struct Case {
    function: &'static str,
    makes: &'static str,
    to: &'static str,
    /// The type behind the target where the element repeats in the function's own list.
    inputs: &'static [&'static [&'static str]],
}

const UNIT: &str = "MG^ミリグラム^MR9P^A^B^MR9P";

const CASES: &[Case] = &[
    Case {
        function: "CWE",
        makes: "Observation",
        to: "code",
        inputs: &[
            &["1^一^L^2^二^99A^v^v^言葉^3^三^99B"],
            &["^一^^^二^^^^^"],
            &["1^^L^2^二^99A"],
            &["1^一^L^2^二^99A"],
        ],
    },
    Case {
        function: "CWE.codings",
        makes: "Observation",
        to: "code.coding[]",
        inputs: &[&["1^一^L^2^二^99A^v^v^言葉^3^三^99B"]],
    },
    Case {
        function: "Coding",
        makes: "Observation",
        to: "code.coding[]",
        inputs: &[&["1^一^L^2^二^99A"], &["^^^2^二^99A"], &["^^^^^^^^^3^三^99B"]],
    },
    Case {
        function: "ZRD.code",
        makes: "Observation",
        to: "code",
        inputs: &[&["1^一^L^2^錠^99A^v^v^言葉^3^三^99B"], &["1^一"]],
    },
    Case {
        function: "ZRD.code",
        makes: "Observation",
        to: "code.coding[]",
        inputs: &[&["1^一^L^2^錠^99A^v^v^言葉^3^三^99B"]],
    },
    Case { function: "lines", makes: "Observation", to: "valueString", inputs: &[&["一", "二", "三"]] },
    Case {
        function: "insured-id",
        makes: "Observation",
        to: "valueString",
        inputs: &[&["01130012", "12", "34", "01"]],
    },
    Case { function: "CX.patient", makes: "Observation", to: "identifier[]", inputs: &[&["123^4^M10^H^PI"]] },
    Case {
        function: "Quantity",
        makes: "Observation",
        to: "valueQuantity",
        inputs: &[
            &["1.5", UNIT],
            &["1.5", "^ミリグラム^MR9P"],
            &["1.5", "^^^A^B^MR9P"],
            &["1.5", "^^^A^^MR9P"],
            &["1.5", "MG"],
            &["1.5", "^^^^B^MR9P"],
        ],
    },
    Case {
        function: "Quantity.dose",
        makes: "Observation",
        to: "valueQuantity",
        inputs: &[
            &["1.5", UNIT],
            &["1.5", "^ミリグラム^MR9P"],
            &["1.5", "^^^A^B^MR9P"],
            &["1.5", "^^^A^^MR9P"],
            &["1.5", "MG"],
            &["1.5", "^^^^B^MR9P"],
        ],
    },
    Case {
        function: "Quantity.cq",
        makes: "Observation",
        to: "valueQuantity",
        inputs: &[
            &["3^TAB&錠&MR9P&A&B&MR9P"],
            &["3^&錠&MR9P"],
            &["3^&&&A&B&MR9P"],
            &["3^&&&A&&MR9P"],
            &["3^TAB"],
            &["3^&&&&B&MR9P"],
        ],
    },
    Case {
        function: "Quantity.duration",
        makes: "MedicationRequest",
        to: "dispenseRequest.expectedSupplyDuration",
        inputs: &[&["7^D&時間&ISO+"], &["7^&日"], &["7^d"]],
    },
    Case {
        function: "Ratio.per-time",
        makes: "Observation",
        to: "valueRatio",
        inputs: &[
            &["102", UNIT, "D"],
            &["102", "ml/hr^ミリ^ISO+", ""],
            &["102", "^mg/day", ""],
            &["102", "^ミリグラム^MR9P", "D"],
            &["102", "^^^A^B^MR9P", "D"],
            &["102", "^^^A^^MR9P", "D"],
            &["102", "xyz/day", ""],
            &["102", "MG", "H8"],
            &["102", "^^^^B^MR9P", "M"],
        ],
    },
    Case {
        function: "Ratio.per-day",
        makes: "Observation",
        to: "valueRatio",
        inputs: &[
            &["3^TAB&錠&MR9P&A&B&MR9P"],
            &["3^&錠&MR9P"],
            &["3^&&&A&B&MR9P"],
            &["3^&&&A&&MR9P"],
            &["3^TAB"],
            &["3^&&&&B&MR9P"],
        ],
    },
    Case {
        function: "Ratio.per-administration",
        makes: "Observation",
        to: "valueRatio",
        inputs: &[
            &["1", UNIT],
            &["1", "^ミリグラム^MR9P"],
            &["1", "^^^A^B^MR9P"],
            &["1", "^^^A^^MR9P"],
            &["1", "MG"],
            &["1", "^^^^B^MR9P"],
        ],
    },
    Case {
        function: "OBX.value",
        makes: "Observation",
        to: "value[x]",
        inputs: &[
            &["1.5", "NM", UNIT],
            &["1.5", "NM", "^ミリグラム^MR9P"],
            &["1.5", "NM", "^^^A^B^MR9P"],
            &["1.5", "NM", "^^^A^^MR9P"],
            &["1.5", "NM", "MG"],
            &["1.5", "NM", "^^^^B^MR9P"],
            &["1~2", "NM", UNIT],
            &["1~2", "NM", "MG"],
            &["1~2", "NM", "^^^A^B^MR9P"],
            &["1~2", "NM", "^^^A"],
            &["<1.5", "ST", UNIT],
            &["1.5", "ST", UNIT],
            &["陰性", "ST", ""],
            &["1^一^L^2^二^99A^v^v^言葉^3^三^99B", "CWE", ""],
            &["^一^^^二", "CWE", ""],
            &["^^^^二", "CWE", ""],
        ],
    },
    Case {
        function: "referenceRange",
        makes: "Observation",
        to: "referenceRange[]",
        inputs: &[
            &["1-2", UNIT],
            &["1-2", "^ミリグラム^MR9P"],
            &["1-2", "^^^A^B^MR9P"],
            &["1-2", "^^^A^^MR9P"],
            &["1-2", "MG"],
            &["1-2", "^^^^B^MR9P"],
        ],
    },
    Case {
        function: "Period",
        makes: "Observation",
        to: "effectivePeriod",
        inputs: &[&["20240401", "20240402"]],
    },
    Case {
        function: "Timing.jami",
        makes: "MedicationRequest",
        to: "dosageInstruction[0].timing",
        inputs: &[&["1^一^L^2^二^99A^v^v^言葉^3^三^99B"], &["^一^^^二"], &["^^^^二"]],
    },
    Case {
        function: "XTN",
        makes: "Patient",
        to: "telecom[]",
        inputs: &[
            &["1^PRN^PH^m@x^81^03^22^5^n^^^0300"],
            &["1^PRN^CP^m@x"],
            &["a@x^NET^Internet^m@x"],
            &["^PRN^FX^m@x^81^03^22"],
            &["^^^m@x"],
            &["a@x^PRN^PH"],
            &["^PRN^PH^m^^^^^^^^a@x"],
        ],
    },
    Case {
        function: "XAD",
        makes: "Patient",
        to: "address[]",
        inputs: &[
            &["千代田^二階^千代田区^東京都^100-0001^JPN^H^東京都千代田区千代田"],
            &["千代田^二階^千代田区^東京都^100-0001^JPN^H"],
        ],
    },
];

fn map_of(case: &Case) -> MappingSet {
    let from = ["\"ZZ1-1\"", "\"ZZ1-2\"", "\"ZZ1-3\"", "\"ZZ1-4\""][..case.inputs[0].len()].join(", ");
    // What FHIR requires beside the target at test.
    let required: &[(&str, &str)] = match case.makes {
        "Observation" => &[("status", "final"), ("code.text", "X")],
        "MedicationRequest" => &[
            ("status", "active"),
            ("intent", "order"),
            ("medicationCodeableConcept.text", "X"),
            ("subject.display", "X"),
        ],
        _ => &[],
    };
    let head = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let beside = required.iter().filter(|(to, _)| head(to) != head(case.to));
    let rules: String = beside
        .map(|(to, value)| format!("  {{ id = \"{to}\", to = \"{to}\", fixed = \"{value}\" }},\n"))
        .collect();
    let text = format!(
        "[map]\nid = \"m\"\ntitle = {{ ja = \"図\", en = \"m\" }}\nfor = \"ZZ1\"\nmakes = \"{}\"\nprofile = \"none\"\nkey = [\"'k'\"]\n\
         rules = [\n{rules}  {{ id = \"r\", to = \"{}\", from = [{from}], as = \"{}\" }},\n]\n",
        case.makes, case.to, case.function
    );
    let message = "unit = [\"'u'\"]\nreplaces = \"unit\"\nmaps = [\"m\"]\n";
    set(vec![file("maps/m.toml", &text), message_file("T", message)]).expect("the set loads")
}

fn leaves(path: &str, value: &Value, out: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, v) in map {
                leaves(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, v, out);
            }
        }
        Value::Array(list) => list.iter().for_each(|v| leaves(path, v, out)),
        leaf => {
            out.insert((path.to_owned(), leaf.to_string()));
        }
    }
}

/// What is written for the inputs: elements with their values.
fn written(set: &MappingSet, inputs: &[String]) -> BTreeSet<(String, String)> {
    let text = format!("MSH|^~\\&|||||20240401||T|1|P|2.5\rPID|||1\rZZ1|{}\r", inputs.join("|"));
    let (message, _) = Message::parse(text).expect("a message");
    let mut out = BTreeSet::new();
    for resource in apply(set, &message, &context()).resources.iter().filter(|r| r.map == "m") {
        leaves("", &serde_json::from_slice(&resource.json).expect("JSON"), &mut out);
    }
    out
}

/// Other texts in place of one.
fn others(text: &str) -> Vec<String> {
    let mut out = vec![format!("{text}X"), format!("x{text}"), text.replace('<', ">"), text.replace(' ', "")];
    if let Some(digit) = text.chars().last().filter(char::is_ascii_digit) {
        let next = char::from_digit((digit.to_digit(10).unwrap_or(0) + 1) % 10, 10).unwrap_or('0');
        out.push(format!("{}{next}", &text[..text.len() - 1]));
    }
    if let Some((low, high)) = text.split_once('-') {
        out.push(format!("0{low}-{high}5"));
        out.push(format!("{low}5-{high}"));
    }
    // Codes that the function knows.
    out.extend(
        ["WPN", "PRN", "NET", "FX", "CP", "PH", "B", "H", "ST", "h", "min", "d", "分", "日", "ml/min"]
            .map(str::to_owned),
    );
    out.retain(|other| other != text);
    out
}

/// The input with one component or subcomponent changed, in several ways; none where it has nothing there.
fn changed(input: &str, at: &[u16]) -> Vec<String> {
    let parts: Vec<&str> = input.split('^').collect();
    let with = |n: usize, text: String| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[n] = text;
        parts.join("^")
    };
    match *at {
        [] if input.is_empty() => Vec::new(),
        [] => others(input),
        [component] => {
            let n = usize::from(component) - 1;
            let Some(part) = parts.get(n).filter(|part| !part.is_empty()) else { return Vec::new() };
            others(part).into_iter().map(|text| with(n, text)).collect()
        }
        [component, sub, ..] => {
            let (n, m) = (usize::from(component) - 1, usize::from(sub) - 1);
            let subs: Vec<&str> = parts.get(n).map_or_else(Vec::new, |part| part.split('&').collect());
            let Some(old) = subs.get(m).filter(|sub| !sub.is_empty()) else { return Vec::new() };
            let put = |text: String| {
                let mut subs: Vec<String> = subs.iter().map(|sub| (*sub).to_owned()).collect();
                subs[m] = text;
                with(n, subs.join("&"))
            };
            others(old).into_iter().map(put).collect()
        }
    }
}

/// The elements below the target that differ when a part of an input does, in any of the case's inputs. What is
/// there in one of the two alone says only that the whole was made or not.
fn depends(set: &MappingSet, case: &Case, input: usize, at: &[u16]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for inputs in case.inputs {
        let whole: Vec<String> = inputs.iter().map(|text| (*text).to_owned()).collect();
        let before = written(set, &whole);
        for text in changed(&whole[input - 1], at) {
            let mut other = whole.clone();
            other[input - 1] = text;
            let after = written(set, &other);
            let in_both = |path: &str| {
                before.iter().any(|(known, _)| known == path) && after.iter().any(|(known, _)| known == path)
            };
            let differs = before.symmetric_difference(&after).map(|(path, _)| path.clone());
            out.extend(differs.filter(|path| in_both(path)));
        }
    }
    let bare: String = case.to.replace("[]", "").replace("[0]", "");
    let bare = bare.strip_suffix("[x]").unwrap_or(&bare).to_owned();
    out.iter()
        .filter_map(|path| path.strip_prefix(&bare))
        .map(|rest| rest.trim_start_matches('.').to_owned())
        .collect()
}

/// What the table says of a part, and of those inside it.
fn said(list: &[Part], input: usize, at: &[u16]) -> BTreeSet<String> {
    let inside = |part: &&Part| part.input == input && (part.at.starts_with(at) || at.starts_with(part.at));
    list.iter().filter(inside).map(|part| part.below.to_owned()).collect()
}

fn shape(case: &Case) -> Shape {
    match case.to {
        "code" => Shape::CodeableConcept,
        "code.coding[]" => Shape::Coding,
        _ => Shape::Other,
    }
}

#[test]
fn what_a_function_reads_is_what_its_table_says() {
    let mut wrong = Vec::new();
    for case in CASES {
        let n = LIST.iter().position(|function| function.name == case.function).expect("a function");
        let (list, set) = (parts(n, shape(case)), map_of(case));
        for input in 1..=case.inputs[0].len() {
            let mut seen: BTreeSet<&[u16]> = list.iter().filter(|p| p.input == input).map(|p| p.at).collect();
            let all: Vec<[u16; 1]> = (1..=12).map(|n| [n]).collect();
            seen.extend(all.iter().map(<[u16; 1]>::as_slice));
            for at in seen {
                let depends = depends(&set, case, input, at);
                let said = said(list, input, at);
                // Every element that depends on it is in the table: none is read that the table leaves out.
                let missing: Vec<_> =
                    depends.iter().filter(|path| !said.contains(*path) && !said.contains("")).collect();
                if !missing.is_empty() {
                    wrong.push(format!(
                        "{} input {input} {at:?}: not in the table: {missing:?}",
                        case.function
                    ));
                }
                // What the table says of exactly this part depends on it.
                let own =
                    list.iter().filter(|part| part.input == input && part.at == at && !part.below.is_empty());
                for part in own.filter(|part| !depends.contains(part.below)) {
                    wrong.push(format!(
                        "{} input {input} {at:?}: does not make {}",
                        case.function, part.below
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_that_makes_a_node_has_its_case() {
    for function in
        LIST.iter().filter(|function| !function.makes.starts_with(|c: char| c.is_ascii_lowercase()))
    {
        assert!(CASES.iter().any(|case| case.function == function.name), "{}", function.name);
    }
}
