//! Holds as the planner sees them: free machines that are given no slot, and which of a plan's actions wait.

use crate::condition::Condition;
use crate::hold::{Act, Deny, Effect, Hold, Restraints, declared, no_allocate, place, places};
use crate::observed::Observed;
use crate::plan::{self, Blocked, ChangeAction, GuardReport, MachinePlan, Plan};
use schema_fleet::{Fleet, Place};
use schema_ids::{MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The guard that says which actions wait. It lets every plan pass: what it says is of the moment, and no part of the
/// plan's name.
pub(super) const GUARD: &str = "holds";

/// The holds that keep free machines from being given slots.
pub(super) struct KeptFree {
    fleet: Name,
    declared: Vec<Hold>,
    /// Those with that effect whose time is not over, of git and of run time.
    holds: Vec<Hold>,
}

impl KeptFree {
    pub(super) fn new(fleet: &Fleet, observed: &Observed, now: Timestamp) -> Self {
        let declared = declared(fleet);
        let all = declared.iter().chain(&observed.restraints.holds);
        let in_force = no_allocate(all.clone(), now);
        Self {
            fleet: fleet.name.clone(),
            holds: all.filter(|hold| in_force.contains(&hold.id)).cloned().collect(),
            declared,
        }
    }

    /// The hold that keeps a free machine from being given a slot of this deployment.
    pub(super) fn kept(&self, machine: &MachinePlan, deployment: &Name) -> Option<&Hold> {
        let mut holds = self.holds.iter();
        if self.holds.is_empty() {
            return None;
        }
        let place = place(&self.fleet, machine, vec![deployment]);
        holds.find(|hold| hold.is_about(&place))
    }

    /// The same, as what keeps a machine that is named from its slot.
    pub(super) fn blocked(&self, machine: &MachinePlan, deployment: &Name) -> Option<Blocked> {
        let hold = self.kept(machine, deployment)?;
        Some(Blocked {
            condition: Condition::Held,
            evidence: format!(
                "{} ({}) by {} keeps it from deployment.{deployment}: {}",
                hold.id, hold.effect, hold.by, hold.reason
            ),
        })
    }

    /// What a plan remembers of it: the declared holds, and the ids of those that keep machines free.
    pub(super) fn remembered(self) -> (Vec<Hold>, BTreeSet<String>) {
        let ids = self.holds.into_iter().map(|hold| hold.id).collect();
        (self.declared, ids)
    }
}

/// Which actions of a plan wait, for what, and until when; nothing where nothing waits and nothing is stopped.
pub(super) fn report(plan: &Plan, restraints: &Restraints, now: Timestamp) -> Option<GuardReport> {
    let acts = acts(plan);
    let mut said = Vec::new();
    let places: Vec<_> = places(plan).collect();
    let waiting = |deny: Deny, selected: &dyn Fn(&Place<'_>) -> bool| {
        let about = places.iter().filter(|(_, _, place)| selected(place));
        let acts = about.filter_map(|(id, ..)| acts.get(id)).flatten();
        acts.filter(|act| deny.keeps_from(**act)).count()
    };
    for stop in &restraints.stops {
        let count = waiting(Deny::Stop, &|place| stop.is_about(place));
        let (scope, by, end) = (&stop.scope, &stop.by, stop.how_to_end());
        let wait = actions(count);
        said.push(format!("{scope} is stopped by {by}: {wait} until {end}"));
    }
    let holds = plan.holds.iter().chain(&restraints.holds);
    let acting = holds.filter(|hold| !hold.expired(now) && hold.effect != Effect::NoAllocate);
    for hold in acting {
        let selected =
            |place: &schema_fleet::Place<'_>| hold.targets.iter().any(|target| target.selects(place));
        let count = waiting(Deny::Hold(hold.effect), &selected);
        if count > 0 {
            let until = match hold.until {
                Some(until) => until.to_string(),
                None => format!("someone ends it ({})", hold.how_to_end()),
            };
            said.push(format!(
                "{} is held ({}, {}): {} until {until}",
                hold.targets_text(),
                hold.id,
                hold.effect,
                actions(count)
            ));
        }
    }
    (!said.is_empty()).then(|| GuardReport {
        guard: GUARD.to_owned(),
        blocked: None,
        detail: said.join("; "),
    })
}

fn actions(count: usize) -> String {
    match count {
        0 => "nothing of this plan waits".to_owned(),
        1 => "1 action waits".to_owned(),
        many => format!("{many} actions wait"),
    }
}

/// What the plan's changes will do to each machine.
fn acts(plan: &Plan) -> BTreeMap<MachineId, Vec<Act>> {
    let mut acts: BTreeMap<MachineId, Vec<Act>> = BTreeMap::new();
    for change in &plan.changes {
        let act = match change.action {
            ChangeAction::Redeploy | ChangeAction::Deploy => Act::Write,
            ChangeAction::Release if change.erases.is_empty() => Act::Power,
            ChangeAction::Release => Act::Write,
            ChangeAction::Enlist if change.effect == plan::Effect::Live => continue,
            ChangeAction::Enlist => Act::Inspect,
            ChangeAction::Adopt
            | ChangeAction::Update
            | ChangeAction::Orphan
            | ChangeAction::Rename
            | ChangeAction::Label => {
                continue;
            }
        };
        if let Some(id) = change.machine {
            acts.entry(id).or_default().push(act);
        }
    }
    acts
}
