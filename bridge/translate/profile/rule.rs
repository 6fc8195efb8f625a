//! The rules of the profiles: `jpcore.tsv`, compiled once.
//!
//! A rule names a path below the resource, with picks in brackets, and what must hold there. Its sentences
//! stand beside it; a finding carries the rule's name as its detail, and [`explain`] finds the sentence.

use super::tree::{Shape, Tree};
use super::walk::At;
use crate::finding::{Finding, Language, Location};
use crate::quick;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A profile that the table knows.
#[derive(Debug)]
pub struct Profile {
    /// `JP_Patient`.
    pub name: &'static str,
    /// Its canonical URL.
    pub url: &'static str,
    /// The type it is for.
    pub resource_type: &'static str,
    pub(super) groups: Vec<Group>,
}

/// Rules that speak of the same parents, so that these are sought once.
#[derive(Debug)]
pub(super) struct Group {
    /// The path of the parents as the table has it; empty for the resource.
    path: &'static str,
    pub parents: Vec<Step>,
    pub rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub step: Step,
    pub demand: Demand,
    /// `JP_Patient identifier.value min`: what a finding carries.
    pub name: &'static str,
}

#[derive(Debug)]
pub(super) enum Demand {
    Min(usize),
    Max(usize),
    /// JSON names of the types of a choice that are allowed.
    Only(Vec<String>),
    Fixed(&'static str),
}

/// One part of a path: `identifier[system=…]`, `value[x]`.
#[derive(Debug)]
pub(super) struct Step {
    pub name: &'static str,
    pub choice: bool,
    pub picks: Vec<Pick>,
}

#[derive(Debug)]
pub(super) enum Pick {
    /// The member has this text.
    Is(&'static str, &'static str),
    /// The member has an item with these picks.
    Has(&'static str, Vec<Pick>),
}

impl Pick {
    /// The texts that it asks for at a path, itself standing at another.
    fn texts(&self, at: &str, path: &str, out: &mut Vec<&'static str>) {
        match self {
            Self::Is(name, text)
                if path.strip_prefix(at).and_then(|rest| rest.strip_prefix('.')) == Some(name) =>
            {
                out.push(text);
            }
            Self::Is(..) => {}
            Self::Has(name, picks) => {
                let below = format!("{at}.{name}");
                picks.iter().for_each(|pick| pick.texts(&below, path, out));
            }
        }
    }

    /// The names of the elements whose texts it asks for, with these.
    fn asked(&self, out: &mut HashMap<&'static str, Vec<&'static str>>) {
        match self {
            Self::Is(name, text) => out.entry(name).or_default().push(text),
            Self::Has(_, picks) => picks.iter().for_each(|pick| pick.asked(out)),
        }
    }

    /// All texts that it asks for below a path, with their paths.
    fn all_texts(&self, at: &str, out: &mut Vec<(String, &'static str)>) {
        match self {
            Self::Is(name, text) => out.push((format!("{at}.{name}"), text)),
            Self::Has(name, picks) => {
                picks.iter().for_each(|pick| pick.all_texts(&format!("{at}.{name}"), out));
            }
        }
    }

    pub fn fits<'t, T: Tree<'t>>(&self, node: T) -> bool {
        match self {
            Self::Is(name, text) => node.text_of(name) == Some(text),
            Self::Has(name, picks) => node
                .get(name)
                .is_some_and(|member| member.each().any(|item| picks.iter().all(|pick| pick.fits(item)))),
        }
    }
}

#[derive(Default)]
struct Rules {
    profiles: quick::Map<&'static str, Profile>,
    /// URL → JSON names of the value.
    extensions: quick::Map<&'static str, (&'static str, Vec<String>)>,
    sentences: HashMap<&'static str, (&'static str, &'static str)>,
    /// Names of elements whose text a profile asks about, each with the texts.
    compared: HashMap<&'static str, Vec<&'static str>>,
}

fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| build(include_str!("jpcore.tsv")))
}

/// The profile of that canonical URL, without `|version`.
pub fn profile(url: &str) -> Option<&'static Profile> {
    rules().profiles.get(url)
}

/// Whether some profile asks for certain texts of elements of that name.
pub(super) fn compares(name: &str) -> bool {
    rules().compared.contains_key(name)
}

