//! 参加状況: for those who ask whether the region takes part. Counts alone; no address here leads to a message.

use crate::console::answer::{Answer, Failure};
use crate::console::chart::{self, Bars, Trend};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::console::words::word;
use crate::participation::definition::{self, Definition};
use crate::participation::{
    self, AreaRow, Day, Denominators, Month, ParticipationError, People, Ratio, Report,
};
use askama::Template;
use renkei_translate::finding::Language;
use sha2::{Digest, Sha256};

/// Months that can be chosen, back from the one that is under way.
const CHOICES: u32 = 36;

/// Where the page stands.
const AT: &str = "/participation";

/// One of the four figures.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its id among the definitions.
    pub id: &'static str,
    /// Its name.
    pub name: String,
    /// `33.5%`; none where it is not known.
    pub value: Option<String>,
    /// `442 / 1,318`.
    pub of: String,
    /// The change, or why it is not known.
    pub note: String,
}

/// A row of a table: its name, and the cells behind it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The row's heading.
    pub name: String,
    /// The cells.
    pub cells: Vec<String>,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct View {
    /// 架空県・2026年10月(令和8年10月).
    pub subtitle: String,
    /// `2026-10`.
    pub month: String,
    /// Months to choose from: value, words, whether it is this one.
    pub months: Vec<(String, String, bool)>,
    /// Sentences about what is not known.
    pub notices: Vec<String>,
    /// The four figures.
    pub cards: Vec<Card>,
    /// Patients with data sent, as they may be shown.
    pub patients: String,
    /// What the bars say.
    pub bars_title: String,
    /// The bars in words.
    pub bars_words: String,
    /// The bars.
    pub bars: Bars,
    /// The words at the line of comparison.
    pub compare: String,
    /// The areas as a table.
    pub areas: Vec<Line>,
    /// What the curves say.
    pub trend_title: String,
    /// The curves in words.
    pub trend_words: String,
    /// The curves.
    pub trend: Trend,
    /// Values at their ends.
    pub ends: (String, String),
    /// The months as a table.
    pub series: Vec<Line>,
    /// The types as a table.
    pub types: Vec<Line>,
    /// How many facilities never sent, in a sentence.
    pub never_title: String,
    /// Facilities that never sent.
    pub never: Vec<Line>,
    /// The denominators with source and date.
    pub sources: Vec<Line>,
    /// SHA-256 of the CSV and of the workbook.
    pub hashes: (String, String),
}

/// 参加状況.
#[derive(Template)]
#[template(path = "participation.html", config = "web/askama.toml")]
pub struct ParticipationPage {
    /// Around it.
    pub frame: Frame,
    /// In it.
    pub view: View,
}

/// What the figures mean.
#[derive(Template)]
#[template(path = "participation-definitions.html", config = "web/askama.toml")]
pub struct DefinitionsPage {
    /// Around it.
    pub frame: Frame,
    /// The definitions.
    pub definitions: Vec<Definition>,
    /// Denominators with source and date.
    pub sources: Vec<Line>,
}

impl DefinitionsPage {
    fn name(&self, of: &Definition) -> &'static str {
        of.name(self.frame.language)
    }

    fn text(&self, of: &Definition) -> &'static str {
        of.text(self.frame.language)
    }
}

/// The page.
///
/// # Errors
/// The store or the template.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let month = month(request);
    let (report, unreadable) = match report(request, month) {
        Err(ParticipationError::Denominators { .. }) => {
            let state = &request.state;
            let none = Denominators::default();
            (participation::gather(&state.store, &state.region.network, &state.members, &none, month), true)
        }
        read => (read, false),
    };
    let report = report.map_err(failure)?;
    let view = view(&report, request, unreadable)?;
    Answer::page(&ParticipationPage { frame: request.frame(AT, "participation"), view })
}

/// What the figures mean.
///
/// # Errors
/// The template.
pub fn definitions(request: &Request) -> Result<Answer, Failure> {
    // Denominators that cannot be read are told of on the page of the figures.
    let denominators = request.state.region.read_denominators().unwrap_or_default();
    Answer::page(&DefinitionsPage {
        frame: request.frame(AT, "pt.definitions"),
        definitions: definition::definitions().collect(),
        sources: sources(&denominators.rows, request.language),
    })
}

