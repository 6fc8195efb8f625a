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
  { id = "parent", to = "derivedFrom[]", from = "$found", as = "ref made-by m" },
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
        // Of a find the part that is read; what finds it is not what is written, but of a reference.
        "OBX-5 written Observation.note[].text m/from-found",
        "OBR-26.2 decides Observation.note[].text m/from-found",
        "OBR-26.2 written Observation.derivedFrom[].reference m/parent",
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
        "T.ORDER.OBX Observation executed: T m/parent",
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
        // A fixed value of the same text is another's: OBR-25 chooses it.
        "OBX-11 status deviating: -",
        "XCN.2 name.family executed: T m/who > practitioner/name",
        "XCN.3 name.given absent: -",
        "CWE.1 coding[1].code executed: T m/part > part/code",
        "CWE.7 coding[1].version absent: -",
        "CX.1 value absent: no row names this map",
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

/// Rules as the shipped set has them, each with a use that no message of the file can have.
const STAY: &str = r#"
[map]
id = "stay"
title = { ja = "入院", en = "stay" }
for = "PV1"
makes = "Encounter"
profile = "none"
key = ["PV1-19"]
when = "not PV1-2 = 'O'"
let = [
  { name = "at", from = "EVN-6", when = "PV1-2 = 'I'", else = "next" },
  { name = "at", from = "EVN-2", when = "PV1-2 = 'O'", else = "empty" },
  { name = "turn", from = "PV1-50", as = "ordinal", else = "empty" },
]
rules = [
  { id = "status", to = "status", from = "MSH-9.2", as = "table stay", else = "error" },
  { id = "from", to = "period.start", from = "PV1-44", as = "dateTime", when = "MSH-9.2 = 'A01'" },
  { id = "until", to = "period.end", from = "PV1-45", as = "dateTime", when = "MSH-9.2 = 'A03'" },
  { id = "length", to = "length.unit", from = "$at" },
  { id = "turn", to = "language", from = "$turn" },
  { id = "absent", to = "implicitRules", fixed = "urn:none", when = "PV1-36 missing" },
  { id = "class", to = "class.code", fixed = "IMP", when = "PV1-18 in 'I,N'", else = "next" },
  { id = "class-2", to = "class.code", fixed = "EMER", when = "PV1-18 = 'I'" },
  { id = "who", to = "participant[0].individual", from = "PV1-7", as = "ref Practitioner" },
  { id = "kind", to = "participant[0].type[0].text", fixed = "attending" },
  { id = "place", to = "location[]", each = "PV1", use = "place", when = "PV1-3 valued" },
  { id = "home", to = "location[]", each = "PV1", use = "home", when = "PV1-3 missing" },
  { id = "payor", to = "serviceProvider", from = "PV1", as = "ref made-by house" },
]
[[submap]]
id = "place"
for = "PV1"
makes = "Encounter.location"
rules = [{ id = "status", to = "status", fixed = "active", when = "PV1-2 in 'I,O'" }, { id = "name", to = "location.display", from = "PV1-3.1" }]
[[submap]]
id = "home"
for = "PV1"
makes = "Encounter.location"
rules = [{ id = "name", to = "location.display", from = "PV1-3.1" }, { id = "word", to = "location.type", from = "PV1-42.1" }]
"#;
const HOUSE: &str = "[map]\nid = \"house\"\ntitle = { ja = \"施設\", en = \"house\" }\nfor = \"PV1\"\nmakes = \"Organization\"\nprofile = \"none\"\n\
                       key = [\"PV1-20.1\", \"PID-18\"]\nrules = [{ id = \"status\", to = \"name\", fixed = \"X\" }]\n";
const STAY_TABLE: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n\
                          ,A01,,,in-progress,,equal\n,A03,,,finished,,equal\n,A11,,,cancelled,,equal\n";