/// All texts that some profile asks for.
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    rules().compared.values().flatten().copied()
}

/// The profiles of the table.
pub fn profiles() -> impl Iterator<Item = &'static Profile> {
    rules().profiles.values()
}

/// The elements of the resource itself that a profile wants, and whether each is a choice of types.
pub fn required(profile: &'static Profile) -> impl Iterator<Item = (&'static str, bool)> {
    let own = profile.groups.iter().filter(|group| group.parents.is_empty());
    own.flat_map(|group| &group.rules)
        .filter(|rule| matches!(rule.demand, Demand::Min(1..)) && rule.step.picks.is_empty())
        .map(|rule| (rule.step.name, rule.step.choice))
}

/// The texts that a profile knows at a path without brackets, `identifier.system`, and whether an element with that
/// text must be there.
pub fn systems(profile: &'static Profile, path: &str) -> Vec<(&'static str, bool)> {
    let mut out: HashMap<&'static str, bool> = HashMap::new();
    for group in &profile.groups {
        for rule in &group.rules {
            let mut at = String::new();
            for step in group.parents.iter().chain([&rule.step]) {
                at.push_str(if at.is_empty() { "" } else { "." });
                at.push_str(step.name);
                let mut texts = Vec::new();
                step.picks.iter().for_each(|pick| pick.texts(&at, path, &mut texts));
                let needed = std::ptr::eq(step, &rule.step) && matches!(rule.demand, Demand::Min(1..));
                for text in texts {
                    *out.entry(text).or_default() |= needed;
                }
            }
            match rule.demand {
                Demand::Fixed(text) if at == path => *out.entry(text).or_default() |= true,
                _ => {}
            }
        }
    }
    let mut out: Vec<_> = out.into_iter().collect();
    out.sort_unstable();
    out
}

/// The elements of the resource itself that a profile wants with a fixed text: path without brackets, and the text.
pub fn slices(profile: &'static Profile) -> Vec<(String, &'static str)> {
    let own = profile.groups.iter().filter(|group| group.parents.is_empty());
    let mut out = Vec::new();
    for rule in own.flat_map(|group| &group.rules).filter(|rule| matches!(rule.demand, Demand::Min(1..))) {
        for pick in &rule.step.picks {
            pick.all_texts(rule.step.name, &mut out);
        }
    }
    out
}

/// The text that a profile fixes at a path without brackets, whatever stands around.
pub fn fixed(profile: &'static Profile, path: &str) -> Option<&'static str> {
    profile.groups.iter().find_map(|group| {
        let plain = group.parents.iter().all(|step| step.picks.is_empty());
        group.rules.iter().find_map(|rule| {
            let steps = group.parents.iter().chain([&rule.step]);
            match rule.demand {
                Demand::Fixed(text)
                    if plain
                        && rule.step.picks.is_empty()
                        && steps.map(|step| step.name).eq(path.split('.')) =>
                {
                    Some(text)
                }
                _ => None,
            }
        })
    })
}

/// The sentence of the rule that a finding of this module names in its detail.
pub fn explain(finding: &Finding, language: Language) -> Option<&'static str> {
    let (ja, en) = rules().sentences.get(finding.detail.as_deref()?)?;
    Some(match language {
        Language::Ja => ja,
        Language::En => en,
    })
}

