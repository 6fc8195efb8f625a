//! Rows that a layer adds and that take from the rows of the shipped set, or find nothing: `mapping check` names the row.

use super::tests::{file, shipped};
use super::{Layer, MappingSet, Problem, Rank};

/// What a check says of a network's row, and of a facility's where there is one.
fn problems(rows: &[(Rank, &str, &str)]) -> Vec<Problem> {
    let mut layers = vec![Layer::new(Rank::Shipped, shipped())];
    for (rank, map, row) in rows {
        let path = format!("maps/{map}.toml");
        layers.push(Layer::new(*rank, vec![file(&path, &format!("[map]\nid = '{map}'\n{row}\n"))]));
    }
    MappingSet::layered(layers).map(|_| ()).err().unwrap_or_default()
}

/// The one problem of a layer's row: rule, cell, and words of both sentences.
fn refused(map: &str, row: &str, column: &str, ja: &str, en: &str) {
    told(&problems(&[(Rank::Network, map, &format!("rules = [\n{row}\n]"))]), map, 4, column, ja, en, row);
}

fn told(problems: &[Problem], map: &str, line: usize, column: &str, ja: &str, en: &str, row: &str) {
    let [problem] = problems else { panic!("{row}: {problems:#?}") };
    let named = (problem.file.as_str(), problem.line, problem.column.as_str());
    assert_eq!(named, (format!("maps/{map}.toml").as_str(), line, column), "{row}: {problem:#?}");
    assert!(problem.rule.starts_with(&format!("{map}/")), "{row}: {problem:#?}");
    assert!(problem.ja.contains(ja) && problem.en.contains(en), "{row}: {problem:#?}");
    assert!(problem.doubt, "what is active goes on: {row}");
}

#[test]
fn a_number_in_a_list_that_another_row_appends_to_is_refused() {
    for (row, ja, en) in [
        (
            "{ id = 'x', to = 'identifier[0].value', from = 'PID-2.1' },",
            "identifier[0].value と規則 identifier の identifier[] は同じ並びに書く",
            "'identifier[0].value' and 'identifier[]' of 'identifier' are one list",
        ),
        (
            "{ id = 'x', to = 'name[0]', from = 'PID-9', as = 'XPN.jp' },",
            "規則 name の name[] は同じ並び",
            "'name[]' of 'name' are one list",
        ),
        (
            "{ id = 'x', to = 'name[1]', from = 'PID-9', as = 'XPN.jp' },",
            "規則 name の name[] は同じ並び",
            "'name[]' of 'name' are one list",
        ),
        (
            "{ id = 'x', to = 'telecom[0]', from = 'PID-14[1]', as = 'XTN' },",
            "規則 home の telecom[] は同じ並び",
            "'telecom[]' of 'home' are one list",
        ),
    ] {
        refused("patient", row, "to", ja, en);
    }
}

#[test]
fn a_facility_does_not_write_over_what_its_network_appends() {
    let network =
        "rules = [\n{ id = 'alias', to = 'name[]', from = 'PID-9[*]', as = 'XPN.jp', after = 'name' },\n]";
    let facility = "rules = [\n\n{ id = 'kana', to = 'name[0].text', from = 'PID-9.1' },\n]";
    let all = problems(&[(Rank::Network, "patient", network), (Rank::Facility, "patient", facility)]);
    told(&all, "patient", 5, "to", "規則 name の name[]", "'name[]' of 'name'", "kana");
    assert_eq!((all[0].layer, all[0].rule.as_str()), (Rank::Facility, "patient/kana"));
}

