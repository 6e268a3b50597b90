//! New names: what a `moved` entry says, followed to its end. Identities, slots, addresses and disks stay.
//!
//! Entries may be old: one whose first name nothing has any more says nothing.

use crate::plan::{Change, ChangeAction, Origin, Plan, changes};
use schema_fleet::Fleet;
use schema_ids::{MachineId, Name};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Renames of one kind of object, old name to new.
pub(super) struct Moves<'a>(BTreeMap<&'a Name, &'a Name>);

impl<'a> Moves<'a> {
    pub(super) fn of_machines(fleet: &'a Fleet) -> Self {
        let moves = fleet.moved_machines.iter();
        Self(moves.map(|(old, moved)| (old, &moved.to.value)).collect())
    }

    pub(super) fn of_deployments(fleet: &'a Fleet) -> Self {
        let moves = fleet.moved_deployments.iter();
        Self(moves.map(|(old, moved)| (old, &moved.to.value)).collect())
    }

    /// The name that this one has become, over how many steps. Checks let no circle through; should there be
    /// one, it ends where it would begin again.
    pub(super) fn last<'n>(&self, name: &'n Name) -> (&'n Name, usize)
    where
        'a: 'n,
    {
        let mut at = name;
        for step in 0..self.0.len() {
            match self.0.get(at) {
                Some(to) => at = to,
                None => return (at, step),
            }
        }
        (at, self.0.len())
    }

    /// Of these names, which object each new name stands for: the one that is nearest to it.
    pub(super) fn origins<'n>(&self, names: impl IntoIterator<Item = &'n Name>) -> BTreeMap<Name, &'n Name>
    where
        'a: 'n,
    {
        let mut nearest: BTreeMap<Name, (usize, &Name)> = BTreeMap::new();
        for name in names {
            let (last, steps) = self.last(name);
            let known = nearest.entry(last.clone()).or_insert((steps, name));
            *known = (*known).min((steps, name));
        }
        nearest
            .into_iter()
            .map(|(last, (_, name))| (last, name))
            .collect()
    }
}

/// What git calls machines of the parent plan now.
pub(super) type Names = BTreeMap<MachineId, Name>;

/// The names that the parent's machines have by `moved` entries: the end of their way, where no nearer one has
/// that name.
pub(super) fn names(fleet: &Fleet, parent: &Plan) -> Names {
    let moves = Moves::of_machines(fleet);
    let origins = moves.origins(parent.machines.values().map(|machine| &machine.name));
    let now = |name: &Name| {
        let (last, _) = moves.last(name);
        let is_nearest = origins.get(last).is_some_and(|origin| *origin == name);
        if is_nearest { last.clone() } else { name.clone() }
    };
    let machines = parent.machines.iter();
    machines.map(|(id, machine)| (*id, now(&machine.name))).collect()
}

/// The parent with its bindings under the names that their deployments have now, and the changes that say so.
/// A name under which others are bound already is not given a second time: what was moved there is bound under
/// its old name, and shown as an orphan.
pub(super) fn deployments<'p>(fleet: &Fleet, parent: &'p Plan) -> (Cow<'p, Plan>, Vec<Change>) {
    let bound: BTreeSet<&Name> = parent
        .bindings
        .values()
        .map(|binding| &binding.deployment)
        .collect();
    let origins = Moves::of_deployments(fleet).origins(bound);
    let renamed: BTreeMap<&Name, &Name> = origins
        .iter()
        .filter(|(new, old)| new != *old)
        .map(|(new, old)| (*old, new))
        .collect();
    if renamed.is_empty() {
        return (Cow::Borrowed(parent), Vec::new());
    }
    let changes = renamed.iter().map(|(old, new)| {
        let at = fleet.deployments.get(*new).map(|deployment| &deployment.origin);
        Change {
            origin: at.map(Origin::of),
            ..changes::plain(
                format!("deployment.{new}"),
                ChangeAction::Rename,
                format!("it was {old}; nothing is done to its machines"),
            )
        }
    });
    let changes = changes.collect();
    let mut moved = parent.clone();
    for binding in moved.bindings.values_mut() {
        if let Some(new) = renamed.get(&binding.deployment) {
            binding.deployment = (*new).clone();
        }
    }
    if let Some(limits) = &mut moved.control.limits {
        limits.rename(&renamed);
    }
    (Cow::Owned(moved), changes)
}
