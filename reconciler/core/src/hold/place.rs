//! What a machine can be selected by: as git has it, and as a plan does.

use crate::plan::{MachinePlan, Plan};
use schema_fleet::{Fleet, Machine, Place};
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;

/// A machine's place as git has it, with the deployments that it is in.
pub(crate) fn place_in_git<'a>(
    fleet: &'a Fleet,
    name: &'a Name,
    machine: &'a Machine,
    deployments: impl Iterator<Item = &'a Name>,
) -> Place<'a> {
    let rack = machine.rack.as_ref().map(|rack| &rack.name);
    let zone = rack.and_then(|rack| fleet.racks.get(rack)?.zone.as_ref());
    Place {
        machine: Some(name),
        rack,
        zone: zone.map(|zone| &zone.name),
        pool: machine.pool.as_ref().map(|pool| &pool.name),
        tags: machine.tags.iter().map(|tag| &tag.value).collect(),
        deployments: deployments.collect(),
        fleet: Some(&fleet.name),
    }
}

/// A machine's place as a plan of this fleet has it, with the deployments that it is in.
pub(crate) fn place<'a>(fleet: &'a Name, machine: &'a MachinePlan, deployments: Vec<&'a Name>) -> Place<'a> {
    Place {
        machine: Some(&machine.name),
        rack: machine.rack.as_ref(),
        zone: machine.zone.as_ref(),
        pool: machine.pool.as_ref(),
        tags: machine.tags.iter().collect(),
        deployments,
        fleet: Some(fleet),
    }
}

/// The places of all machines of a plan, each with the deployments that it is in or leaves.
pub fn places(plan: &Plan) -> impl Iterator<Item = (MachineId, &MachinePlan, Place<'_>)> {
    let mut deployments: BTreeMap<MachineId, Vec<&Name>> = BTreeMap::new();
    for binding in plan.bindings.values() {
        deployments
            .entry(binding.machine)
            .or_default()
            .push(&binding.deployment);
    }
    plan.machines.iter().map(move |(id, machine)| {
        let deployments = deployments.remove(id).unwrap_or_default();
        (*id, machine, place(&plan.fleet, machine, deployments))
    })
}
