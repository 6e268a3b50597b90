//! How long installations take together: as many at once as budgets and limits let there be, the others after them.
//!
//! Counted is what is known beforehand: a budget's places, waves, soak and window; one machine at a time of a deployment
//! that no budget is about; what one rack boots at once; the first machine of a new image or layout, with its soak; how
//! many may be erased within an hour; and the quarantine of a release. Each is counted by itself, and the slowest says
//! how long it takes. Not counted are holds and stops, how long a release erases, what other plans have under way, what a
//! rack agent lets be erased within an hour by its own settings (`muster-rackd --wipes-per-hour`), and what goes wrong.
//! So it is the time that it takes where nobody and nothing else stands in the way.

mod lane;

use super::{Estimate, deployed, installs};
use crate::admit::{BOOTS_MAX, ERASES_MAX, Kind};
use crate::plan::{Budget, Change, ChangeAction, Plan};
use lane::{Door, Lane, Place, Run};
use schema_ids::{ContentId, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long installations take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    /// If each takes what half of those before took, in seconds.
    pub p50: u64,
    /// If each takes what nine of ten took, in seconds.
    pub p90: u64,
    /// How many they are.
    pub installations: usize,
    /// Whether it takes longer since one machine is to run well before the others follow.
    pub canary: bool,
    /// Whether it takes longer since windows of budgets are closed meanwhile.
    pub windows: bool,
    /// Whether it takes longer since only so many may be erased within an hour.
    pub hourly: bool,
}

/// How long releases that erase take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releases {
    /// Before the last of them begins to be erased so many seconds pass, at least.
    pub at_least: u64,
    /// How many they are.
    pub releases: usize,
}

/// Seconds that are counted from now.
struct Clock {
    now: Timestamp,
}

impl Clock {
    fn at(&self, seconds: u64) -> Timestamp {
        self.now.plus(Duration::from_secs(seconds))
    }

    /// Whole seconds until then, rounded up.
    fn until(&self, then: Timestamp) -> u64 {
        u64::try_from(then.since(self.now).as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// How fast a plan can be carried out.
pub struct Pace<'a> {
    plan: &'a Plan,
    times: &'a BTreeMap<MachineId, Estimate>,
    clock: Clock,
    /// The machine that each waits for, since what it gets is new to the fleet.
    first: BTreeMap<MachineId, MachineId>,
    /// When the windows open of each that others wait for, in seconds from now.
    opens: BTreeMap<MachineId, u64>,
}

/// What is counted beside places and waves.
#[derive(Clone, Copy)]
struct Counted {
    canary: bool,
    windows: bool,
    hourly: bool,
}

const ALL: Counted = Counted {
    canary: true,
    windows: true,
    hourly: true,
};

impl<'a> Pace<'a> {
    /// Of a plan whose installations take so long, from `now` on.
    pub fn of(plan: &'a Plan, times: &'a BTreeMap<MachineId, Estimate>, now: Timestamp) -> Self {
        let clock = Clock { now };
        let first = first(plan, times);
        let tried: BTreeSet<MachineId> = first.values().copied().collect();
        let opens = tried.into_iter().map(|id| (id, opens(plan, &clock, id)));
        Self {
            plan,
            times,
            opens: opens.collect(),
            clock,
            first,
        }
    }

    /// Whether something among these changes is never erased, since none in use may be within an hour.
    pub fn is_never<'b>(&self, changes: impl IntoIterator<Item = &'b Change>) -> bool {
        let waits = |change: &Change| change.action == ChangeAction::Redeploy || self.is_to_wait(change);
        self.plan.control.wiped_per_hour == 0 && changes.into_iter().any(waits)
    }

    /// How long the installations among these changes take together; `None` where there are none of which anything is known,
    /// or where one of them never comes to its end.
    pub fn together<'b>(&self, changes: impl IntoIterator<Item = &'b Change>) -> Option<Together> {
        let known = changes.into_iter().filter_map(|change| {
            let id = change.machine.filter(|_| installs(change.action))?;
            self.times.contains_key(&id).then_some((id, change.action))
        });
        let known: BTreeMap<MachineId, ChangeAction> = known.collect();
        let replaced = known
            .iter()
            .filter(|(_, action)| **action == ChangeAction::Redeploy);
        let replaced: BTreeSet<MachineId> = replaced.map(|(id, _)| *id).collect();
        let is_never = self.plan.control.wiped_per_hour == 0 && !replaced.is_empty();
        if known.is_empty() || is_never {
            return None;
        }
        let lanes = self.lanes(known.keys(), replaced);
        let longest = |percentile, counted| self.longest(known.keys(), &lanes, percentile, counted);
        let both = |counted| {
            let p50 = longest(|estimate| estimate.p50, counted);
            (p50, longest(|estimate| estimate.p90, counted))
        };
        let (p50, p90) = both(ALL);
        let longer_than = |(less, least): (u64, u64)| less < p50 || least < p90;
        Some(Together {
            p50,
            p90,
            installations: known.len(),
            canary: longer_than(both(Counted { canary: false, ..ALL })),
            windows: longer_than(both(Counted {
                windows: false,
                ..ALL
            })),
            hourly: longer_than(both(Counted { hourly: false, ..ALL })),
        })
    }