fn build(text: &'static str) -> Rules {
    let mut rules = Rules::default();
    let mut urls: HashMap<&'static str, &'static str> = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let [names, path, kind, argument, ja, en] = cells.as_slice() else { continue };
        match *kind {
            "profile" => {
                urls.insert(names, argument);
                rules.profiles.insert(
                    argument,
                    Profile { name: names, url: argument, resource_type: path, groups: Vec::new() },
                );
            }
            "extension" => {
                let name: &'static str = path.rsplit('/').next().unwrap_or(path);
                rules.sentences.insert(name, (ja, en));
                rules.extensions.insert(path, (name, choices("value", argument)));
            }
            _ => {
                for profile in names.split(',') {
                    let Some(known) = urls.get(profile).and_then(|url| rules.profiles.get_mut(url)) else {
                        continue;
                    };
                    let mut steps = steps(path);
                    let name: &'static str = String::leak(format!("{profile} {} {kind}", short(&steps)));
                    // Two slices of one list have the same short name: the second is numbered.
                    let count: usize = known.groups.iter().map(|group| group.rules.len()).sum();
                    let name = if rules.sentences.contains_key(name) {
                        String::leak(format!("{name} {count}"))
                    } else {
                        name
                    };
                    let Some(step) = steps.pop() else { continue };
                    let demand = match *kind {
                        "min" => Demand::Min(argument.parse().unwrap_or(1)),
                        "max" => Demand::Max(argument.parse().unwrap_or(1)),
                        "only" => Demand::Only(choices(step.name, argument)),
                        _ => Demand::Fixed(argument),
                    };
                    rules.sentences.insert(name, (ja, en));
                    let parts = cut(path, '.');
                    let above =
                        path[..path.len() - parts.last().map_or(0, |last| last.len())].trim_end_matches('.');
                    let rule = Rule { step, demand, name };
                    match known.groups.iter_mut().find(|group| group.path == above) {
                        Some(group) => group.rules.push(rule),
                        None => known.groups.push(Group { path: above, parents: steps, rules: vec![rule] }),
                    }
                }
            }
        }
    }
    for group in rules.profiles.values().flat_map(|profile| &profile.groups) {
        for step in group.parents.iter().chain(group.rules.iter().map(|rule| &rule.step)) {
            step.picks.iter().for_each(|pick| pick.asked(&mut rules.compared));
        }
        for rule in &group.rules {
            if let Demand::Fixed(text) = rule.demand {
                rules.compared.entry(rule.step.name).or_default().push(text);
            }
        }
    }
    rules
}

/// The path without its picks, for people.
fn short(steps: &[Step]) -> String {
    let parts: Vec<String> = steps
        .iter()
        .map(|step| match (step.choice, step.picks.is_empty()) {
            (true, _) => format!("{}[x]", step.name),
            (false, true) => step.name.to_string(),
            (false, false) => format!("{}[…]", step.name),
        })
        .collect();
    parts.join(".")
}

fn choices(stem: &str, types: &str) -> Vec<String> {
    let key = |kind: &str| format!("{stem}{}{}", kind[..1].to_ascii_uppercase(), &kind[1..]);
    types.split(' ').map(key).collect()
}

fn steps(path: &'static str) -> Vec<Step> {
    cut(path, '.').into_iter().map(step).collect()
}

fn step(part: &'static str) -> Step {
    match part.split_once('[') {
        Some((name, "x]")) => Step { name, choice: true, picks: Vec::new() },
        Some((name, rest)) => {
            Step { name, choice: false, picks: picks(rest.strip_suffix(']').unwrap_or(rest)) }
        }
        None => Step { name: part, choice: false, picks: Vec::new() },
    }
}

fn picks(text: &'static str) -> Vec<Pick> {
    let pick = |part: &'static str| match (part.find('['), part.split_once('=')) {
        (Some(open), Some((before, _))) if open < before.len() => {
            Pick::Has(&part[..open], picks(part[open + 1..].strip_suffix(']').unwrap_or(&part[open + 1..])))
        }
        (_, Some((name, value))) => Pick::Is(name, value),
        _ => Pick::Has(part, Vec::new()),
    };
    cut(text, ',').into_iter().map(pick).collect()
}