#[test]
fn a_part_of_what_another_row_writes_as_a_whole_is_refused() {
    for (row, to, by, whole) in [
        (
            "{ id = 'x', to = 'subject.reference', fixed = 'Patient/1' },",
            "subject.reference",
            "subject",
            "subject",
        ),
        ("{ id = 'x', to = 'code.coding[0].code', from = 'OBX-4' },", "code.coding[0].code", "code", "code"),
        (
            "{ id = 'x', to = 'code.coding[0].display', fixed = 'X' },",
            "code.coding[0].display",
            "code",
            "code",
        ),
        (
            "{ id = 'x', to = 'valueQuantity.unit', from = 'OBX-6.1' },",
            "valueQuantity.unit",
            "value",
            "value[x]",
        ),
        (
            "{ id = 'x', to = 'basedOn[0].identifier.value', from = 'OBR-3.1' },",
            "basedOn[0].identifier.value",
            "order",
            "basedOn[0].identifier",
        ),
        // Written before it, what is appended is lost too: the whole takes its place.
        (
            "{ id = 'x', to = 'code.coding[]', from = 'OBX-4', as = 'Coding', after = 'category' },",
            "code.coding[]",
            "code",
            "code",
        ),
    ] {
        let ja = format!("{to} は、規則 {by} が {whole} に書くものと重なり");
        let en = format!("'{to}' and what '{by}' writes to '{whole}' overlap");
        refused("lab-observation", row, "to", &ja, &en);
    }
}

#[test]
fn rows_that_exclude_each_other_are_a_pair_where_they_no_longer_do() {
    // The shipped row says when = "$dose valued", and those of its parts "$dose missing".
    let row = "{ id = 'dose', to = 'dosage.dose', from = ['RXA[1]-6', 'RXA[1]-7'], as = 'Quantity.dose' },";
    let (ja, en) = (
        "規則 dose-value が dosage.dose.value に書くもの",
        "what 'dose-value' writes to 'dosage.dose.value'",
    );
    refused("injection-administration", row, "to", ja, en);
}

#[test]
fn one_place_in_two_writings_is_refused() {
    let rows = "{ id = 'a', to = 'photo[0].title', from = 'PID-2.1' }, { id = 'b', to = 'photo[first].title', fixed = 'x' },";
    refused("patient", rows, "to", "規則 a が書く photo[0].title と同じ所", "same place as 'photo[0].title'");
}

#[test]
fn what_a_row_adds_is_no_overwriting() {
    for (map, row) in [
        ("lab-observation", "{ id = 'x', to = 'code.coding[]', from = 'OBX-4', as = 'Coding' },"),
        ("lab-observation", "{ id = 'x', to = 'code.text', from = 'OBX-3.2' },"),
        ("lab-observation", "{ id = 'x', to = 'subject.display', from = 'PID-5.1' },"),
        ("lab-observation", "{ id = 'x', to = 'identifier[]', from = 'OBR-3.1', as = 'Identifier.filler' },"),
        (
            "lab-observation",
            "{ id = 'x', to = 'basedOn[]', from = 'PID-3.1', as = 'ref made-by lab-request' },",
        ),
        ("patient", "{ id = 'x', to = 'name[].text', from = 'PID-9.1' },"),
        (
            "patient",
            "{ id = 'x', to = 'photo[0].title', from = 'PID-2.1' }, { id = 'y', to = 'photo[0].url', from = 'PID-2.2' },",
        ),
    ] {
        let said = problems(&[(Rank::Network, map, &format!("rules = [\n{row}\n]"))]);
        assert_eq!(said, [], "{row}");
    }
}

