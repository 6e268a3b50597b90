//! How long installations take together: as many at once as budgets and limits let there be, the others after them.
//!
//! Counted are what is known beforehand: a budget's places, waves and soak; one machine at a time of a deployment that no
//! budget is about; and what one rack boots at once. Not counted are holds, closed windows, the canary, the hourly limit,
//! and what goes wrong. So it is the time that it takes where nobody and nothing stands in the way.

use super::{Estimate, deployed, installs};
use crate::admit::{BOOTS_MAX, ERASES_MAX};
use crate::plan::{Budget, Change, ChangeAction, Plan};
use schema_ids::{MachineId, Name};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// How long installations take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    /// If each takes what half of those before took, in seconds.
    pub p50: u64,
    /// If each takes what nine of ten took, in seconds.
    pub p90: u64,
    /// How many they are.
    pub installations: usize,
    /// Whether a budget says when some of them may begin: while its window is closed, time goes on.
    pub windows: bool,
}

/// Machines of which so many go at once.
struct Lane {
    at_once: usize,
    soak_seconds: u64,
    /// A wave begins when the one before it is over.
    waves: Vec<Vec<MachineId>>,
}

/// How long the installations among these changes take together; `None` where there are none of which anything is known.
pub fn together<'a>(
    plan: &Plan,
    times: &BTreeMap<MachineId, Estimate>,
    changes: impl IntoIterator<Item = &'a Change>,
) -> Option<Together> {
    let known = changes.into_iter().filter_map(|change| {
        let id = change.machine.filter(|_| installs(change.action))?;
        times.contains_key(&id).then_some((id, change.action))
    });
    let known: BTreeMap<MachineId, ChangeAction> = known.collect();
    if known.is_empty() {
        return None;
    }
    let replaced = known
        .iter()
        .filter(|(_, action)| **action == ChangeAction::Redeploy);
    let replaced: BTreeSet<MachineId> = replaced.map(|(id, _)| *id).collect();
    let budgets: Vec<&Budget> = plan
        .budgets
        .values()
        .filter(|budget| budget.members().any(|id| replaced.contains(&id)))
        .collect();
    let mut lanes: Vec<Lane> = budgets
        .iter()
        .map(|budget| of_budget(budget, &replaced))
        .collect();
    lanes.extend(of_deployments(plan, &budgets, &replaced));
    lanes.extend(of_racks(plan, known.keys()));
    let longest = |percentile: fn(&Estimate) -> u64| {
        let seconds = |id: &MachineId| times.get(id).map_or(0, percentile);
        lanes.iter().map(|lane| lane.seconds(seconds)).max().unwrap_or(0)
    };
    Some(Together {
        p50: longest(|estimate| estimate.p50),
        p90: longest(|estimate| estimate.p90),
        installations: known.len(),
        windows: budgets.iter().any(|budget| budget.window.is_some()),
    })
}

fn of_budget(budget: &Budget, replaced: &BTreeSet<MachineId>) -> Lane {
    let some = |machines: &[MachineId]| {
        let some = machines.iter().filter(|id| replaced.contains(*id));
        some.copied().collect()
    };
    Lane {
        at_once: budget.max_unavailable as usize,
        soak_seconds: budget.soak_seconds,
        waves: budget.waves.iter().map(|wave| some(&wave.machines)).collect(),
    }
}

/// Of a deployment without a budget so many machines are given over at once.
fn of_deployments(plan: &Plan, budgets: &[&Budget], replaced: &BTreeSet<MachineId>) -> Vec<Lane> {
    let budgeted: BTreeSet<MachineId> = budgets.iter().flat_map(|budget| budget.members()).collect();
    let mut by_deployment: BTreeMap<&Name, Vec<MachineId>> = BTreeMap::new();
    for id in replaced.difference(&budgeted) {
        let bound = deployed(plan, *id).and_then(|deploy| plan.bindings.get(&deploy.binding));
        if let Some(bound) = bound {
            by_deployment.entry(&bound.deployment).or_default().push(*id);
        }
    }
    let lane = |machines| Lane::of(ERASES_MAX, machines);
    by_deployment.into_values().map(lane).collect()
}

/// Of one rack so many machines boot at once; what is in no rack, each by itself.
fn of_racks<'a>(plan: &Plan, machines: impl Iterator<Item = &'a MachineId>) -> Vec<Lane> {
    let mut by_rack: BTreeMap<&Name, Vec<MachineId>> = BTreeMap::new();
    let mut lanes = Vec::new();
    for id in machines {
        let rack = plan.machines.get(id).and_then(|machine| machine.rack.as_ref());
        match rack {
            Some(rack) => by_rack.entry(rack).or_default().push(*id),
            None => lanes.push(Lane::of(1, vec![*id])),
        }
    }
    lanes.extend(
        by_rack
            .into_values()
            .map(|machines| Lane::of(BOOTS_MAX, machines)),
    );
    lanes
}

impl Lane {
    fn of(at_once: u32, machines: Vec<MachineId>) -> Self {
        Self {
            at_once: at_once as usize,
            soak_seconds: 0,
            waves: vec![machines],
        }
    }

    /// When its last machine is done: each begins at the first place that is free.
    fn seconds(&self, of: impl Fn(&MachineId) -> u64) -> u64 {
        // No more places than machines, however many git allows.
        let machines = self.waves.iter().map(Vec::len).sum::<usize>();
        let places = self.at_once.clamp(1, machines.max(1));
        let mut free: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), places).collect();
        let (mut begins, mut over) = (0, 0);
        for wave in self.waves.iter().filter(|wave| !wave.is_empty()) {
            for machine in wave {
                let Reverse(place) = free.pop().expect("there is at least one place");
                let ends = place.max(begins).saturating_add(of(machine));
                free.push(Reverse(ends.saturating_add(self.soak_seconds)));
                over = over.max(ends);
            }
            begins = over.saturating_add(self.soak_seconds);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_ids::Uuid;

    fn machines(count: u8) -> Vec<MachineId> {
        (0..count)
            .map(|number| MachineId(Uuid::from_bytes([number; 16])))
            .collect()
    }

    #[test]
    fn places_waves_and_soak_are_kept() {
        let lane = |at_once, soak_seconds, waves: &[u8]| Lane {
            at_once,
            soak_seconds,
            waves: waves.iter().map(|size| machines(*size)).collect(),
        };
        for (lane, wanted) in [
            (lane(1, 0, &[]), 0),
            (lane(1, 0, &[3]), 30),
            (lane(2, 0, &[3]), 20),
            (lane(8, 0, &[3]), 10),
            // Of what git allows, as many places as there are machines.
            (lane(usize::MAX, 0, &[3]), 10),
            // The last one is not waited for once it runs.
            (lane(1, 5, &[3]), 40),
            (lane(1, 5, &[1]), 10),
            // A wave of one, then two at once.
            (lane(2, 5, &[1, 4]), 40),
            // A wave in which nothing is changed is over already.
            (lane(2, 5, &[0, 4]), 25),
        ] {
            assert_eq!(lane.seconds(|_| 10), wanted);
        }
    }

    #[test]
    fn a_slow_machine_keeps_one_place() {
        let lane = Lane::of(2, machines(4));
        let slow = machines(1)[0];
        assert_eq!(lane.seconds(|id| if *id == slow { 30 } else { 10 }), 30);
    }
}