/// Cuts at a separator that stands outside brackets.
fn cut(text: &'static str, separator: char) -> Vec<&'static str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Checks the rules of a profile on a resource.
pub(super) fn check<'t, T: Tree<'t>>(
    profile: &'static Profile,
    node: T,
    at: &At,
    findings: &mut Vec<Finding>,
) {
    for group in &profile.groups {
        descend(group, &group.parents, node, at, findings);
    }
}

/// Follows the steps to the parents and checks the rules under each of them.
fn descend<'t, T: Tree<'t>>(
    group: &'static Group,
    steps: &'static [Step],
    node: T,
    at: &At,
    findings: &mut Vec<Finding>,
) {
    let [step, rest @ ..] = steps else {
        return group.rules.iter().for_each(|rule| apply(rule, node, at, findings));
    };
    let Some(member) = node.get(step.name) else { return };
    let many = member.is_array();
    for (n, item) in member.each().enumerate() {
        if step.picks.iter().all(|pick| pick.fits(item)) {
            descend(group, rest, item, &at.child(step.name, many.then_some(n)), findings);
        }
    }
}

/// Checks a rule under one parent.
fn apply<'t, T: Tree<'t>>(rule: &'static Rule, node: T, at: &At, findings: &mut Vec<Finding>) {
    let step = &rule.step;
    let mut report = |code: &'static str| {
        let element = if step.choice { format!("{}[x]", step.name) } else { step.name.to_string() };
        findings.push(Finding::error(code, Location::default().path(at.path(&element))).detail(rule.name));
    };
    // A choice is asked about by its stem: `value[x]` is any `value` with a type behind it.
    let of = |key: &str| {
        key.strip_prefix(step.name).is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let member = if step.choice { None } else { node.get(step.name) };
    let fits = |item: &T| step.picks.iter().all(|pick| pick.fits(*item));
    match &rule.demand {
        Demand::Only(keys) => {
            if node.members().any(|(key, _)| of(key) && !keys.iter().any(|known| known == key)) {
                report("profile-type");
            }
        }
        Demand::Fixed(text) => {
            if member.is_some_and(|member| member.each().filter(fits).any(|item| !same(item, text))) {
                report("profile-fixed");
            }
        }
        Demand::Min(1) if step.picks.is_empty() => {
            // An extension in place of the value counts: `_authoredOn`.
            let there =
                |key: &str| if step.choice { of(key) } else { key.strip_prefix('_') == Some(step.name) };
            if member.is_none() && !node.members().any(|(key, _)| there(key)) {
                report("profile-missing");
            }
        }
        Demand::Min(min) => {
            if member.map_or(0, |member| member.each().filter(fits).count()) < *min {
                report(if step.picks.is_empty() { "profile-missing" } else { "profile-slice-missing" });
            }
        }
        Demand::Max(max) => {
            if member.is_some_and(|member| member.each().filter(fits).count() > *max) {
                report("profile-too-many");
            }
        }
    }
}

fn same<'t, T: Tree<'t>>(node: T, text: &str) -> bool {
    match node.shape() {
        Shape::Text(found) => found == text,
        Shape::Number(found) => found == text || found.parse::<f64>().ok() == text.parse::<f64>().ok(),
        _ => false,
    }
}

/// Checks the type of a known extension's value.
pub(super) fn extension<'t, T: Tree<'t>>(node: T, at: &At, findings: &mut Vec<Finding>) {
    let Some(url) = node.text_of("url") else { return };
    match rules().extensions.get(url) {
        Some((name, keys)) => {
            let fits = |key: &str| keys.iter().any(|known| known == key);
            if node.members().any(|(key, _)| key.starts_with("value") && !fits(key)) {
                findings.push(
                    Finding::error("profile-type", Location::default().path(at.path("value[x]")))
                        .detail(*name),
                );
            }
        }
        None if url.starts_with("http://jpfhir.jp/") => {
            findings.push(Finding::warning("extension-not-known", Location::default().path(at.path("url"))));
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::r4;

    #[test]
    fn every_row_is_read_and_every_path_exists() {
        let rows = include_str!("jpcore.tsv").lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let cells: Vec<_> = row.split('\t').collect();
            assert_eq!(cells.len(), 6, "{row}");
            assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
            assert!(["profile", "extension", "min", "max", "only", "fixed"].contains(&cells[2]), "{row}");
        }
        for profile in profiles() {
            for (group, rule) in
                profile.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
            {
                let path: Vec<_> = group
                    .parents
                    .iter()
                    .chain([&rule.step])
                    .map(|s| if s.choice { format!("{}[x]", s.name) } else { s.name.to_string() })
                    .collect();
                let path = format!("{}.{}", profile.resource_type, path.join("."));
                assert!(r4::element(&path).is_some(), "{path}");
            }
        }
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let rules: Vec<_> = profiles()
            .flat_map(|profile| &profile.groups)
            .flat_map(|group| &group.rules)
            .map(|rule| rule.name)
            .collect();
        let names: std::collections::HashSet<_> = rules.iter().collect();
        assert_eq!(names.len(), rules.len());
    }
}