#[test]
fn a_row_that_appends_what_another_appends_already_is_refused_and_names_it() {
    for (map, row, by) in [
        ("patient", "{ id = 'telecom-work', to = 'telecom[]', from = 'PID-14[*]', as = 'XTN' },", "work"),
        // One repetition of them, each of them, and under a condition that may hold too.
        ("patient", "{ id = 'x', to = 'telecom[]', from = 'PID-14', as = 'XTN' },", "work"),
        ("patient", "{ id = 'x', to = 'telecom[]', each = 'PID-14[*]', as = 'XTN' },", "work"),
        (
            "patient",
            "{ id = 'x', to = 'telecom[]', from = 'PID-14[2]', as = 'XTN', when = \"PID-8 = 'F'\" },",
            "work",
        ),
        ("patient", "{ id = 'x', to = 'contact[]', each = 'NK1', use = 'contact' },", "contact"),
        (
            "patient",
            "{ id = 'x', to = 'name[]', from = 'PID-5', as = 'XPN.jp', after = 'identifier-2' },",
            "name",
        ),
    ] {
        let (ja, en) = (
            format!("規則 {by} が、同じ元から同じものを"),
            format!("To replace '{by}', give this row the id '{by}'"),
        );
        refused(map, row, "id", &ja, &en);
    }
    // A facility's row beside its network's.
    let row = |id: &str| {
        format!("rules = [\n{{ id = '{id}', to = 'name[]', from = 'PID-9[*]', as = 'XPN.jp' }},\n]")
    };
    let all = problems(&[(Rank::Network, "patient", &row("n")), (Rank::Facility, "patient", &row("f"))]);
    told(&all, "patient", 4, "id", "規則 n が", "'n' adds the same", "f");
    assert_eq!(all[0].layer, Rank::Facility);
}

#[test]
fn another_value_another_place_and_the_rows_own_id_are_no_second_writing() {
    for row in [
        "{ id = 'work', to = 'telecom[]', from = 'PID-14[1]', as = 'XTN' },",
        "{ id = 'x', to = 'telecom[]', from = 'PID-40[*]', as = 'XTN' },",
        "{ id = 'x', to = 'telecom[].value', from = 'PID-14.1' },",
        "{ id = 'work', off = true },\n{ id = 'x', to = 'telecom[]', from = 'PID-14[*]', as = 'XTN' },",
        // A chain is one of its rows.
        "{ id = 'x', to = 'name[]', from = 'PID-9', as = 'XPN.jp', when = 'PID-8 valued', else = 'next' },\n{ id = 'y', to = 'name[]', from = 'PID-9', as = 'XPN.jp' },",
        "{ id = 'x', to = 'name[]', from = 'PID-9', as = 'XPN.jp', when = 'PID-8 valued' },\n{ id = 'y', to = 'name[]', from = 'PID-9', as = 'XPN.jp', when = 'PID-8 missing' },",
    ] {
        assert_eq!(problems(&[(Rank::Network, "patient", &format!("rules = [\n{row}\n]"))]), [], "{row}");
    }
}

#[test]
fn id_type_and_profile_are_the_programs() {
    for row in [
        "{ id = 'x', to = 'id', fixed = 'abc' },",
        "{ id = 'x', to = 'meta.profile[0]', fixed = 'http://chiiki.example.jp/y' },",
        "{ id = 'x', to = 'meta.profile[]', fixed = 'http://chiiki.example.jp/y' },",
        "{ id = 'x', to = 'contained[visit: Encounter].id', fixed = 'abc' },",
    ] {
        refused(
            "lab-observation",
            row,
            "to",
            "プログラムが、マップの key と profile から書きます",
            "the program does",
        );
    }
}

#[test]
fn several_values_for_one_place_are_refused() {
    for (row, column, ja, en) in [
        (
            "{ id = 'x', to = 'maritalStatus', each = 'PID-16[*]', as = 'CWE' },",
            "each",
            "maritalStatus に書けるのは一つだけです",
            "there is one 'maritalStatus'",
        ),
        (
            "{ id = 'x', to = 'maritalStatus', each = 'PID-16', as = 'CWE' },",
            "each",
            "each は繰返しのすべてを書きますが",
            "'each' writes every repetition",
        ),
        (
            "{ id = 'x', to = 'maritalStatus', from = 'PID-16[*]', as = 'CWE' },",
            "from",
            "maritalStatus に書けるのは一つだけで、残りは黙って失われます",
            "but there is one 'maritalStatus', and the others would be lost",
        ),
        (
            "{ id = 'birth-date', to = 'birthDate', from = 'PID-7[*]', as = 'date' },",
            "from",
            "birthDate に書けるのは一つだけ",
            "there is one 'birthDate'",
        ),
    ] {
        refused("patient", row, column, ja, en);
    }
}

