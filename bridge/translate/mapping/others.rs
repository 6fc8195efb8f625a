//! Names of other maps, `coverage[latest $since]/$number`, and which of two dates comes first.
//!
//! Names are worked out for every instance of every map before any rule runs, so that a rule may ask for those of another
//! map: for what one resource says of all that another map makes, and has no words of its own for.

use super::functions;
use super::item::Item;
use super::plan::Path;
use super::run::{Instance, Items, Run, Scope};
use crate::finding::Severity;
use std::borrow::Cow;

/// The first text of a name.
fn text<'i, 'm>(instance: &'i Instance<'m>, slot: usize) -> Option<Cow<'i, str>> {
    instance.lets.get(slot)?.items.first().map(Item::text)
}

impl<'m> Run<'m> {
    /// What a name of another map is, for each of its instances or for the one with the greatest `latest`.
    pub(super) fn of_map(
        &mut self,
        map: usize,
        slot: usize,
        latest: Option<usize>,
        path: &'m Path,
        out: &mut Items<'m>,
    ) {
        let instances = self.instances.clone();
        let of_map = instances.iter().filter(|instance| instance.map == map);
        let chosen: Vec<&Instance<'m>> = match latest {
            None => of_map.collect(),
            Some(by) => self.latest(of_map, slot, by).into_iter().collect(),
        };
        for instance in chosen {
            let Some(named) = instance.lets.get(slot) else { continue };
            if self.tracing {
                self.touched.extend_from_slice(&named.positions);
            }
            for item in &named.items {
                self.parts(item.clone(), &path.repetition, &path.parts, out);
            }
        }
    }

    /// The instance with the greatest text of a name, the first of several. Where they say different things for what is
    /// asked, that is told.
    fn latest<'i>(
        &mut self,
        of_map: impl Iterator<Item = &'i Instance<'m>>,
        asked: usize,
        by: usize,
    ) -> Option<&'i Instance<'m>>
    where
        'm: 'i,
    {
        let (mut chosen, mut twice): (Option<&Instance<'m>>, bool) = (None, false);
        for instance in of_map {
            let Some(own) = text(instance, by) else { continue };
            let best = chosen.and_then(|best| text(best, by));
            match best.map(|best| own.cmp(&best)) {
                Some(std::cmp::Ordering::Less) => {}
                Some(std::cmp::Ordering::Equal) => {
                    twice |= chosen.is_some_and(|best| text(best, asked) != text(instance, asked));
                }
                _ => (chosen, twice) = (Some(instance), false),
            }
        }
        if twice && let Some(chosen) = chosen {
            let whole =
                Scope { inst: chosen.inst.clone(), lets: Cow::Borrowed(&[]), outer: None, ordinal: 1 };
            let pos = self.stand(&whole);
            self.finding(Severity::Warning, "latest-several", pos);
        }
        chosen
    }

    /// Whether both are dates and the first comes before the second, as far as both are told.
    pub(super) fn before(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        a: &'m Path,
        b: &'m Path,
    ) -> bool {
        let (a, b) = (self.first(scope, relative, a), self.first(scope, relative, b));
        matches!((a, b), (Some(a), Some(b)) if functions::is_before(&a.text(), &b.text()))
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::functions::is_before;
    use crate::mapping::tests::{file, message_file, set};

    #[test]
    fn names_of_other_maps_that_are_not_there_and_rows_that_may_not_ask_are_refused() {
        let insured = "[map]\nid = \"cover\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"IN1\"\nmakes = \"Coverage\"\nprofile = \"none\"\nkey = [\"IN1-2.1\"]\nlet = [ { name = \"no\", from = \"IN1-36\", else = \"empty\" }, { name = \"since\", from = \"IN1-12\", else = \"empty\" } ]\nrules = [ { id = \"status\", to = \"status\", fixed = \"active\" }, { id = \"payor\", to = \"payor[].display\", fixed = \"x\" }, { id = \"who\", to = \"beneficiary\", from = \"PID-3.1\", as = \"ref Patient\" } ]\n";
        let problems = |lets: &str, rule: &str| {
            let other = format!(
                "[map]\nid = \"other\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nfor = \"PID\"\nmakes = \"Observation\"\nprofile = \"none\"\nkey = [\"'x'\"]\nlet = [ {lets} ]\nrules = [ {{ id = \"status\", to = \"status\", fixed = \"final\" }}, {{ id = \"code\", to = \"code.text\", {rule} }} ]\n"
            );
            let message = message_file(
                "ADT",
                "unit = [\"'x'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"cover\", \"other\"]\n",
            );
            set(vec![message, file("maps/cover.toml", insured), file("maps/other.toml", &other)])
                .map_or_else(|found| found, |_| Vec::new())
        };
        assert_eq!(problems("", "from = \"cover[latest $since]/$no\""), []);
        assert_eq!(problems("", "fixed = \"x\", when = \"cover/$no = '1' and PID-7 before MSH-7\""), []);
        for (lets, rule, said) in [
            ("", "from = \"covers/$no\"", "there is no map 'covers'"),
            ("", "from = \"cover/$number\"", "the map 'cover' has no name $number"),
            ("", "from = \"cover[latest $from]/$no\"", "the map 'cover' has no name $from"),
            ("", "from = \"cover[first]/$no\"", "the bracket of a map is [latest $NAME]"),
            ("{ name = \"no\", from = \"cover/$no\" }", "from = \"$no\"", "are for rows of rules"),
            ("", "fixed = \"x\", when = \"PID-7 sooner MSH-7\"", "starts, ends, before, after or is"),
        ] {
            let found = problems(lets, rule);
            assert!(found.iter().any(|problem| problem.en.contains(said)), "{lets} {rule}: {found:#?}");
        }
    }

    #[test]
    fn dates_are_compared_as_far_as_both_are_told() {
        for (a, b, before) in [
            ("20240331", "20240401090000", true),
            ("20240401", "20240401090000", false),
            ("20240401090000", "20240401", false),
            ("202403", "20240301", false),
            ("2023", "202401", true),
            ("20240402", "20240401", false),
            ("99999999", "20240401", false),
            ("", "20240401", false),
        ] {
            assert_eq!(is_before(a, b), before, "{a} {b}");
        }
    }
}
