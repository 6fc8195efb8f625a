//! Pairs of each data type: a message and its correction with one entry less, a message and its withdrawal, each
//! in the order in which they were written and the other way round.
//!
//! What must stand at the base and what must be deleted is written out by hand beside the messages; what stands
//! in the end is the same in both orders. The rule: the new whole takes the place of the old, what it no longer
//! has is deleted, a withdrawal deletes all of it, and a tombstone keeps an older message that arrives late from
//! raising it (mapping facts 0.4: condition flag 1 → PUT, 0 → DELETE; `replaces` and `cancel` of the message file).

use crate::shipped;
use renkei_bridge::record::{Memory, Projection};
use renkei_translate::mapping::translate;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Status};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A data type.
struct Pair {
    data_type: &'static str,
    trigger: &'static str,
    /// Segments behind PID of the first message.
    whole: &'static [&'static str],
    /// Those of its correction.
    less: &'static [&'static str],
    /// How it is withdrawn.
    withdrawal: Withdrawal,
    /// What stands after the first message besides shared resources (Practitioner, Organization, Location).
    stands: &'static [&'static str],
    /// What the correction deletes.
    deleted: &'static [&'static str],
    /// What stands after the withdrawal.
    left: &'static [&'static str],
}

enum Withdrawal {
    /// By another trigger event with these segments.
    Trigger(&'static str, &'static [&'static str]),
    /// By the same trigger event with these segments (ORC-1).
    Content(&'static [&'static str]),
    /// By condition flag 0 of the file, its content being that of the first message.
    Flag,
}

const PAIRS: &[Pair] = &[
    Pair {
        data_type: "ADT-00",
        trigger: "ADT^A08^ADT_A01",
        whole: &[
            "OBX|1|NM|9N001000000000001^身長^JC10||170.5|cm^cm^ISO+|||||F",
            "AL1|1|DA^薬剤アレルギー^HL70127|1^ペニシリン^99XYZ",
            "IN1|1|C0^国民健康保険^JHSD0001|138057|見本市||||||12~3456~02||20240401|||||SEL^本人^HL70063",
        ],
        less: &[
            "OBX|1|NM|9N001000000000001^身長^JC10||170.5|cm^cm^ISO+|||||F",
            "IN1|1|C0^国民健康保険^JHSD0001|138057|見本市||||||12~3456~02||20240401|||||SEL^本人^HL70063",
        ],
        withdrawal: Withdrawal::Trigger("ADT^A23^ADT_A21", &[]),
        stands: &["Patient", "Observation 9N001000000000001", "AllergyIntolerance 1", "Coverage 2"],
        deleted: &["AllergyIntolerance 1"],
        left: &[],
    },
    Pair {
        data_type: "ADT-12",
        trigger: "ADT^A04^ADT_A01",
        whole: &[
            "PV1||O|01^^^^^C|||||||01||||||||||||||||||||||||||||||||||202404010859",
            "OBX|1|NM|9N006000000000001^体重^JC10||65.0|kg^kg^ISO+|||||F|||202404010900",
        ],
        less: &["PV1||O|01^^^^^C|||||||01||||||||||||||||||||||||||||||||||202404010859"],
        withdrawal: Withdrawal::Trigger(
            "ADT^A11^ADT_A09",
            &["PV1||O|01^^^^^C|||||||01||||||||||||||||||||||||||||||||||202404010859"],
        ),
        stands: &["Patient", "Encounter AMB", "Observation 9N006000000000001"],
        deleted: &["Observation 9N006000000000001"],
        left: &["Patient"],
    },
    Pair {
        data_type: "ADT-22",
        trigger: "ADT^A01^ADT_A01",
        whole: &[
            "PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||||||||||202404011430",
            "OBX|1|NM|9N006000000000001^体重^JC10||65.0|kg^kg^ISO+|||||F|||202404011440",
        ],
        less: &["PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||||||||||202404011430"],
        withdrawal: Withdrawal::Trigger(
            "ADT^A11^ADT_A09",
            &["PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||||||||||202404011430"],
        ),
        stands: &["Patient", "Encounter IMP", "Observation 9N006000000000001"],
        deleted: &["Observation 9N006000000000001"],
        left: &["Patient"],
    },
    Pair {
        data_type: "ADT-61",
        trigger: "ADT^A60^ADT_A60",
        whole: &[
            "IAM|1|LA^花粉アレルギー^HL70127|5A1002216023023^スギ^JC10||目のかゆみ|A^追加^HL70323",
            "IAM|2|FA^食物アレルギー^HL70127|F1^ソバ^99XYZ||湿疹|A^追加^HL70323",
        ],
        less: &["IAM|1|LA^花粉アレルギー^HL70127|5A1002216023023^スギ^JC10||目のかゆみ|A^追加^HL70323"],
        withdrawal: Withdrawal::Flag,
        stands: &["Patient", "AllergyIntolerance 5A1002216023023", "AllergyIntolerance F1"],
        deleted: &["AllergyIntolerance F1"],
        left: &["Patient"],
    },
    Pair {
        data_type: "PPR-01",
        trigger: "PPR^ZD1^PPR_ZD1",
        whole: &[
            "PRB|AD|20240401|20054174^胃炎^MDCDX2|000000000000001|||20240401|||||||||20240325",
            "PRB|AD|20240401|20061857^高血圧症^MDCDX2|000000000000002|||20240401|||||||||20240325",
        ],
        less: &["PRB|AD|20240401|20061857^高血圧症^MDCDX2|000000000000002|||20240401|||||||||20240325"],
        withdrawal: Withdrawal::Flag,
        stands: &["Patient", "Condition 20054174", "Condition 20061857"],
        deleted: &["Condition 20054174"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMP-01",
        trigger: "RDE^O11^RDE_O11",
        whole: &[
            "ORC|NW|000000000000001||000000000000001_01_001|||||20240401110300",
            "RXE||100000001^架空錠５ｍｇ^HOT9|1||TAB^錠^MR9P",
            "ORC|NW|000000000000001||000000000000001_02_001|||||20240401110300",
            "RXE||100000002^架空錠１０ｍｇ^HOT9|1||TAB^錠^MR9P",
        ],
        less: &[
            "ORC|NW|000000000000001||000000000000001_01_001|||||20240401110300",
            "RXE||100000001^架空錠５ｍｇ^HOT9|1||TAB^錠^MR9P",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|CA|000000000000001||000000000000001_01_001|||||20240401110300",
            "RXE||100000001^架空錠５ｍｇ^HOT9|1||TAB^錠^MR9P",
        ]),
        stands: &["Patient", "MedicationRequest 100000001", "MedicationRequest 100000002"],
        deleted: &["MedicationRequest 100000002"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMP-02",
        trigger: "RDE^O11^RDE_O11",
        whole: &[
            "ORC|NW|000000000000002||000000000000002_01_001|||||20240401110300",
            "RXE||00^一般^99I02|510||ML^ミリリットル^MR9P",
            "RXC|B|600000001^架空輸液５００ｍＬ^HOT9|1|HON^本^MR9P",
            "ORC|NW|000000000000002||000000000000002_01_002|||||20240401110300",
            "RXE||00^一般^99I02|100||ML^ミリリットル^MR9P",
            "RXC|B|600000003^架空輸液１００ｍＬ^HOT9|1|HON^本^MR9P",
        ],
        less: &[
            "ORC|NW|000000000000002||000000000000002_01_002|||||20240401110300",
            "RXE||00^一般^99I02|100||ML^ミリリットル^MR9P",
            "RXC|B|600000003^架空輸液１００ｍＬ^HOT9|1|HON^本^MR9P",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|DC|000000000000002||000000000000002_01_001|||||20240401110300",
            "RXE||00^一般^99I02|510||ML^ミリリットル^MR9P",
            "RXC|B|600000001^架空輸液５００ｍＬ^HOT9|1|HON^本^MR9P",
        ]),
        stands: &["Patient", "MedicationRequest 600000001", "MedicationRequest 600000003"],
        deleted: &["MedicationRequest 600000001"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMP-11",
        trigger: "RAS^O17^RAS_O17",
        whole: &[
            "ORC|NW|000000000000005||1|||||20240401110300",
            "RXA|0|1|202404020830|202404020830|100000001^架空錠５ｍｇ^HOT9|1|TAB^錠^MR9P",
            "RXA|0|1|202404020830|202404020830|100000002^架空錠１０ｍｇ^HOT9|1|TAB^錠^MR9P",
            "RXR|PO^口^HL70162",
        ],
        less: &[
            "ORC|NW|000000000000005||1|||||20240401110300",
            "RXA|0|1|202404020830|202404020830|100000001^架空錠５ｍｇ^HOT9|1|TAB^錠^MR9P",
            "RXR|PO^口^HL70162",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|CA|000000000000005||1|||||20240401110300",
            "RXA|0|1|202404020830|202404020830|100000001^架空錠５ｍｇ^HOT9|1|TAB^錠^MR9P",
        ]),
        stands: &["Patient", "MedicationAdministration 100000001", "MedicationAdministration 100000002"],
        deleted: &["MedicationAdministration 100000002"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMP-12",
        trigger: "RAS^O17^RAS_O17",
        whole: &[
            "ORC|NW|000000000000006||000000000000006_01_001|||||20240401110300",
            "RXA|0|1|202404020830|202404021330|600000001^架空輸液５００ｍＬ^HOT9|1|HON^本^MR9P",
            "RXR|IV^静脈内^HL70162",
            "ORC|NW|000000000000006||000000000000006_01_002|||||20240401110300",
            "RXA|0|1|202404021400|202404021500|600000003^架空輸液１００ｍＬ^HOT9|1|HON^本^MR9P",
            "RXR|IV^静脈内^HL70162",
        ],
        less: &[
            "ORC|NW|000000000000006||000000000000006_01_001|||||20240401110300",
            "RXA|0|1|202404020830|202404021330|600000001^架空輸液５００ｍＬ^HOT9|1|HON^本^MR9P",
            "RXR|IV^静脈内^HL70162",
        ],
        withdrawal: Withdrawal::Flag,
        stands: &["Patient", "MedicationAdministration 600000001", "MedicationAdministration 600000003"],
        deleted: &["MedicationAdministration 600000003"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMD",
        trigger: "OMD^O03^OMD_O03",
        whole: &[
            "ORC|NW|000000000000007|||||||20240401110300",
            "ODS|D||001^常食^99XY3",
            "ORC|NW|000000000000007|||||||20240401110300",
            "ODS|D||002^粥食^99XY3",
        ],
        less: &["ORC|NW|000000000000007|||||||20240401110300", "ODS|D||001^常食^99XY3"],
        withdrawal: Withdrawal::Flag,
        stands: &["Patient", "NutritionOrder 001", "NutritionOrder 002"],
        deleted: &["NutritionOrder 002"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OML-11",
        trigger: "OUL^R22^OUL_R22",
        whole: &[
            "SPM|1|L001||023^血清^JC10|||||||||||||202404010830",
            "OBR|1|000000000000003||3^生化学的検査^99LAB",
            "ORC|SC|000000000000003|||CM",
            "OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|||||F",
            "OBX|2|NM|3H015000002326101^カリウム^JC10||4.1|meq/L^meq/L^99XYZ|||||F",
        ],
        less: &[
            "SPM|1|L001||023^血清^JC10|||||||||||||202404010830",
            "OBR|1|000000000000003||3^生化学的検査^99LAB",
            "ORC|SC|000000000000003|||CM",
            "OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|||||F",
        ],
        withdrawal: Withdrawal::Content(&[
            "SPM|1|L001||023^血清^JC10|||||||||||||202404010830",
            "OBR|1|000000000000003||3^生化学的検査^99LAB",
            "ORC|CA|000000000000003",
        ]),
        stands: &[
            "Patient",
            "Specimen 023",
            "DiagnosticReport 11502-2",
            "Observation 3C015000002327101",
            "Observation 3H015000002326101",
        ],
        deleted: &["Observation 3H015000002326101"],
        left: &["Patient"],
    },
    Pair {
        data_type: "ORU-R01",
        trigger: "ORU^R01^ORU_R01",
        whole: &[
            "ORC|SC|000000000000004|||CM",
            "OBR|1|000000000000004||3^生化学的検査^99LAB|||202404010830",
            "OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|||||F",
            "OBX|2|NM|3H015000002326101^カリウム^JC10||4.1|meq/L^meq/L^99XYZ|||||F",
        ],
        less: &[
            "ORC|SC|000000000000004|||CM",
            "OBR|1|000000000000004||3^生化学的検査^99LAB|||202404010830",
            "OBX|1|NM|3H015000002326101^カリウム^JC10||4.1|meq/L^meq/L^99XYZ|||||F",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|CA|000000000000004",
            "OBR|1|000000000000004||3^生化学的検査^99LAB|||202404010830",
        ]),
        stands: &[
            "Patient",
            "DiagnosticReport 11502-2",
            "Observation 3C015000002327101",
            "Observation 3H015000002326101",
        ],
        deleted: &["Observation 3C015000002327101"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OML-01",
        trigger: "OML^O33^OML_O33",
        whole: &[
            "SPM|1|L001||023^血清^JC10|||||||||||||202404010830",
            "ORC|NW|000000000000011|||||||20240401080000",
            "OBR|1|000000000000011||E002^生化学的検査^99O03",
            "SPM|2|L002||022^血漿^JC10|||||||||||||202404010830",
            "ORC|NW|000000000000011|||||||20240401080000",
            "OBR|1|000000000000011||E001^血液学的検査^99O03",
        ],
        less: &[
            "SPM|1|L001||023^血清^JC10|||||||||||||202404010830",
            "ORC|NW|000000000000011|||||||20240401080000",
            "OBR|1|000000000000011||E002^生化学的検査^99O03",
        ],
        withdrawal: Withdrawal::Content(&[
            "SPM|1|L001||023^血清^JC10",
            "ORC|CA|000000000000011",
            "OBR|1|000000000000011||E002^生化学的検査^99O03",
        ]),
        stands: &["Patient", "Specimen 023", "Specimen 022", "ServiceRequest E002", "ServiceRequest E001"],
        deleted: &["Specimen 022", "ServiceRequest E001"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMG-O19",
        trigger: "OMG^O19^OMG_O19",
        whole: &[
            "ORC|NW|000000000000021|||||||20240401100000",
            "OBR||000000000000021||1000000000000000^Ｘ線単純撮影^JJ1017",
            "ORC|CH|000000000000022||||||000000000000021|20240401100000",
            "OBR||000000000000022||X22^胸部^99RAD",
            "ORC|CH|000000000000023||||||000000000000021|20240401100000",
            "OBR||000000000000023||X23^腹部^99RAD",
        ],
        less: &[
            "ORC|NW|000000000000021|||||||20240401100000",
            "OBR||000000000000021||1000000000000000^Ｘ線単純撮影^JJ1017",
            "ORC|CH|000000000000022||||||000000000000021|20240401100000",
            "OBR||000000000000022||X22^胸部^99RAD",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|DC|000000000000021",
            "OBR||000000000000021||1000000000000000^Ｘ線単純撮影^JJ1017",
        ]),
        stands: &["Patient", "ServiceRequest 1000000000000000", "ServiceRequest X22", "ServiceRequest X23"],
        deleted: &["ServiceRequest X23"],
        left: &["Patient"],
    },
    Pair {
        data_type: "ORU-R30",
        trigger: "ORU^R30^ORU_R30",
        whole: &[
            "ORC|RE||V0001",
            "OBR|1||V0001|VS^バイタル^99ZL01|||20240401",
            "OBX|1|NM|9P300000000000001^脈拍^JC10||72|/min^/min^99XYZ|||||F|||202404010905",
            "OBX|2|NM|9P200000000000001^呼吸数^JC10||16|/min^/min^99XYZ|||||F|||202404010905",
        ],
        less: &[
            "ORC|RE||V0001",
            "OBR|1||V0001|VS^バイタル^99ZL01|||20240401",
            "OBX|1|NM|9P300000000000001^脈拍^JC10||72|/min^/min^99XYZ|||||F|||202404010905",
        ],
        withdrawal: Withdrawal::Content(&["ORC|CA||V0001", "OBR|1||V0001|VS^バイタル^99ZL01"]),
        stands: &["Patient", "Observation 9P300000000000001", "Observation 9P200000000000001"],
        deleted: &["Observation 9P200000000000001"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMG-11",
        trigger: "OMI^Z23^OMI_Z23",
        whole: &[
            "ORC|NW|000000000000011|||||||20240401113540",
            "OBR||000000000000011||2000000000000000^架空のＣＴ^JJ1017|||20240401",
            "IPC|A001||1.2.392.999.1||CT^^DCM",
            "ORC|CH|000000000000012||||||000000000000011|20240401113540",
            "OBR||000000000000012||20000000000000000000000000000001^架空の胸部^JJ1017|||20240401",
            "ZE1|1|RS|20000000000000000000000000000001^架空の胸部^JJ1017|||||DE-02|600000009^架空造影剤^HOT9^50",
            "ORC|CH|000000000000013||||||000000000000011|20240401113540",
            "OBR||000000000000013||20000000000000000000000000000002^架空の腹部^JJ1017|||20240401",
            "ZE1|1|RS|20000000000000000000000000000002^架空の腹部^JJ1017",
        ],
        less: &[
            "ORC|NW|000000000000011|||||||20240401113540",
            "OBR||000000000000011||2000000000000000^架空のＣＴ^JJ1017|||20240401",
            "IPC|A001||1.2.392.999.1||CT^^DCM",
            "ORC|CH|000000000000013||||||000000000000011|20240401113540",
            "OBR||000000000000013||20000000000000000000000000000002^架空の腹部^JJ1017|||20240401",
            "ZE1|1|RS|20000000000000000000000000000002^架空の腹部^JJ1017",
        ],
        // The head of the order is taken back; the parent and the children are told as they were.
        withdrawal: Withdrawal::Content(&[
            "ORC|CA|000000000000011|||||||20240401113540",
            "OBR||000000000000011||2000000000000000^架空のＣＴ^JJ1017|||20240401",
            "ORC|CH|000000000000012||||||000000000000011|20240401113540",
            "OBR||000000000000012||20000000000000000000000000000001^架空の胸部^JJ1017|||20240401",
            "ZE1|1|RS|20000000000000000000000000000001^架空の胸部^JJ1017",
        ]),
        stands: &[
            "Patient",
            "ServiceRequest 2000000000000000",
            "Procedure 20000000000000000000000000000001",
            "Procedure 20000000000000000000000000000002",
            "MedicationAdministration 600000009",
            "ImagingStudy",
        ],
        deleted: &["Procedure 20000000000000000000000000000001", "MedicationAdministration 600000009"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMG-12",
        trigger: "OMI^Z23^OMI_Z23",
        whole: &[
            "ORC|NW|000000000000021|||||||20240401113540",
            "OBR||000000000000021||11000000000^検査.上部^LENDO|||20240401",
            "ORC|CH|000000000000022||||||000000000000021|20240401113540",
            "OBR||000000000000022||11000001000^上部通常内視鏡^LENDO|||20240401",
            "ZE1|1|RS|11000001000^上部通常内視鏡^LENDO",
            "OBX|1|ZRD|DE-02^薬品^JSHR||600000005^架空注5mg^HOT9^1^AMP&管&MR9P||||||F",
            "ZE1|2|RS|11010001401^食道.生検採取^LENDO",
        ],
        less: &[
            "ORC|NW|000000000000021|||||||20240401113540",
            "OBR||000000000000021||11000000000^検査.上部^LENDO|||20240401",
            "ORC|CH|000000000000022||||||000000000000021|20240401113540",
            "OBR||000000000000022||11000001000^上部通常内視鏡^LENDO|||20240401",
            "ZE1|1|RS|11000001000^上部通常内視鏡^LENDO",
        ],
        withdrawal: Withdrawal::Flag,
        stands: &[
            "Patient",
            "ServiceRequest 11000000000",
            "Procedure 11000001000",
            "Procedure 11010001401",
            "MedicationAdministration 600000005",
        ],
        deleted: &["Procedure 11010001401", "MedicationAdministration 600000005"],
        left: &["Patient"],
    },
    Pair {
        data_type: "OMG-13",
        trigger: "ORU^R01^ORU_R01",
        whole: &[
            "ORC|RE|000000000000031",
            "OBR|1|000000000000031||9A110^標準１２誘導心電図^JC10|||20240401",
            "OBX|1|TX|9A100&IMP^心電図所見^JC10|1|異常なし||||||F",
            "OBX|2|NM|32769^心拍数^99MFR|2|67|bpm|||||F",
            "OBX|3|NM|32770^PQ 時間^99MFR|2|154|msec|||||F",
        ],
        less: &[
            "ORC|RE|000000000000031",
            "OBR|1|000000000000031||9A110^標準１２誘導心電図^JC10|||20240401",
            "OBX|1|TX|9A100&IMP^心電図所見^JC10|1|異常なし||||||F",
            "OBX|2|NM|32770^PQ 時間^99MFR|2|154|msec|||||F",
        ],
        withdrawal: Withdrawal::Content(&[
            "ORC|CA|000000000000031",
            "OBR|1|000000000000031||9A110^標準１２誘導心電図^JC10|||20240401",
        ]),
        stands: &["Patient", "DiagnosticReport 9A110", "Observation 32769", "Observation 32770"],
        deleted: &["Observation 32769"],
        left: &["Patient"],
    },
];

/// A message as it comes: its text, and the name of its file where it has one.
struct Message {
    text: String,
    file: Option<FileName>,
}

const PATIENT: &str = "0000000123";

fn message(trigger: &str, hour: u32, segments: &[&str]) -> Message {
    let mut lines = vec![
        format!("MSH|^~\\&|HIS|S|GW|R|20240402{hour:02}0000||{trigger}|{hour}|P|2.5||||||UNICODE UTF-8"),
        format!("PID|||{PATIENT}||見本^太郎^^^^^L^I~ミホン^タロウ^^^^^L^P||19700203|M"),
    ];
    if trigger.starts_with("ADT") {
        lines.insert(1, format!("EVN||20240402{hour:02}0000"));
    }
    lines.extend(segments.iter().map(|line| (*line).to_owned()));
    Message { text: lines.join("\r"), file: None }
}

impl Pair {
    fn whole(&self) -> Message {
        message(self.trigger, 9, self.whole)
    }

    fn less(&self) -> Message {
        message(self.trigger, 10, self.less)
    }

    fn withdrawn(&self) -> Message {
        match self.withdrawal {
            Withdrawal::Trigger(trigger, segments) => message(trigger, 11, segments),
            Withdrawal::Content(segments) => message(self.trigger, 11, segments),
            Withdrawal::Flag => {
                let name = format!(
                    "000/000/{PATIENT}/-/{kind}/{PATIENT}_-_{kind}_999999999999999_20240402110000000_-_0",
                    kind = self.data_type
                );
                let file = FileName::parse(&name).expect("the name is that of a storage");
                Message { file: Some(file), ..self.whole() }
            }
        }
    }
}

/// What a resource is, in words: its type and its code.
fn label(resource: &Value) -> String {
    let kind = resource["resourceType"].as_str().expect("a resource has a type");
    let code = [
        "/class/code",
        "/code/coding/0/code",
        "/medicationCodeableConcept/coding/0/code",
        "/contained/0/ingredient/0/itemCodeableConcept/coding/0/code",
        "/type/coding/0/code",
        "/oralDiet/type/0/coding/0/code",
    ];
    match code.iter().find_map(|at| resource.pointer(at)?.as_str()) {
        Some(code) => format!("{kind} {code}"),
        None => kind.to_owned(),
    }
}

/// A base that takes what the record sends.
#[derive(Default)]
struct Base {
    memory: Memory,
    labels: BTreeMap<String, String>,
    contents: BTreeMap<String, Value>,
    at_base: BTreeSet<String>,
}

impl Base {
    /// Takes a message in; what was deleted, in words.
    fn take(&mut self, message: &Message, sequence: i64) -> BTreeSet<String> {
        let context = shipped::context(message.file.clone(), PathPatient::Error, Lists::Whole);
        let out = translate(shipped::set(), message.text.as_bytes(), &context);
        assert_ne!(out.status, Status::Quarantined, "{:?}", out.findings);
        let Projection { puts, deletes, .. } = self.memory.apply(&out, sequence).0;
        for put in puts {
            let resource: Value = serde_json::from_str(put.json.get()).expect("a resource is JSON");
            let id = format!("{}/{}", put.resource_type, put.id);
            self.labels.insert(id.clone(), label(&resource));
            self.contents.insert(id.clone(), resource);
            self.at_base.insert(id);
        }
        deletes
            .into_iter()
            .map(|(kind, id)| {
                let id = format!("{kind}/{id}");
                assert!(self.at_base.remove(&id), "{} is deleted and was never there", self.labels[&id]);
                self.labels[&id].clone()
            })
            .collect()
    }

    /// What stands, in words; shared resources left out.
    fn stands(&self) -> BTreeSet<String> {
        let shared = |id: &str| {
            ["Practitioner/", "Organization/", "Location/", "Device/"].iter().any(|s| id.starts_with(s))
        };
        self.at_base.iter().filter(|id| !shared(id)).map(|id| self.labels[id].clone()).collect()
    }
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_correction_with_one_entry_less_deletes_that_entry() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.whole(), 1).is_empty(), "{name}");
        assert_eq!(base.stands(), set(pair.stands), "{name}");
        assert_eq!(base.take(&pair.less(), 2), set(pair.deleted), "{name}");
        assert_eq!(base.stands(), &set(pair.stands) - &set(pair.deleted), "{name}");
    }
}

#[test]
fn a_correction_that_arrives_first_is_not_undone_by_what_it_corrects() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.less(), 1).is_empty(), "{name}");
        assert!(base.take(&pair.whole(), 2).is_empty(), "{name}");
        assert_eq!(base.stands(), &set(pair.stands) - &set(pair.deleted), "{name}");
    }
}