#[test]
fn a_group_or_a_map_that_no_message_of_the_map_has_is_refused() {
    let group_ja = "このマップを使う電文(ADT-00 など)に RESULT というグループはない";
    let group_en = "No message of this map (ADT-00 …) has a group 'RESULT'";
    for (row, column) in [
        ("{ id = 'x', to = 'dependent', from = \"RESULT/OBX[.3.1 = 'x']-5\" },", "from"),
        ("{ id = 'x', to = 'dependent', from = 'IN1-3', when = \"RESULT/OBX[.3.1 = 'x'] valued\" },", "when"),
    ] {
        refused("coverage", row, column, group_ja, group_en);
    }
    let found = "let = [\n{ name = 'z', find = 'OBX in RESULT where .3.1 = IN1-3.1', many = 'first' },\n]";
    let said = problems(&[(Rank::Network, "coverage", found)]);
    told(&said, "coverage", 4, "find", group_ja, group_en, found);
    let row = "{ id = 'x', to = 'dependent', from = 'lab-observation/$code' },";
    let ja = "マップ lab-observation は、このマップを使う電文(ADT-00 など)では使われない";
    refused("coverage", row, "from", ja, "No message of this map (ADT-00 …) has the map 'lab-observation'");
}

#[test]
fn a_submap_that_no_row_uses_is_refused() {
    let submap = "[[submap]]\nid = 'c'\nfor = 'NK1'\nmakes = 'Patient.contact'\n\
                  rules = [{ id = 'a', to = 'name', from = 'NK1-2[1]', as = 'XPN.jp' }]";
    let said = problems(&[(Rank::Network, "patient", submap)]);
    let [problem] = said.as_slice() else { panic!("{said:#?}") };
    assert_eq!(
        (problem.file.as_str(), problem.line, problem.column.as_str()),
        ("maps/patient.toml", 3, "id")
    );
    assert!(problem.ja.contains("この submap を使う行がない"), "{problem:#?}");
    assert!(problem.en.contains("No row uses this submap"), "{problem:#?}");
    let used = format!("rules = [{{ id = 'x', to = 'contact[]', each = 'NK1', use = 'c' }}]\n{submap}");
    assert_eq!(problems(&[(Rank::Network, "patient", &used)]), []);
}

#[test]
fn a_number_for_a_text_is_refused() {
    for (fixed, ja, en) in [
        ("123", "引用符で囲みます(fixed = \"123\")", "put it in quotes (fixed = \"123\")"),
        ("true", "引用符で囲みます(fixed = \"true\")", "put it in quotes (fixed = \"true\")"),
    ] {
        let row = format!("{{ id = 'x', to = 'generalPractitioner[].display', fixed = {fixed} }},");
        refused("patient", &row, "fixed", ja, en);
    }
}

#[test]
fn a_resource_inside_another_that_no_row_refers_to_is_refused() {
    let row = "{ id = 'x', to = 'contained[x: Practitioner].name[].text', from = 'PID-5.1' },";
    refused("patient", row, "to", "contained[x] を指す行がない", "No row refers to contained[x]");
    let referred =
        format!("rules = [\n{row}\n{{ id = 'y', to = 'generalPractitioner[].reference', fixed = '#x' }},\n]");
    assert_eq!(problems(&[(Rank::Network, "patient", &referred)]), []);
}

#[test]
fn an_element_without_a_part_that_it_must_have_is_refused() {
    let row = "{ id = 'x', to = 'link[].other', from = 'PID-3.1', as = 'ref Patient' },";
    refused("patient", row, "to", "必ず要る type が入りません", "without the 'type' that link[] must have");
}
