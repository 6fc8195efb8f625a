//! A `skip` on what a rule still writes: the reason would stand in the coverage, and the data in the base.
//!
//! Who writes a layer says that something is not to leave: there it is a problem of the layer. The shipped set names
//! segments of which one map, the patient's, takes a part, and fields that are written in some lines alone: what is done
//! with the rest of them. Of its fields the row says so itself (`rest = true`), which `mapping check` looks at.

use super::compile_message::MessageDraft;
use super::coverage::{self, MessageCoverage};
use super::describe::{MapText, SetText, Source, Title};
use super::layer::Rank;
use super::plan::Plan;
use super::problem::{Place, Problem, Problems, Words, words};

/// Rules named in one sentence.
const NAMED: usize = 3;

/// Rows of `skip` in a layer on positions that a rule of that message writes, or chooses a fixed value by.
pub(crate) fn still_written(plan: &Plan, text: &SetText, drafts: &[MessageDraft], problems: &mut Problems) {
    for draft in drafts {
        // A layer that gives another reason for what the shipped set leaves out does not mean to change more.
        let own = || draft.skip.iter().filter(|row| row.place.layer > Rank::Shipped && row.over.is_none());
        if own().next().is_none() {
            continue;
        }
        let Some(message) = plan.messages.iter().find(|message| message.id == draft.id) else { continue };
        let coverage = coverage::of_message(plan, message, text);
        for row in own() {
            let from = &row.from;
            // What a layer above writes again is told where it is written: who lays it over has that file at hand.
            let (above, here): (Vec<&str>, Vec<&str>) = writing(text, &coverage, from)
                .into_iter()
                .partition(|rule| place_of(text, rule).is_some_and(|place| place.layer > row.place.layer));
            for rule in above {
                let Some(place) = place_of(text, rule) else { continue };
                problems.cell(&place, rule, "from", written_above(&row.place, &row.why, from));
            }
            let Some((ja, en, write)) = named(&here) else { continue };
            let said = words(
                format!(
                    "{from} は、まだ規則 {ja} が書いています。skip は理由を記録するだけで、送るのを止めません。送らないなら、その規則を off = true で止めます。"
                ),
                format!(
                    "rule {en} still {write} {from}; switch it off with off = true: a skip gives the reason and stops nothing."
                ),
            );
            problems.cell(&row.place, format!("{}/{from}", draft.id), "from", said);
        }
    }
}

/// A row of a higher layer that writes what a layer below says it leaves out.
fn written_above(skip: &Place, why: &Title, from: &str) -> Words {
    let (ja, en, file, line) = (skip.layer.ja(), skip.layer.word(), &skip.file, skip.line);
    words(
        format!(
            "{from} は、{ja}の層({file} の {line} 行)が skip で送らないとしている位置です(理由: {})。この行があるので送られます。この行を消すか、{ja}の層のその skip を取ってもらいます。",
            why.ja
        ),
        format!(
            "The {en}'s layer says in a skip ({file}:{line}) that {from} is left out: {}. By this row it is sent. Take the row out, or have that skip taken out there.",
            why.en.trim_end_matches('.')
        ),
    )
}

/// Where the row of `map/rule` stands.
fn place_of(text: &SetText, rule: &str) -> Option<Place> {
    let (owner, id) = rule.split_once('/')?;
    let maps = text.maps.iter().chain(&text.types);
    let mut all = maps.flat_map(|map| std::iter::once(map).chain(&map.inner));
    let row = all.find(|map| map.id == owner)?.rows.iter().find(|row| row.id == id)?;
    let Source { layer, file, line, .. } = &row.source;
    Some(Place { layer: *layer, file: file.as_str().into(), line: *line })
}

