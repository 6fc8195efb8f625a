//! The typed functions of the mapping language: what may stand behind `as` besides a datatype map of
//! `types/`, `table T`, `form`, `text`, `ordinal`, `ref` and `code`.
//!
//! [`LIST`] is the list that the console and `mappings/README.md` show.

mod code;
mod contact;
mod date;
mod insured;
pub(crate) mod parts;
mod quantity;
mod result;

use super::build::Made;
use super::item::Item;
use super::plan::Shape;
use super::run::Run;
use crate::finding::Severity;
use std::borrow::Cow;

pub(crate) use code::LOCAL;
pub(crate) use date::{is_before, is_date, seventeen};
pub(crate) use quantity::number;

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
    ($($op:ident: $name:literal, $arguments:literal, $inputs:expr, $makes:literal, $ja:literal, $en:literal;)*) => {
        /// Every typed function.
        pub const LIST: &[Function] = &[$(Function { name: $name, arguments: $arguments, inputs: $inputs, makes: $makes, ja: $ja, en: $en },)*];
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Op { $($op),* }
        const OPS: &[Op] = &[$(Op::$op),*];
    };
}

list![
    String: "string", "", Inputs::Each, "text", "文字列のまま。既定値。", "The text as it is; the default when `as` is left out.";
    Narrow: "narrow", "", Inputs::Each, "text", "全角英数字を半角にする。", "Full-width letters and digits become half-width.";
    InsuredText: "insured-text", "", Inputs::Each, "text", "被保険者の記号・番号の文字規則。", "The character rules of insured-person symbols and numbers.";
    StripZeros: "strip-zeros", "", Inputs::Each, "text", "先頭のゼロを取る。", "Leading zeros are taken off.";
    Amount: "amount", "", Inputs::Each, "text", "0より大きい数を、余計な0のない形にする(`01.50`は`1.5`)。0と、負の数と、数でないものと、`~` のある欄(範囲)からは何も作らない。比べるため、量があるかを問うため。", "A number above zero, in its shortest form (`01.50` is `1.5`); nothing of zero and less, of what is no number or of a field with `~` (a range). To compare, and to ask whether there is an amount.";
    AmountWords: "amount-words", "", Inputs::Each, "text", "数として送れない量(`適量`、`1-2`、`1~2`、`-1`)の、書かれたままの言葉。`~` は HL7 では繰返しなので、欄をまとめて一度だけ言う。ただの数(0も)からは何も作らない。言葉の中に数があれば、所見 amount-in-words を残す。", "The words of an amount that no number can say (`適量`, `1-2`, `1~2`, `-1`), as they are written; `~` is a repetition to HL7, so the field is said as one, and once. Nothing of a number, zero included. A number in the words is told by amount-in-words.";
    Written: "written", "", Inputs::Each, "text", "繰返しを知らずに書かれた欄の全体。`80~40` を一つの文として、一度だけ言う。", "The whole field as one wrote it who knew nothing of repetitions: `80~40` is one text, and said once.";
    Nothing: "nothing", "", Inputs::Each, "text", "何も作らない。名前(let)の行で、`when` が成り立つときに `else` の所見を、その位置に付けて残す。", "Makes nothing: in a row of `let` it leaves the finding of `else`, with its position, where `when` holds.";
    Repetition: "repetition", "", Inputs::Each, "text", "欄の何回目の繰返しか。", "The number of the repetition of its field that a value stands in.";
    DurationWords: "duration-words", "[days]", Inputs::Each, "text", "Quantity.duration が読めない期間(`医師の指示まで`、`5^回`)の言葉。読めるものからは何も作らない。", "The words of a period that Quantity.duration cannot read (`5^回`); nothing of one that it can.";
    Digits: "digits", "COUNT", Inputs::Each, "text", "数字だけの番号を、COUNT桁まで先頭を0で埋める。全角は半角にする。数字でない文字があるか、COUNT桁より長ければ何も作らない。", "A number of digits alone, padded with zeros to COUNT; full-width digits become half-width. Nothing of what has other characters or is longer.";
    TwoDigits: "two-digits", "", Inputs::Each, "text", "2桁にゼロ埋めする。", "Padded to two digits.";
    Characters: "characters", "FROM COUNT", Inputs::Each, "text", "FROM文字目からCOUNT文字。短ければ何も作らない。", "COUNT characters from the FROMth; nothing where the text is shorter.";
    PatientId: "patient-id", "", Inputs::Each, "text", "施設の患者IDの規則で正規化する。", "A patient id in the facility's normal form.";
    Minute: "minute", "", Inputs::Each, "text", "日時を分まで(YYYYMMDDHHMM)。キーのために。", "A time to the minute (YYYYMMDDHHMM), for keys.";
    JamiMethod: "jami-method", "", Inputs::Each, "text", "JAMI標準用法コード(16桁)の1桁目: 基本用法。", "Digit 1 of a 16-digit JAMI usage code: the basic usage.";
    JamiDetail: "jami-detail", "", Inputs::Each, "text", "JAMI標準用法コード(16桁)の1-2桁目: 用法詳細。", "Digits 1-2 of a 16-digit JAMI usage code: the usage in detail.";
    JamiTiming: "jami-timing", "", Inputs::Each, "text", "JAMI標準用法コード(16桁)の3桁目: タイミング(5は頓用)。", "Digit 3 of a 16-digit JAMI usage code: the timing (5 = as needed).";
    Date: "date", "", Inputs::Each, "date", "日付。精度を保つ。", "A date; precision is kept.";
    DateTime: "dateTime", "", Inputs::Each, "dateTime", "日時。+09:00、精度を保つ、24-47時は翌日。", "A date-time in +09:00; precision is kept, hours 24-47 roll over.";
    Instant: "instant", "", Inputs::Each, "instant", "時刻。時分まである値だけ。", "An instant; only where hours and minutes are there.";
    Decimal: "decimal", "", Inputs::Each, "decimal", "数。表記を保つ(1.50は1.50)。", "A number; its digits are kept (1.50 stays 1.50).";
    Integer: "integer", "", Inputs::Each, "integer", "整数。", "A whole number.";
    Boolean: "boolean", "", Inputs::Each, "boolean", "Y/N、1/0、true/false。", "Y/N, 1/0, true/false.";
    Cwe: "CWE", "[CONTEXT]", Inputs::Each, "CodeableConcept", "CWEの二つのコードをCodeableConcept(書き先がCodingなら一つ目のCoding、codeなら一つ目のコード)にする。CONTEXTはコード体系表の source_system。", "Both codings of a CWE as CodeableConcept (the first as Coding or code where the target is one). CONTEXT is the source_system to prefer in tables/code-systems.csv: `CWE form`.";
    CweCodings: "CWE.codings", "[CONTEXT]", Inputs::Each, "Coding", "CWEのコードをCodingとして並べる。", "The codings of a CWE one by one, for `coding[]`.";
    Coding: "Coding", "[CONTEXT]", Inputs::Each, "Coding", "CWEの一つ目のコードをCodingにする。", "The first coding of a CWE.";
    ZrdCode: "ZRD.code", "[CONTEXT]", Inputs::Each, "CodeableConcept", "ZRD(`コード^名称^体系^数量^単位`)の最初の三成分をCodeableConcept(書き先がCodingならCoding)にする。数量と単位は .4 と .5。", "The first three components of a ZRD (`code^name^system^amount^unit`) as CodeableConcept (as Coding where the target is one); amount and unit are .4 and .5.";
    InsuredId: "insured-id", "", Inputs::Several(4), "String", "保険者番号(8桁)、記号、番号、枝番から被保険者個人識別子(`01130012:12345678:9876:01`)。記号と番号のどちらかが全角なら両方を全角にし(所見 insured-text-widened)、コロンと ^ は全角にする。保険者番号か番号が無いか、枝番が2桁の数字でなければ作らない。", "The insured person's id (`01130012:12345678:9876:01`) from payer number (8 digits), symbol, number and branch. Where one of symbol and number is full-width both become so (insured-text-widened); colons and ^ in them become full-width. None without payer number or number, and none where the branch is no number of two digits.";
    Lines: "lines", "", Inputs::Several(8), "String", "すべての値を、一行に一つずつの文にする。", "All the values as one text, a line each.";
    CxPatient: "CX.patient", "", Inputs::Each, "Identifier", "施設の患者IDをIdentifierにする。", "The facility's patient id as an Identifier.";
    Quantity: "Quantity", "[CONTEXT]", Inputs::Several(2), "Quantity", "値と単位(CWE)からQuantity。値だけでもよい。", "A Quantity from a value and a unit (CWE); the value alone will do.";
    QuantityDose: "Quantity.dose", "", Inputs::Several(2), "Quantity", "用量。0と空は用量なし。", "A dose: 0 and empty are no dose.";
    QuantityCq: "Quantity.cq", "", Inputs::Each, "Quantity", "CQ(`3^TAB&錠&MR9P`)からQuantity。", "A Quantity from a CQ (`3^TAB&錠&MR9P`).";
    QuantityDuration: "Quantity.duration", "[days]", Inputs::Each, "Duration", "期間(`5^d`、`7^D&日&ISO+`、`D5`)からUCUMのDuration。days なら週も日にする。", "A Duration in UCUM from `5^d`, `7^D&日&ISO+` or `D5`; with days, weeks are told in days.";
    RatioPerTime: "Ratio.per-time", "", Inputs::Several(3), "Ratio", "値、単位、時間単位(RXE-22 の `H8` は 8 時間)からRatio。値が数でなければ `102ml/hr` のような一続きの速度として読む。三つがそろわないか、食い違うか、単位がもう速度(`ml/hr/kg`)なら作らない。", "A Ratio from value, unit and unit of time (RXE-22: `H8` is 8 hours); a value that is no number is read as a rate written as one (`102ml/hr`). None where one of the three is missing, where they contradict, and where the unit is a rate already (`ml/hr/kg`).";
    RatioPerDay: "Ratio.per-day", "", Inputs::Each, "Ratio", "CQから1日あたりのRatio。", "A Ratio per day from a CQ.";
    RatioPerAdministration: "Ratio.per-administration", "", Inputs::Several(2), "Ratio", "値と単位から1回あたりのRatio。", "A Ratio per administration (1 回) from a value and a unit.";
    ObxValue: "OBX.value", "", Inputs::Several(3), "value[x]", "OBX-5、OBX-2、OBX-6から value[x]。空なら何も作らない。", "A value[x] from OBX-5, OBX-2 and OBX-6; empty makes nothing.";
    ReferenceRange: "referenceRange", "", Inputs::Several(2), "Observation.referenceRange", "OBX-7(とOBX-6)から基準範囲。", "A reference range from OBX-7 and, for the unit, OBX-6.";
    Period: "Period", "", Inputs::Several(2), "Period", "開始と終了からPeriod。", "A Period from start and end.";
    TimingJami: "Timing.jami", "", Inputs::Each, "Timing", "JAMI用法コード(16桁)のCWEからTiming。", "A Timing from a CWE with a 16-digit JAMI usage code.";
    Xtn: "XTN", "", Inputs::Each, "ContactPoint", "電話・メールをContactPointにする。", "A telephone number or mail address as ContactPoint.";
    Xad: "XAD", "", Inputs::Each, "Address", "住所。XAD.8を text と line に。", "An address; XAD.8 becomes text and line.";
];

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<usize> {
    LIST.iter().position(|function| function.name == name)
}

