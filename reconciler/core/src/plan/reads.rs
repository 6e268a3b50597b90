//! What a plan read of the machines that it changes, so that a person can be told what made it stale.

use crate::observed::{Binding, BindingState, Observed};
use crate::plan::{Plan, counted};
use schema_fleet::Fleet;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was known of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Read {
    /// Its name.
    pub name: Name,
    /// The generation of its intent in the parent; absent for a machine that is new.
    pub generation: Option<Generation>,
    /// The inspection that was known.
    pub inspected: Option<Timestamp>,
    /// When what it runs was installed.
    pub installed: Option<Timestamp>,
    /// The latest generation that was told that it may write.
    pub written_in: Option<Generation>,
    /// Of a machine that is released under `release-order = "unhealthy-first"`: why it counted as out of service, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
}

/// What `plan` read of the machines in its changes.
pub(super) fn reads(
    plan: &Plan,
    fleet: &Fleet,
    observed: &Observed,
    parent: &Plan,
) -> BTreeMap<MachineId, Read> {
    let concerned = plan.changes.iter().filter_map(|change| change.machine);
    let is_leaving = |binding: &&Binding| binding.state == BindingState::Leaving;
    let leaving = plan.bindings.values().filter(is_leaving);
    let leaving: BTreeMap<MachineId, &Binding> = leaving.map(|binding| (binding.machine, binding)).collect();
    let unhealthy = |id: MachineId| {
        let bound = leaving.get(&id)?;
        let wish = fleet.deployments.get(&bound.deployment)?;
        counted::unhealthy(wish, observed, id)
    };
    concerned
        .filter_map(|id| {
            let seen = observed.machines.get(&id);
            let before = parent.machines.get(&id);
            let now = plan.machines.get(&id).or(before)?;
            let read = Read {
                name: now.name.clone(),
                generation: before.map(|before| before.wanted.generation),
                inspected: seen.and_then(|seen| seen.inspected),
                installed: seen.and_then(|seen| seen.installed.as_ref()).map(|done| done.at),
                written_in: seen.and_then(|seen| seen.written_in),
                unhealthy: unhealthy(id).map(str::to_owned),
            };
            Some((id, read))
        })
        .collect()
}

impl Plan {
    /// What this plan read otherwise than `newer` does, a line for each machine; empty if it is as it was. Machines
    /// that only one of both changes are told as well.
    pub fn outdated_reads(&self, newer: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.parent != newer.parent {
            let word = |parent: &Option<String>| parent.clone().unwrap_or_else(|| "no plan".to_owned());
            lines.push(format!(
                "it was made against {}, and {} is carried out now",
                word(&self.parent),
                word(&newer.parent)
            ));
        }
        for (id, read) in &self.reads {
            let Some(now) = newer.reads.get(id) else {
                lines.push(format!("machine.{}: it would not be changed any more", read.name));
                continue;
            };
            let told = |what: &str, before: Option<String>, now: Option<String>| {
                let word = |value: Option<String>| value.unwrap_or_else(|| "never".to_owned());
                (before != now).then(|| {
                    format!(
                        "machine.{}: {what} {}, now {}",
                        read.name,
                        word(before),
                        word(now)
                    )
                })
            };
            let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
            let generation = |of: Option<Generation>| of.map(|of| of.to_string());
            lines.extend(
                [
                    told(
                        "generation",
                        generation(read.generation),
                        generation(now.generation),
                    ),
                    told("inspected", time(read.inspected), time(now.inspected)),
                    told("installed", time(read.installed), time(now.installed)),
                    told(
                        "written in generation",
                        generation(read.written_in),
                        generation(now.written_in),
                    ),
                    told("out of service:", read.unhealthy.clone(), now.unhealthy.clone()),
                ]
                .into_iter()
                .flatten(),
            );
        }
        let new = newer.reads.iter().filter(|(id, _)| !self.reads.contains_key(id));
        lines.extend(new.map(|(_, read)| format!("machine.{}: it would be changed now", read.name)));
        lines
    }
}
