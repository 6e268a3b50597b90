//! How many machines of a budget may be out of service at once; where there is none, how many of a deployment.
//!
//! Counted over all plans: a grant says which budgets count it, and a machine that a budget is about counts whatever its
//! grant was taken for. What is out already takes no further place by being disturbed.

use super::{Case, Grant, Ground, some_of, tally::Tally};
use crate::condition::{Condition, Wait};
use crate::plan::Budget;
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;

/// The machines that take places of a budget, each with why.
pub(super) fn takers(
    ground: &Ground<'_>,
    grants: &BTreeMap<MachineId, Grant>,
    name: &Name,
    members: &BTreeMap<MachineId, usize>,
) -> BTreeMap<MachineId, String> {
    let broken = members.keys().filter_map(|id| Some((*id, ground.out(*id)?)));
    let mut takers: BTreeMap<MachineId, String> = broken.collect();
    for grant in grants.values().filter(|grant| grant.need.disrupts()) {
        if members.contains_key(&grant.machine) || grant.need.budgets.contains(name) {
            let why = || format!("is being changed since {}", grant.at);
            takers.entry(grant.machine).or_insert_with(why);
        }
    }
    takers
}

/// Takers in words.
pub(super) fn words(ground: &Ground<'_>, takers: &BTreeMap<MachineId, String>) -> Vec<String> {
    let named = takers
        .iter()
        .map(|(id, why)| format!("{} {why}", ground.name(*id)));
    named.collect()
}

pub(super) fn check(case: &Case<'_>, name: &Name, budget: &Budget, tally: &Tally) -> Option<Wait> {
    let (takers, most) = (&tally.takers, budget.max_unavailable);
    let others = takers.keys().filter(|id| **id != case.machine).count();
    if case.is_out() || others < most as usize {
        return None;
    }
    let evidence = format!(
        "budget {name}: {} of {most} machines are out of service: {}",
        others,
        some_of(words(case.ground, takers))
    );
    Some(case.wait(Condition::Budget, evidence))
}

/// A deployment that no budget is about.
pub(super) fn one_at_a_time(case: &Case<'_>) -> Option<Wait> {
    let deployment = case.need.erases.as_ref()?;
    let most = case.ground.policy.erases_max;
    let erasing = case
        .others()
        .filter(|grant| grant.need.erases.as_ref() == Some(deployment));
    let erasing = erasing.count();
    (erasing >= most as usize).then(|| {
        let evidence = format!("{erasing} of {most} machines of {deployment} are being erased");
        case.wait(Condition::Budget, evidence)
    })
}
