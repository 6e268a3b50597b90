//! Budgets as planned: which machines each is about, how many of them may be out of service at once, and in which order
//! they are changed.
//!
//! Resolved here, so that whoever carries a plan out counts and compares, and chooses nothing. A budget is about machines
//! that have a slot. Its order is that of deployments and slots, so that two budgets over the same machines never want
//! them in two orders, and neither waits for the other.

use crate::hold::place;
use crate::observed::BindingState;
use crate::plan::{GuardReport, Plan};
use crate::window::Window;
use schema_fleet::{Fleet, Share};
use schema_ids::{MachineId, Name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// The guard that tells of budgets. It lets every plan pass: budgets are kept when the plan is carried out.
const GUARD: &str = "budgets";

/// How much may be out of service at once, in which order, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The most machines that may be out of service; at least 1.
    pub max_unavailable: u32,
    /// After so many failures nothing more is begun until a person says so; 0 is never.
    pub halt_after_failures: u32,
    /// How long a machine must have been well before the next one is begun, in seconds.
    pub soak_seconds: u64,
    /// When something may be begun; absent for always.
    pub window: Option<Window>,
    /// Its machines in the order in which they are changed; no wave is empty.
    pub waves: Vec<Wave>,
    /// The names of budgets that are no more and that were about machines of this one: what failed under them counts here,
    /// so that a halt is not ended by another name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub formerly: BTreeSet<Name>,
}

/// Machines that go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Its name in git; absent for the rest.
    pub name: Option<Name>,
    /// By deployment and slot.
    pub machines: Vec<MachineId>,
}

impl Budget {
    /// How long a machine must have been well before the next one is begun.
    pub fn soak(&self) -> Duration {
        Duration::from_secs(self.soak_seconds)
    }

    /// Every machine that it is about, in order.
    pub fn members(&self) -> impl Iterator<Item = MachineId> {
        self.waves.iter().flat_map(|wave| wave.machines.iter().copied())
    }

    /// The wave of a machine; `None` if it is not about that one.
    pub fn wave_of(&self, machine: MachineId) -> Option<&Wave> {
        self.waves.iter().find(|wave| wave.machines.contains(&machine))
    }

    /// Whether what was recorded under a name counts against it, which has this one.
    pub fn counts(&self, name: &Name, recorded: &Name) -> bool {
        recorded == name || self.formerly.contains(recorded)
    }

    /// For which budgets that are no more it goes on, in words; `None` where there are none.
    pub fn goes_on(&self) -> Option<String> {
        let names: Vec<&str> = self.formerly.iter().map(|name| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("goes on for {}: what failed there counts", names.join(", ")))
    }

    /// In a line: `wave canary 1, soak 15 min, then 2 at once; window mon-fri 09:00-16:00 Europe/Amsterdam`.
    pub fn words(&self) -> String {
        let named = self.waves.iter().filter_map(|wave| {
            let name = wave.name.as_ref()?;
            Some(format!("wave {name} {}", wave.machines.len()))
        });
        let mut parts: Vec<String> = named.collect();
        if self.soak_seconds > 0 {
            parts.push(format!("soak {}", length(self.soak())));
        }
        let then = if parts.is_empty() { "" } else { "then " };
        parts.push(format!("{then}{} at once", self.max_unavailable));
        let mut words = parts.join(", ");
        if let Some(window) = &self.window {
            write!(words, "; window {window}").expect("writing into a string does not fail");
        }
        words
    }
}

/// A length of time in its largest whole unit.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("min", 60)];
    let whole = |factor: &u64| seconds >= *factor && seconds.is_multiple_of(*factor);
    match units.into_iter().find(|(_, factor)| whole(factor)) {
        Some((unit, factor)) => format!("{} {unit}", seconds / factor),
        None => format!("{seconds} s"),
    }
}

/// The budgets of a plan that is otherwise made, after its parent's.
pub(super) fn budgets(fleet: &Fleet, plan: &Plan, parent: &Plan) -> BTreeMap<Name, Budget> {
    let mut budgets = declared(fleet, plan);
    let former = former(&budgets, &parent.budgets);
    for (name, former) in former {
        if let Some(budget) = budgets.get_mut(&name) {
            budget.formerly = former;
        }
    }
    budgets
}

fn declared(fleet: &Fleet, plan: &Plan) -> BTreeMap<Name, Budget> {
    if fleet.budgets.is_empty() {
        return BTreeMap::new();
    }
    let active = plan.bindings.values();
    let mut active: Vec<_> = active
        .filter(|bound| bound.state == BindingState::Active)
        .collect();
    active.sort_by_key(|bound| (&bound.deployment, bound.slot));
    let budget = |(name, budget): (&Name, &schema_fleet::Budget)| {
        let is_about = |bound: &&&crate::observed::Binding| {
            let Some(machine) = plan.machines.get(&bound.machine) else {
                return false;
            };
            let wish = fleet.deployments.get(&bound.deployment);
            let named = wish.and_then(|wish| wish.budget.as_ref());
            let place = place(&plan.fleet, machine, vec![&bound.deployment]);
            named.is_some_and(|named| named.name == *name)
                || budget.targets.iter().any(|target| target.selects(&place))
        };
        let members = active.iter().filter(is_about).map(|bound| bound.machine);
        (name.clone(), resolved(budget, members.collect()))
    };
    fleet.budgets.iter().map(budget).collect()
}

