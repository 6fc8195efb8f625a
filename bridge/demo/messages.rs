//! Invented people and what their hospitals would send: HL7 v2.5 as JAHIS and SS-MIX2 have it.
//!
//! Nobody here exists. Telephone numbers and addresses are of places that are not there.

use encoding_rs::ISO_2022_JP;

/// An invented patient.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// 患者ID.
    pub id: &'static str,
    /// 姓 and 名 in kanji.
    pub kanji: (&'static str, &'static str),
    /// The same in katakana.
    pub kana: (&'static str, &'static str),
    /// `YYYYMMDD`.
    pub born: &'static str,
    /// `M` or `F`.
    pub sex: &'static str,
}

/// Patients of the hospital that sends over MLLP.
pub const AOBA: &[Person] = &[
    person("0000100011", ("架空", "一郎"), ("カクウ", "イチロウ"), "19480405", "M"),
    person("0000100022", ("例示", "花子"), ("レイジ", "ハナコ"), "19621130", "F"),
    person("0000100033", ("見本", "次郎"), ("ミホン", "ジロウ"), "19750817", "M"),
    person("0000100044", ("試作", "桃子"), ("シサク", "モモコ"), "19880302", "F"),
    person("0000100055", ("仮名", "三郎"), ("カメイ", "サブロウ"), "19391224", "M"),
    person("0000100066", ("模擬", "雪子"), ("モギ", "ユキコ"), "20010709", "F"),
];

/// Patients of the hospital whose storage is followed.
pub const MIDORI: &[Person] = &[
    person("0007001", ("想定", "四郎"), ("ソウテイ", "シロウ"), "19550101", "M"),
    person("0007002", ("仮想", "月子"), ("カソウ", "ツキコ"), "19691012", "F"),
    person("0007003", ("虚構", "五郎"), ("キョコウ", "ゴロウ"), "19830228", "M"),
    person("0007004", ("創作", "星子"), ("ソウサク", "セイコ"), "19970615", "F"),
];

const fn person(
    id: &'static str,
    kanji: (&'static str, &'static str),
    kana: (&'static str, &'static str),
    born: &'static str,
    sex: &'static str,
) -> Person {
    Person { id, kanji, kana, born, sex }
}

/// One message and what names it in a storage.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whose.
    pub patient: &'static str,
    /// 診療日, `-` where there is none.
    pub date: String,
    /// データ種別.
    pub data_type: &'static str,
    /// オーダNo, 15 digits.
    pub order: String,
    /// 発生日時, 17 digits.
    pub time: String,
    /// The text, with CR.
    pub text: String,
}

impl Message {
    /// The bytes as a hospital sends them.
    pub fn bytes(&self) -> Vec<u8> {
        ISO_2022_JP.encode(&self.text).0.into_owned()
    }
    /// Path and file name in a storage.
    pub fn path(&self, flag: char) -> String {
        let id = self.patient;
        format!(
            "{}/{}/{id}/{}/{}/{id}_{}_{}_{}_{}_01_{flag}",
            &id[..3],
            &id[3..6],
            self.date,
            self.data_type,
            self.date,
            self.data_type,
            self.order,
            self.time
        )
    }
}

/// Makes messages one after the other, each with its own control id and order number.
#[derive(Debug)]
pub struct Writer {
    day: String,
    prefix: &'static str,
    next: u32,
}

impl Writer {
    /// For a hospital; `day` is `YYYYMMDD`.
    pub fn new(prefix: &'static str, day: String) -> Self {
        Self { day, prefix, next: 1 }
    }

