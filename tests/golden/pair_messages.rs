//! The messages of the pairs, and what must stand and go, by hand.

/// A data type: its messages, and what stands and goes.
pub(super) struct Pair {
    pub(super) data_type: &'static str,
    pub(super) trigger: &'static str,
    /// Segments behind PID of the first message.
    pub(super) whole: &'static [&'static str],
    /// Those of its correction.
    pub(super) less: &'static [&'static str],
    /// How it is withdrawn.
    pub(super) withdrawal: Withdrawal,
    /// What stands after the first message besides shared resources (Practitioner, Organization, Location).
    pub(super) stands: &'static [&'static str],
    /// What the correction deletes.
    pub(super) deleted: &'static [&'static str],
    /// What stands after the withdrawal.
    pub(super) left: &'static [&'static str],
}

/// How a message is withdrawn.
pub(super) enum Withdrawal {
    /// By another trigger event with these segments.
    Trigger(&'static str, &'static [&'static str]),
    /// By the same trigger event with these segments (ORC-1).
    Content(&'static [&'static str]),
    /// By condition flag 0 of the file, its content being that of the first message.
    Flag,
}

pub(super) const PAIRS: &[Pair] = &[
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