/// The same of the shipped set by itself, for its fields, where the row does not say that it is for the rest. It takes
/// longer than to read the set, so that it is not done whenever a set is read.
pub(crate) fn shipped(plan: &Plan, text: &SetText) -> Vec<Problem> {
    let mut out = Vec::new();
    for message in &plan.messages {
        let Some(draft) = text.messages.iter().find(|draft| draft.id == message.id) else { continue };
        let coverage = coverage::of_message(plan, message, text);
        let rows = draft.skip.iter().zip(&draft.skip_sources);
        for ((from, _), source) in rows.filter(|((from, _), source)| {
            source.layer == Rank::Shipped && from.contains(['-', '(']) && !draft.rest.contains(from)
        }) {
            let Some((ja, en, write)) = named(&writing(text, &coverage, from)) else { continue };
            out.push(Problem {
                layer: source.layer,
                file: source.file.clone(),
                line: source.line,
                rule: format!("{}/{from}", draft.id),
                column: "from".to_owned(),
                ja: format!(
                    "{from} は規則 {ja} が書いています。skip の行を取ります。規則が書かない行の分の理由なら rest = true と書きます。"
                ),
                en: format!(
                    "rule {en} {write} {from}: take the row out, or say rest = true where the reason is for lines in which no rule does."
                ),
                ..Problem::default()
            });
        }
    }
    out
}

/// The rules that write a position.
fn writing<'r>(text: &SetText, coverage: &'r MessageCoverage, from: &str) -> Vec<&'r str> {
    let Some(skipped) = Skipped::read(from) else { return Vec::new() };
    let mut rules: Vec<&str> = Vec::new();
    for one in coverage.uses.iter().filter(|one| one.kind.is_content()) {
        let Some(position) = &one.position else { continue };
        let rule = to_switch_off(text, &one.rule);
        if skipped.has(&position.segment, position.field, &position.parts) && !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

/// Rules in both languages, with the verb for them; `None` where there are none.
fn named(rules: &[&str]) -> Option<(String, String, &'static str)> {
    if rules.is_empty() {
        return None;
    }
    let more = rules.len().saturating_sub(NAMED);
    let named = rules[..rules.len().min(NAMED)].join(", ");
    let (more_ja, more_en) = match more {
        0 => (String::new(), String::new()),
        more => (format!(" ほか {more} 行"), format!(" and {more} more")),
    };
    let write = if rules.len() == 1 { "writes" } else { "write" };
    Some((format!("{named}{more_ja}"), format!("{named}{more_en}"), write))
}

/// What a row of `skip` names.
struct Skipped<'s> {
    segment: &'s str,
    field: u16,
    parts: Vec<u16>,
}

impl<'s> Skipped<'s> {
    fn read(from: &'s str) -> Option<Self> {
        if from.starts_with("col(") {
            return Some(Self { segment: from, field: 0, parts: Vec::new() });
        }
        let (segment, rest) = from.split_once('-').unwrap_or((from, ""));
        if rest.is_empty() {
            return Some(Self { segment, field: 0, parts: Vec::new() });
        }
        let mut numbers = rest.split('.').map(str::parse);
        let field = numbers.next()?.ok()?;
        Some(Self { segment, field, parts: numbers.collect::<Result<_, _>>().ok()? })
    }

    /// Whether a position is in it. A field that is read as text is its first component.
    fn has(&self, segment: &str, field: u16, parts: &[u16]) -> bool {
        let part = |n: usize| parts.get(n).copied().unwrap_or(1);
        self.segment == segment
            && (self.field == 0 || self.field == field)
            && self.parts.iter().enumerate().all(|(n, wanted)| part(n) == *wanted)
    }
}