/// Whether it makes text that the target shapes.
pub(crate) fn is_text(n: usize) -> bool {
    LIST[n].makes.starts_with(|c: char| c.is_ascii_lowercase()) && OPS[n] != Op::ObxValue
}

/// Whether it makes nothing, so that its row is there for what it says alone.
pub(crate) fn only_says(n: usize) -> bool {
    OPS[n] == Op::Nothing
}

/// Whether it takes codes over as they are and names their systems.
pub(crate) fn keeps_codes(n: usize) -> bool {
    matches!(OPS[n], Op::Cwe | Op::CweCodings | Op::Coding | Op::ZrdCode)
}

/// The codes that a function turns into codes of FHIR by itself, for the element that ends so; empty for most.
pub(crate) fn codes(name: &str, element: &str) -> &'static [(&'static str, &'static str)] {
    match (name, element) {
        ("XTN", "use") => contact::USES,
        ("XTN", "system") => contact::SYSTEMS,
        ("XAD", "use") => contact::ADDRESSES,
        _ => &[],
    }
}

/// Whether its paths are inputs in order.
pub(crate) fn is_several(n: usize) -> bool {
    matches!(LIST[n].inputs, Inputs::Several(_))
}

impl<'m> Run<'m> {
    /// A function that makes text.
    pub(crate) fn text_function(
        &mut self,
        n: usize,
        argument: Option<&str>,
        item: &Item<'m>,
    ) -> Result<Option<Cow<'m, str>>, &'static str> {
        if OPS[n] == Op::DurationWords {
            return Ok(quantity::duration_words(item, argument == Some("days")).map(Cow::Owned));
        }
        // Of a value whose first component is empty too.
        if OPS[n] == Op::Repetition {
            return Ok(Some(Cow::Owned(item.pos().repetition.max(1).to_string())));
        }
        let text = item.text();
        if text.is_empty() {
            return Ok(None);
        }
        let stamp = |text: &str| date::parse(text).ok_or("date-invalid");
        Ok(Some(match OPS[n] {
            Op::String => result::whole(item),
            Op::Narrow => Cow::Owned(narrow(&text).into_owned()),
            Op::InsuredText => Cow::Owned(insured::insured(&text)),
            Op::StripZeros => {
                let bare = text.trim_start_matches('0');
                Cow::Owned(if bare.is_empty() { "0".to_owned() } else { bare.to_owned() })
            }
            Op::Amount => return Ok(self.amount(item).map(Cow::Owned)),
            Op::AmountWords => return Ok(self.amount_words(item).map(Cow::Owned)),
            Op::Written => return Ok(self.field_as_written(item).map(Cow::Owned)),
            Op::Nothing => return Ok(None),
            Op::Digits => {
                let (text, count) = (narrow(text.trim()), argument.and_then(|count| count.parse().ok()));
                let Some(count) = count.filter(|count| text.len() <= *count) else { return Ok(None) };
                if !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Ok(None);
                }
                Cow::Owned(format!("{text:0>count$}"))
            }
            Op::TwoDigits => {
                let text = narrow(&text);
                Cow::Owned(if text.len() == 1 { format!("0{text}") } else { text.into_owned() })
            }
            Op::Characters => {
                let mut words = argument.unwrap_or_default().split_whitespace().map(str::parse::<usize>);
                let (Some(Ok(from @ 1..)), Some(Ok(count))) = (words.next(), words.next()) else {
                    return Ok(None);
                };
                let cut: String = text.chars().skip(from - 1).take(count).collect();
                if cut.chars().count() < count {
                    return Ok(None);
                }
                Cow::Owned(cut)
            }
            Op::PatientId => Cow::Owned(self.context.facility.patient_id.normalise(&text)),
            Op::Minute => Cow::Owned(stamp(&text)?.minute()),
            Op::JamiMethod => return Ok(jami(&text, 0, 1)),
            Op::JamiDetail => return Ok(jami(&text, 0, 2)),
            Op::JamiTiming => return Ok(jami(&text, 2, 3)),
            Op::Date => Cow::Owned(stamp(&text)?.date()),
            Op::DateTime => {
                let stamp = stamp(&text)?;
                if stamp.rolled {
                    self.finding(Severity::Warning, "hour-rolled", item.pos());
                }
                Cow::Owned(stamp.date_time())
            }
            Op::Instant => Cow::Owned(stamp(&text)?.instant().ok_or("instant-incomplete")?),
            Op::Decimal => Cow::Owned(number(&text).ok_or("number-invalid")?.into_owned()),
            Op::Integer => {
                let number = number(&text).ok_or("number-invalid")?;
                if number.contains('.') {
                    return Err("number-invalid");
                }
                Cow::Owned(number.into_owned())
            }
            Op::Boolean => Cow::Borrowed(match text.to_ascii_lowercase().as_str() {
                "y" | "1" | "true" => "true",
                "n" | "0" | "false" => "false",
                _ => return Err("boolean-invalid"),
            }),
            _ => text,
        }))
    }

    /// A function that makes a node.
    pub(crate) fn node_function(
        &mut self,
        n: usize,
        argument: Option<&str>,
        shape: Shape,
        inputs: &[&[Item<'m>]],
    ) -> Result<Made, &'static str> {
        let input = |n: usize| inputs.get(n).and_then(|list| list.first());
        let Some(item) = inputs.iter().copied().flatten().next() else { return Ok(None) };
        match OPS[n] {
            Op::Cwe => self.concept(item, argument, shape),
            Op::CweCodings => self.codings(item, argument),
            Op::Coding => self.concept(item, argument, Shape::Coding),
            Op::ZrdCode => self.article(item, argument, shape),
            Op::InsuredId => match self.insured_id([input(0), input(1), input(2), input(3)]) {
                Some(id) => self.shaped(Shape::Text, &id),
                None => Ok(None),
            },
            Op::Lines => {
                let lines: Vec<_> = inputs.iter().copied().flatten().map(result::whole).collect();
                self.shaped(Shape::Text, &lines.join("\n"))
            }
            Op::CxPatient => self.patient_identifier(item),
            Op::Quantity => self.quantity(input(0), input(1), argument.unwrap_or("unit")),
            Op::QuantityDose => self.dose(input(0), input(1)),
            Op::QuantityCq => self.dose_of_cq(item),
            Op::QuantityDuration => self.duration(item, argument == Some("days")),
            Op::RatioPerTime => self.per_time(input(0), input(1), input(2)),
            Op::RatioPerDay => {
                let (value, unit) = (item.part(1), item.part(2));
                self.per_day(value.as_ref(), unit.as_ref())
            }
            Op::RatioPerAdministration => self.per_administration(input(0), input(1)),
            Op::ObxValue => self.obx_value(inputs.first().copied().unwrap_or_default(), input(1), input(2)),
            Op::ReferenceRange => self.reference_range(inputs.first().copied().unwrap_or_default(), input(1)),
            Op::Period => {
                for more in inputs.iter().filter_map(|list| list.get(1)) {
                    self.finding(Severity::Warning, "value-first-only", more.pos());
                }
                self.period(input(0), input(1))
            }
            Op::TimingJami => self.timing(item),
            Op::Xtn => self.contact_point(item),
            Op::Xad => self.address(item),
            _ => Ok(None),
        }
    }
}

/// Characters of a JAMI usage code; nothing for what is none, the codes 9… of no standard usage included.
fn jami<'m>(code: &str, from: usize, to: usize) -> Option<Cow<'m, str>> {
    let code = narrow(code);
    let shaped = code.len() == 16 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (shaped && !code.starts_with('9')).then(|| Cow::Owned(code[from..to].to_owned()))
}

/// Full-width letters, digits and signs to half-width.
pub(crate) fn narrow(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let all = text
        .chars()
        .map(|c| match c {
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
            '\u{3000}' => ' ',
            '\u{2212}' | '\u{2010}' | '\u{2015}' => '-',
            _ => c,
        })
        .collect();
    Cow::Owned(all)
}
