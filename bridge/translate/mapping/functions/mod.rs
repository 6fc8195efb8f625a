//! The typed functions of the mapping language: what may stand behind `as` besides a datatype map of
//! `types/`, `table T`, `form`, `text`, `ordinal`, `ref` and `code`.
//!
//! [`LIST`] is the list that the console and `mappings/README.md` show.

/// How many inputs a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// One; with several values in `from` it is applied to each of them.
    Each,
    /// This many paths in `from`, in this order; those at the end may be left out.
    Several(usize),
}

/// One function, as documentation and as a name.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The name behind `as`.
    pub name: &'static str,
    /// What may follow the name.
    pub arguments: &'static str,
    /// How many inputs it takes.
    pub inputs: Inputs,
    /// The FHIR type of what it makes: `text` = any primitive, as the target asks.
    pub makes: &'static str,
    /// What it does, in Japanese.
    pub ja: &'static str,
    /// What it does, in English.
    pub en: &'static str,
}

macro_rules! list {
    ($($name:literal, $arguments:literal, $inputs:expr, $makes:literal, $ja:literal, $en:literal;)*) => {
        &[$(Function { name: $name, arguments: $arguments, inputs: $inputs, makes: $makes, ja: $ja, en: $en },)*]
    };
}

/// Every typed function.
pub const LIST: &[Function] = list![
    "string", "", Inputs::Each, "text", "文字列のまま。既定値。", "The text as it is; the default when `as` is left out.";
    "narrow", "", Inputs::Each, "text", "全角英数字を半角にする。", "Full-width letters and digits become half-width.";
    "insured-text", "", Inputs::Each, "text", "被保険者の記号・番号の文字規則。", "The character rules of insured-person symbols and numbers.";
    "strip-zeros", "", Inputs::Each, "text", "先頭のゼロを取る。", "Leading zeros are taken off.";
    "two-digits", "", Inputs::Each, "text", "2桁にゼロ埋めする。", "Padded to two digits.";
    "patient-id", "", Inputs::Each, "text", "施設の患者IDの規則で正規化する。", "A patient id in the facility's normal form.";
    "date", "", Inputs::Each, "date", "日付。精度を保つ。", "A date; precision is kept.";
    "dateTime", "", Inputs::Each, "dateTime", "日時。+09:00、精度を保つ、24-47時は翌日。", "A date-time in +09:00; precision is kept, hours 24-47 roll over.";
    "instant", "", Inputs::Each, "instant", "時刻。時分まである値だけ。", "An instant; only where hours and minutes are there.";
    "decimal", "", Inputs::Each, "decimal", "数。表記を保つ(1.50は1.50)。", "A number; its digits are kept (1.50 stays 1.50).";
    "integer", "", Inputs::Each, "integer", "整数。", "A whole number.";
    "boolean", "", Inputs::Each, "boolean", "Y/N、1/0、true/false。", "Y/N, 1/0, true/false.";
    "CWE", "[CONTEXT]", Inputs::Each, "CodeableConcept", "CWEの二つのコードをCodeableConcept(書き先がCodingなら一つ目のCoding、codeなら一つ目のコード)にする。CONTEXTはコード体系表の source_system。", "Both codings of a CWE as CodeableConcept (the first as Coding or code where the target is one). CONTEXT is the source_system to prefer in tables/code-systems.csv: `CWE form`.";
    "CWE.codings", "[CONTEXT]", Inputs::Each, "Coding", "CWEのコードをCodingとして並べる。", "The codings of a CWE one by one, for `coding[]`.";
    "Coding", "[CONTEXT]", Inputs::Each, "Coding", "CWEの一つ目のコードをCodingにする。", "The first coding of a CWE.";
    "CX.patient", "", Inputs::Each, "Identifier", "施設の患者IDをIdentifierにする。", "The facility's patient id as an Identifier.";
    "Quantity", "[CONTEXT]", Inputs::Several(2), "Quantity", "値と単位(CWE)からQuantity。値だけでもよい。", "A Quantity from a value and a unit (CWE); the value alone will do.";
    "Quantity.dose", "", Inputs::Several(2), "Quantity", "用量。0と空は用量なし。", "A dose: 0 and empty are no dose.";
    "Quantity.cq", "", Inputs::Each, "Quantity", "CQ(`3^TAB&錠&MR9P`)からQuantity。", "A Quantity from a CQ (`3^TAB&錠&MR9P`).";
    "Quantity.duration", "", Inputs::Each, "Duration", "期間(`5^d`、`7^D&日&ISO+`)からUCUMのDuration。", "A Duration in UCUM from `5^d` or `7^D&日&ISO+`.";
    "Ratio.per-time", "", Inputs::Several(3), "Ratio", "値、単位、時間単位からRatio(毎時など)。", "A Ratio from value, unit and unit of time (per hour where it is empty).";
    "Ratio.per-day", "", Inputs::Each, "Ratio", "CQから1日あたりのRatio。", "A Ratio per day from a CQ.";
    "Ratio.per-administration", "", Inputs::Several(2), "Ratio", "値と単位から1回あたりのRatio。", "A Ratio per administration (1 回) from a value and a unit.";
    "OBX.value", "", Inputs::Several(3), "value[x]", "OBX-5、OBX-2、OBX-6から value[x]。空なら何も作らない。", "A value[x] from OBX-5, OBX-2 and OBX-6; empty makes nothing.";
    "referenceRange", "", Inputs::Several(2), "Observation.referenceRange", "OBX-7(とOBX-6)から基準範囲。", "A reference range from OBX-7 and, for the unit, OBX-6.";
    "Period", "", Inputs::Several(2), "Period", "開始と終了からPeriod。", "A Period from start and end.";
    "Timing.jami", "", Inputs::Each, "Timing", "JAMI用法コード(16桁)のCWEからTiming。", "A Timing from a CWE with a 16-digit JAMI usage code.";
    "XTN", "", Inputs::Each, "ContactPoint", "電話・メールをContactPointにする。", "A telephone number or mail address as ContactPoint.";
    "XAD", "", Inputs::Each, "Address", "住所。XAD.8を text と line に。", "An address; XAD.8 becomes text and line.";
];
