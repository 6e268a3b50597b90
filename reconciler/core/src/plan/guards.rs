//! Guards: what a plan as a whole may not do, whatever git says.

use crate::condition::Condition;
use crate::observed::Binding;
use crate::plan::{ChangeAction, GuardReport, MachinePlan, Plan, Protect};
use schema_fleet::Fleet;
use schema_ids::{BindingId, MachineId};
use std::collections::{BTreeMap, BTreeSet};

/// A fleet may lose a fifth of its machines from git at once; more looks like files that are missing.
const SHRINK_PERCENT_MAX: usize = 20;

/// What the guards look at.
pub(super) struct Ground<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) parent: &'a Plan,
    /// With its changes.
    pub(super) new: &'a Plan,
    /// Bindings that end.
    pub(super) ending: &'a BTreeMap<BindingId, Binding>,
    /// Machines that newly lose something that is neither blank nor consented to.
    pub(super) hurt: &'a BTreeSet<MachineId>,
}

/// Each guard's word.
pub(super) fn guards(ground: &Ground<'_>) -> Vec<GuardReport> {
    vec![
        limits(ground),
        protection(ground),
        empty(ground),
        tombstones(ground),
        wipe_set(ground),
    ]
}

fn report(guard: &str, detail: String, blocked: Option<(Condition, String)>) -> GuardReport {
    let blocked = blocked.map(|(condition, reason)| (condition.code().to_owned(), reason));
    GuardReport {
        guard: guard.to_owned(),
        blocked,
        detail,
    }
}

/// Machines that this plan newly erases or releases.
fn destroyed(ground: &Ground<'_>) -> BTreeSet<MachineId> {
    let released = ground.ending.values().map(|binding| binding.machine);
    released.chain(ground.hurt.iter().copied()).collect()
}

fn limits(ground: &Ground<'_>) -> GuardReport {
    let limits = &ground.fleet.settings.limits;
    let population = ground.parent.machines.len().max(ground.new.machines.len());
    let mut most = limits.max_destroyed as usize;
    if population >= limits.min_population as usize {
        let share = population * limits.max_destroyed_percent as usize / 100;
        most = most.min(share.max(1));
    }
    let destroyed = destroyed(ground);
    let detail = format!(
        "destroys {} of {most} allowed, of {population} machines",
        destroyed.len()
    );
    let blocked = (destroyed.len() > most).then(|| {
        let why = format!(
            "it would release or erase {} of {population} machines, {}; the limit is {most}",
            destroyed.len(),
            names(ground, destroyed.iter())
        );
        (Condition::LimitExceeded, why)
    });
    report("limits", detail, blocked)
}

/// The protection that counts is the stricter of what was in force and what is asked for now: taking
/// it away and using that in one commit is no protection.
fn protection(ground: &Ground<'_>) -> GuardReport {
    let protect = |id: &MachineId| {
        let of = |plan: &Plan| plan.machines.get(id).and_then(|machine| machine.protect);
        of(ground.parent).max(of(ground.new))
    };
    let released = ground.ending.values().map(|binding| binding.machine);
    let hit: BTreeSet<MachineId> = released
        .filter(|id| protect(id).is_some())
        .chain(
            ground
                .hurt
                .iter()
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
    let detail = format!("{protected} machines are protected");
    let blocked = (!hit.is_empty()).then(|| {
        (
            Condition::Protected,
            format!("protected: {}", names(ground, hit.iter())),
        )
    });
    report("protection", detail, blocked)
}

fn empty(ground: &Ground<'_>) -> GuardReport {
    let declared = |plan: &Plan| plan.machines.values().filter(|machine| machine.declared).count();
    let (before, now) = (declared(ground.parent), declared(ground.new));
    let removed = ground.fleet.removed_machines.len();
    let lost = before.saturating_sub(now).saturating_sub(removed);
    let large = before >= ground.fleet.settings.limits.min_population as usize;
    let blocked = if before > 0 && now == 0 && lost > 0 {
        Some(format!("the commit names no machine, before it were {before}"))
    } else if large && lost * 100 > before * SHRINK_PERCENT_MAX {
        Some(format!(
            "{lost} of {before} machines are named no more and were not removed"
        ))
    } else {
        None
    };
    report(
        "empty",
        format!("{now} machines, before {before}"),
        blocked.map(|why| (Condition::FleetShrank, why)),
    )
}

fn tombstones(ground: &Ground<'_>) -> GuardReport {
    let orphans = |machine: &&MachinePlan| !machine.declared;
    let orphaned = ground.new.machines.values().filter(orphans).count();
    let new = ground
        .new
        .changes
        .iter()
        .filter(|change| change.action == ChangeAction::Orphan)
        .count();
    let detail = format!("{orphaned} machines are no longer named and kept, {new} of them newly");
    report("tombstones", detail, None)
}

fn wipe_set(ground: &Ground<'_>) -> GuardReport {
    let set = &ground.new.wipe_set;
    let disks: usize = set.entries.values().map(BTreeSet::len).sum();
    report(
        "wipe-set",
        format!("{}: {disks} disks of {} machines", set.digest, set.entries.len()),
        None,
    )
}

fn names<'a>(ground: &Ground<'_>, ids: impl Iterator<Item = &'a MachineId>) -> String {
    const SHOWN_MAX: usize = 5;
    let ids: Vec<_> = ids.collect();
    let known = |id: &MachineId| {
        let machine = ground
            .new
            .machines
            .get(id)
            .or_else(|| ground.parent.machines.get(id));
        machine.map_or_else(|| id.to_string(), |machine| machine.name.to_string())
    };
    let mut shown: Vec<String> = ids.iter().map(|id| known(id)).collect();
    shown.sort();
    shown.truncate(SHOWN_MAX);
    let mut text = shown.join(", ");
    if ids.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", ids.len() - SHOWN_MAX));
    }
    text
}
