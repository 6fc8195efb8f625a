//! Checks of resources against FHIR R4 and the JP Core profiles that they claim.
//!
//! Built-in tables in our own words, so that a fresh machine checks too: [`r4`] has the elements, types,
//! cardinalities and code lists of FHIR R4, `jpcore.tsv` the rules of the profiles that the shipped set
//! claims. A finding names a path and never a value. Published packages dropped in by the operator are not
//! read here yet.

mod invariant;
pub mod primitive;
pub mod r4;
pub mod rule;
pub mod tree;
pub(crate) mod verdict;
mod walk;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod verdict_tests;

use crate::finding::Finding;
use tree::Tree;

/// Checks one resource, whose type is said apart from what it claims to be.
pub fn check(resource_type: &str, json: &serde_json::Value) -> Vec<Finding> {
    check_tree(resource_type, json)
}

/// The same over any tree: no copy, and no allocation where nothing is found.
pub fn check_tree<'t>(resource_type: &str, root: impl Tree<'t>) -> Vec<Finding> {
    walk::Walk::new().run(resource_type, root)
}