    /// How long the releases among these changes take that erase something; `None` where that may begin at once, or never.
    /// Installations count against the same limit, and may come behind them: they are left out.
    pub fn releases<'b>(&self, changes: impl IntoIterator<Item = &'b Change>) -> Option<Releases> {
        if self.plan.control.wiped_per_hour == 0 {
            return None;
        }
        let waits = changes.into_iter().filter(|change| self.is_to_wait(change));
        let waits = waits.filter_map(|change| Some((change.machine?, self.left(change))));
        let waits: BTreeMap<MachineId, u64> = waits.collect();
        let lane = self.hourly(waits.keys().copied().collect());
        let at_least = lane.seconds(&Run {
            clock: &self.clock,
            takes: &BTreeMap::new(),
            not_before: &waits,
            windows: true,
        });
        (at_least > 0).then_some(Releases {
            at_least,
            releases: waits.len(),
        })
    }

    /// Whether it is a release that erases something, and has not begun to.
    fn is_to_wait(&self, change: &Change) -> bool {
        let begun = change.machine.is_some_and(|id| {
            let written_in = self.plan.reads.get(&id).and_then(|read| read.written_in);
            let machine = self.plan.machines.get(&id);
            written_in.is_some() && written_in >= machine.and_then(|machine| machine.leaving_since)
        });
        let erases = change.erases.iter().any(|disk| disk.content != ContentId::Blank);
        change.action == ChangeAction::Release && erases && !begun
    }

    /// What is left of the quarantine of a release, in seconds: the time goes on that its machine has been off.
    fn left(&self, release: &Change) -> u64 {
        release.quarantine.map_or(0, |quarantine| {
            let until = quarantine.off_since.map(|since| since.plus(quarantine.length()));
            until.map_or(quarantine.seconds, |until| self.clock.until(until))
        })
    }

    /// When the last is done, in seconds from now.
    fn longest<'b>(
        &self,
        known: impl Iterator<Item = &'b MachineId>,
        lanes: &[Lane<'_>],
        percentile: fn(&Estimate) -> u64,
        counted: Counted,
    ) -> u64 {
        let takes = |id: &MachineId| self.times.get(id).map_or(0, percentile);
        let (mut all, mut not_before) = (BTreeMap::new(), BTreeMap::new());
        for id in known {
            all.insert(*id, takes(id));
            if let Some(first) = self.first.get(id).filter(|_| counted.canary) {
                not_before.insert(*id, self.tried(first, takes(first), counted));
            }
        }
        let run = Run {
            clock: &self.clock,
            takes: &all,
            not_before: &not_before,
            windows: counted.windows,
        };
        let counts = |lane: &&Lane<'_>| counted.hourly || !matches!(lane.place, Place::WithinAnHour);
        let lanes = lanes.iter().filter(counts);
        lanes.map(|lane| lane.seconds(&run)).max().unwrap_or(0)
    }

    /// What those wait for who are known, of which some are installed again.
    fn lanes<'b>(
        &self,
        known: impl Iterator<Item = &'b MachineId>,
        replaced: BTreeSet<MachineId>,
    ) -> Vec<Lane<'a>> {
        let plan = self.plan;
        let budgets = plan.budgets.values();
        let budgets = budgets.filter(|budget| budget.members().any(|id| replaced.contains(&id)));
        let budgets: Vec<&Budget> = budgets.collect();
        let mut lanes: Vec<Lane<'_>> = budgets
            .iter()
            .map(|budget| of_budget(budget, &replaced))
            .collect();
        lanes.extend(of_deployments(plan, &budgets, &replaced));
        lanes.extend(of_racks(plan, known));
        lanes.push(self.hourly(replaced.into_iter().collect()));
        lanes
    }

    /// So many may begin to lose data in use within an hour.
    fn hourly(&self, machines: Vec<MachineId>) -> Lane<'a> {
        Lane {
            place: Place::WithinAnHour,
            ..Lane::of(self.plan.control.wiped_per_hour, machines)
        }
    }

    /// When the first machine, which takes so long, has run for as long as the others wait for it.
    fn tried(&self, first: &MachineId, takes: u64, counted: Counted) -> u64 {
        let soak = self.plan.control.canary.map_or(0, |canary| canary.soak_seconds);
        let opens = self.opens.get(first).filter(|_| counted.windows);
        let begins = opens.copied().unwrap_or(0);
        begins.saturating_add(takes).saturating_add(soak)
    }
}

