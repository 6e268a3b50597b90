//! Slots: which machine fills which place of which deployment, and which bindings end.
//!
//! A binding is kept for as long as git names its machine in its deployment, wherever in the list. It
//! ends by a `removed` entry alone; what git merely stopped naming becomes an orphan.

use crate::observed::{Binding, BindingState, Observed};
use crate::plan::Plan;
use crate::plan::claim::Claims;
use crate::plan::digest::binding_id;
use schema_fleet::{Deployment, Fleet};
use schema_ids::{BindingId, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// A place that git wants filled.
pub(super) struct Slot<'a> {
    pub(super) name: &'a Name,
    pub(super) deployment: &'a Deployment,
    pub(super) number: u32,
    pub(super) binding: BindingId,
}

/// All places, and what ends.
pub(super) struct Slots<'a> {
    /// By the machine that shall fill it.
    pub(super) by_machine: BTreeMap<MachineId, Slot<'a>>,
    /// Active bindings by machine, without those that end.
    pub(super) bound: BTreeMap<MachineId, BindingId>,
    /// Bindings that end with this plan.
    pub(super) ending: BTreeMap<BindingId, Binding>,
}

/// Works out all places.
pub(super) fn slots<'a>(fleet: &'a Fleet, observed: &Observed, parent: &Plan, claims: &Claims) -> Slots<'a> {
    let active = || {
        parent
            .bindings
            .iter()
            .filter(|(_, binding)| binding.state == BindingState::Active)
    };
    let removed = |machine: &MachineId| {
        let name = parent.machines.get(machine).map(|machine| &machine.name);
        let declared = claims.by_name.values().any(|id| id == machine);
        !declared && name.is_some_and(|name| fleet.removed_machines.contains_key(name))
    };
    let ends = |binding: &Binding| {
        fleet.removed_deployments.contains_key(&binding.deployment) || removed(&binding.machine)
    };
    let ending: BTreeMap<BindingId, Binding> = active()
        .filter(|(_, binding)| ends(binding))
        .map(|(id, binding)| (*id, binding.clone()))
        .collect();
    let bound: BTreeMap<MachineId, BindingId> = active()
        .filter(|(id, _)| !ending.contains_key(id))
        .map(|(id, binding)| (binding.machine, *id))
        .collect();

    let mut by_machine = BTreeMap::new();
    for (name, deployment) in &fleet.deployments {
        let machines: Vec<MachineId> = deployment
            .machines
            .iter()
            .filter_map(|machine| claims.by_name.get(&machine.name).copied())
            .collect();
        let mut used: BTreeSet<u32> = bound
            .values()
            .filter_map(|id| parent.bindings.get(id))
            .filter(|binding| binding.deployment == *name)
            .map(|binding| binding.slot)
            .collect();
        for (machine, ordinal) in machines.into_iter().zip(1..) {
            let kept = bound
                .get(&machine)
                .and_then(|id| Some((*id, parent.bindings.get(id)?)));
            let (number, binding) = match kept {
                Some((id, binding)) if binding.deployment == *name => (binding.slot, id),
                // Bound elsewhere: it stays there until that ends.
                Some(_) => continue,
                None => {
                    let number = if used.contains(&ordinal) {
                        lowest_free(&used)
                    } else {
                        ordinal
                    };
                    (number, mint(observed, parent, name, number, machine))
                }
            };
            used.insert(number);
            by_machine.insert(
                machine,
                Slot {
                    name,
                    deployment,
                    number,
                    binding,
                },
            );
        }
    }
    Slots {
        by_machine,
        bound,
        ending,
    }
}

fn lowest_free(used: &BTreeSet<u32>) -> u32 {
    (1..).find(|number| !used.contains(number)).unwrap_or(u32::MAX)
}

fn mint(observed: &Observed, parent: &Plan, name: &Name, slot: u32, machine: MachineId) -> BindingId {
    let used = |id: &BindingId| {
        parent.ended.contains(id) || parent.bindings.contains_key(id) || observed.bindings.contains_key(id)
    };
    (0_u64..)
        .map(|round| binding_id(observed.fleet_uid, name, slot, machine, round))
        .find(|id| !used(id))
        .expect("there are more rounds than bindings")
}
