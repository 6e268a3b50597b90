//! Tombstones: what git no longer names goes on, and is counted.

use super::{Ground, report};
use crate::form::counted;
use crate::plan::{ChangeAction, GuardReport, MachinePlan};

pub(super) fn tombstones(ground: &Ground<'_>) -> GuardReport {
    let orphans = |machine: &&MachinePlan| !machine.declared;
    let orphaned = ground.new.machines.values().filter(orphans).count();
    let new = ground
        .new
        .changes
        .iter()
        .filter(|change| change.action == ChangeAction::Orphan)
        .count();
    let detail = format!(
        "no longer named, and kept: {}, {new} of them newly",
        counted(orphaned, "machine")
    );
    report("tombstones", detail, None)
}
