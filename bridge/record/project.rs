//! What a destination lacks of a unit.

use super::{Projection, Put};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// The content of a resource as the record has it.
#[derive(Clone, Debug)]
pub struct Content {
    /// The hash of `json`.
    pub hash: String,
    /// The resource.
    pub json: Box<RawValue>,
    /// `Type/id` of what it refers to.
    pub references: Vec<String>,
}

/// One unit and one destination, side by side.
pub trait View {
    /// Why it may fail.
    type Error;
    /// `(type, id)` that the unit has or ever had, referents first.
    ///
    /// # Errors
    /// Those of the ground.
    fn ids(&mut self) -> Result<Vec<(String, String)>, Self::Error>;
    /// The hash of a resource as the record has it, of whichever unit, or `None` where nothing has it.
    ///
    /// # Errors
    /// Those of the ground.
    fn hash(&mut self, resource_type: &str, id: &str) -> Result<Option<String>, Self::Error>;
    /// The same resource whole.
    ///
    /// # Errors
    /// Those of the ground.
    fn content(&mut self, resource_type: &str, id: &str) -> Result<Option<Content>, Self::Error>;
    /// What the destination has: `None` nothing, `Some(None)` it may be there, else its hash.
    ///
    /// # Errors
    /// Those of the ground.
    fn sent(&mut self, resource_type: &str, id: &str) -> Result<Option<Option<String>>, Self::Error>;
}

/// Referents of referents are followed so far; real chains (result, order, stay, patient) have four.
const DEPTH: usize = 16;

/// Puts where the hash differs from what the destination has, with every resource referred to that it does
/// not have as it stands; deletes of what the unit had and nothing in the record has any more.
///
/// # Errors
/// Those of the ground.
pub fn project<V: View>(view: &mut V) -> Result<Projection, V::Error> {
    let mut projection = Projection::default();
    let mut seen = HashSet::new();
    let ids = view.ids()?;
    for (resource_type, id) in &ids {
        visit(view, resource_type, id, true, DEPTH, &mut seen, &mut projection)?;
    }
    for (resource_type, id) in ids.into_iter().rev() {
        if view.hash(&resource_type, &id)?.is_none() && view.sent(&resource_type, &id)?.is_some() {
            projection.deletes.push((resource_type, id));
        }
    }
    // Everything refers to the Patient.
    projection.deletes.sort_by_key(|(resource_type, _)| resource_type == "Patient");
    Ok(projection)
}

fn visit<V: View>(
    view: &mut V,
    resource_type: &str,
    id: &str,
    own: bool,
    depth: usize,
    seen: &mut HashSet<(String, String)>,
    projection: &mut Projection,
) -> Result<(), V::Error> {
    if !seen.insert((resource_type.to_owned(), id.to_owned())) {
        return Ok(());
    }
    let Some(hash) = view.hash(resource_type, id)? else { return Ok(()) };
    let lacks = view.sent(resource_type, id)?.flatten().as_ref() != Some(&hash);
    if !lacks && !own {
        return Ok(());
    }
    let Some(content) = view.content(resource_type, id)? else { return Ok(()) };
    if depth > 0 {
        for (referent_type, referent_id) in content.references.iter().filter_map(|r| r.split_once('/')) {
            visit(view, referent_type, referent_id, false, depth - 1, seen, projection)?;
        }
    }
    if lacks {
        projection.puts.push(Put {
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            hash: content.hash,
            json: content.json,
        });
    }
    Ok(())
}