/// The CSV.
///
/// # Errors
/// The store or the denominators.
pub fn csv(request: &Request) -> Result<Answer, Failure> {
    let report = report(request, month(request)).map_err(failure)?;
    let bytes = participation::csv(&report, request.language).map_err(failure)?;
    let name = format!("participation-{}.csv", report.month);
    request.audit("participation-export", &name, "")?;
    Ok(Answer::file(&name, "text/csv; charset=utf-8", bytes))
}

/// The workbook.
///
/// # Errors
/// The store or the denominators.
pub fn xlsx(request: &Request) -> Result<Answer, Failure> {
    const KIND: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let report = report(request, month(request)).map_err(failure)?;
    let bytes = participation::xlsx(&report, request.language).map_err(failure)?;
    let name = format!("participation-{}.xlsx", report.month);
    request.audit("participation-export", &name, "")?;
    Ok(Answer::file(&name, KIND, bytes))
}

fn failure(error: ParticipationError) -> Failure {
    match error {
        ParticipationError::Store(error) => Failure::Store(error),
        ParticipationError::Denominators { .. } => Failure::Internal("the denominators cannot be read"),
        ParticipationError::Csv(_) | ParticipationError::Xlsx(_) => Failure::Render,
    }
}

fn report(request: &Request, month: Month) -> Result<Report, ParticipationError> {
    participation::report(&request.state.store, &request.state.region, &request.state.members, month)
}

/// The month that is under way.
fn current(request: &Request) -> Month {
    let today =
        Day::today(request.now_ms).unwrap_or_else(|| Day::of(20_260_101).expect("a day of the calendar"));
    Month::of(today)
}

/// The month asked for; the last whole one where none is, or one that has not begun.
fn month(request: &Request) -> Month {
    let current = current(request);
    let asked = request.query.get("month").and_then(|text| text.parse::<Month>().ok());
    asked.filter(|month| *month <= current).unwrap_or_else(|| current.back(1))
}

/// Words with their parameters.
fn say(key: &str, language: Language, values: &[(&str, &str)]) -> String {
    values.iter().fold(word(key, language).to_owned(), |text, (name, value)| text.replace(name, value))
}

fn percent(ratio: Ratio) -> Option<String> {
    ratio.percent().map(|percent| format!("{percent}%"))
}

/// `62.4% (276 / 442)`, or a dash.
fn rate(ratio: Ratio) -> String {
    percent(ratio).unwrap_or_else(|| "—".into())
}

fn people(number: People, language: Language) -> String {
    match number {
        People::Known(number) => grouped(number),
        People::BelowTen => word("pt.below-ten", language).to_owned(),
        People::Hidden => word("pt.hidden", language).to_owned(),
        People::Unknown => word("pt.unknown", language).to_owned(),
    }
}