/// When the windows of all budgets that are about a machine are open, in seconds from now.
fn opens(plan: &Plan, clock: &Clock, id: MachineId) -> u64 {
    let budgets = plan.budgets.values();
    let windows = budgets.filter(|budget| budget.window.is_some() && budget.wave_of(id).is_some());
    let opens = windows.map(|budget| Door::of(budget.window.as_ref()).passed(clock, 0));
    opens.max().unwrap_or(0)
}

/// The machine that each waits for, since what it gets runs nowhere in the fleet: one that loses nothing in use if there is one,
/// else one of those with the lowest slot, as admission takes them. Only who loses something waits.
fn first(plan: &Plan, times: &BTreeMap<MachineId, Estimate>) -> BTreeMap<MachineId, MachineId> {
    if plan.control.canary.is_none() || times.is_empty() {
        return BTreeMap::new();
    }
    let installed = plan.changes.iter().filter_map(|change| {
        let id = change.machine.filter(|_| installs(change.action))?;
        Some((id, change.action))
    });
    let installed: BTreeMap<MachineId, ChangeAction> = installed.collect();
    let image = |id: &MachineId| Some(deployed(plan, *id)?.image.digest);
    let images: BTreeSet<_> = installed.keys().filter_map(image).collect();
    let mut new: BTreeMap<Kind, Vec<MachineId>> = BTreeMap::new();
    let mut runs: BTreeSet<Kind> = BTreeSet::new();
    for id in plan.machines.keys() {
        let deploy = deployed(plan, *id).filter(|deploy| images.contains(&deploy.image.digest));
        let Some(kind) = deploy.map(Kind::of) else {
            continue;
        };
        match installed.contains_key(id) {
            true => new.entry(kind).or_default().push(*id),
            false => _ = runs.insert(kind),
        }
    }
    new.retain(|kind, _| !runs.contains(kind));
    let place = |id: &MachineId| {
        let bound = deployed(plan, *id).and_then(|deploy| plan.bindings.get(&deploy.binding));
        let loses = installed.get(id) == Some(&ChangeAction::Redeploy);
        (loses, bound.map(|bound| bound.slot), *id)
    };
    let waits = new.values().flat_map(|machines| {
        let first = machines.iter().copied().min_by_key(place);
        let others = machines
            .iter()
            .filter(move |id| Some(**id) != first && place(id).0);
        others.filter_map(move |id| Some((*id, first?)))
    });
    waits.collect()
}

fn of_budget<'a>(budget: &'a Budget, replaced: &BTreeSet<MachineId>) -> Lane<'a> {
    let some = |machines: &[MachineId]| {
        let some = machines.iter().filter(|id| replaced.contains(*id));
        some.copied().collect()
    };
    Lane {
        at_once: budget.max_unavailable as usize,
        place: Place::Soaks(budget.soak_seconds),
        window: budget.window.as_ref(),
        waves: budget.waves.iter().map(|wave| some(&wave.machines)).collect(),
    }
}

/// Of a deployment without a budget so many machines are given over at once.
fn of_deployments<'a>(plan: &Plan, budgets: &[&Budget], replaced: &BTreeSet<MachineId>) -> Vec<Lane<'a>> {
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
fn of_racks<'a>(plan: &Plan, machines: impl Iterator<Item = &'a MachineId>) -> Vec<Lane<'static>> {
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
