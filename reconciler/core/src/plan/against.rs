//! Why a machine has a slot of a deployment or not: each thing that is asked of it, with what was wanted and what was found.
//!
//! It asks what planning asks, in the same order, by the same functions. Whether the spread would allow it, and whether the layout
//! fits, depends on whom else is chosen: `muster why deployment.NAME` tells that.

use crate::observed::{BindingState, Observed};
use crate::plan::held::KeptFree;
use crate::plan::layout::size_text;
use crate::plan::required::{unmet_in_git, unmet_in_inventory, zone};
use crate::plan::{MachinePlan, Plan, counted, pci};
use rack_api::inventory::Inventory;
use schema_fleet::{Deployment, Fleet, Machine, Manage, Require};
use schema_ids::{MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// A machine beside a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Against {
    /// Which machine.
    pub machine: Name,
    /// Which deployment.
    pub deployment: Name,
    /// The slot that it has there.
    pub slot: Option<u32>,
    /// What is asked, in the order in which it is asked. The first that is not met decides.
    pub rows: Vec<Asked>,
    /// What follows, in a sentence.
    pub verdict: String,
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// The field of `require`, or what stands beside it: `named`, `not reserved`, `free` …
    pub what: String,
    /// What is wanted.
    pub wanted: String,
    /// What was found; `None` where nobody has looked.
    pub found: Option<String>,
    /// Whether it is met; where nobody has looked it is not.
    pub met: bool,
}

/// What is known.
pub struct Ground<'a> {
    /// The fleet of the commit that is carried out.
    pub fleet: &'a Fleet,
    /// The world.
    pub observed: &'a Observed,
    /// The plan that is carried out.
    pub plan: &'a Plan,
    /// Now.
    pub now: Timestamp,
}