/// Of `patient/contact > contact/name > XPN.jp/family` the innermost row that is of this map alone: a datatype map and
/// a map that is made by `ref` serve other rules too.
fn to_switch_off<'r>(text: &SetText, trail: &'r str) -> &'r str {
    fn owner(rule: &str) -> &str {
        rule.split('/').next().unwrap_or_default()
    }
    let mut rows = trail.split(" > ");
    let first = rows.next().unwrap_or(trail);
    let map: Option<&MapText> = text.maps.iter().find(|map| map.id == owner(first));
    let inside = |rule: &&str| map.is_some_and(|map| map.inner.iter().any(|inner| inner.id == owner(rule)));
    rows.take_while(inside).last().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use crate::mapping::tests::{file, shipped};
    use crate::mapping::{Layer, MappingSet, Problem, Rank};

    fn with(message: &str, from: &str, off: &str) -> Vec<Problem> {
        let why = "why = { ja = \"地域では共有しない\", en = \"not shared in this network\" }";
        let mut files = vec![file(
            "messages/own.toml",
            &format!("[message]\nid = \"{message}\"\nskip = [\n  {{ from = \"{from}\", {why} }},\n]\n"),
        )];
        if !off.is_empty() {
            files.push(file("maps/own.toml", &format!("[map]\nid = \"patient\"\nrules = [\n{off}\n]\n")));
        }
        MappingSet::layered(vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)])
            .map(|_| Vec::new())
            .unwrap_or_else(|problems| problems)
    }

    #[test]
    fn a_skip_of_what_a_rule_still_writes_is_refused_and_names_the_rule() {
        for (message, from, ja, en) in [
            (
                "ADT-00",
                "PID-14",
                "まだ規則 patient/work が書いて",
                "rule patient/work still writes PID-14; switch",
            ),
            // By the patient that a prescription brings along it would leave too.
            ("OMP-01", "PID-14", "patient/work", "rule patient/work still writes PID-14"),
            // The whole segment; of a part of a field the rule that reads that part.
            ("ADT-00", "NK1", "contact/name", "still write NK1"),
            ("ADT-00", "NK1-3", "contact/", "NK1-3"),
            ("ADT-00", "PID-5.2", "patient/name ", "rule patient/name still writes PID-5.2"),
            // A fixed value that a field chooses says what the field says.
            ("ADT-00", "DB1-4", "patient/disability", "patient/disability"),
        ] {
            let problems = with(message, from, "");
            let [problem] = problems.as_slice() else { panic!("{message} {from}: {problems:#?}") };
            let place = (problem.layer, problem.file.as_str(), problem.line, problem.column.as_str());
            assert_eq!(place, (Rank::Network, "messages/own.toml", 4, "from"));
            assert_eq!(problem.rule, format!("{message}/{from}"));
            assert!(problem.ja.contains(ja) && problem.en.contains(en), "{problem:#?}");
        }
    }

    #[test]
    fn a_skip_of_the_shipped_set_on_a_field_that_is_written_says_that_it_is_for_the_rest() {
        let problems = |row: &str| {
            let mut files = shipped();
            let own =
                files.iter_mut().find(|file| file.path == "messages/OMP-01.toml").expect("it is shipped");
            if !row.is_empty() {
                let row = format!("skip     = [\n  {{ {row}, why = {{ ja = \"理由\", en = \"why\" }} }},");
                own.text = own.text.replacen("skip     = [", &row, 1);
            }
            MappingSet::load(files)
                .unwrap_or_else(|problems| panic!("{problems:#?}"))
                .skips_of_what_is_written()
        };
        assert_eq!(problems(""), [], "no row of the shipped set contradicts a rule");
        let found = problems("from = \"ORC-15\"");
        let [problem] = found.as_slice() else { panic!("{found:#?}") };
        let place = (problem.file.as_str(), problem.rule.as_str(), problem.column.as_str());
        assert_eq!(place, ("messages/OMP-01.toml", "OMP-01/ORC-15", "from"));
        assert!(
            problem.en.contains("rule prescription-request/authored-3 writes ORC-15: take"),
            "{problem:#?}"
        );
        assert!(problem.ja.contains("prescription-request/authored-3 が書いて"), "{problem:#?}");
        assert_eq!(problems("from = \"ORC-15\", rest = true"), []);
        assert_eq!(problems("from = \"ORC-14\""), [], "no rule reads it");
    }

    #[test]
    fn what_a_layer_leaves_out_has_no_rest() {
        let row = "{ from = \"ORC-15\", rest = true, why = { ja = \"理由\", en = \"why\" } }";
        let layer = format!("[message]\nid = \"OMP-01\"\nskip = [ {row} ]\n");
        let layers = vec![
            Layer::new(Rank::Shipped, shipped()),
            Layer::new(Rank::Network, vec![file("messages/own.toml", &layer)]),
        ];
        let found = MappingSet::layered(layers).map_or_else(|problems| problems, |_| Vec::new());
        let mut columns: Vec<&str> = found.iter().map(|problem| problem.column.as_str()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["from", "rest"], "{found:#?}");
    }

    #[test]
    fn a_skip_of_what_nothing_writes_passes() {
        assert_eq!(with("ADT-00", "PID-14", "  { id = \"work\", off = true },"), []);
        assert_eq!(with("ADT-00", "PID-5.14", ""), [], "no rule reads that part");
        // Read by a condition alone, and another reason for what the shipped set leaves out.
        assert_eq!(with("OMP-01", "MSH-9", ""), []);
        assert_eq!(with("OMP-01", "PID", ""), []);
    }
}
