//! The layouts of the masters, as far as they are published: titles of columns, forms of codes, code systems.
//!
//! A doubt is said where the file does not have what was looked for, and in mappings/README.md.

/// Which master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// 医薬品HOTコードマスター (MEDIS): HOT9 to YJ, into hot-yj.
    Hot,
    /// ICD10対応標準病名マスター (MEDIS): 病名管理番号 to ICD-10, into disease-icd10.
    MedisDisease,
    /// 臨床検査マスター (JLAC10): codes with their names, into jlac10.
    Jlac10,
    /// A list with JLAC10 and JLAC11 side by side: JLAC10 to JLAC11, into jlac10-jlac11.
    Jlac11,
    /// J-FAGY アレルゲンコード表: codes of food and of other allergens with their names, into jfagy.
    Jfagy,
}

/// Titles that a column may have, and its place from 0 in a file without titles.
pub(super) type Column = (&'static [&'static str], Option<usize>);
/// A form, and how it is told in Japanese and English.
pub(super) type Form = (fn(&str) -> bool, &'static str, &'static str);

/// A layout.
pub(super) struct Layout {
    /// The table that it fills.
    pub(super) table: &'static str,
    /// The columns that make the code when they are put together.
    pub(super) code: &'static [Column],
    /// The column of what it becomes; without titles the code becomes itself.
    pub(super) target: Column,
    /// The column of its name.
    pub(super) name: Column,
    /// Whether a first line is the first row of a file that is published without titles.
    pub(super) untitled: fn(&[String]) -> bool,
    pub(super) is_code: Form,
    pub(super) is_target: Form,
    /// Whether what stands in the place of a code is a heading.
    pub(super) heading: fn(&str) -> bool,
    /// How messages name the code system, separated by commas.
    pub(super) source_systems: &'static str,
    /// What the codes become is of it; `None` where no published URI is known.
    pub(super) target_system: Option<&'static str>,
    /// The system is another for each code.
    pub(super) per_code: bool,
    /// That system.
    pub(super) system_of: fn(&str) -> &'static str,
    pub(super) equivalence: &'static str,
    /// What is not known of the layout, in both languages.
    pub(super) doubt: (&'static str, &'static str),
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn letters(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn never(_: &[String]) -> bool {
    false
}

fn no_system(_: &str) -> &'static str {
    ""
}

/// A row of 病名基本テーブル: 変更区分, 病名管理番号 of 8 digits, …, 病名交換用コード of 4 characters in the sixth place.
fn is_disease_row(cells: &[String]) -> bool {
    cells.len() >= 7 && digits(&cells[1], 8) && letters(&cells[5], 4)
}

const JFAGY: &str = "http://jpfhir.jp/fhir/core/CodeSystem/";

fn jfagy_system(code: &str) -> &'static str {
    match code.get(..3) {
        Some("J9F") => "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyFoodAllergen_CS",
        Some("J9N") => "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyNonFoodNonMedicationAllergen_CS",
        _ => JFAGY,
    }
}

static HOT: Layout = Layout {
    table: "hot-yj",
    // HOT9 is HOT7 with the two digits of the company.
    code: &[(&["処方用番号（ＨＯＴ７）", "処方用番号"], None), (&["会社識別用番号", "会社識別番号"], None)],
    target: (&["個別医薬品コード"], None),
    name: (&["販売名"], None),
    untitled: never,
    is_code: (|text| digits(text, 9), "HOT7 の7桁と会社の2桁", "seven digits of HOT7 and two of the company"),
    is_target: (|text| letters(text, 12), "YJ は英数字12桁", "YJ has twelve letters and digits"),
    heading: |_| false,
    // Messages name it in three ways; codes of another system that happen to have nine digits must not fit.
    source_systems: "HOT9,HOT09,HOT",
    target_system: Some("http://capstandard.jp/iyaku.info/CodeSystem/YJ-code"),
    per_code: false,
    system_of: no_system,
    equivalence: "equivalent",
    doubt: (
        "MEDIS の医薬品HOTコードマスター(標準セット、見出し行のある MEDISyyyymmdd.TXT)を読みます。",
        "What is read is MEDIS's HOT master (its standard set with a line of titles, MEDISyyyymmdd.TXT).",
    ),
};