fn stay() -> MappingSet {
    let is = "[message]\nid = \"ADT-22\"\ntitle = { ja = \"入院\", en = \"admission\" }\nis = \"MSH-9.1 = 'ADT' and MSH-9.2 in 'A01,A11'\"\n\
              groups = [\"STAY = PV1\"]\nunit = [\"'u'\", \"PV1-19\"]\nreplaces = \"unit\"\ncancel = \"MSH-9.2 = 'A11' or flag = '0'\"\nmaps = [\"stay\", \"house\"]\n";
    set(vec![
        file("maps/stay.toml", STAY),
        file("maps/house.toml", HOUSE),
        file("maps/practitioner.toml", WHO),
        file("tables/stay.csv", STAY_TABLE),
        file("messages/ADT-22.toml", is),
    ])
    .expect("the set loads")
}

#[test]
fn what_no_message_of_the_file_can_have_is_not_read() {
    let all = stay().coverage();
    let message = all.iter().find(|one| one.id == "ADT-22").expect("the message");
    assert_eq!(message.events, ["A01"], "a cancel makes nothing");
    let uses: Vec<String> = message.uses.iter().map(printed).collect();
    let has = |text: &str| uses.iter().any(|one| one == text);
    for wanted in [
        "PV1-44 written Encounter.period.start stay/from",
        "EVN-6 written Encounter.length.unit stay/length",
        "PV1-18 chosen Encounter.class.code stay/class",
        "PV1-2 chosen Encounter.location[].status stay/place > place/status",
        "PV1-42.1 written Encounter.location[].location.type stay/home > home/word",
        // That there is nothing is no value; the number of a line is not what stands in it.
        "PV1-36 decides Encounter.implicitRules stay/absent",
        "PV1-50 decides Encounter stay/$turn",
        // A reference says what the key of that map says of the segment.
        "PV1-20.1 written Encounter.serviceProvider.reference stay/payor",
    ] {
        assert!(has(wanted), "{wanted}\n{}", uses.join("\n"));
    }
    for never in
        ["PV1-45", "EVN-2", "stay/class-2", "home/name", "stay/until", "PV1-50 written", "PID-18 written"]
    {
        assert!(!uses.iter().any(|one| one.contains(never)), "{never}\n{}", uses.join("\n"));
    }
    let status = message.uses.iter().find(|one| one.rule == "stay/status").expect("the status");
    assert_eq!(status.never, ["A03", "A11"], "of the table A01 alone comes");
}

#[test]
fn a_row_of_another_message_resource_or_code_is_not_executed() {
    let set = stay();
    let all = set.coverage();
    let jami = "kind,map,line,src,src_text,target,target_text,equivalence,comment,note\n\
        segment,Segment ADT_22_PV1 to Encounter,2,PV1-44,,Encounter.period.start,,,,\n\
        segment,Segment ADT_22_PV1 to Encounter,3,PV1-45,,Encounter.period.end,,,,\n\
        segment,Segment ADT_22_PV1 to Encounter,4,PV1-20,,Encounter.serviceProvider,,,,\n\
        table,Table v2-0003 to EncounterStatus,5,A01,,in-progress,,,,\n\
        table,Table v2-0003 to EncounterStatus,6,A11,,cancelled,,,,\n";
    let hl7 = "kind,map,line,src,v2type,cond,cond_text,target,ftype,dt_map,vocab_map_or_segment_map,assign_or_references\n\
        message,ADT_A01,3,ADT_A01.PV1,,,,Encounter[1],,,,\n\
        message,ADT_A02,3,ADT_A02.PV1,,,,Encounter[1],,,,\n\
        message,ADT_A11,3,ADT_A11.PV1,,,,Encounter[1],,,,\n\
        message,ADT_A01,4,ADT_A01.PV1,,,,Encounter[1].participant.individual(PractitionerRole),,,,\n\
        segment,PV1[Encounter],3,PV1-7,XCN,,,participant[1].individual(Practitioner.name),,XCN[Practitioner],,\n\
        segment,PV1[Provenance],3,PV1-7,XCN,,,agent.who(Practitioner.name),,XCN[Practitioner-Agent],,\n\
        segment,PV1[Encounter],4,PV1-7,XCN,,,participant[1].type.text,,,,\"\"\"attending\"\"\"\n\
        segment,PV1[Encounter],5,PV1-8,XCN,,,participant[2].type.text,,,,\"\"\"attending\"\"\"\n\
        datatype,XCN[Practitioner],3,XCN.2,FN,,,name.family,,,,\n\
        datatype,XCN[Practitioner-Agent],3,XCN.2,FN,,,name.family,,,,\n";
    let mut rows = read(Table::Jami, jami).expect("a table");
    rows.extend(read(Table::Hl7, hl7).expect("a table"));
    let judgement = judge(&set, &all, &rows, &[]);
    let executed: Vec<String> = judgement
        .rows
        .iter()
        .map(|row| format!("{} {} {}", row.row.map, row.row.source, row.standing == Standing::Executed))
        .collect();
    let wanted = [
        "Segment ADT_22_PV1 to Encounter PV1-44 true",
        "Segment ADT_22_PV1 to Encounter PV1-45 false",
        "Segment ADT_22_PV1 to Encounter PV1-20 true",
        "Table v2-0003 to EncounterStatus A01 true",
        "Table v2-0003 to EncounterStatus A11 false",
        "ADT_A01 ADT_A01.PV1 true",
        "ADT_A02 ADT_A02.PV1 false",
        "ADT_A11 ADT_A11.PV1 false",
        "ADT_A01 ADT_A01.PV1 false",
        "PV1[Encounter] PV1-7 true",
        "PV1[Provenance] PV1-7 false",
        "PV1[Encounter] PV1-7 true",
        "PV1[Encounter] PV1-8 false",
        "XCN[Practitioner] XCN.2 true",
        "XCN[Practitioner-Agent] XCN.2 false",
    ];
    assert_eq!(executed, wanted);
}

