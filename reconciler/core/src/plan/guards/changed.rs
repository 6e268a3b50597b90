//! The share of all machines that one plan may touch at all.

use super::{Ground, names, report};
use crate::condition::Condition;
use crate::plan::{Effect, GuardReport};
use schema_ids::MachineId;
use std::collections::BTreeSet;

/// Machines that were there before and to which something happens count; new ones, names and labels do not.
pub(super) fn changed(ground: &Ground<'_>) -> GuardReport {
    let known = |id: &MachineId| ground.parent.machines.contains_key(id);
    let touching = ground
        .new
        .changes
        .iter()
        .filter(|change| change.effect > Effect::None);
    let touched: BTreeSet<MachineId> = touching
        .filter_map(|change| change.machine)
        .filter(known)
        .collect();
    let population = ground.population();
    let most = ground
        .limits
        .changed_percent
        .and_then(|percent| ground.share(percent));
    let Some(most) = most else {
        let detail = format!("changes {} of {population} machines", touched.len());
        return report("changed", detail, None);
    };
    let detail = format!(
        "changes {} of {most} allowed, of {population} machines",
        touched.len()
    );
    let blocked = (touched.len() > most).then(|| {
        let why = format!(
            "it would change {} of {population} machines, {}; the limit is {most}{}",
            touched.len(),
            names(ground, touched.iter()),
            ground.raised()
        );
        (Condition::LimitExceeded, why)
    });
    report("changed", detail, blocked)
}