static DISEASE: Layout = Layout {
    table: "disease-icd10",
    code: &[(&["病名管理番号"], Some(1))],
    target: (&["ＩＣＤ１０ー２０１３", "ICD10-2013", "ICD10－2013", "ICD10"], Some(6)),
    name: (&["病名表記"], Some(2)),
    untitled: is_disease_row,
    is_code: (|text| digits(text, 8), "病名管理番号は8桁", "the key number has eight digits"),
    is_target: (
        |text| (3..=6).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_uppercase()),
        "ICD-10 は英大文字で始まる3~6文字",
        "ICD-10 has three to six characters, a capital letter first",
    ),
    heading: |_| false,
    source_systems: "MDCDX2",
    target_system: Some("http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full"),
    per_code: false,
    system_of: no_system,
    equivalence: "wider",
    doubt: (
        "MEDIS の病名基本テーブルを読みます。見出しのないファイルでは2列目が病名管理番号、3列目が病名表記、7列目が ICD10 です。",
        "What is read is MEDIS's table of diseases; without titles, columns 2, 3 and 7 are key number, name and ICD-10.",
    ),
};

static JLAC10: Layout = Layout {
    table: "jlac10",
    code: &[(&["JLAC10コード", "JLAC10", "17桁コード"], None)],
    target: (&[], None),
    name: (&["標準検査名称", "検査項目名称", "項目名称"], None),
    untitled: never,
    is_code: (|text| letters(text, 17), "JLAC10 は英数字17桁", "JLAC10 has seventeen letters and digits"),
    is_target: (|text| letters(text, 17), "JLAC10 は英数字17桁", "JLAC10 has seventeen letters and digits"),
    heading: str::is_empty,
    source_systems: "JC10",
    target_system: Some("http://medis.or.jp/CodeSystem/master-JLAC10-17digits"),
    per_code: false,
    system_of: no_system,
    equivalence: "equal",
    doubt: (
        "JLAC10 の表の見出しは公表元によって違い、確かめられていません。",
        "The titles differ between the publishers of JLAC10 and could not be verified.",
    ),
};

static JLAC11: Layout = Layout {
    table: "jlac10-jlac11",
    code: &[(&["JLAC10コード", "JLAC10"], None)],
    target: (&["JLAC11コード", "JLAC11"], None),
    name: (&["標準検査名称", "FHIR項目名称", "項目名称"], None),
    untitled: never,
    is_code: (|text| letters(text, 17), "JLAC10 は英数字17桁", "JLAC10 has seventeen letters and digits"),
    is_target: (|text| letters(text, 17), "JLAC11 は英数字17桁", "JLAC11 has seventeen letters and digits"),
    heading: str::is_empty,
    source_systems: "JC10",
    target_system: None,
    per_code: false,
    system_of: no_system,
    equivalence: "relatedto",
    doubt: (
        "JLAC10 と JLAC11 の並んだ CSV を読みます。JLAC11 の公表の表は Excel で、シートの構成は確かめられていません。",
        "What is read is a CSV with JLAC10 and JLAC11 side by side. JLAC11 is published as Excel, whose sheets could not be verified.",
    ),
};

static ALLERGENS: Layout = Layout {
    table: "jfagy",
    code: &[(&["JFAGYCODE"], None)],
    target: (&[], None),
    name: (&["JPTERM"], None),
    untitled: never,
    is_code: (
        |text| letters(text, 12) && jfagy_system(text) != JFAGY,
        "J9F か J9N で始まる英数字12桁",
        "twelve letters and digits that begin with J9F or J9N",
    ),
    is_target: (|_| true, "", ""),
    // The top of the tree has three characters; the dummy codes D9M, D9F and D9N stand for "not coded".
    heading: |text| text.len() == 3 || text.starts_with("D9"),
    // The code says by its first letters what it is.
    source_systems: "",
    target_system: None,
    per_code: true,
    system_of: jfagy_system,
    equivalence: "equal",
    doubt: (
        "J-FAGY の CSV(JFAGY_J9FN_日付_版.csv)を読みます。医薬品(YCM・GCM)は入っていません。",
        "What is read is J-FAGY's CSV (JFAGY_J9FN_date_release.csv). Drugs (YCM, GCM) are not in it.",
    ),
};

impl Kind {
    /// Its layout.
    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Self::Hot => &HOT,
            Self::MedisDisease => &DISEASE,
            Self::Jlac10 => &JLAC10,
            Self::Jlac11 => &JLAC11,
            Self::Jfagy => &ALLERGENS,
        }
    }
}