/// Which budgets of before live on in which of now. One whose name is gone, or was given to others, lives on in each that is
/// about a machine of it; one that was split lives on in all of its parts, those with new names too. Among budgets that were
/// there before, machines may move.
fn former(now: &BTreeMap<Name, Budget>, before: &BTreeMap<Name, Budget>) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut former: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (old, was) in before {
        let members: BTreeSet<MachineId> = was.members().collect();
        let shares = |budget: &Budget| budget.members().any(|id| members.contains(&id));
        let stays = now.get(old).filter(|budget| members.is_empty() || shares(budget));
        let lives_on = |(name, budget): &(&Name, &Budget)| match *name == old {
            true => stays.is_some(),
            false => shares(budget) && (stays.is_none() || !before.contains_key(*name)),
        };
        let heirs: Vec<&Name> = now.iter().filter(lives_on).map(|(name, _)| name).collect();
        for heir in heirs {
            let names = was.formerly.iter().chain([old]);
            let names = names.filter(|name| *name != heir).cloned();
            former.entry(heir.clone()).or_default().extend(names);
        }
    }
    former
}

fn resolved(budget: &schema_fleet::Budget, members: Vec<MachineId>) -> Budget {
    let all = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let mut left = members.into_iter();
    let mut waves = Vec::new();
    for wave in &budget.wave {
        let size = match (&wave.machines, &wave.percent) {
            (Some(machines), _) => machines.value,
            (None, Some(percent)) => share(all, percent.value.0),
            (None, None) => 0,
        };
        waves.push(Wave {
            name: Some(wave.name.value.clone()),
            machines: left.by_ref().take(size as usize).collect(),
        });
    }
    waves.push(Wave {
        name: None,
        machines: left.collect(),
    });
    waves.retain(|wave| !wave.machines.is_empty());
    Budget {
        max_unavailable: match budget.max_unavailable.value {
            // No budget of nobody passes the checks.
            Share::Machines(machines) => machines.max(1),
            Share::Percent(percent) => share(all, percent),
        },
        halt_after_failures: budget.halt_after_failures,
        soak_seconds: budget.soak.as_ref().map_or(0, |soak| soak.value.0.as_secs()),
        window: budget.window.as_ref().map(Window::of),
        waves,
        formerly: BTreeSet::new(),
    }
}

/// So many percent, never rounded below one.
fn share(all: u32, percent: u8) -> u32 {
    (u64::from(all) * u64::from(percent) / 100)
        .try_into()
        .unwrap_or(u32::MAX)
        .max(1)
}

/// What the plan's budgets come to; nothing where there are none.
pub(super) fn report(plan: &Plan) -> Option<GuardReport> {
    let said: Vec<String> = plan
        .budgets
        .iter()
        .map(|(name, budget)| {
            let (most, all) = (budget.max_unavailable, budget.members().count());
            let former = budget
                .goes_on()
                .map_or_else(String::new, |words| format!(", {words}"));
            format!("{name} {most} of {all} at once{former}")
        })
        .collect();
    (!said.is_empty()).then(|| GuardReport {
        guard: GUARD.to_owned(),
        blocked: None,
        detail: said.join("; "),
    })
}

impl Plan {
    /// The budgets that are about each machine, by name; machines of none are left out.
    pub fn budgets_by_machine(&self) -> BTreeMap<MachineId, BTreeSet<Name>> {
        let mut by_machine: BTreeMap<MachineId, BTreeSet<Name>> = BTreeMap::new();
        for (name, budget) in &self.budgets {
            for id in budget.members() {
                by_machine.entry(id).or_default().insert(name.clone());
            }
        }
        by_machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_ids::Uuid;

    fn budgets(of: &[(&str, &[u8])]) -> BTreeMap<Name, Budget> {
        let budget = |machines: &[u8]| Budget {
            max_unavailable: 1,
            halt_after_failures: 1,
            soak_seconds: 0,
            window: None,
            waves: vec![Wave {
                name: None,
                machines: machines
                    .iter()
                    .map(|n| MachineId(Uuid::from_bytes([*n; 16])))
                    .collect(),
            }],
            formerly: BTreeSet::new(),
        };
        of.iter()
            .map(|(name, machines)| (name.parse().expect("a name"), budget(machines)))
            .collect()
    }

    fn told(now: &[(&str, &[u8])], before: &[(&str, &[u8])]) -> Vec<String> {
        let former = former(&budgets(now), &budgets(before));
        former
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(name, names)| format!("{name}: {names:?}"))
            .collect()
    }

    #[test]
    fn a_budget_lives_on_in_all_of_its_parts() {
        let web = r#"{Name("web")}"#;
        let parts = [("a", [1].as_slice()), ("b", &[2])];
        assert_eq!(
            told(&parts, &[("web", &[1, 2])]),
            [format!("a: {web}"), format!("b: {web}")]
        );
        // One part keeps the name.
        let parts = [("web", [1].as_slice()), ("web-b", &[2])];
        assert_eq!(told(&parts, &[("web", &[1, 2])]), [format!("web-b: {web}")]);
        // Among those that were there before, machines may move.
        let before = [("web", [1, 2].as_slice()), ("db", &[3])];
        let now = [("web", [1].as_slice()), ("db", &[2, 3])];
        assert!(told(&now, &before).is_empty());
    }
}