impl Ground<'_> {
    /// The machine beside the deployment; `None` if git or the plan has not got one of them.
    pub fn against(&self, id: MachineId, name: &Name) -> Option<Against> {
        let planned = self.plan.machines.get(&id)?;
        let (name, deployment) = self.fleet.deployments.get_key_value(name)?;
        let machine = self.fleet.machines.get(&planned.name)?;
        let seen = self.observed.machines.get(&id);
        let inventory = seen.and_then(|seen| seen.inventory.as_ref());
        let rows = match deployment.count {
            None => vec![named(deployment, planned)],
            Some(_) => self.rows(id, planned, machine, name, deployment, inventory),
        };
        let slot = self.slot(id, name);
        let verdict = self.verdict(name, deployment, slot, &rows);
        Some(Against {
            machine: planned.name.clone(),
            deployment: name.clone(),
            slot,
            rows,
            verdict,
        })
    }

    fn slot(&self, id: MachineId, name: &Name) -> Option<u32> {
        let mut bindings = self.plan.bindings.values();
        let found = bindings.find(|binding| {
            binding.machine == id && binding.deployment == *name && binding.state == BindingState::Active
        });
        found.map(|binding| binding.slot)
    }

    fn rows(
        &self,
        id: MachineId,
        planned: &MachinePlan,
        machine: &Machine,
        name: &Name,
        deployment: &Deployment,
        inventory: Option<&Inventory>,
    ) -> Vec<Asked> {
        let rack = machine.rack.as_ref().map(|rack| &rack.name);
        let mut rows = Vec::new();
        if let Some(require) = &deployment.require {
            for (field, wanted, found) in in_git(require, machine, zone(self.fleet, rack)) {
                rows.push(Asked {
                    what: field.to_owned(),
                    wanted,
                    found: Some(found),
                    met: unmet_in_git(self.fleet, &only(require, field), machine).is_none(),
                });
            }
        }
        let is_released = counted::released(deployment, &planned.name).is_some();
        let holds = KeptFree::new(self.fleet, self.observed, self.now);
        let kept = holds.kept(planned, name);
        rows.push(is_not("not reserved", machine.reserve.clone()));
        rows.push(is_not(
            "managed in full",
            (machine.manage == Manage::Observe).then(|| "git says manage = \"observe\"".to_owned()),
        ));
        rows.push(is_not(
            "not released",
            is_released.then(|| "a `release` entry takes its slot back".to_owned()),
        ));
        rows.push(is_not(
            "not held",
            kept.map(|hold| format!("{} by {}: {}", hold.id, hold.by, hold.reason)),
        ));
        if let Some(require) = &deployment.require {
            for (field, wanted) in in_hardware(require) {
                rows.push(Asked {
                    what: field.to_owned(),
                    wanted,
                    found: inventory.map(|inventory| hardware(field, inventory)),
                    met: inventory.is_some_and(|inventory| {
                        unmet_in_inventory(&only(require, field), inventory).is_none()
                    }),
                });
            }
        }
        rows.push(is_not("free", self.taken(id, name)));
        rows.push(is_not("certain who it is", self.doubted(planned)));
        let inspected = planned.inspected.map(|at| format!("inspected {at}"));
        rows.push(Asked {
            what: "inspected".to_owned(),
            wanted: "yes".to_owned(),
            met: inspected.is_some(),
            found: inspected,
        });
        rows
    }

    /// Whose it is, if it is not free.
    fn taken(&self, id: MachineId, name: &Name) -> Option<String> {
        let mut bindings = self.plan.bindings.values();
        let bound = bindings.find(|binding| binding.machine == id && binding.deployment != *name)?;
        let how = match bound.state {
            BindingState::Active => "it runs",
            BindingState::Leaving => "it is being released from",
        };
        Some(format!("{how} {}[{}]", bound.deployment, bound.slot))
    }

    fn doubted(&self, planned: &MachinePlan) -> Option<String> {
        use crate::condition::Condition::{IdentityAmbiguous, IdentityChanged};
        let blocked = planned.blocked.as_ref()?;
        let is_doubt = matches!(blocked.condition, IdentityAmbiguous | IdentityChanged);
        is_doubt.then(|| blocked.evidence.clone())
    }

    fn verdict(&self, name: &Name, deployment: &Deployment, slot: Option<u32>, rows: &[Asked]) -> String {
        let first = rows.iter().find(|row| !row.met);
        match (slot, first) {
            (Some(slot), None) => format!("it has {name}[{slot}]"),
            (Some(slot), Some(row)) => format!(
                "it has {name}[{slot}] and keeps it: what is asked is read when a slot is filled, not later; today `{}` would \
                 not be met",
                row.what
            ),
            (None, Some(row)) if row.found.is_none() => {
                format!("it has no slot: nobody knows yet whether `{}` is met", row.what)
            }
            (None, Some(row)) => format!("it has no slot: `{}` is not met", row.what),
            (None, None) => {
                let count = deployment.count.as_ref().map_or(0, |count| count.value);
                let filled = self.plan.bindings.values();
                let filled = filled
                    .filter(|binding| binding.deployment == *name && binding.state == BindingState::Active);
                let filled = filled.count();
                match filled >= count as usize {
                    true => format!("it would do; all {count} slots are filled by others, which keep them"),
                    false => format!(
                        "it would do; {filled} of {count} slots are filled: spread and layout decide, see `muster why \
                         deployment.{name}`"
                    ),
                }
            }
        }
    }
}

/// Of a deployment that names its machines.
fn named(deployment: &Deployment, planned: &MachinePlan) -> Asked {
    let names: Vec<&str> = deployment
        .machines
        .iter()
        .map(|machine| machine.name.as_str())
        .collect();
    Asked {
        what: "named".to_owned(),
        wanted: names.join(", "),
        found: Some(planned.name.to_string()),
        met: names.contains(&planned.name.as_str()),
    }
}

/// A thing that must not be; `found` is what stands in the way.
fn is_not(what: &str, found: Option<String>) -> Asked {
    Asked {
        what: what.to_owned(),
        wanted: "yes".to_owned(),
        met: found.is_none(),
        found: Some(found.unwrap_or_else(|| "yes".to_owned())),
    }
}

