//! The figures of a month, reckoned from days and numbers alone.

use super::denominators::Wholes;
use super::suppress::hide_small;
use super::{Day, Denominators, FacilityType, Member, Month, People};
use crate::store::Activity;
use std::collections::BTreeMap;

/// Months of the series.
pub(super) const MONTHS: u32 = 12;

/// Days after which a facility that never sent is told apart.
const YEAR: u64 = 365;

/// The first day that a report of the month looks at.
pub(super) fn first_day_needed(month: Month) -> u32 {
    since(month.back(MONTHS - 1), YEAR)
}

/// The first of the so many days up to the end of a month.
fn since(month: Month, days: u64) -> u32 {
    let last = month.last_day();
    Day::of(last).map_or(last, |day| day.back(days - 1).number())
}

/// A part of a whole; the whole may not be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio {
    /// The part.
    pub numerator: u64,
    /// The whole.
    pub denominator: Option<u64>,
}

impl Ratio {
    fn of(numerator: u64, denominator: u64) -> Self {
        Self { numerator, denominator: Some(denominator) }
    }

    /// In thousandths, halves up; none where the whole is not known or nothing.
    pub fn permille(&self) -> Option<u64> {
        let whole = self.denominator.filter(|whole| *whole > 0)?;
        Some((self.numerator * 2_000 + whole) / (whole * 2))
    }

    /// `33.5`.
    pub fn percent(&self) -> Option<String> {
        self.permille().map(|permille| format!("{}.{}", permille / 10, permille % 10))
    }

    /// By how many thousandths it has grown since.
    pub fn change(&self, before: &Self) -> Option<i64> {
        let now = i64::try_from(self.permille()?).ok()?;
        Some(now - i64::try_from(before.permille()?).ok()?)
    }
}

impl serde::Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut ratio = serializer.serialize_struct("Ratio", 3)?;
        ratio.serialize_field("numerator", &self.numerator)?;
        ratio.serialize_field("denominator", &self.denominator)?;
        ratio.serialize_field("percent", &self.percent())?;
        ratio.end()
    }
}

/// The figures of some facilities at the end of a month. Counts of facilities are public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Facilities under contract.
    pub contracted: u64,
    /// Of those that have a denominator, how many of it.
    pub participation: Ratio,
    /// Sent in the last 30 days.
    pub sent_30: Ratio,
    /// In the last 90.
    pub sent_90: Ratio,
    /// In the last 365.
    pub sent_365: Ratio,
    /// Registered with the base in the month.
    pub registered: Ratio,
}

impl Counts {
    /// The figures with their ids, in the order in which they are shown.
    pub fn metrics(&self) -> [(&'static str, Ratio); 5] {
        [
            ("participation", self.participation),
            ("sent-30", self.sent_30),
            ("sent-90", self.sent_90),
            ("sent-365", self.sent_365),
            ("registered", self.registered),
        ]
    }
}

/// An area, or the whole network; all types together, or one of them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AreaRow {
    /// The area; empty for facilities of which it is not written, `None` for the whole network.
    pub area: Option<String>,
    /// The type; `None` for all together.
    #[serde(rename = "type")]
    pub facility_type: Option<TypeRow>,
    /// The figures.
    #[serde(flatten)]
    pub counts: Counts,
    /// Patients with data sent, once per facility; only where all types stand together.
    pub patients: Option<People>,
}

/// The type of a row; `None` for facilities of which it is not written.
pub type TypeRow = Option<FacilityType>;

/// A month of the series: the whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MonthRow {
    /// The month.
    pub month: Month,
    /// The figures.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A facility under contract.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FacilityRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub facility_type: Option<FacilityType>,
    /// Its area; empty where it is not written.
    pub area: String,
    /// Its municipality; empty where it is not written.
    pub municipality: String,
    /// Since when it takes part.
    pub joined: Option<Day>,
    /// The last day on which something came.
    pub last_input: Option<Day>,
    /// Whether it has a denominator.
    pub counted: bool,
    /// Sent in the last 30 days.
    pub sent_30: bool,
    /// In the last 90.
    pub sent_90: bool,
    /// In the last 365.
    pub sent_365: bool,
    /// Registered with the base in the month.
    pub registered: bool,
    /// Under contract for more than a year, and nothing ever came.
    pub silent_over_a_year: bool,
    /// Patients with data sent.
    pub patients: People,
}

