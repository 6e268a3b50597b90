//! Limits: how many machines may lose what they hold, by one plan and within a day, so that ten small plans do not
//! add up to what one may not do.

use super::{Ground, names, report};
use crate::condition::Condition;
use crate::plan::GuardReport;
use schema_ids::MachineId;
use std::collections::BTreeSet;

pub(super) fn limits(ground: &Ground<'_>) -> GuardReport {
    let limits = &ground.fleet.settings.limits;
    let population = ground.population();
    let mut most = limits.max_destroyed as usize;
    if let Some(share) = ground.share(limits.max_destroyed_percent) {
        most = most.min(share);
    }
    let newly = &ground.new.destroys;
    let lately: BTreeSet<MachineId> = ground.observed.destroyed.keys().copied().collect();
    let before = lately.difference(newly).count();
    let all = newly.len() + before;
    let beside = match before {
        0 => String::new(),
        before => format!(" beside {before} within 24 hours,"),
    };
    let detail = format!(
        "destroys {} of {most} allowed,{beside} of {population} machines",
        newly.len()
    );
    let blocked = (!newly.is_empty() && all > most).then(|| {
        let why = format!(
            "it would release or erase {} of {population} machines, {};{beside} the limit is {most}",
            newly.len(),
            names(ground, newly.iter())
        );
        (Condition::LimitExceeded, why)
    });
    report("limits", detail, blocked)
}
