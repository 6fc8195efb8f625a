//! Rows whose value does not reach the element as it is: put together with others, said otherwise, or folded.

use super::against::{Standing, Table, judge, read};
use crate::mapping::tests::{file, message_file, set};

const PERSON: &str = "[map]\nid = \"person\"\ntitle = { ja = \"人\", en = \"Person\" }\nfor = \"PID\"\nmakes = \"Patient\"\nprofile = \"none\"\nkey = [\"PID-3.1\", \"'p'\"]\n\
    rules = [\n  { id = \"address\", to = \"address[]\", from = \"PID-11[*]\", as = \"XAD\" },\n\
    \x20 { id = \"phone\", to = \"telecom[]\", from = \"PID-13[*]\", as = \"XTN\" },\n\
    \x20 { id = \"mother\", to = \"contact[0].name.text\", as = \"text '{PID-6.1} {PID-6.2}'\" },\n\
    \x20 { id = \"account\", to = \"identifier[]\", from = \"PID-18\", as = \"Account\" },\n\
    \x20 { id = \"kin\", to = \"contact[0].relationship[]\", from = \"NK1[1]-3\", as = \"CWE\" },\n]\n";
const ACCOUNT: &str = "[[type]]\nid = \"Account\"\nmakes = \"Identifier\"\nrules = [{ id = \"value\", to = \"value\", as = \"text '{.1}'\" }]\n";
/// IN1-17: the codes that the map asks about become one, others are kept.
const COVER: &str = "[map]\nid = \"cover\"\ntitle = { ja = \"保険\", en = \"Coverage\" }\nfor = \"IN1\"\nmakes = \"Coverage\"\nprofile = \"none\"\nkey = [\"IN1-2.1\"]\n\
    let = [ { name = \"family\", fixed = \"1\", when = \"IN1-17.1 in 'DEP,CHD'\", else = \"empty\" } ]\n\
    rules = [\n  { id = \"status\", to = \"status\", fixed = \"active\" },\n\
    \x20 { id = \"who\", to = \"beneficiary\", from = \"PID-3.1\", as = \"ref made-by person\" },\n\
    \x20 { id = \"payor\", to = \"payor[].display\", fixed = \"x\" },\n\
    \x20 { id = \"relation\", to = \"relationship.text\", fixed = \"被扶養者\", when = \"$family valued\" },\n\
    \x20 { id = \"relation-2\", to = \"relationship\", from = \"IN1-17\", as = \"CWE\", when = \"not $family valued\" },\n]\n";
const SYSTEMS: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n,HL70063,,http://terminology.hl7.org/CodeSystem/v2-0063,,,equal\n";

const ROWS: &str = "kind,map,line,src,v2type,cond,cond_text,target,ftype,dt_map,vocab_map_or_segment_map,assign_or_references\n\
    segment,PID[Patient],1,PID-11,XAD,,,address[1],Address,XAD[Address],,\n\
    segment,PID[Patient],2,PID-13,XTN,,,telecom[1],ContactPoint,XTN[ContactPoint],,\n\
    segment,PID[Patient],3,PID-6,XPN,,,contact.name.text,string,,,\n\
    segment,PID[Patient],4,PID-18,CX,,,identifier[1],Identifier,,,\n\
    segment,NK1[Patient],5,NK1-3,CWE,,,contact.relationship[1],CodeableConcept,CWE[CodeableConcept],Relationship,\n\
    segment,IN1[Coverage],6,IN1-17,CWE,,,relationship,CodeableConcept,CWE[CodeableConcept],Relationship,\n\
    datatype,XAD[Address],7,XAD.1,SAD,,,line[1-3],string,,,\n\
    datatype,XAD[Address],8,XAD.2,ST,,,line[4],string,,,\n\
    datatype,XAD[Address],9,XAD.3,ST,,,city,string,,,\n\
    datatype,XAD[Address],10,XAD.6,ID,,,country,string,,,\n\
    datatype,XTN[ContactPoint],11,XTN.7,SNM,,,value,string,,,\n\
    datatype,XTN[ContactPoint],12,XTN.12,ST,,,value,string,,,\n";
const CODES: &str = "map,code,text,system,cond,to_code,to_display,to_system\n\
    Relationship,DEP,,HL70063,,DEP,,http://terminology.hl7.org/CodeSystem/v2-0063\n\
    Relationship,CHD,,HL70063,,CHILD,,http://terminology.hl7.org/CodeSystem/v3-RoleCode\n\
    Relationship,TRA,,HL70063,,TRA,,http://terminology.hl7.org/CodeSystem/v2-0063\n";

fn standings(cover: &str) -> Vec<String> {
    let message = "unit = [\"'u'\"]\nreplaces = \"unit\"\nmaps = [\"person\", \"cover\"]\n";
    let set = set(vec![
        file("maps/person.toml", PERSON),
        file("maps/cover.toml", cover),
        file("types/account.toml", ACCOUNT),
        file("tables/code-systems.csv", SYSTEMS),
        message_file("ADT", message),
    ])
    .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut rows = read(Table::Hl7, ROWS).expect("a table");
    rows.extend(read(Table::Hl7Codes, CODES).expect("a table"));
    let all = set.coverage();
    let judgement = judge(&set, &all, &rows, &[]);
    let mut out = Vec::new();
    for row in &judgement.rows {
        // What executes it is said where it is executed, and nowhere else.
        assert_eq!(row.standing == Standing::Executed, !row.by.is_empty(), "{row:?}");
        out.push(format!("{} {} {}", row.row.source, row.row.target, row.standing.as_str()));
    }
    out
}

#[test]
fn a_value_that_is_put_together_or_said_otherwise_deviates() {
    assert_eq!(
        standings(COVER)[..12],
        [
            "PID-11 address[1] executed",
            "PID-13 telecom[1] executed",
            "PID-6 contact.name.text deviating",
            "PID-18 identifier[1] executed",
            "NK1-3 contact.relationship[1] executed",
            "IN1-17 relationship executed",
            "XAD.1 line[1-3] deviating",
            "XAD.2 line[4] deviating",
            "XAD.3 city executed",
            "XAD.6 country deviating",
            "XTN.7 value deviating",
            "XTN.12 value executed",
        ]
    );
}

#[test]
fn a_code_that_one_of_its_fields_folds_into_another_deviates() {
    assert_eq!(standings(COVER)[12..], ["DEP DEP deviating", "CHD CHILD deviating", "TRA TRA executed"]);
    // Where nothing is folded each field keeps it.
    let kept = COVER.replace("'DEP,CHD'", "'CHD'");
    assert_eq!(standings(&kept)[12], "DEP DEP executed");
}