/// Everything that is shown of a month.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The month.
    pub month: Month,
    /// Whose report it is.
    pub network: String,
    /// Patients with data from two facilities or more: nobody can tell without a cross-reference of patients.
    pub shared_patients: People,
    /// The whole network first, then area by area; in each all types together first.
    pub areas: Vec<AreaRow>,
    /// Twelve months, oldest first.
    pub months: Vec<MonthRow>,
    /// Facilities under contract at the end of the month.
    pub facilities: Vec<FacilityRow>,
    /// The denominators, with source and date.
    pub denominators: Vec<super::Denominator>,
}

impl Report {
    /// The whole network.
    pub fn total(&self) -> Counts {
        self.areas.first().map(|row| row.counts).unwrap_or_default()
    }

    /// The month before, for the change.
    pub fn before(&self) -> Counts {
        self.months.iter().rev().nth(1).map(|row| row.counts).unwrap_or_default()
    }

    /// Patients with data sent, once per facility.
    pub fn patients(&self) -> People {
        self.areas.first().and_then(|row| row.patients).unwrap_or(People::Unknown)
    }

    /// The whole network by type.
    pub fn types(&self) -> impl Iterator<Item = &AreaRow> {
        self.areas.iter().filter(|row| row.area.is_none() && row.facility_type.is_some())
    }

    /// The areas, all types together.
    pub fn by_area(&self) -> impl Iterator<Item = &AreaRow> {
        self.areas.iter().filter(|row| row.area.is_some() && row.facility_type.is_none())
    }

    /// Facilities from which nothing ever came.
    pub fn never(&self) -> impl Iterator<Item = &FacilityRow> {
        self.facilities.iter().filter(|row| row.last_input.is_none())
    }
}

/// A facility and what it did.
#[derive(Clone, Copy)]
struct Known<'a> {
    member: &'a Member,
    activity: &'a Activity,
}

impl Known<'_> {
    fn area(&self) -> &str {
        self.member.area.as_deref().unwrap_or_default()
    }

    fn sent(&self, month: Month, days: u64) -> bool {
        let span = since(month, days)..=month.last_day();
        self.activity.input_days.iter().any(|day| span.contains(day))
    }

    fn registered(&self, month: Month) -> bool {
        let span = month.first_day()..=month.last_day();
        self.activity.registered_days.iter().any(|day| span.contains(day))
    }

    fn has_denominator(&self, wholes: &Wholes<'_>) -> bool {
        let (kind, area) = (self.member.facility_type, self.member.area.as_deref());
        kind.zip(area).is_some_and(|key| wholes.contains_key(&key))
    }
}

/// Which facilities and denominators a row is about.
#[derive(Clone, Copy, Default)]
struct Scope<'a> {
    area: Option<&'a str>,
    facility_type: Option<TypeRow>,
}

impl Scope<'_> {
    fn takes(&self, area: &str, facility_type: TypeRow) -> bool {
        self.area.is_none_or(|wanted| wanted == area)
            && self.facility_type.is_none_or(|wanted| wanted == facility_type)
    }
}

