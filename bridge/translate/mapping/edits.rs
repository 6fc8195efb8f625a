//! Edits as people make them by mistake, each to the shipped set: `mapping check` names the cell.

use super::tests::shipped;
use super::{Layer, MappingSet, Problem, Rank, read};

/// An edit and the one problem that it must give.
struct Edit {
    what: &'static str,
    /// The file that is edited, and the one that is named: mostly the same.
    file: &'static str,
    /// What is replaced, once. Empty: the new text is added at the end.
    old: &'static str,
    new: &'static str,
    /// The text that begins the line which is named.
    line: &'static str,
    rule: &'static str,
    column: &'static str,
    /// Words of the sentences.
    ja: &'static str,
    en: &'static str,
}

/// The twenty that the project promises, and some that are like them.
const EDITS: [Edit; 44] = [
    Edit {
        what: "wrong segment",
        file: "maps/patient.toml",
        old: r#"from = "PID-7","#,
        new: r#"from = "PIX-7","#,
        line: r#"  { id = "birth-date""#,
        rule: "patient/birth-date",
        column: "from",
        ja: "PIX というセグメントやグループはありません",
        en: "There is no segment or group 'PIX'",
    },
    Edit {
        what: "field out of range",
        file: "maps/patient.toml",
        old: r#"from = "PID-11[*]""#,
        new: r#"from = "PID-111[*]""#,
        line: r#"  { id = "address""#,
        rule: "patient/address",
        column: "from",
        ja: "PID のフィールドは 40 まで",
        en: "there is no PID-111",
    },
    Edit {
        what: "target misspelt",
        file: "maps/specimen.toml",
        old: r#"to = "type""#,
        new: r#"to = "typo""#,
        line: r#"  { id = "type""#,
        rule: "specimen/type",
        column: "to",
        ja: "Specimen.typo という要素はありません",
        en: "no element Specimen.typo",
    },
    Edit {
        what: "wrong type",
        file: "maps/condition.toml",
        old: r#"to = "onsetDateTime", "#,
        new: r#"to = "onsetPeriod", "#,
        line: r#"  { id = "onset""#,
        rule: "condition/onset",
        column: "as",
        ja: "onsetPeriod は Period ですが、この変え方で作られるのは dateTime",
        en: "onsetPeriod is a Period, but this makes a dateTime",
    },
    Edit {
        what: "cardinality broken",
        file: "maps/lab-observation.toml",
        old: r#"to = "status","#,
        new: r#"to = "status[]","#,
        line: r#"  { id = "status""#,
        rule: "lab-observation/status",
        column: "to",
        ja: "Observation.status は一つだけの要素です",
        en: "Observation.status does not repeat",
    },
    Edit {
        what: "unknown table",
        file: "maps/patient.toml",
        old: "table administrative-gender",
        new: "table administrative-sex",
        line: r#"  { id = "gender","#,
        rule: "patient/gender",
        column: "as",
        ja: "administrative-sex という対応表がありません",
        en: "there is no table 'administrative-sex'",
    },
    Edit {
        what: "unknown function",
        file: "maps/patient.toml",
        old: r#"from = "PID-29", as = "dateTime""#,
        new: r#"from = "PID-29", as = "datetime""#,
        line: r#"  { id = "died-at""#,
        rule: "patient/died-at",
        column: "as",
        ja: "「datetime」という変え方はありません",
        en: "'datetime' is no datatype map, no function",
    },
    Edit {
        what: "two rules on one place",
        file: "maps/location.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"mode-again\", to = \"mode\", fixed = \"kind\" },",
        line: r#"  { id = "mode", "#,
        rule: "location/mode",
        column: "to",
        ja: "mode にはもう規則 mode-again が書いています",
        en: "'mode-again' already writes 'mode'",
    },
    Edit {
        what: "next without a next",
        file: "maps/insurer.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"alias\", to = \"alias[]\", from = \"IN1-4.1\", else = \"next\" },",
        line: r#"  { id = "alias""#,
        rule: "insurer/alias",
        column: "else",
        ja: "すぐ次に alias[] の行がありません",
        en: "the row below it is not for 'alias[]'",
    },
    Edit {
        what: "key that names no field",
        file: "maps/blood-type.toml",
        old: "key     = [",
        new: "key     = [\"OBX\", ",
        line: "key ",
        rule: "blood-type",
        column: "key",
        ja: "key の「OBX」はフィールドを指していません",
        en: "'OBX' in the key names no field",
    },
    Edit {
        what: "profile that is not there",
        file: "maps/body-measurement.toml",
        old: r#""JP_Observation_BodyMeasurement""#,
        new: r#""JP_Observation_BodyMesurement""#,
        line: "profile",
        rule: "body-measurement",
        column: "profile",
        ja: "JP_Observation_BodyMesurement というプロファイルはありません",
        en: "There is no profile 'JP_Observation_BodyMesurement'",
    },
    Edit {
        what: "required target unwritten",
        file: "maps/encounter-outpatient.toml",
        old: "{ id = \"status\"",
        new: "#{ id = \"status\"",
        line: "[map]",
        rule: "encounter-outpatient",
        column: "to",
        ja: "status が必ず要りますが、それを書く規則がありません",
        en: "needs 'status', and no rule writes it",
    },
    Edit {
        what: "OID where a URL is fixed",
        file: "tables/slices.csv",
        old: "rpNumber,system,http://jpfhir.jp/fhir/core/mhlw/IdSystem/Medication-RPGroupNumber",
        new: "rpNumber,system,urn:oid:1.2.392.100495.20.3.81",
        line: "rpNumber,system",
        rule: "rpNumber",
        column: "value",
        ja: "OID(urn:oid:1.2.392.100495.20.3.81)ではなく、決められた URL",
        en: "Not an OID (urn:oid:1.2.392.100495.20.3.81) but the URL",
    },
    Edit {
        what: "find over a group that is not in the structure",
        file: "maps/lab-report.toml",
        old: "let     = [",
        new: "let     = [\n  { name = \"act\", find = \"ACC in group where .1 = 'x'\", else = \"empty\" },",
        line: r#"  { name = "act""#,
        rule: "lab-report/act",
        column: "find",
        ja: "電文のグループ(groups)に ACC は入っていません",
        en: "holds ACC",
    },
    Edit {
        what: "submap in itself",
        file: "maps/injection-request.toml",
        old: "id    = \"injection-drug\"",
        new: "",
        line: r#"  { id = "again""#,
        rule: "injection-drug/again",
        column: "use",
        ja: "injection-drug 自身に戻り、終わりません",
        en: "'injection-drug' would never end",
    },
    Edit {
        what: "test without expectation",
        file: "types/codes.toml",
        old: "",
        new: "\n[[test]]\nname  = \"何も確かめない\"\ntype  = \"Department\"\nvalue = \"1\"\n",
        line: "[[test]]\nname  = \"何も確かめない\"",
        rule: "何も確かめない",
        column: "expect",
        ja: "expect がありません",
        en: "expect is missing",
    },
    Edit {
        what: "duplicate rule id",
        file: "maps/practitioner.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"twice\", to = \"active\", fixed = true },\n  { id = \"twice\", to = \"birthDate\", from = \".9\", as = \"date\" },",
        line: r#"  { id = "twice", to = "birthDate""#,
        rule: "practitioner/twice",
        column: "id",
        ja: "twice という id の規則が二つあります",
        en: "there are two rules of this id",
    },
    Edit {
        what: "unreachable when",
        file: "maps/patient.toml",
        old: r#"when = "DB1-4 = 'Y' and not DB1-2 in 'AP,GT,IN'""#,
        new: r#"when = "DB1-4 = 'Y' and DB1-4 = 'N'""#,
        line: r#"  { id = "disability""#,
        rule: "patient/disability",
        column: "when",
        ja: "この条件は成り立つことがありません",
        en: "This condition can never hold",
    },
    Edit {
        what: "table row with a code twice",
        file: "tables/administrative-gender.csv",
        old: "",
        new: ",M,男,http://hl7.org/fhir/administrative-gender,female,女性,equal\n",
        line: ",M,男,http://hl7.org/fhir/administrative-gender,female",
        rule: "administrative-gender",
        column: "source_code",
        ja: "M は tables/administrative-gender.csv の",
        en: "a code has one row",
    },
    Edit {
        what: "file saved as CP932",
        file: "tables/public-payer.csv",
        old: "-",
        new: "",
        line: "",
        rule: "",
        column: "source_display",
        ja: "CP932(Shift_JIS)で保存されています",
        en: "saved as CP932",
    },
    Edit {
        what: "another text where a slice has its own",
        file: "maps/prescription-administration.toml",
        old: "  { id = \"seq\", ",
        new: "  { id = \"rp-system\", to = \"identifier[rpNumber].system\", fixed = \"http://example.jp/rp\" },\n  { id = \"seq\", ",
        line: r#"  { id = "rp-system""#,
        rule: "prescription-administration/rp-system",
        column: "fixed",
        ja: "rpNumber のここは http://jpfhir.jp/fhir/core/mhlw/IdSystem/Medication-RPGroupNumber と決まっています",
        en: "Of rpNumber this is fixed as http://jpfhir.jp/fhir/core/mhlw/IdSystem/Medication-RPGroupNumber",
    },
    Edit {
        what: "an element that the profile tells by its text unwritten",
        file: "maps/prescription-request.toml",
        old: "  { id = \"rp\", ",
        new: "  #{ id = \"rp\", ",
        line: "[map]",
        rule: "prescription-request",
        column: "to",
        ja: "identifier.system が http://jpfhir.jp/fhir/core/mhlw/IdSystem/Medication-RPGroupNumber のものが必ず要ります",
        en: "needs one with identifier.system = http://jpfhir.jp/fhir/core/mhlw/IdSystem/Medication-RPGroupNumber",
    },
    Edit {
        what: "a code that FHIR does not have",
        file: "maps/coverage.toml",
        old: r#"to = "status",       fixed = "active""#,
        new: r#"to = "status",       fixed = "complete""#,
        line: r#"  { id = "status""#,
        rule: "coverage/status",
        column: "fixed",
        ja: "「complete」は status に書けるコードではありません",
        en: "'complete' is no code of status: active, cancelled",
    },
    Edit {
        what: "another text than the profile fixes",
        file: "maps/injection-request.toml",
        old: r#"to = "dispenseRequest.expectedSupplyDuration", from = "$days", as = "Quantity.duration days""#,
        new: r#"to = "dispenseRequest.expectedSupplyDuration.unit", fixed = "週""#,
        line: r#"  { id = "supply""#,
        rule: "injection-request/supply",
        column: "fixed",
        ja: "JP_MedicationRequest_Injection ではここは 日 と決まっています",
        en: "JP_MedicationRequest_Injection fixes this as 日",
    },
    Edit {
        what: "a code of a table that FHIR does not have",
        file: "tables/observation-status.csv",
        old: ",corrected,",
        new: ",correct,",
        line: ",C,",
        rule: "observation-status",
        column: "target_code",
        ja: "「correct」は Observation.status のコードではありません",
        en: "'correct' is no code of Observation.status",
    },
    Edit {
        what: "a segment that no message of the map holds",
        file: "maps/condition.toml",
        old: r#"{ id = "ended""#,
        new: r#"{ id = "drug", to = "note[].text", from = "RXE-2.2" },
  { id = "ended""#,
        line: r#"  { id = "drug""#,
        rule: "condition/drug",
        column: "from",
        ja: "RXE は、このマップを使う電文(PPR-01 など)の構造(groups)に入りません",
        en: "RXE is in no structure (groups) of the messages of this map (PPR-01 …)",
    },
    Edit {
        what: "a date as it is sent",
        file: "maps/imaging-radiology.toml",
        old: r#"from = "OBR-7", as = "dateTime""#,
        new: r#"from = "OBR-7""#,
        line: r#"  { id = "started""#,
        rule: "imaging-radiology/started",
        column: "as",
        ja: "started は dateTime ですが、この変え方で作られるのは text",
        en: "started is a dateTime, but this makes a text",
    },
    Edit {
        what: "a code of FHIR as it is sent",
        file: "maps/imaging-radiology.toml",
        old: r#"to = "status", fixed = "available""#,
        new: r#"to = "status", from = "OBR-25""#,
        line: r#"  { id = "status""#,
        rule: "imaging-radiology/status",
        column: "as",
        ja: "status に書けるのは決まったコード(registered、available",
        en: "status takes codes of its own only (registered, available",
    },
    Edit {
        what: "an extension without a url",
        file: "maps/location.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"lift\", to = \"extension[].valueString\", from = \".3\" },",
        line: r#"  { id = "lift""#,
        rule: "location/lift",
        column: "to",
        ja: "url のない拡張になります",
        en: "This would be an extension without a url",
    },
    Edit {
        what: "two types of one element",
        file: "maps/allergy-al1.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"since\", to = \"onsetString\", fixed = \"x\" },",
        line: r#"  { id = "onset""#,
        rule: "allergy-al1/onset",
        column: "to",
        ja: "onsetString と onsetDateTime は一つの要素",
        en: "onsetString and onsetDateTime are one element",
    },
    Edit {
        what: "a reference to a type that the element does not take",
        file: "maps/specimen.toml",
        old: r#"to = "subject",      from"#,
        new: r#"to = "collection.collector", from"#,
        line: r#"  { id = "subject""#,
        rule: "specimen/subject",
        column: "as",
        ja: "Specimen.collection.collector が指せるのは Practitioner",
        en: "Specimen.collection.collector refers to Practitioner",
    },
    Edit {
        what: "a finding that nobody knows",
        file: "maps/allergy-al1.toml",
        old: "warn allergy-said-none",
        new: "warn allergy-said-noen",
        line: r#"  { name = "none""#,
        rule: "allergy-al1/none",
        column: "else",
        ja: "allergy-said-noen という所見はありません。allergy-said-none のことですか",
        en: "There is no finding 'allergy-said-noen'. Did you mean 'allergy-said-none'?",
    },
    Edit {
        what: "a code system without its http",
        file: "tables/code-systems.csv",
        old: ",HOT13,,http://medis.or.jp/",
        new: ",HOT13,,medis.or.jp/",
        line: ",HOT13,",
        rule: "code-systems",
        column: "target_system",
        ja: "「medis.or.jp/CodeSystem/master-HOT13」はコード体系の URL ではありません",
        en: "'medis.or.jp/CodeSystem/master-HOT13' is no URL of a code system",
    },
    Edit {
        what: "a code that its table does not have",
        file: "maps/insurer.toml",
        old: r#"to = "type[]", fixed = "ins""#,
        new: r#"to = "type[]", fixed = "insurer""#,
        line: r#"  { id = "type""#,
        rule: "insurer/type",
        column: "fixed",
        ja: "表 organization-type の target_code に insurer の行がありません",
        en: "No row of the table 'organization-type' has the target_code 'insurer'",
    },
    Edit {
        what: "a component that the data type does not have",
        file: "maps/insurer.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"branch\", to = \"alias[]\", from = \"IN1-4.14\" },",
        line: r#"  { id = "branch""#,
        rule: "insurer/branch",
        column: "from",
        ja: "IN1-4(XON)の成分は 10 まで",
        en: "there is no IN1-4.14",
    },
    Edit {
        what: "a component inside a text",
        file: "maps/insurer.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"words\", to = \"alias[]\", as = \"text '支部 {IN1-4.14}'\" },",
        line: r#"  { id = "words""#,
        rule: "insurer/words",
        column: "as",
        ja: "IN1-4(XON)の成分は 10 まで",
        en: "there is no IN1-4.14",
    },
    Edit {
        what: "a component in a condition",
        file: "maps/insurer.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"asked\", to = \"alias[]\", from = \"IN1-4.1\", when = \"IN1-11.12 valued\" },",
        line: r#"  { id = "asked""#,
        rule: "insurer/asked",
        column: "when",
        ja: "IN1-11(XON)の成分は 10 まで",
        en: "there is no IN1-11.12",
    },
    Edit {
        what: "a component in a choice of segments",
        file: "maps/insurer.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"chosen\", to = \"alias[]\", from = \"IN1[.2.23 = 'C0']-4.1\" },",
        line: r#"  { id = "chosen""#,
        rule: "insurer/chosen",
        column: "from",
        ja: "IN1-2(CWE)の成分は 22 まで",
        en: "there is no IN1-2.23",
    },
    Edit {
        what: "a component of what is sought",
        file: "maps/allergy-iam.toml",
        old: "let     = [",
        new: "let     = [\n  { name = \"seen\", find = \"OBX in message where .3.23 = '1'\", else = \"empty\" },",
        line: r#"  { name = "seen""#,
        rule: "allergy-iam/seen",
        column: "find",
        ja: "OBX-3(CWE)の成分は 22 まで",
        en: "there is no OBX-3.23",
    },
    Edit {
        what: "a field in a choice of segments",
        file: "maps/body-measurement.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"chosen\", to = \"note[].text\", from = \"OBX[.53 = 'x']-5\" },",
        line: r#"  { id = "chosen""#,
        rule: "body-measurement/chosen",
        column: "from",
        ja: "OBX のフィールドは 33 まで",
        en: "there is no OBX-53",
    },
    Edit {
        what: "a segment that the type of the message does not have",
        file: "maps/allergy-iam.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"drug\", to = \"note[].text\", from = \"RXE-2.2\" },",
        line: r#"  { id = "drug""#,
        rule: "allergy-iam/drug",
        column: "from",
        ja: "RXE は、このマップを使う電文(ADT-61 など)の種類(ADT)の構造に入りません",
        en: "RXE is in no structure of ADT, the type of the messages of this map (ADT-61 …)",
    },
    Edit {
        what: "a segment in a file that is no HL7",
        file: "maps/lab-csv-observation.toml",
        old: "rules   = [",
        new: "rules   = [\n  { id = \"remark\", to = \"note[].text\", from = \"NTE-3\" },",
        line: r#"  { id = "remark""#,
        rule: "lab-csv-observation/remark",
        column: "from",
        ja: "NTE は、このマップを使う電文(lab-csv44 など)にはありません",
        en: "There is no NTE in the messages of this map (lab-csv44 …)",
    },
    Edit {
        what: "a segment in the heading of a message that does not have it",
        file: "messages/ADT-42.toml",
        old: "event_time = [\"",
        new: "event_time = [\"ORC-9\", \"",
        line: "event_time",
        rule: "ADT-42",
        column: "event_time",
        ja: "ORC は、この電文(ADT-42)の種類(ADT)の構造に入りません",
        en: "ORC is in no structure of ADT, the type of this message (ADT-42)",
    },
    Edit {
        what: "a message divided by a group that it does not have",
        file: "messages/OMD.toml",
        old: "\"ORDER by",
        new: "\"ODER by",
        line: "each ",
        rule: "OMD",
        column: "each",
        ja: "each のまとまり ODER が、この電文の groups にありません",
        en: "each is of the group ODER, which this message has not",
    },
];

/// Makes an edit; gives the line that must be named.
fn edit(files: &mut [(String, Vec<u8>)], edit: &Edit) -> usize {
    let (_, bytes) =
        files.iter_mut().find(|file| file.0 == edit.file).unwrap_or_else(|| panic!("{}", edit.file));
    let mut text = String::from_utf8(bytes.clone()).unwrap();
    match (edit.what, edit.old) {
        ("file saved as CP932", _) => {
            *bytes = encoding_rs::SHIFT_JIS.encode(&text).0.into_owned();
            return 1 + text.lines().position(|line| !line.is_ascii()).expect("a table with Japanese in it");
        }
        ("submap in itself", _) => {
            let at = text.find("id    = \"injection-drug\"").unwrap();
            let rules = at + text[at..].find("rules = [").unwrap() + "rules = [".len();
            let row =
                "\n  { id = \"again\", to = \"extension[]\", each = \"RXC\", use = \"injection-drug\" },";
            text.insert_str(rules, row);
        }
        (_, "") => {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(edit.new);
        }
        (what, old) => {
            assert!(text.contains(old), "{what}: {old} is not in {}", edit.file);
            text = text.replacen(old, edit.new, 1);
        }
    }
    let at = text.find(edit.line).unwrap_or_else(|| panic!("{}: {}", edit.what, edit.line));
    *bytes = text.clone().into_bytes();
    1 + text[..at].matches('\n').count()
}

fn files() -> Vec<(String, Vec<u8>)> {
    shipped().into_iter().map(|file| (file.path, file.text.into_bytes())).collect()
}

fn check(files: Vec<(String, Vec<u8>)>) -> Vec<Problem> {
    let (mut problems, mut texts) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let (file, problem) = read(Rank::Shipped, &path, bytes);
        texts.push(file);
        problems.extend(problem);
    }
    problems.extend(
        MappingSet::layered(vec![Layer::new(Rank::Shipped, texts)]).map(|_| ()).err().unwrap_or_default(),
    );
    problems
}

