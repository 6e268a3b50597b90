//! The empty guard: a fleet that suddenly has far fewer machines has lost files, not machines.

use super::{Ground, report};
use crate::condition::Condition;
use crate::plan::{GuardReport, Plan};

/// A fleet may lose a fifth of its machines from git at once; more looks like files that are missing.
const SHRINK_PERCENT_MAX: usize = 20;

pub(super) fn empty(ground: &Ground<'_>) -> GuardReport {
    let declared = |plan: &Plan| plan.machines.values().filter(|machine| machine.declared).count();
    let (before, now) = (declared(ground.parent), declared(ground.new));
    let removed = ground.fleet.removed_machines.len();
    let lost = before.saturating_sub(now).saturating_sub(removed);
    let large = before >= ground.limits.min_population as usize;
    let blocked = if before > 0 && now == 0 && lost > 0 {
        Some(format!("the commit names no machine, before it were {before}"))
    } else if large && lost * 100 > before * SHRINK_PERCENT_MAX {
        Some(format!(
            "{lost} of {before} machines are named no more and were not removed{}",
            ground.raised()
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