fn counts(known: &[Known<'_>], wholes: &Wholes<'_>, month: Month, scope: Scope<'_>) -> Counts {
    let members: Vec<&Known<'_>> = known
        .iter()
        .filter(|k| scope.takes(k.area(), k.member.facility_type) && k.member.is_contracted(month.last_day()))
        .collect();
    let number = |holds: &dyn Fn(&Known<'_>) -> bool| members.iter().filter(|k| holds(k)).count() as u64;
    let contracted = members.len() as u64;
    let of_scope = wholes.iter().filter(|((kind, area), _)| scope.takes(area, Some(*kind)));
    let whole = of_scope.map(|(_, count)| *count).reduce(|sum, count| sum + count);
    Counts {
        contracted,
        participation: Ratio { numerator: number(&|k| k.has_denominator(wholes)), denominator: whole },
        sent_30: Ratio::of(number(&|k| k.sent(month, 30)), contracted),
        sent_90: Ratio::of(number(&|k| k.sent(month, 90)), contracted),
        sent_365: Ratio::of(number(&|k| k.sent(month, YEAR)), contracted),
        registered: Ratio::of(number(&|k| k.registered(month)), contracted),
    }
}

/// Reckons a report. `activities` are those of `members`, in their order.
pub fn compose(
    network: &str,
    month: Month,
    members: &[Member],
    denominators: &Denominators,
    activities: &[Activity],
) -> Report {
    let wholes = denominators.wholes();
    let mut known: Vec<Known<'_>> =
        members.iter().zip(activities).map(|(member, activity)| Known { member, activity }).collect();
    let mut areas = denominators.areas();
    let mut more: Vec<&str> = members.iter().filter_map(|member| member.area.as_deref()).collect();
    more.sort_unstable();
    for area in more {
        if !areas.contains(&area) {
            areas.push(area);
        }
    }
    // Last, facilities of which no area is written.
    areas.push("");
    let place: BTreeMap<&str, usize> = areas.iter().enumerate().map(|(place, area)| (*area, place)).collect();
    known.sort_by_key(|k| {
        let kind = k.member.facility_type;
        (place.get(k.area()).copied(), kind.is_none(), kind, k.member.code.clone())
    });
    let standing: Vec<Known<'_>> =
        known.iter().copied().filter(|k| k.member.is_contracted(month.last_day())).collect();
    let people: Vec<Vec<u64>> = areas
        .iter()
        .map(|area| standing.iter().filter(|k| k.area() == *area).map(|k| k.activity.patients).collect())
        .collect();
    let shown = hide_small(&people);
    let mut rows = Vec::new();
    let scopes = std::iter::once((None, shown.total))
        .chain(areas.iter().map(|area| Some(*area)).zip(shown.areas.iter().copied()));
    for (area, patients) in scopes {
        let all = Scope { area, facility_type: None };
        let whole = counts(&known, &wholes, month, all);
        // The whole network always has its row; an area that nobody knows of has none.
        if area == Some("") && whole.contracted == 0 {
            continue;
        }
        let owned = area.map(str::to_owned);
        rows.push(AreaRow {
            area: owned.clone(),
            facility_type: None,
            counts: whole,
            patients: Some(patients),
        });
        for kind in FacilityType::ALL.into_iter().map(Some).chain([None]) {
            let counts = counts(&known, &wholes, month, Scope { area, facility_type: Some(kind) });
            if counts.contracted > 0 || counts.participation.denominator.is_some() {
                rows.push(AreaRow { area: owned.clone(), facility_type: Some(kind), counts, patients: None });
            }
        }
    }
    let year_ago = since(month, YEAR + 1);
    let people_shown = shown.facilities.into_iter().flatten();
    let facilities = standing
        .iter()
        .zip(people_shown)
        .map(|(k, patients)| FacilityRow {
            code: k.member.code.clone(),
            name: k.member.name.clone(),
            facility_type: k.member.facility_type,
            area: k.area().to_owned(),
            municipality: k.member.municipality.clone().unwrap_or_default(),
            joined: k.member.joined,
            last_input: k.activity.last_input_day.and_then(Day::of),
            counted: k.has_denominator(&wholes),
            sent_30: k.sent(month, 30),
            sent_90: k.sent(month, 90),
            sent_365: k.sent(month, YEAR),
            registered: k.registered(month),
            silent_over_a_year: k.activity.last_input_day.is_none()
                && k.member.joined.is_some_and(|joined| joined.number() <= year_ago),
            patients,
        })
        .collect();
    let months = (0..MONTHS)
        .rev()
        .map(|back| month.back(back))
        .map(|month| MonthRow { month, counts: counts(&known, &wholes, month, Scope::default()) })
        .collect();
    Report {
        month,
        network: network.to_owned(),
        shared_patients: People::Unknown,
        areas: rows,
        months,
        facilities,
        denominators: denominators.rows.clone(),
    }
}
