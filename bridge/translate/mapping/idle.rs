//! Tables that no rule looks into, maps that no message uses, submaps that no row uses: they change nothing, and nobody
//! would see that.
//!
//! A rule asks for a table by `table NAME` or `code NAME`. One that a higher layer has switched off asks for it too: who
//! writes a layer leaves the tables of the layers below alone.

use super::compile_map::{Draft, Parts};
use super::layer::{Layer, Rank};
use super::near::nearest;
use super::plan::{For, Map, Plan};
use super::problem::{Place, Problems, words};
use super::table;
use std::collections::{BTreeMap, BTreeSet};

/// Tables that are asked for by no rule and have an effect.
const BY_NAME: [&str; 3] = ["code-systems", "extensions", "slices"];

/// A table that no rule looks into, and the first of its files in a layer.
struct Idle<'l> {
    rank: Rank,
    file: &'l str,
    name: &'l str,
}

/// The names behind `table` and `code` in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    ["table", "code"].into_iter().flat_map(move |word| {
        text.match_indices(word).filter_map(move |(at, _)| {
            let behind = &text[at + word.len()..];
            let name = behind.trim_start_matches(' ');
            let name = &name[..name.find(|c| !part(c)).unwrap_or(name.len())];
            let whole = behind.starts_with(' ') && !text[..at].ends_with(part);
            (whole && !name.is_empty()).then_some(name)
        })
    })
}

fn asked(layers: &[Layer]) -> BTreeSet<&str> {
    let files = layers.iter().flat_map(|layer| layer.files.iter());
    let rules = files.filter(|file| file.path.ends_with(".toml"));
    rules.flat_map(|file| names(&file.text)).chain(BY_NAME).collect()
}

fn idle<'l>(layers: &'l [Layer], asked: &BTreeSet<&str>) -> Vec<Idle<'l>> {
    let mut out = Vec::new();
    for layer in layers {
        let mut tables = BTreeMap::new();
        for file in layer.files.iter() {
            let Some(name) = table::name_of(&file.path).filter(|name| !asked.contains(name)) else {
                continue;
            };
            let first = tables.entry(name).or_insert(file.path.as_str());
            *first = (*first).min(file.path.as_str());
        }
        out.extend(tables.into_iter().map(|(name, file)| Idle { rank: layer.rank, file, name }));
    }
    out
}

/// Says which tables of a set no rule looks into whose names are close to one that a rule does look into. One that is
/// close to a name that rules ask for in vain is said there.
pub(super) fn check(layers: &[Layer], problems: &mut Problems) {
    let asked = asked(layers);
    let files = layers.iter().flat_map(|layer| layer.files.iter());
    let there: BTreeSet<&str> = files.filter_map(|file| table::name_of(&file.path)).collect();
    for Idle { rank, file, name } in idle(layers, &asked) {
        let in_vain = nearest(name, asked.iter().copied().filter(|asked| !there.contains(asked)));
        let near = nearest(name, asked.iter().copied().filter(|asked| there.contains(asked)));
        let (None, Some(near)) = (in_vain, near) else { continue };
        let said = words(
            format!(
                "表 {name} を引く規則がないので、このファイルは何も変えません。{near} のことですか(表の名はファイルの名です)。"
            ),
            format!(
                "No rule looks into a table '{name}', so this file changes nothing. Did you mean '{near}'? A table is called as its file is."
            ),
        );
        problems.absent(&Place { layer: rank, file: file.into(), line: 0 }, name, "", name, said);
    }
}

/// The files of tables that no rule looks into, each with its layer: prepared for rules to come, or forgotten.
pub(super) fn files(layers: &[Layer]) -> Vec<(Rank, String)> {
    let asked = asked(layers);
    idle(layers, &asked).into_iter().map(|idle| (idle.rank, idle.file.to_owned())).collect()
}

/// The files of the highest layer's maps that no message uses: the message file is to come, or forgotten. One of a lower
/// layer may have lost its message to this one.
pub(super) fn maps(plan: &Plan, top: Rank) -> Vec<(Rank, String)> {
    let used = |n: usize| plan.messages.iter().any(|message| message.maps.contains(&n));
    let of_values = |map: &Map| matches!(map.instances, For::Datatype);
    let all = plan.maps.iter().enumerate();
    all.filter(|(n, map)| map.place.layer == top && !of_values(map) && !used(*n))
        .map(|(_, map)| (top, map.place.file.to_string()))
        .collect()
}

