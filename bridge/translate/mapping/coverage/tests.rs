//! The coverage of small sets, and that of the shipped one against what the engine says it read.

use super::against::{Standing, Table, judge, read};
use super::{Kind, MessageCoverage, Reason, State, Use};
use crate::hl7v2::Message;
use crate::mapping::tests::{context, file, message_file, set, shipped};
use crate::mapping::{MappingSet, trace};
use std::path::Path;

const MAP: &str = r#"
[map]
id = "m"
title = { ja = "図", en = "m" }
for = "ORDER"
makes = "Observation"
profile = "none"
when = "not ORC-1 = 'CA'"
key = ["$rp"]
let = [
  { name = "orc4", from = "ORC-4", as = "form '{order}_{rp}', '{rp}'" },
  { name = "rp", from = "$orc4.rp", when = "ORC-5 valued", else = "next" },
  { name = "rp", from = "ORC-6" },
  { name = "found", find = "OBX in message where .3.1 = OBR-26.1 and .4 = OBR-26.2" },
]
rules = [
  { id = "what", to = "code.text", fixed = "X" },
  { id = "number", to = "identifier[]", from = "$rp", as = "Number" },
  { id = "status", to = "status", fixed = "final", when = "OBR-25 = 'F'", else = "next" },
  { id = "status-2", to = "status", fixed = "unknown" },
  { id = "from-found", to = "note[].text", from = "$found.5" },
  { id = "value", to = "value[x]", from = ["OBX[.3.1 = '1']-5", "OBX-2", "OBX-6"], as = "OBX.value", when = "OBX-8 valued" },
  { id = "part", to = "component[]", each = "OBX", use = "part" },
  { id = "who", to = "performer[]", from = "ORC-12[*]", as = "ref Practitioner" },
]
[[submap]]
id = "part"
makes = "Observation.component"
rules = [
  { id = "code", to = "code", from = "OBX-3", as = "CWE" },
  { id = "rp", to = "valueString", from = "$rp" },
  { id = "own", to = "dataAbsentReason.text", from = ".11" },
]
"#;
const TYPE: &str = "[[type]]\nid = \"Number\"\nmakes = \"Identifier\"\nrules = [{ id = \"value\", to = \"value\", from = \".\" }]\n";
const WHO: &str = "[map]\nid = \"practitioner\"\ntitle = { ja = \"人\", en = \"who\" }\nfor = \"XCN\"\nmakes = \"Practitioner\"\nprofile = \"none\"\n\
                   key = [\".1\"]\nrules = [{ id = \"name\", to = \"name[].family\", from = \".2.1\" }]\n";

fn small() -> MappingSet {
    let message = "groups = [\"ORDER = ORC OBR OBX*\"]\nunit = [\"'u'\", \"ORC-2.1\"]\nreplaces = \"unit\"\ncancel = \"ORC-16 = 'X'\"\nmaps = [\"m\"]\n\
                   skip = [{ from = \"ORC-10\", why = { ja = \"送らない\", en = \"not sent\" } }, { from = \"NTE\", why = { ja = \"注\", en = \"note\" } }]\n";
    let files = vec![
        file("maps/m.toml", MAP),
        file("maps/practitioner.toml", WHO),
        file("types/n.toml", TYPE),
        message_file("T", message),
    ];
    set(files).expect("the set loads")
}

/// `position kind path rule` of a message's uses.
fn printed(one: &Use) -> String {
    let position = one.position.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{position} {} {} {}", one.kind.as_str(), one.path(), one.rule)
}

#[test]
fn names_finds_conditions_submaps_types_and_references_lead_to_their_positions() {
    let all = small().coverage();
    let uses: Vec<String> = all[0].uses.iter().map(printed).collect();
    for wanted in [
        // A name through a form, and the row that stands in for it.
        "ORC-4 written Observation.identifier[].value m/number > Number/value",
        "ORC-6 written Observation.identifier[].value m/number > Number/value",
        "ORC-4 key Observation m/key",
        "ORC-5 decides Observation m/$rp",
        // A fixed value is chosen by its condition; another condition only decides.
        "OBR-25 chosen Observation.status m/status",
        "OBX-8 decides Observation.value[x] m/value",
        "OBX-3.1 decides Observation.value[x] m/value",
        // Of a find the part that is read, and what finds it.
        "OBX-5 written Observation.note[].text m/from-found",
        "OBR-26.2 written Observation.note[].text m/from-found",
        "OBX-4 decides Observation.note[].text m/from-found",
        // Each input of a function makes its own part.
        "OBX-5 written Observation.valueQuantity.value m/value",
        "OBX-6.1 written Observation.valueQuantity.code m/value",
        "OBX-2 written Observation.value[x] m/value",
        // A submap sees its segment, the names outside, and `.` as its segment.
        "OBX-3.1 written Observation.component[].code.coding.code m/part > part/code",
        "ORC-4 written Observation.component[].valueString m/part > part/rp",
        "OBX-11 written Observation.component[].dataAbsentReason.text m/part > part/own",
        // A reference, and what it makes of the value.
        "ORC-12 written Observation.performer[].reference m/who",
        "ORC-12.2.1 written Practitioner.name[].family m/who > practitioner/name",
        "ORC-12.1 key Practitioner m/who > practitioner/key",
        // The message itself.
        "ORC-2.1 key  T/unit",
        "ORC-16 decides  T/cancel",
        "MSH-9.1 decides  T/is",
        "ORC-1 decides Observation m/when",
    ] {
        assert!(uses.iter().any(|one| one == wanted), "{wanted}\n{}", uses.join("\n"));
    }
    assert!(
        !uses.iter().any(|one| one.starts_with("OBX-6") && one.contains("valueQuantity.value ")),
        "inputs apart"
    );
    assert!(!uses.iter().any(|one| one.starts_with("ORC-10")), "what nobody reads");
}