fn told(problem: &Problem, edit: &Edit, line: usize) -> bool {
    (problem.file.as_str(), problem.line, problem.rule.as_str(), problem.column.as_str())
        == (edit.file, line, edit.rule, edit.column)
        && problem.ja.contains(edit.ja)
        && problem.en.contains(edit.en)
}

#[test]
fn each_wrong_edit_gives_one_problem_that_names_the_cell() {
    assert_eq!(check(files()), []);
    for one in &EDITS {
        let mut files = files();
        let line = edit(&mut files, one);
        let problems = check(files);
        let [problem] = problems.as_slice() else { panic!("{}: {problems:#?}", one.what) };
        assert!(told(problem, one, line), "{}, line {line}: {problem:#?}", one.what);
        assert!(!problem.ja.is_ascii(), "{}", one.what);
    }
}

#[test]
fn all_wrong_edits_are_told_at_once() {
    let mut files = files();
    let all: Vec<&Edit> = EDITS.iter().collect();
    for one in &all {
        edit(&mut files, one);
    }
    let problems = check(files.clone());
    for one in &all {
        // Lines move with the edits above them.
        let found = |problem: &&Problem| {
            problem.file == one.file && problem.rule == one.rule && problem.column == one.column
        };
        assert!(problems.iter().any(|problem| found(&problem)), "{}: {problems:#?}", one.what);
    }
    assert_eq!(problems.len(), all.len(), "{problems:#?}");
}
