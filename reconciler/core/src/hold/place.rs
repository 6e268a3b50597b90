//! What a machine can be selected by, as a plan has it.

use crate::plan::{MachinePlan, Plan};
use schema_fleet::Place;
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;

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