#[test]
fn a_field_is_written_decides_is_skipped_or_unread() {
    let all = small().coverage();
    let state = |segment: &str, field: u16| all[0].field(segment, field).state;
    assert_eq!(state("ORC", 4), State::Written);
    assert_eq!(state("OBR", 25), State::Written, "a chosen value is content");
    assert_eq!(state("ORC", 16), State::Decides);
    assert_eq!(state("ORC", 2), State::Decides, "the unit alone");
    assert_eq!(state("ORC", 10), State::Skipped);
    assert_eq!(state("NTE", 3), State::Skipped, "a whole segment");
    assert_eq!(state("MSH", 10), State::Engine);
    assert_eq!(state("ORC", 11), State::Unread);
    assert_eq!(all[0].field("ORC", 10).why.map(|why| why.ja.as_str()), Some("送らない"));
}

const JAMI: &str = "kind,map,line,src,src_text,target,target_text,equivalence,comment,note\n\
    message,Message T to Bundle,2,T.ORDER.OBX,,Observation,,,,\n\
    segment,Segment X to Observation,3,ORC-4,,Observation.identifier,,,,\n\
    segment,Segment X to Observation,4,OBX-5,,Observation.valueQuantity.value,,,,\n\
    segment,Segment X to Observation,5,OBX-6,,Observation.valueQuantity.value,,,,\n\
    segment,Segment X to Observation,6,ORC-11,,Observation.issued,,,,\n\
    segment,Segment X to Observation,7,ORC-10,,Observation.performer,,,,\n\
    segment,Segment X to Observation,8,ZZ9-1,,Observation.method,,,,\n\
    segment,Segment X to Observation,9,ORC-9,,,,,,\n\
    segment,Segment ADT_99_X to Observation,10,ORC-4,,Observation.identifier,,,,\n\
    table,Table v2-0085 to AdministrativeGender,11,M,,male,,,,\n\
    table,Table v2-0085 to AdministrativeGender,12,X,,male,,,,\n";
const HL7: &str = "kind,map,line,src,v2type,cond,cond_text,target,ftype,dt_map,vocab_map_or_segment_map,assign_or_references\n\
    segment,ORC[Observation],3,ORC-12,XCN,,,performer[1](Practitioner.name),,XCN[Practitioner],,\n\
    segment,OBX[Observation],4,OBX-3,CWE,,,component[each].code,,CWE[CodeableConcept],,\n\
    segment,OBX[Observation],5,OBX-11,ID,,,status,,,Status,\"\"\"final\"\"\"\n\
    datatype,XCN[Practitioner],3,XCN.2,FN,,,name.family,,,,\n\
    datatype,XCN[Practitioner],4,XCN.3,ST,,,name.given,,,,\n\
    datatype,CWE[CodeableConcept],3,CWE.1,ST,,,coding[1].code,,,,\n\
    datatype,CWE[CodeableConcept],4,CWE.7,ST,,,coding[1].version,,,,\n\
    datatype,CX[Identifier],4,CX.1,ST,,,value,,,,\n";

fn judged(reasons: &[Reason]) -> (Vec<String>, Vec<String>) {
    let set = set(vec![
        file("maps/m.toml", MAP),
        file("maps/practitioner.toml", WHO),
        file("types/n.toml", TYPE),
        message_file("T", "groups = [\"ORDER = ORC OBR OBX*\"]\nunit = [\"'u'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"m\"]\nskip = [{ from = \"ORC-10\", why = { ja = \"送らない\", en = \"not sent\" } }]\n"),
    ])
    .expect("the set loads");
    let all = set.coverage();
    let mut rows = read(Table::Jami, JAMI).expect("a table");
    rows.extend(read(Table::Hl7, HL7).expect("a table"));
    let judgement = judge(&set, &all, &rows, reasons);
    let lines = judgement
        .rows
        .iter()
        .map(|row| {
            let why = row.why.as_ref().map_or("-", |why| why.en.as_str());
            let why = if row.standing == Standing::Executed { &row.by[0] } else { why };
            format!("{} {} {}: {why}", row.row.source, row.row.target, row.standing.as_str())
        })
        .collect();
    (lines, judgement.idle)
}