    fn message(
        &mut self,
        who: &Person,
        (data_type, dated): (&'static str, bool),
        kind: &str,
        body: impl FnOnce(&str, &str) -> String,
    ) -> Message {
        let number = self.next;
        self.next += 1;
        let order = format!("{number:015}");
        let time = format!("{}09{:02}{:02}000", self.day, number / 60 % 60, number % 60);
        let stamp = &time[..14];
        let mut text = format!(
            "MSH|^~\\&|HIS|{p}|GW|RENKEI|{stamp}||{kind}|{p}{d}{number:06}|P|2.5||||||~ISO IR87||ISO 2022-1994|SS-MIX2_1.20^SS-MIX2^1.2.392.200250.2.1.100.1.2.120^ISO\r",
            p = self.prefix,
            d = self.day
        );
        if kind.starts_with("ADT") {
            text.push_str(&format!("EVN||{stamp}|||||USER01\r"));
        }
        let ((kanji, given), (kana, kana_given)) = (who.kanji, who.kana);
        text.push_str(&format!(
            "PID|0001||{}||{kanji}^{given}^^^^^L^I~{kana}^{kana_given}^^^^^L^P||{}|{}|||^^^^999-0000^JPN^H^架空県架空市見本町1-2-3||^PRN^PH^^^^^^^^^000-000-0000\r",
            who.id, who.born, who.sex
        ));
        text.push_str(&body(&order, stamp));
        let date = if dated { self.day.clone() } else { "-".to_owned() };
        let order = if data_type.starts_with("ADT") || data_type == "PPR-01" {
            "999999999999999".to_owned()
        } else {
            order
        };
        Message { patient: who.id, date, data_type, order, time, text }
    }

    /// ADT-00.
    pub fn demographics(&mut self, who: &Person) -> Message {
        self.message(who, ("ADT-00", false), "ADT^A08^ADT_A01", |_, _| {
            "PV1|0001|O|01^^^^^C||||1001^医師^一郎^^^^^^^L^^^^^I\r\
             OBX|1|NM|9N001000000000001^身長^JC10||165.5|cm^cm^ISO+|||||F\r\
             OBX|2|NM|9N006000000000001^体重^JC10||58.0|kg^kg^ISO+|||||F\r\
             IN1|1|C0^国保^JHSD0001|00138057|架空市||||||記号1|番号22|20240401|20270331||||SEL^本人^HL70063\r"
                .to_owned()
        })
    }

    /// ADT-12.
    pub fn visit(&mut self, who: &Person) -> Message {
        self.message(who, ("ADT-12", true), "ADT^A04^ADT_A01", |_, stamp| {
            format!("PV1|0001|O|01^^^^^C||||1001^医師^一郎^^^^^^^L^^^^^I|||01{}{stamp}\r", "|".repeat(34))
        })
    }

    /// ADT-22.
    pub fn admission(&mut self, who: &Person) -> Message {
        self.message(who, ("ADT-22", true), "ADT^A01^ADT_A01", |_, stamp| {
            format!("PV1|0001|I|3A^301^2^^^N||||1002^医師^二郎^^^^^^^L^^^^^I|||01{}{stamp}\r", "|".repeat(34))
        })
    }

    /// ADT-52, without PV1-44 as most hospitals send it.
    pub fn discharge(&mut self, who: &Person) -> Message {
        self.message(who, ("ADT-52", true), "ADT^A03^ADT_A03", |_, stamp| {
            format!(
                "PV1|0001|I|3A^301^2^^^N||||1002^医師^二郎^^^^^^^L^^^^^I|||01{}01{}{stamp}\r",
                "|".repeat(26),
                "|".repeat(9)
            )
        })
    }

    /// PPR-01.
    pub fn problems(&mut self, who: &Person) -> Message {
        self.message(who, ("PPR-01", false), "PPR^ZD1^PPR_ZD1", |order, stamp| {
            format!(
                "PRB|AD|{stamp}|20054174^胃炎^MDCDX2|{order}|||{stamp}|||K297^^I10^O^外来時^JHSD0004||||||20260901\r\
                 ORC|NW|{order}|||||||{stamp}|||1001^医師^一郎^^^^^^^L^^^^^I|||||01^内科^HL70069||||||||||||O^外来患者オーダ^HL70482\r"
            )
        })
    }

    /// ADT-61.
    pub fn allergies(&mut self, who: &Person) -> Message {
        self.message(who, ("ADT-61", false), "ADT^A60^ADT_A60", |_, _| {
            "IAM|1|FA^食物アレルギー^HL70127|5A1002411023006^ソバ^JC10|MO^中等度^HL70128|湿疹|A^追加^HL70323||||||小学校低学年の頃\r"
                .to_owned()
        })
    }

    /// OMP-01.
    pub fn prescription(&mut self, who: &Person) -> Message {
        let day = self.day.clone();
        self.message(who, ("OMP-01", true), "RDE^O11^RDE_O11", |order, stamp| {
            format!(
                "PV1|0001|O|01^^^^^C||||1001^医師^一郎^^^^^^^L^^^^^I|||01\r\
                 ORC|NW|{order}||{order}_01_001|||||{stamp}|||1001^医師^一郎^^^^^^^L^^^^^I|||||01^内科^HL70069||||架空病院||||||||O^外来患者オーダ^HL70482\r\
                 RXE||108665201^見本錠（５ｍｇ）^HOT9|1||TAB^錠^MR9P|TAB^錠剤^MR9P||||15|TAB^錠^MR9P||||{order}||||3^TAB&錠&MR9P||OHP^外来処方^MR9P~OHI^院内処方^MR9P\r\
                 TQ1|1||1013044400000000&内服・経口・１日３回朝昼夕食後&JAMISDP01|||5^d|{day}\r\
                 RXR|PO^口^HL70162\r"
            )
        })
    }

    /// OMP-02.
    pub fn injection(&mut self, who: &Person) -> Message {
        let day = self.day.clone();
        self.message(who, ("OMP-02", true), "RDE^O11^RDE_O11", |order, stamp| {
            format!(
                "PV1|0001|I|3A^301^2^^^N||||1002^医師^二郎^^^^^^^L^^^^^I|||01\r\
                 ORC|NW|{order}||{order}_01_001|||||{stamp}|||1002^医師^二郎^^^^^^^L^^^^^I|||||01^内科^HL70069||||架空病院||||||||I^入院患者オーダ^HL70482\r\
                 RXE||00^一般^99I02|510||ML^ミリリットル^MR9P|INJ^注射剤^MR9P||||||||||||||IHP^入院処方^MR9P|H1|102|ml/hr^ミリリットル／時間^ISO+\r\
                 TQ1|1||||||{day}0800|{day}1300\r\
                 RXR|IV^静脈内^HL70162||IVP^点滴ポンプ^HL70164\r\
                 RXC|B|620007329^見本輸液５００ｍＬ^HOT9|1|HON^本^MR9P\r\
                 RXC|A|620002559^見本注５０ｍｇ^HOT9|1|AMP^アンプル^MR9P\r"
            )
        })
    }

    /// OML-11.
    pub fn results(&mut self, who: &Person) -> Message {
        let spread = self.next % 9;
        self.message(who, ("OML-11", true), "OUL^R22^OUL_R22", |order, stamp| {
            format!(
                "PV1|0001|O|01^^^^^C\r\
                 SPM|1|{order}||023^血清^JC10|||||||||||||{stamp}\r\
                 OBR|1|{order}|{order}|3^生化学的検査^JC10|||{stamp}|||||||||1001^医師^一郎^^^^^^^L^^^^^I||||||{stamp}\r\
                 ORC|SC|{order}|{order}||CM||||{stamp}|||1001^医師^一郎^^^^^^^L^^^^^I|||||01^内科^HL70069||||架空病院||||||||O^外来患者オーダ^HL70482\r\
                 OBX|1|NM|3A010000002327101^総蛋白^JC10||7.{spread}|g/dL^g/dL^ISO+|6.7-8.3||||F|||{stamp}\r\
                 OBX|2|NM|3A015000002327101^アルブミン^JC10||4.{spread}|g/dL^g/dL^ISO+|3.7-5.5||||F|||{stamp}\r\
                 OBX|3|ST|5F016000002302304^ＨＢｓ抗原^JC10||(-)||||||F|||{stamp}\r"
            )
        })
    }

    /// Wrong on purpose: an appointment, which no mapping reads.
    pub fn appointment(&mut self, who: &Person) -> Message {
        self.message(who, ("SIU-01", true), "SIU^S12^SIU_S12", |_, stamp| {
            format!("SCH|1||||||||||^^^{stamp}\r")
        })
    }

    /// Wrong on purpose: a prescription without a drug.
    pub fn without_drug(&mut self, who: &Person) -> Message {
        let mut message = self.prescription(who);
        message.text = message.text.replace("108665201^見本錠（５ｍｇ）^HOT9", "");
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_times_where_the_standard_has_them() {
        let mut writer = Writer::new("A", "20261101".into());
        let field = |message: &Message, segment: &str, number: usize| {
            let line = message
                .text
                .split('\r')
                .find(|line| line.starts_with(segment))
                .expect("the segment is there");
            line.split('|').nth(number).unwrap_or_default().to_owned()
        };
        assert_eq!(field(&writer.visit(&AOBA[0]), "PV1", 44), "20261101090001");
        assert_eq!(field(&writer.admission(&AOBA[0]), "PV1", 44), "20261101090002");
        let discharge = writer.discharge(&AOBA[0]);
        assert_eq!(
            (field(&discharge, "PV1", 36), field(&discharge, "PV1", 45)),
            ("01".into(), "20261101090003".into())
        );
        assert_eq!(field(&discharge, "PV1", 44), "");
    }

    #[test]
    fn a_path_follows_the_rules_of_a_storage() {
        let mut writer = Writer::new("B", "20261101".into());
        let message = writer.results(&MIDORI[0]);
        assert_eq!(
            message.path('1'),
            "000/700/0007001/20261101/OML-11/0007001_20261101_OML-11_000000000000001_20261101090001000_01_1"
        );
        // JIS X 0208 first byte of 想: the text is in two-byte code, not in UTF-8.
        assert!(message.bytes().windows(3).any(|bytes| bytes == b"\x1b$B"));
    }
}
