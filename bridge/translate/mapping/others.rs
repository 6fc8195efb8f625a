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
            let whole = self.scope(chosen.inst.clone(), 1);
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
    use crate::hl7v2::Message;
    use crate::mapping::functions::is_before;
    use crate::mapping::tests::{context, file, message_file, set, shipped};
    use crate::mapping::{Layer, MappingSet, Rank, trace, translate};
    use crate::translation::Translation;
    use serde_json::Value;

    const MEMBER: &str = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID";

    fn with(layer: &str) -> MappingSet {
        let files = if layer.is_empty() { Vec::new() } else { vec![file("maps/own.toml", layer)] };
        MappingSet::layered(vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)])
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    fn run(set: &MappingSet, kind: &str, segments: &str) -> Translation {
        let text = format!(
            "MSH|^~\\&|H|S|G|R|20240401120000||{kind}|C1|P|2.5\rPID|||1||患者^太郎^^^^^L^I||19700101|M\r{segments}"
        );
        translate(set, text.as_bytes(), &context())
    }

    /// The ids of that system that Patients have.
    fn ids(out: &Translation, system: &str) -> Vec<String> {
        let patients = out.resources.iter().filter(|resource| resource.resource_type == "Patient");
        let all = patients.flat_map(|patient| {
            let patient: Value = serde_json::from_slice(&patient.json).expect("a resource is JSON");
            patient["identifier"].as_array().cloned().unwrap_or_default()
        });
        all.filter(|one| one["system"] == system).map(|one| one["value"].to_string()).collect()
    }

    fn codes(out: &Translation) -> Vec<&str> {
        out.findings.iter().map(|finding| finding.code.as_ref()).collect()
    }

    const HEALTH: &str = "IN1|1|C0^国保^JHSD0001|138057|||||||12|3456|20240401";

    #[test]
    fn the_insured_persons_id_is_said_without_a_finding_where_nothing_is_wrong() {
        let set = with("");
        let again = format!("{HEALTH}\rIN1|2|C0^国保^JHSD0001|138057|見本市||||||12|3456|20240401|20250331");
        for (segments, id) in [
            (HEALTH, Some("\"00138057:12:3456:\"")),
            // One insurance that is told once for each 公費 beside it is one.
            (again.as_str(), Some("\"00138057:12:3456:\"")),
            ("IN1|1|OE^自費^JHSD0001|||||||||20240401", None),
            ("IN1|1|LI^労災^JHSD0001||労働基準監督署||||||||20240401", None),
            ("NK1|1|例示^花子^^^^^L^I|SPO^配偶者^HL70063", None),
        ] {
            let out = run(&set, "ADT^A08", segments);
            assert_eq!(ids(&out, MEMBER), id.into_iter().collect::<Vec<_>>(), "{segments}");
            let unsaid = |code: &&str| !code.starts_with("insured-") && *code != "latest-several";
            assert!(codes(&out).iter().all(unsaid), "{segments}: {:?}", out.findings);
        }
    }

    #[test]
    fn what_another_map_found_is_traced_to_the_segment_that_was_chosen() {
        let text = format!(
            "MSH|^~\\&|H|S|G|R|20240401120000||ADT^A08|C1|P|2.5\rPID|||1||患者^太郎^^^^^L^I\r{HEALTH}|20240331\rIN1|2|06^組合^JHSD0001|06139991|||||||34~5678~01||20240401"
        );
        let (_, rows) = trace(&with(""), &Message::parse(text).expect("it is a message").0, &context());
        let row = rows.iter().find(|row| row.rule == "patient/insured-id").expect("the id is written");
        for position in ["IN1[2]-3", "IN1[2]-10", "IN1[2]-10[2]", "IN1[2]-10[3]"] {
            assert!(
                row.positions.iter().any(|at| at.starts_with(position)),
                "{position}: {:?}",
                row.positions
            );
        }
        assert!(!row.positions.iter().any(|at| at.starts_with("IN1[1]")), "{:?}", row.positions);
    }

    #[test]
    fn the_insurance_of_an_order_or_a_result_is_not_the_patients_of_record() {
        let set = with("");
        for (kind, before, after) in [
            ("ADT^A04", "", "PV1||O|01^^^^^C||||||||||||||||||||||||||||||||||||||||20240401\r"),
            ("OML^O21", "", "ORC|NW|O1\rOBR|1|O1||X^検査^99X"),
        ] {
            let out = run(&set, kind, &format!("{before}{HEALTH}\r{after}"));
            assert!(!out.resources.is_empty(), "{kind}: {:?}", out.findings);
            assert_eq!(ids(&out, MEMBER), Vec::<String>::new(), "{kind}");
            assert!(!codes(&out).contains(&"insured-id-missing"), "{kind}: {:?}", out.findings);
        }
    }

    #[test]
    fn a_layer_switches_the_id_off_by_its_row_or_with_the_map_that_it_is_made_from() {
        for layer in [
            "[map]\nid = \"patient\"\nrules = [ { id = \"insured-id\", off = true } ]\n",
            "[map]\nid = \"coverage\"\noff = true\n",
        ] {
            let set = with(layer);
            let out = run(&set, "ADT^A08", HEALTH);
            assert_eq!(ids(&out, MEMBER), Vec::<String>::new(), "{layer}");
            // The shipped tests of what is switched off go with it.
            let failed: Vec<_> =
                set.run_tests().into_iter().filter(|test| !test.failures.is_empty()).collect();
            assert_eq!(failed, [], "{layer}");
            assert!(!codes(&out).contains(&"insured-id-missing"), "{layer}: {:?}", out.findings);
        }
    }

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