#[test]
fn a_row_is_executed_where_the_plan_writes_that_element_from_that_position() {
    let (lines, _) = judged(&[]);
    let wanted = [
        "T.ORDER.OBX Observation executed: T m/value",
        "ORC-4 Observation.identifier executed: T m/number > Number/value",
        "OBX-5 Observation.valueQuantity.value executed: T m/value",
        // The unit is not the value.
        "OBX-6 Observation.valueQuantity.value deviating: -",
        "ORC-11 Observation.issued absent: -",
        "ORC-10 Observation.performer deviating: not sent",
        "ZZ9-1 Observation.method absent: no message of the set reads ZZ9: it is counted as unread where it comes",
        "ORC-4 Observation.identifier absent: the set has no message file for ADT-99",
        "M male executed: T patient/gender",
        "X male absent: -",
        "ORC-12 performer[1](Practitioner.name) executed: T m/who > practitioner/name",
        "OBX-3 component[each].code executed: T m/part > part/code",
        "OBX-11 status executed: T m/status",
        "XCN.2 name.family executed: T m/who > practitioner/name",
        "XCN.3 name.given absent: -",
        "CWE.1 coding[1].code executed: T m/part > part/code",
        "CWE.7 coding[1].version absent: -",
        "CX.1 value absent: none of the rows that name this map is executed (see their reasons)",
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn a_reason_speaks_for_a_row_that_is_not_executed_and_is_named_where_no_row_needs_it() {
    let header = "table,kind,map,source,target,ja,en\n";
    let rows = "jami,segment,*,ORC-11,*,理由,because\njami,segment,*,ORC-4,*.identifier,理由,idle\nhl7,datatype,CWE[*,*,*version,版,version\n";
    let files = [file("coverage/x.csv", &format!("{header}{rows}"))];
    let reasons = super::reasons(&files).expect("reasons");
    let (lines, idle) = judged(&reasons);
    assert!(lines.contains(&"ORC-11 Observation.issued absent: because".to_owned()), "{lines:?}");
    assert!(lines.contains(&"CWE.7 coding[1].version absent: version".to_owned()), "{lines:?}");
    // ORC-4 is executed in one map and of no message file in the other: that one takes the reason.
    assert!(idle.is_empty(), "{idle:?}");
    let only = super::reasons(&[file("coverage/x.csv", &format!("{header}jami,*,*,OBX-5,*,理由,idle\n"))]);
    let (_, idle) = judged(&only.expect("reasons"));
    assert_eq!(idle, ["coverage/x.csv:2"]);
}

/// A position of the engine without its occurrences: `OBX[2]-5[1].3` → OBX, 5.
fn field_of(position: &str) -> Option<(String, u16)> {
    let mut depth = 0;
    let bare: String = position
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '[');
            let keep = depth == 0;
            depth -= i32::from(*c == ']');
            keep
        })
        .collect();
    let (segment, rest) = bare.split_once('-')?;
    Some((segment.to_owned(), rest.split('.').next()?.parse().ok()?))
}

fn bare(path: &str) -> String {
    path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join(".")
}

/// Whether the coverage knows of what the engine says it did.
fn known(coverage: &MessageCoverage, rule: &str, path: &str, segment: &str, field: u16) -> bool {
    let path = bare(path);
    coverage.uses.iter().any(|one| {
        let here =
            one.position.as_ref().is_some_and(|p| p.segment == segment && (p.field == field || p.field == 0));
        let target = bare(&one.target);
        let same = target.starts_with(&path) || path.starts_with(&target);
        here && same && one.kind != Kind::Fixed && one.rule.split(" > ").any(|part| part == rule)
    })
}

#[test]
fn what_the_engine_reads_for_a_value_is_in_the_coverage() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    let all = set.coverage();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let (mut rows_seen, mut missing) = (0, Vec::new());
    for case in std::fs::read_dir(root).expect("the cases").flatten() {
        for n in 1..10 {
            let Ok(text) = std::fs::read_to_string(case.path().join(format!("input-{n}.hl7"))) else { break };
            let Ok((message, _)) = Message::parse(text) else { continue };
            let (out, rows) = trace(&set, &message, &context());
            let Some(coverage) = all.iter().find(|c| Some(&c.id) == out.kind.as_ref()) else { continue };
            for row in rows {
                for (segment, field) in row.positions.iter().filter_map(|position| field_of(position)) {
                    rows_seen += 1;
                    if !known(coverage, &row.rule, &row.path, &segment, field) {
                        missing.push(format!(
                            "{} {segment}-{field} → {} by {}",
                            coverage.id, row.path, row.rule
                        ));
                    }
                }
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(rows_seen > 500, "{rows_seen} values");
    assert!(missing.is_empty(), "{} of {rows_seen}:\n{}", missing.len(), missing.join("\n"));
}