/// A segment of which only these fields are filled.
fn segment(name: &str, fields: &[(usize, &str)]) -> String {
    let last = fields.iter().map(|(n, _)| *n).max().unwrap_or(0);
    let value = |n: usize| fields.iter().find(|(at, _)| *at == n).map_or("", |(_, value)| *value);
    (1..=last).fold(name.to_owned(), |text, n| format!("{text}|{}", value(n)))
}

/// Rows that count as executed, each seen in what an invented message becomes.
#[test]
fn what_counts_as_executed_is_seen_in_a_message() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    let check = |kind: &str, of: &str, segments: &[String], wanted: &[(&str, u16, &str)]| {
        let head = format!("MSH|^~\\&|H|S|G|R|20240405120000||{kind}|1|P|2.5");
        let pid = "PID|||1||患者^太郎^^^^^L^I||19700101|M";
        let text = format!("{head}\r{pid}\r{}", segments.join("\r"));
        let (message, _) = Message::parse(text).expect("a message");
        let (out, rows) = trace(&set, &message, &context());
        assert_eq!(out.kind.as_deref(), Some(of), "{kind}");
        for (name, field, path) in wanted {
            let here = |position: &String| field_of(position) == Some(((*name).to_owned(), *field));
            let seen =
                rows.iter().any(|row| bare(&row.path).ends_with(path) && row.positions.iter().any(here));
            let all: Vec<String> =
                rows.iter().map(|row| format!("{} {:?} by {}", row.path, row.positions, row.rule)).collect();
            assert!(seen, "{of} {name}-{field} → {path}\n{}", all.join("\n"));
        }
    };
    let doctor = "220^医師^花子^^^^^^^L^^^^^I";
    let public = segment(
        "IN1",
        &[
            (1, "1"),
            (2, "15^公費^JHSD0001"),
            (3, "51136018"),
            (4, "東京都"),
            (10, "7654321"),
            (12, "20240401"),
            (13, "20250331"),
            (17, "SEL^本人^HL70063"),
        ],
    );
    let kin = segment(
        "NK1",
        &[
            (1, "1"),
            (2, "患者^花子^^^^^L^I"),
            (3, "SPO^配偶者^HL70063"),
            (4, "^^^^1000001^JPN^H^東京都"),
            (5, "03-0000-0001^PRN^PH"),
            (6, "03-0000-0002^WPN^PH"),
            (13, "会社"),
        ],
    );
    let patient = [
        ("IN1", 3, "class.value"),
        ("IN1", 4, "class.name"),
        ("IN1", 10, "subscriberId"),
        ("IN1", 13, "period"),
        ("NK1", 2, "contact.name"),
        ("NK1", 3, "contact.relationship"),
        ("NK1", 4, "contact.address"),
        ("NK1", 5, "contact.telecom"),
        ("NK1", 6, "contact.telecom"),
        ("NK1", 13, "contact.organization.display"),
    ];
    check("ADT^A08^ADT_A01", "ADT-00", &[kin, public], &patient);
    let stay = |more: &[(usize, &str)]| {
        let all = [&[(1, "1"), (2, "I"), (3, "3A^301^2^^^N"), (7, doctor), (17, doctor)], more].concat();
        segment("PV1", &all)
    };
    let evn = "EVN||20240401150000||||202404011430".to_owned();
    check("ADT^A01^ADT_A01", "ADT-22", &[evn, stay(&[])], &[("EVN", 6, "location.period.start")]);
    let of_stay = [("PV1", 7, "participant.individual"), ("PV1", 17, "participant.individual")];
    let pv2 = segment("PV2", &[(8, "202404011400")]);
    check("ADT^A14^ADT_A05", "ADT-21", &[stay(&[]), pv2], &of_stay);
    let admitted = [of_stay.as_slice(), &[("PV1", 44, "Encounter.period.start")]].concat();
    let admitted: Vec<(&str, u16, &str)> = admitted
        .into_iter()
        .map(|(name, n, path)| (name, n, path.trim_start_matches("Encounter.")))
        .collect();
    let pv2 = segment("PV2", &[(9, "202404101000")]);
    check("ADT^A16^ADT_A16", "ADT-51", &[stay(&[(44, "202404011430")]), pv2], &admitted);
    check("ADT^A03^ADT_A03", "ADT-52", &[stay(&[(44, "202404011430"), (45, "202404101030")])], &admitted);
    let iam = segment(
        "IAM",
        &[
            (1, "1"),
            (2, "DA^薬剤アレルギー^HL70127"),
            (3, "1^ペニシリン^99XYZ"),
            (4, "MO^中等度^HL70128"),
            (6, "A"),
            (7, "77"),
            (9, "AL^アレルギー^HL70436"),
            (13, "20240401"),
            (17, "C^確認^HL70438"),
        ],
    );
    let allergy = [("IAM", 9, "type"), ("IAM", 13, "recordedDate"), ("IAM", 17, "verificationStatus")];
    check("ADT^A60^ADT_A60", "ADT-61", &[iam], &allergy);
    let order = [
        segment("ORC", &[(1, "NW"), (2, "123"), (4, "123_01_001"), (10, doctor), (12, doctor)]),
        segment(
            "RXE",
            &[
                (2, "103835401^ムコダイン錠２５０ｍｇ^HOT"),
                (3, "1"),
                (5, "TAB^錠^MR9P"),
                (10, "14"),
                (11, "TAB^錠^MR9P"),
                (12, "2"),
                (15, "900"),
                (31, "620003477^ムコ^99Z"),
                (32, "20240401"),
            ],
        ),
        segment("TQ1", &[(1, "1"), (7, "20240401"), (8, "20240407")]),
        segment("RXR", &[(1, "PO^口^HL70162"), (2, "MO^口^HL70550"), (4, "10^経口^JAMISDP01")]),
    ];
    let prescribed = [
        ("ORC", 10, "recorder"),
        ("ORC", 12, "requester"),
        ("RXE", 12, "dispenseRequest.numberOfRepeatsAllowed"),
        ("RXE", 15, "identifier"),
        ("RXE", 32, "authoredOn"),
        ("TQ1", 8, "dosageInstruction.extension.valuePeriod"),
        ("RXR", 2, "dosageInstruction.site"),
    ];
    check("RDE^O11^RDE_O11", "OMP-01", &order, &prescribed);
    let problem = segment(
        "PRB",
        &[
            (1, "AD"),
            (2, "20240401"),
            (3, "1^胃炎^MDCDX2"),
            (4, "P1"),
            (7, "20240301"),
            (9, "20240320"),
            (13, "C^確定^HL70234"),
            (15, "20240321"),
            (16, "20240201"),
        ],
    );
    let ended =
        [("PRB", 9, "abatementDateTime"), ("PRB", 16, "onsetDateTime"), ("PRB", 4, "identifier.value")];
    check("PPR^ZD1^PPR_ZD1", "PPR-01", &[problem], &ended);
}
