//! Protection: what is protected is neither released nor erased.

use super::{Ground, names, report};
use crate::condition::Condition;
use crate::form::counted;
use crate::plan::{GuardReport, Plan, Protect};
use schema_ids::MachineId;
use std::collections::BTreeSet;

/// The protection that counts is the stricter of what was in force and what is asked for now: taking
/// it away and using that in one commit is no protection. Nor is one that a consent opens.
pub(super) fn protection(ground: &Ground<'_>) -> GuardReport {
    let protect = |id: &MachineId| {
        let of = |plan: &Plan| plan.machines.get(id).and_then(|machine| machine.protect);
        of(ground.parent).max(of(ground.new))
    };
    let released = ground.ending.values().map(|binding| binding.machine);
    let hit: BTreeSet<MachineId> = released
        .filter(|id| protect(id).is_some())
        .chain(
            ground
                .losses
                .keys()
                .copied()
                .filter(|id| protect(id) == Some(Protect::Wipe)),
        )
        .collect();
    let protected = ground
        .new
        .machines
        .keys()
        .filter(|id| protect(id).is_some())
        .count();
    let detail = format!("protected: {}", counted(protected, "machine"));
    let blocked = (!hit.is_empty()).then(|| {
        (
            Condition::Protected,
            format!("protected: {}", names(ground, hit.iter())),
        )
    });
    report("protection", detail, blocked)
}
