//! Results that a report had and another report of the same order does not have.
//!
//! A report is taken as the whole of its order: that is what a file of a storage is, and what a corrected or final report
//! after a preliminary one is sent as. A sender that reports bit by bit means something else, and no field of a message
//! tells the two apart for certain (ORC-5 A says it where it is filled, and few fill it). So what a newer report no
//! longer has is taken back, and that is said with its number, whichever of the two came first.

use super::UnitState;
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Replaces, Role, Translation};
use std::collections::HashSet;

/// The code of the finding.
pub const GONE: &str = "results-gone";

/// What of the results is lost by taking a message into its unit, if anything: `before` and `after` are the unit without
/// and with it.
pub(super) fn gone(
    before: Option<&UnitState>,
    after: &UnitState,
    superseded: bool,
    incoming: &Translation,
    sequence: i64,
) -> Option<Finding> {
    incoming.unit.as_ref().filter(|unit| unit.replaces == Replaces::Unit && !unit.withdrawn)?;
    let stands: HashSet<&str> = observations(after).map(|(id, _)| id).collect();
    let (report, lost) = if superseded {
        // The newer one stands, or took all of it back: then nothing is lost by what this one says.
        if after.withdrawn || after.floor.sequence == sequence {
            return None;
        }
        let own = incoming.resources.iter().filter(|resource| resource.role == Role::Unit);
        let lost =
            own.clone().filter(|r| r.resource_type == "Observation" && !stands.contains(r.id.as_str()));
        (own.clone().any(|resource| resource.resource_type == REPORT), lost.count())
    } else {
        // The same message translated again takes back its own results by other rules: nobody has sent less.
        let was = before.into_iter().flat_map(observations);
        let lost = was.filter(|(id, said)| *said != sequence && !stands.contains(id));
        (before.into_iter().chain([after]).any(has_report), lost.count())
    };
    // Of an order, a prescription or an act it is a change like any other.
    (report && lost > 0).then(|| Finding::warning(GONE, Location::default()).detail(lost.to_string()))
}

/// What makes a unit a report.
const REPORT: &str = "DiagnosticReport";

fn has_report(state: &UnitState) -> bool {
    state.entries.iter().any(|entry| entry.resource_type == REPORT)
}

/// The ids of the results of a unit, each with the message that said it.
fn observations(state: &UnitState) -> impl Iterator<Item = (&str, i64)> {
    let all = state.entries.iter().filter(|entry| entry.resource_type == "Observation");
    all.map(|entry| (entry.id.as_str(), entry.stamp.sequence))
}

#[cfg(test)]
mod tests {
    use super::GONE;
    use crate::record::Memory;
    use crate::record::tests::{resource, translation, withdrawn};
    use proptest::prelude::{any, prop, proptest};
    use proptest::prop_assert_eq;
    use renkei_translate::finding::{Finding, Language, sentence};
    use renkei_translate::translation::{Replaces, Role, Translation};
    use std::collections::BTreeSet;

    fn report(time: u64, results: &[u8]) -> Translation {
        let mut all = vec![resource("DiagnosticReport", "r", Role::Unit, &format!("{time}"), &[])];
        let of = |n: &u8| resource("Observation", &format!("o{n}"), Role::Unit, &format!("{time}"), &[]);
        all.extend(results.iter().map(of));
        translation("O1", Replaces::Unit, time, all)
    }

    fn told(findings: &[Finding]) -> Option<String> {
        let all: Vec<&Finding> = findings.iter().filter(|finding| finding.code == GONE).collect();
        assert!(all.len() < 2, "{all:?}");
        all.first().map(|finding| finding.detail.as_deref().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_later_report_without_a_result_says_so_in_whatever_order_they_come() {
        for (history, expected) in [
            // First a preliminary one, then only the rest.
            (vec![report(1, &[1]), report(2, &[2])], vec![None, Some("1")]),
            (vec![report(2, &[2]), report(1, &[1])], vec![None, Some("1")]),
            (vec![report(1, &[1, 2, 3]), report(2, &[2])], vec![None, Some("2")]),
            // All of it and more, the same again, a correction.
            (vec![report(1, &[1]), report(2, &[1, 2]), report(3, &[1, 2])], vec![None, None, None]),
            (vec![report(2, &[1, 2]), report(1, &[1])], vec![None, None]),
            // Taken back as a whole it is gone on purpose.
            (vec![report(1, &[1]), withdrawn(report(2, &[]))], vec![None, None]),
            (vec![withdrawn(report(2, &[])), report(1, &[1])], vec![None, None]),
        ] {
            let mut memory = Memory::default();
            for (n, (message, expected)) in (1..).zip(history.iter().zip(expected)) {
                let (_, findings) = memory.apply(message, n);
                assert_eq!(told(&findings).as_deref(), expected, "{n} of {history:?}");
            }
        }
        for language in [Language::Ja, Language::En] {
            assert!(sentence(GONE, language).is_some());
        }
    }

    #[test]
    fn other_rules_and_other_units_take_nothing_back_in_this_sense() {
        let mut memory = Memory::default();
        memory.apply(&report(1, &[1, 2]), 1);
        // The same message by other rules.
        assert_eq!(told(&memory.apply(&report(1, &[1]), 1).1), None);
        // An order whose supporting items change.
        let order = |results: &[u8]| {
            let mut order = report(5, results);
            order.resources.retain(|resource| resource.resource_type == "Observation");
            order.unit.as_mut().unwrap().key = "order".into();
            order
        };
        memory.apply(&order(&[1]), 2);
        assert_eq!(told(&memory.apply(&order(&[2]), 3).1), None);
        // What only adds takes nothing away.
        let mut adds = report(9, &[3]);
        adds.unit.as_mut().unwrap().replaces = Replaces::Nothing;
        let (projection, findings) = memory.apply(&adds, 4);
        assert_eq!((projection.deletes.len(), told(&findings)), (0, None));
    }

    proptest! {
        /// Whenever a base is to delete a result because a newer report came, the message that brought it about says so.
        #[test]
        fn no_result_goes_without_a_word(
            history in prop::collection::vec((any::<bool>(), 0..6_u64, prop::collection::btree_set(0..5_u8, 0..5)), 1..8),
        ) {
            let mut memory = Memory::default();
            for (n, (back, time, results)) in (1..).zip(&history) {
                let results: Vec<u8> = results.iter().copied().collect();
                let back = *back && *time == 0;
                let message = if back { withdrawn(report(*time, &[])) } else { report(*time, &results) };
                let (projection, findings) = memory.apply(&message, n);
                let deleted: BTreeSet<&str> = projection
                    .deletes
                    .iter()
                    .filter(|(kind, _)| kind == "Observation")
                    .map(|(_, id)| id.as_str())
                    .collect();
                if !back && !deleted.is_empty() {
                    prop_assert_eq!(told(&findings), Some(deleted.len().to_string()));
                }
            }
        }
    }
}