#[test]
fn a_withdrawal_deletes_all_of_it() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        base.take(&pair.whole(), 1);
        assert_eq!(base.take(&pair.withdrawn(), 2), &set(pair.stands) - &set(pair.left), "{name}");
        assert_eq!(base.stands(), set(pair.left), "{name}");
    }
}

#[test]
fn a_withdrawal_that_arrives_first_is_not_undone_by_what_it_withdraws() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.withdrawn(), 1).is_empty(), "{name}");
        assert!(base.take(&pair.whole(), 2).is_empty(), "{name}");
        let unit: BTreeSet<String> = &set(pair.stands) - &set(pair.left);
        assert!(base.stands().is_disjoint(&unit), "{name}: {:?}", base.stands());
    }
}

/// ADT-52 makes no entry of its own: it changes the stay that its admission opened. A correction changes it
/// again, and its withdrawal (A13) opens the stay again, in any order of arrival.
#[test]
fn a_discharge_is_corrected_and_withdrawn_in_any_order() {
    const ADMISSION: &str = "PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||||||||||202404011430";
    const FIRST: &str = "PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||01|||||||||202404101030";
    const CORRECTED: &str = "PV1||I|3A^301^2^^^N||||||||||||||||||||||||||||||||||||||||||202404101130";
    let admission = || message("ADT^A01^ADT_A01", 9, &[ADMISSION]);
    let first = || message("ADT^A03^ADT_A03", 10, &[FIRST]);
    let corrected = || message("ADT^A03^ADT_A03", 11, &[CORRECTED]);
    let withdrawn = || message("ADT^A13^ADT_A01", 12, &[FIRST]);
    let stay = |history: &[Message]| {
        let mut base = Base::default();
        for (message, sequence) in history.iter().zip(1..) {
            assert!(base.take(message, sequence).is_empty());
        }
        let unit =
            base.at_base.iter().find(|id| id.starts_with("Encounter/")).expect("there is a stay").clone();
        (base.contents[&unit].clone(), base.stands())
    };
    for history in [
        [admission(), first(), corrected()],
        [admission(), corrected(), first()],
        [corrected(), first(), admission()],
    ] {
        let (encounter, stands) = stay(&history);
        assert_eq!(encounter["status"], "finished");
        assert_eq!(encounter["period"]["end"], "2024-04-10T11:30:00+09:00");
        // PV1-36 stood in the first telling only.
        assert!(encounter["hospitalization"].is_null());
        assert_eq!(stands, set(&["Patient", "Encounter IMP"]));
    }
    for history in [
        [admission(), first(), withdrawn()],
        [admission(), withdrawn(), first()],
        [withdrawn(), first(), admission()],
    ] {
        let (encounter, _) = stay(&history);
        assert_eq!(encounter["status"], "in-progress");
        assert!(encounter["period"]["end"].is_null());
    }
}
