//! Machines that git no longer names.

use super::{kept, leaving_since, turned, wanted};
use crate::intent::Intent;
use crate::plan::claim::Claims;
use crate::plan::deployment::Context;
use crate::plan::slots::Slots;
use crate::plan::{Blocked, ForeignMark, MachinePlan, as_is, ownership, quarantine, release};
use schema_ids::{BindingId, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Machines that git no longer names: a `removed` entry lets them go, nothing else does. One that is retired
/// is forgotten with that entry.
pub(super) fn undeclared(
    context: &Context<'_>,
    claims: &Claims,
    slots: &Slots<'_>,
) -> BTreeMap<MachineId, MachinePlan> {
    let Context { fleet, parent, .. } = context;
    let claimed: BTreeSet<&MachineId> = claims.by_name.values().collect();
    let gone = parent.machines.iter().filter(|(id, _)| !claimed.contains(id));
    let row = |(id, before): (&MachineId, &MachinePlan)| {
        let name = claims.names.get(id).unwrap_or(&before.name);
        let removed = fleet.removed_machines.contains_key(name);
        let leaving = slots.leaving.get(id).copied();
        let binding = slots.bound.get(id).copied().or(leaving);
        let decided = leaving.and_then(|binding| release::decide(context, *id, name, binding, removed));
        let retired = removed && binding.is_none();
        if !removed && before.wanted.intent == Intent::Retired {
            return None;
        }
        // One that was let go as another's is never switched off, also where the mark is seen no more.
        let stays = before.wanted.intent == Intent::Retired && before.foreign().is_some();
        let mark = match stays {
            true => before.mark.clone(),
            false => ownership::of_undeclared(context.observed, *id, before),
        };
        let foreign = mark.as_ref().and_then(|mark| mark.foreign.as_ref());
        let (intent, blocked) = match (decided, binding) {
            _ if let (Some(foreign), false) = (foreign, retired) => anothers(before, name, foreign, binding),
            (Some(decided), _) => (decided.intent, decided.blocked),
            (None, Some(binding)) => {
                let blocked = release::withheld(context, &claims.names, binding, removed);
                (Intent::Orphaned { binding }, blocked)
            }
            (None, None) if retired => (Intent::Retired, None),
            (None, None) => {
                let why = "git no longer names it".to_owned();
                (Intent::Observe { why, look: None }, None)
            }
        };
        let mut wanted = wanted(Some(before), intent);
        let leaver = quarantine::Leaver {
            id: *id,
            name,
            removed,
            protected: before.protect.is_some() || before.was_protected,
        };
        let quarantine = quarantine::of(context, leaver, &mut wanted);
        let kept = kept(Some(before), &wanted.intent, binding);
        let as_is = before
            .as_is
            .clone()
            .filter(|record| Some(record.binding) == binding);
        let written = binding.map(|binding| turned(context, *id, wanted.generation, binding));
        let leaves = slots.leaving.get(id);
        let leaving_since = leaving_since(parent, Some(before), leaves, wanted.generation);
        let base = match retired {
            true => release::retire(fleet, before),
            false => before.clone(),
        };
        let machine = MachinePlan {
            // What is removed is called as its entry calls it.
            name: if removed { name.clone() } else { base.name },
            wanted,
            kept,
            as_is,
            leaving_since,
            quarantine,
            taken_back: None,
            written: written.unwrap_or_default(),
            declared: false,
            blocked,
            mark,
            inspected: context.observed.machines.get(id).and_then(|seen| seen.inspected),
            ..base
        };
        Some((*id, machine))
    };
    gone.filter_map(row).collect()
}

/// One that bears another's mark: what was wanted of it is not any more, and what was ordered is void.
fn anothers(
    before: &MachinePlan,
    name: &Name,
    foreign: &ForeignMark,
    binding: Option<BindingId>,
) -> (Intent, Option<Blocked>) {
    let asked = as_is::look(Some(before), before.inspect);
    let intent = Intent::Observe {
        why: foreign.says.clone(),
        look: ownership::look(Some(before), foreign, asked),
    };
    (intent, binding.map(|_| foreign.blocks(name)))
}