/// `1,318`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = digits[..first].to_owned();
    for (place, digit) in digits[first..].chars().enumerate() {
        if place % 3 == 0 && !out.is_empty() {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn whole(ratio: Ratio) -> String {
    ratio.denominator.map_or_else(|| "—".into(), grouped)
}

fn change(now: Ratio, before: Ratio, language: Language) -> String {
    let Some(change) = now.change(&before) else { return word("pt.no-change-known", language).to_owned() };
    if change == 0 {
        return word("pt.no-change", language).to_owned();
    }
    let sign = if change > 0 { '+' } else { '−' };
    let points = format!("{sign}{}.{}", change.unsigned_abs() / 10, change.unsigned_abs() % 10);
    say("pt.change", language, &[("{n}", &points)])
}

fn view(report: &Report, request: &Request, unreadable: bool) -> Result<View, Failure> {
    let language = request.language;
    let w = |key| word(key, language);
    let (total, before) = (report.total(), report.before());
    let today = Day::today(request.now_ms);
    let mut notices = Vec::new();
    if unreadable {
        notices.push(w("pt.denominators-bad").to_owned());
    } else if report.denominators.is_empty() {
        notices.push(w("pt.denominators-none").to_owned());
    }
    if !today.is_some_and(|today| report.month.is_over(today)) {
        notices.push(w("pt.not-over").to_owned());
    }
    let outside = total.contracted - total.participation.numerator;
    if outside > 0 && !report.denominators.is_empty() {
        notices.push(say("pt.outside", language, &[("{n}", &grouped(outside))]));
    }
    let card = |id: &'static str, now: Ratio, before: Ratio| Card {
        id,
        name: definition::name(id, language).to_owned(),
        value: percent(now),
        of: format!("{} / {}", grouped(now.numerator), whole(now)),
        note: change(now, before, language),
    };
    let cards = vec![
        card("participation", total.participation, before.participation),
        card("sent-30", total.sent_30, before.sent_30),
        card("registered", total.registered, before.registered),
        Card {
            id: "shared-patients",
            name: definition::name("shared-patients", language).to_owned(),
            value: None,
            of: people(report.shared_patients, language),
            note: w("pt.shared-why").to_owned(),
        },
    ];
    let area_name = |row: &AreaRow| match row.area.as_deref() {
        None => w("pt.whole").to_owned(),
        Some("") => w("pt.not-set").to_owned(),
        Some(area) => area.to_owned(),
    };
    let by_area: Vec<(String, Option<u64>, String)> = report
        .by_area()
        .map(|row| {
            let sent = row.counts.sent_30;
            let printed = format!("{} ({} / {})", rate(sent), grouped(sent.numerator), whole(sent));
            (area_name(row), sent.permille(), printed)
        })
        .collect();
    let lowest = by_area.iter().filter(|(_, permille, _)| permille.is_some()).min_by_key(|(_, p, _)| *p);
    let bars_title = lowest.map_or_else(
        || w("pt.bars-none").to_owned(),
        |(area, _, value)| say("pt.bars-title", language, &[("{area}", area), ("{n}", value)]),
    );
    let words: Vec<String> = by_area.iter().map(|(area, _, value)| format!("{area} {value}")).collect();
    let series = |of: fn(&participation::Counts) -> Ratio| -> Vec<Ratio> {
        report.months.iter().map(|row| of(&row.counts)).collect()
    };
    let (sent, registered) = (series(|c| c.sent_30), series(|c| c.registered));
    let permille = |ratios: &[Ratio]| ratios.iter().map(Ratio::permille).collect::<Vec<_>>();
    let ends_of = |ratios: &[Ratio]| {
        let (first, last) = (ratios.first().copied(), ratios.last().copied());
        (rate(first.unwrap_or_default()), rate(last.unwrap_or_default()))
    };
    let ((sent_from, sent_to), (registered_from, registered_to)) = (ends_of(&sent), ends_of(&registered));
    // A year ago the network may not have been there.
    let begun =
        [&sent, &registered].iter().all(|all| all.first().is_some_and(|first| first.permille().is_some()));
    let values = [
        ("{a}", sent_from.as_str()),
        ("{b}", sent_to.as_str()),
        ("{c}", registered_from.as_str()),
        ("{d}", registered_to.as_str()),
    ];
    let labels: Vec<String> = report
        .months
        .iter()
        .map(|row| say("pt.month-label", language, &[("{n}", &row.month.number().to_string())]))
        .collect();
    let counts_cells = |counts: &participation::Counts| {
        let mut cells =
            vec![whole(counts.participation), grouped(counts.contracted), rate(counts.participation)];
        for ratio in [counts.sent_30, counts.sent_90, counts.sent_365, counts.registered] {
            cells.extend([grouped(ratio.numerator), rate(ratio)]);
        }
        cells
    };
    let types = report
        .types()
        .map(|row| Line {
            name: row.facility_type.flatten().map_or(w("pt.not-set"), |kind| kind.word(language)).to_owned(),
            cells: counts_cells(&row.counts),
        })
        .collect();
    let areas = report
        .by_area()
        .map(|row| {
            let mut cells = counts_cells(&row.counts);
            cells.push(row.patients.map_or_else(String::new, |number| people(number, language)));
            Line { name: area_name(row), cells }
        })
        .collect();
    let months = report
        .months
        .iter()
        .map(|row| Line {
            name: format!("{} ({})", row.month, row.month.era(language)),
            cells: counts_cells(&row.counts),
        })
        .collect();
    let never: Vec<Line> = report
        .never()
        .map(|row| {
            let kind = row.facility_type.map_or(w("pt.not-set"), |kind| kind.word(language));
            let area = if row.area.is_empty() { w("pt.not-set") } else { row.area.as_str() };
            let joined =
                row.joined.map_or_else(|| "—".into(), |day| format!("{day} ({})", day.era(language)));
            let name =
                if row.name.is_empty() { row.code.clone() } else { format!("{} {}", row.name, row.code) };
            Line { name, cells: vec![kind.to_owned(), area.to_owned(), joined] }
        })
        .collect();
    let over_a_year = report.never().filter(|row| row.silent_over_a_year).count();
    let never_title = say(
        if never.is_empty() { "pt.never-none" } else { "pt.never-title" },
        language,
        &[("{n}", &never.len().to_string()), ("{m}", &over_a_year.to_string())],
    );
    let current = current(request);
    let mut choices: Vec<Month> = (0..CHOICES).map(|back| current.back(back)).collect();
    if !choices.contains(&report.month) {
        choices.push(report.month);
    }
    let choice = |month: Month| {
        let words = format!("{} ({})", month.prose(language), month.era(language));
        (month.to_string(), words, month == report.month)
    };
    let hash = |bytes: Vec<u8>| Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(View {
        subtitle: say(
            if report.network.is_empty() { "pt.subtitle-bare" } else { "pt.subtitle" },
            language,
            &[
                ("{month}", &report.month.prose(language)),
                ("{era}", &report.month.era(language)),
                ("{network}", &report.network),
            ],
        ),
        month: report.month.to_string(),
        months: choices.into_iter().map(choice).collect(),
        notices,
        cards,
        patients: people(report.patients(), language),
        bars_title,
        bars_words: say("pt.bars-words", language, &[("{n}", &words.join(w("list.comma")))]),
        bars: chart::bars(&by_area, total.sent_30.permille()),
        compare: say("pt.compare", language, &[("{n}", &rate(total.sent_30))]),
        areas,
        trend_title: say(if begun { "pt.trend-title" } else { "pt.trend-now" }, language, &values),
        trend_words: say("pt.trend-words", language, &values),
        trend: chart::trend(&permille(&sent), &permille(&registered), &labels),
        ends: (sent_to.clone(), registered_to.clone()),
        series: months,
        types,
        never_title,
        never,
        sources: sources(&report.denominators, language),
        hashes: (
            hash(participation::csv(report, language).map_err(failure)?),
            hash(participation::xlsx(report, language).map_err(failure)?),
        ),
    })
}

fn sources(rows: &[participation::Denominator], language: Language) -> Vec<Line> {
    rows.iter()
        .map(|row| Line {
            name: [row.area.as_str(), row.municipality.as_str()].join(" ").trim_end().to_owned(),
            cells: vec![
                row.facility_type.word(language).to_owned(),
                grouped(row.count),
                row.source.clone(),
                format!("{} ({})", row.date, row.date.era(language)),
            ],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{change, grouped};
    use crate::participation::Ratio;
    use renkei_translate::finding::Language::Ja;

    #[test]
    fn numbers_have_their_commas() {
        let printed = [0, 12, 123, 1_318, 128_431, 1_000_000].map(grouped);
        assert_eq!(printed, ["0", "12", "123", "1,318", "128,431", "1,000,000"]);
    }

    #[test]
    fn changes_are_in_points_and_none_is_said() {
        let of = |numerator, denominator| Ratio { numerator, denominator: Some(denominator) };
        assert_eq!(change(of(3, 4), of(2, 4), Ja), "前月 +25.0 ポイント");
        assert_eq!(change(of(2, 4), of(3, 4), Ja), "前月 −25.0 ポイント");
        assert_eq!(change(of(2, 4), of(1, 2), Ja), "前月と同じ");
        assert_eq!(change(of(2, 4), of(0, 0), Ja), "前月は不明");
    }
}
