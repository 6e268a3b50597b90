//! Whose doing each change is: what the commit that it is compared with asks for too comes without it.

use crate::plan::{Cause, Plan};
use std::collections::BTreeMap;

/// Marks what `base`, a plan made in the same world against the same parent, does as well.
pub(super) fn mark(plan: &mut Plan, base: &Plan) {
    let mut by_object: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for change in &base.changes {
        by_object.entry(&change.object).or_default().push(change);
    }
    for change in &mut plan.changes {
        let others = by_object.get(change.object.as_str());
        let mut others = others.into_iter().flatten();
        change.cause = match others.any(|other| other.does_the_same(change)) {
            true => Cause::Pending,
            false => Cause::ThisChange,
        };
    }
    plan.base.clone_from(&base.commit);
}