/// What is asked by what git says: the field, what is wanted, what is found.
fn in_git(require: &Require, machine: &Machine, zone: Option<&Name>) -> Vec<(&'static str, String, String)> {
    let or_none = |name: Option<&Name>| name.map_or("none".to_owned(), ToString::to_string);
    let tags = || list(&machine.tags);
    let one = |field, asked: Option<&Name>, is: Option<&Name>| {
        asked.map(|asked| (field, asked.to_string(), or_none(is)))
    };
    let some = |field, asked: &schema_fleet::Tags, word: &str| {
        (!asked.is_empty()).then(|| (field, format!("{word}{}", list(asked)), tags()))
    };
    [
        one(
            "pool",
            require.pool.as_ref().map(|pool| &pool.name),
            machine.pool.as_ref().map(|pool| &pool.name),
        ),
        one("zone", require.zone.as_ref().map(|zone| &zone.name), zone),
        one(
            "rack",
            require.rack.as_ref().map(|rack| &rack.name),
            machine.rack.as_ref().map(|rack| &rack.name),
        ),
        some("tags", &require.tags, ""),
        some("any-tags", &require.any_tags, "one of "),
        some("without-tags", &require.without_tags, "none of "),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn list(tags: &schema_fleet::Tags) -> String {
    let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
    match tags.is_empty() {
        true => "none".to_owned(),
        false => tags.join(", "),
    }
}

/// What is asked of what an inspection finds: the field, what is wanted.
fn in_hardware(require: &Require) -> Vec<(&'static str, String)> {
    let least = |field, least: Option<String>| least.map(|least| (field, format!("at least {least}")));
    let arch = require.arch.as_ref().map(|arch| ("arch", arch.value.to_string()));
    let disks: Vec<String> = require
        .disks
        .iter()
        .map(|disks| {
            let size = disks
                .min_size
                .map_or(String::new(), |size| format!(" of {size} or more"));
            format!("{} x {}{size}", disks.count.0, disks.disk_type)
        })
        .collect();
    let gpus = require.gpus.iter();
    let gpus = gpus.map(|gpus| format!("{} x {}", gpus.count.0, pci::gpus_words(gpus)));
    let devices = require.pci.iter();
    let devices = devices.map(|devices| format!("{} x {}", devices.count.0, pci::id_words(devices)));
    let (gpus, devices): (Vec<_>, Vec<_>) = (gpus.collect(), devices.collect());
    [
        arch,
        least("cpu-cores", require.cpu_cores.map(|least| least.0.to_string())),
        least(
            "cpu-threads",
            require.cpu_threads.map(|least| least.0.to_string()),
        ),
        least("memory", require.memory.map(|least| least.0.to_string())),
        (!disks.is_empty()).then(|| ("disks", disks.join(", "))),
        (!gpus.is_empty()).then(|| ("gpus", gpus.join(", "))),
        (!devices.is_empty()).then(|| ("pci", devices.join(", "))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What an inspection found of a field.
fn hardware(field: &str, inventory: &Inventory) -> String {
    match field {
        "arch" => inventory.cpu.arch.clone(),
        "cpu-cores" => inventory.cpu.cores.to_string(),
        "cpu-threads" => inventory.cpu.threads.to_string(),
        "memory" => size_text(inventory.memory_bytes),
        "gpus" => pci::gpus_found(inventory),
        "pci" => pci::devices_found(inventory),
        _ => {
            let disks = inventory.disks.iter().filter(|disk| disk.local);
            let disks: Vec<String> = disks
                .map(|disk| {
                    format!(
                        "{} {}",
                        size_text(disk.size_bytes),
                        format!("{:?}", disk.kind).to_lowercase()
                    )
                })
                .collect();
            match disks.is_empty() {
                true => "none".to_owned(),
                false => disks.join(", "),
            }
        }
    }
}

/// The same with this field alone.
fn only(require: &Require, field: &str) -> Require {
    let mut only = require.clone();
    let is = |name: &str| field == name;
    only.pool = only.pool.filter(|_| is("pool"));
    only.zone = only.zone.filter(|_| is("zone"));
    only.rack = only.rack.filter(|_| is("rack"));
    only.tags.retain(|_| is("tags"));
    only.any_tags.retain(|_| is("any-tags"));
    only.without_tags.retain(|_| is("without-tags"));
    only.arch = only.arch.filter(|_| is("arch"));
    only.cpu_cores = only.cpu_cores.filter(|_| is("cpu-cores"));
    only.cpu_threads = only.cpu_threads.filter(|_| is("cpu-threads"));
    only.memory = only.memory.filter(|_| is("memory"));
    only.disks.retain(|_| is("disks"));
    only.gpus.retain(|_| is("gpus"));
    only.pci.retain(|_| is("pci"));
    only
}
