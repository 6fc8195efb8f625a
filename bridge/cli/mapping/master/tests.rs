//! The layouts of the masters, on rows of their form that are invented.

use super::super::lay::listed;
use super::{Arguments, decode, make, run};
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(words: &str) -> Arguments {
    let line = format!("x {words} FILE --into DIR");
    Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}")).arguments
}

/// `system|code|system|code|name|rank` of the rows made.
fn rows(words: &str, text: &str) -> Vec<String> {
    let made = make(&arguments(words), "m.txt", text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(made.rows.len(), made.lines.len());
    made.rows
        .iter()
        .map(|row| {
            let system = row.target_system.rsplit('/').next().unwrap_or_default();
            format!(
                "{}|{}|{system}|{}|{}|{}",
                row.source_system, row.source_code, row.target_code, row.target_display, row.rank
            )
        })
        .collect()
}

/// `line column` of the problems.
fn refused(words: &str, text: &str) -> Vec<String> {
    let problems = make(&arguments(words), "m.txt", text).err().unwrap_or_default();
    assert!(problems.iter().all(|problem| !problem.ja.is_empty() && problem.file == "m.txt"));
    problems.iter().map(|problem| format!("{} {}", problem.line, problem.column)).collect()
}

const HOT: &str = "\"基準番号（ＨＯＴコード）\",\"処方用番号（ＨＯＴ７）\",\"会社識別用番号\",\"薬価基準収載医薬品コード\",\"個別医薬品コード\",\"販売名\"\n";

#[test]
fn hot9_is_put_together_and_becomes_yj_once_however_many_packages_there_are() {
    let text = format!(
        "{HOT}\"1000000010101\",\"1000000\",\"01\",\"\",\"1111111A1011\",\"架空錠１ｍｇ\"\n\
         \"1000000010102\",\"1000000\",\"01\",\"\",\"1111111A1011\",\"架空錠１ｍｇ\"\n\
         \"1000000020101\",\"1000000\",\"02\",\"\",\"\",\"架空錠「別社」\"\n"
    );
    let made = |system: &str| format!("{system}|100000001|YJ-code|1111111A1011|架空錠１ｍｇ|0");
    assert_eq!(rows("hot", &text), [made("HOT9"), made("HOT09"), made("HOT")]);
    let all = make(&arguments("hot"), "m.txt", &text).unwrap();
    assert_eq!((all.read, all.without), (3, 1));
    // As it is published, in CP932.
    let cp932 = encoding_rs::SHIFT_JIS.encode(&text).0.into_owned();
    assert_eq!(decode("m.txt", &cp932).unwrap(), text);
}

#[test]
fn a_code_that_becomes_several_is_refused_ranked_or_left_out() {
    let text = format!(
        "{HOT},1000000,01,,1111111A1011,a\n,1000000,01,,1111111A1020,b\n,1000000,02,,1111111A1038,c\n"
    );
    assert_eq!(refused("hot", &text), ["3 個別医薬品コード"]);
    let one = "hot --source-system HOT9";
    assert_eq!(
        rows(&format!("{one} --several rank"), &text),
        [
            "HOT9|100000001|YJ-code|1111111A1011|a|1",
            "HOT9|100000001|YJ-code|1111111A1020|b|2",
            "HOT9|100000002|YJ-code|1111111A1038|c|0",
        ]
    );
    assert_eq!(
        rows(&format!("{one} --several leave-out"), &text),
        ["HOT9|100000002|YJ-code|1111111A1038|c|0"]
    );
}

#[test]
fn what_does_not_look_like_the_master_is_refused_with_line_and_column() {
    assert_eq!(
        refused("hot", "a,b,c\n1,2,3\n"),
        ["1 --code-column", "1 --code-column", "1 --target-column", "1 --name-column"]
    );
    assert_eq!(refused("hot", &format!("{HOT}x,1000000\n")), ["2 会社識別用番号", "2 個別医薬品コード"]);
    assert_eq!(refused("hot", &format!("{HOT},100000,01,,1111111A1011,a\n")), ["2 処方用番号（ＨＯＴ７）"]);
    assert_eq!(refused("hot", &format!("{HOT},1000000,01,,1111,a\n")), ["2 個別医薬品コード"]);
    assert_eq!(refused("hot", ""), ["1 "]);
    assert!(decode("m.txt", b"PK\x03\x04").is_err());
    assert_eq!(decode("m.txt", b"a\nb\n\xff\xff\n").unwrap_err()[0].line, 3);
}

#[test]
fn the_table_of_diseases_has_no_titles_and_is_known_by_its_form() {
    // 変更区分, 病名管理番号, 病名表記, カナ, 採択区分, 病名交換用コード, ICD10, 複数分類
    let text = "0,20000001,架空病,カクウビョウ,1,AB12,K297,\n0,20000002,無分類病,ムブンルイ,1,AB13,,\n";
    assert_eq!(rows("medis-disease", text), ["MDCDX2|20000001|ICD10-2013-full|K297|架空病|0"]);
    let titled = "病名管理番号,病名表記,ＩＣＤ１０ー２０１３\n20000001,架空病,K297\n";
    assert_eq!(rows("medis-disease", titled), rows("medis-disease", text));
    assert_eq!(refused("medis-disease", "20000001,架空病,K297\n").len(), 3);
}

#[test]
fn allergens_of_food_and_others_get_their_systems_and_headings_are_left_out() {
    let text = "\"DISPLAYSEQ\",\"JFAGYCODE\",\"JPTERM\",\"JPKANA\",\"ENTERM\"\r\n\
        \"1\",\"D9M000000000\",\"医薬品ダミーコード\",\"\",\"\"\r\n\
        \"4\",\"00F\",\"食品\",\"\",\"Food\"\r\n\
        \"40\",\"J9FA19140000\",\"そば\",\"そば\",\"Buckwheat\"\r\n\
        \"900\",\"J9NB00000000\",\"架空の花粉\",\"\",\"\"\r\n";
    assert_eq!(
        rows("jfagy", text),
        [
            "|J9FA19140000|JP_JfagyFoodAllergen_CS|J9FA19140000|そば|0",
            "|J9NB00000000|JP_JfagyNonFoodNonMedicationAllergen_CS|J9NB00000000|架空の花粉|0",
        ]
    );
    assert_eq!(refused("jfagy", &text.replace("J9FA19140000", "J9FA1914000")), ["4 JFAGYCODE"]);
}

#[test]
fn laboratory_masters_take_the_names_of_their_columns_and_jlac11_its_system_by_option() {
    let text = "コード,名称,新\n3A015000002327101,総蛋白,AAAAABBBCCCDDEEFF\n";
    let named = "--code-column コード --name-column 名称";
    assert_eq!(
        rows(&format!("jlac10 {named}"), text),
        ["JC10|3A015000002327101|master-JLAC10-17digits|3A015000002327101|総蛋白|0"]
    );
    let eleven = format!("jlac11 {named} --target-column 新");
    assert_eq!(refused(&eleven, text), ["0 --target-system"]);
    assert_eq!(
        rows(&format!("{eleven} --target-system http://a/j11"), text),
        ["JC10|3A015000002327101|j11|AAAAABBBCCCDDEEFF|総蛋白|0"]
    );
    // Of a file without titles, the numbers of its columns.
    let bare = "3A015000002327101\t総蛋白\n";
    assert_eq!(rows("jlac10 --code-column 1 --name-column 2", bare).len(), 1);
}

/// The titles of MEDISyyyymmdd.TXT, as MEDIS publishes the standard set.
const PUBLISHED: [&str; 24] = [
    "基準番号（ＨＯＴコード）",
    "処方用番号（ＨＯＴ７）",
    "会社識別用番号",
    "調剤用番号",
    "物流用番号",
    "ＪＡＮコード",
    "薬価基準収載医薬品コード",
    "個別医薬品コード",
    "レセプト電算処理システムコード（１）",
    "レセプト電算処理システムコード（２）",
    "告示名称",
    "販売名",
    "レセプト電算処理システム医薬品名",
    "規格単位",
    "包装形態",
    "包装単位数",
    "包装単位単位",
    "包装総量数",
    "包装総量単位",
    "区分",
    "製造会社",
    "販売会社",
    "更新区分",
    "更新年月日",
];

/// A line of that file: HOT7, company, YJ and name are told, the rest is invented.
fn published(hot7: &str, company: &str, yj: &str, name: &str) -> String {
    let hot = format!("{hot7}{company}0101");
    let cells = [
        &hot,
        hot7,
        company,
        "01",
        "01",
        "4900000000017",
        yj,
        yj,
        "610000001",
        "",
        name,
        name,
        name,
        "１錠",
        "ＰＴＰ",
        "10",
        "錠",
        "100",
        "錠",
        "内用薬",
        "架空製薬",
        "架空製薬",
        "0",
        "20240401",
    ];
    let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
    quoted.join(",") + "\r\n"
}

fn master(rows: &str) -> Vec<u8> {
    let titles: Vec<String> = PUBLISHED.iter().map(|title| format!("\"{title}\"")).collect();
    let text = format!("{}\r\n{rows}", titles.join(","));
    encoding_rs::SHIFT_JIS.encode(&text).0.into_owned()
}

#[test]
fn a_hot_master_as_it_is_published_becomes_a_table_of_the_layer() {
    let folder = tempfile::tempdir().unwrap();
    let (file, layer) = (folder.path().join("MEDIS20240401.TXT"), folder.path().join("network"));
    let rows = published("1000001", "01", "1111111F1011", "架空錠１ｍｇ")
        + &published("1000001", "02", "1111111F1020", "架空錠１ｍｇ「別社」")
        + &published("1000001", "01", "1111111F1011", "架空錠１ｍｇ")
        + &published("1000002", "01", "", "薬価のない散～Ⅱ");
    std::fs::write(&file, master(&rows)).unwrap();
    let words = ["x", "hot", file.to_str().unwrap(), "--into", layer.to_str().unwrap()];
    let arguments = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).arguments;
    run(&arguments).unwrap();
    let written = std::fs::read_to_string(layer.join("tables/hot-yj.csv")).unwrap();
    let yj = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
    let mut wanted = vec![
        "source_system,source_code,source_display,target_system,target_code,target_display,equivalence"
            .to_owned(),
    ];
    for (code, target, name) in
        [("100000101", "1111111F1011", "架空錠１ｍｇ"), ("100000102", "1111111F1020", "架空錠１ｍｇ「別社」")]
    {
        for system in ["HOT9", "HOT09", "HOT"] {
            wanted.push(format!("{system},{code},{name},{yj},{target},{name},equivalent"));
        }
    }
    assert_eq!(written.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn malformed_rows_are_told_together_with_line_and_column_and_of_many_the_first_twenty() {
    let good = published("1000001", "01", "1111111F1011", "架空錠");
    let rows = good.clone()
        + &published("100001", "01", "1111", "両方違う")
        + "\"x\",\"1000003\"\r\n"
        + &published("1000004", "0A", "1111111F1011", "会社が違う");
    let text = decode("m.txt", &master(&rows)).unwrap();
    assert_eq!(
        refused("hot", &text),
        [
            "3 処方用番号（ＨＯＴ７）",
            "3 個別医薬品コード",
            "4 会社識別用番号",
            "4 個別医薬品コード",
            "5 処方用番号（ＨＯＴ７）"
        ]
    );
    // A quote that is left open is not taken for a long name.
    let open = good.replace("\"20240401\"", "\"20240401");
    let text = decode("m.txt", &master(&(open + &good))).unwrap();
    assert_eq!(refused("hot", &text), ["2 24"]);
    let bytes = [b"a,b\n1,\xff\xff\n".as_slice(), b"ok,ok\n\xff\xff,2\n"].concat();
    let broken = decode("m.txt", &bytes).unwrap_err();
    let at: Vec<_> = broken.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!(at, [(2, "2"), (4, "1")]);
    let many: String = (0..25).map(|_| published("1", "01", "1111111F1011", "短い")).collect();
    let text = decode("m.txt", &master(&many)).unwrap();
    let problems = make(&arguments("hot"), "m.txt", &text).unwrap_err();
    assert_eq!(problems.len(), 25);
    let said = listed(&problems);
    assert_eq!(said.matches("m.txt:").count(), 20, "{said}");
    assert!(said.contains("m.txt:2: [処方用番号（ＨＯＴ７）]: It has not the form"), "{said}");
    assert!(said.contains("and 5 more / ほかに 5 件"), "{said}");
}