/// Says which submaps of the highest layer no row uses. One of a lower layer may have lost its row to this one.
pub(super) fn submaps(maps: &[Draft], inner: &[Draft], top: Rank, problems: &mut Problems) {
    for draft in inner.iter().filter(|draft| draft.parts == Parts::Submap && draft.place.layer == top) {
        let Some(owner) = draft.owner.as_ref() else { continue };
        let of_map = maps
            .iter()
            .filter(|map| map.id == *owner)
            .chain(inner.iter().filter(|map| map.owner.as_ref() == Some(owner) && map.id != draft.id));
        if of_map.flat_map(|map| &map.rules).any(|line| line.used.as_ref() == Some(&draft.id)) {
            continue;
        }
        let said = words(
            format!(
                "この submap を使う行がないので、何も変えません。{owner} の行に each = \"…\", use = \"{}\" と書きます。",
                draft.id
            ),
            format!(
                "No row uses this submap, so it changes nothing: write each = \"…\", use = \"{}\" in a row of '{owner}'.",
                draft.id
            ),
        );
        problems.cell(&draft.place, draft.id.clone(), "id", said);
    }
}

#[cfg(test)]
mod tests {
    use super::names;
    use crate::mapping::tests::{file, shipped};
    use crate::mapping::{Layer, MappingSet, Problem, Rank};

    const ROWS: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n\
                        ,ZZ,,http://chiiki.example.jp/x,z,,equal\n";

    fn with(tables: &[&str]) -> Result<MappingSet, Vec<Problem>> {
        let files = tables.iter().map(|path| file(path, ROWS)).collect();
        MappingSet::layered(vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Facility, files)])
    }

    #[test]
    fn names_stand_behind_their_words() {
        let text = "as = \"table  yes-no\", when = \".1 in table a and .2 in table b_2\" code=x, as = 'code c'\n tables d";
        assert_eq!(names(text).collect::<Vec<_>>(), ["yes-no", "a", "b_2", "c"]);
    }

    #[test]
    fn a_table_under_a_slip_of_a_name_is_one_problem_that_names_the_nearest() {
        for (path, name, near) in [
            ("tables/administrative-gendr.csv", "administrative-gendr", "administrative-gender"),
            ("tables/hot_yj.csv", "hot_yj", "hot-yj"),
            ("tables/lab-item/1319999999.csv", "lab-item", "lab-items"),
            ("tables/code-system.csv", "code-system", "code-systems"),
        ] {
            let problems = with(&[path]).map(|_| ()).unwrap_err();
            let [problem] = problems.as_slice() else { panic!("{path}: {problems:#?}") };
            assert_eq!((problem.layer, problem.file.as_str()), (Rank::Facility, path));
            assert_eq!((problem.line, problem.rule.as_str(), problem.column.as_str()), (0, name, ""));
            assert!(problem.ja.contains(&format!("{near} のことですか")), "{problem:#?}");
            assert!(problem.en.contains(&format!("Did you mean '{near}'?")), "{problem:#?}");
        }
    }

    #[test]
    fn a_table_for_rules_to_come_is_no_problem_and_is_told_of() {
        // What `import-master` writes and no shipped rule looks into, and a list of the hospital's own.
        let own = ["disease-icd10", "jlac10", "jlac10-jlac11", "jfagy", "wards"];
        let paths: Vec<String> = own.iter().map(|name| format!("tables/{name}.csv")).collect();
        let mut set = with(&paths.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        let mut told: Vec<String> = set.idle_tables().into_iter().map(|(_, file)| file).collect();
        told.sort();
        let mut all = paths.clone();
        all.sort();
        assert_eq!(told, all);
        set = with(&["tables/hot-yj.csv", "tables/lab-items/1319999999.csv"]).unwrap();
        assert_eq!(set.idle_tables(), []);
    }

    #[test]
    fn a_rule_looks_into_each_shipped_table_and_a_message_uses_each_shipped_map() {
        let set = MappingSet::load(shipped()).unwrap();
        assert_eq!((set.idle_tables(), set.idle_maps()), (vec![], vec![]));
    }

    #[test]
    fn a_map_that_no_message_uses_is_told_of() {
        let map = "[map]\nid = 'flags'\ntitle = { ja = '院内フラグ', en = 'Flags' }\nfor = 'ZAL'\nmakes = 'Observation'\n\
                   profile = 'none'\nkey = ['ZAL-1']\nrules = [\n  { id = 'status', to = 'status', fixed = 'final' },\n\
                   { id = 'code', to = 'code.text', from = 'ZAL-2' },\n]\n";
        let message = "[message]\nid = 'ADT-00'\nmaps = ['flags']\n";
        let over = |files| {
            let layers = vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)];
            MappingSet::layered(layers).unwrap_or_else(|problems| panic!("{problems:#?}"))
        };
        let alone = over(vec![file("maps/flags.toml", map)]);
        assert_eq!(alone.idle_maps(), [(Rank::Network, "maps/flags.toml".to_owned())]);
        let used = over(vec![file("maps/flags.toml", map), file("messages/ADT-00.toml", message)]);
        assert_eq!(used.idle_maps(), []);
    }
}
