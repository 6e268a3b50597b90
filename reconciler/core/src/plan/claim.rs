//! Which machine each entry in git is: the same as before, one with a new name, or a new one.

use crate::observed::Observed;
use crate::plan::digest::machine_id;
use crate::plan::identity::{Evidence, Match};
use crate::plan::{MachinePlan, Plan};
use schema_fleet::{Fleet, Machine};
use schema_ids::{MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// The answer for all entries.
pub(super) struct Claims {
    /// The machine of each entry.
    pub(super) by_name: BTreeMap<Name, MachineId>,
    /// Machines of which it is not certain which they are, with the reason.
    pub(super) ambiguous: BTreeMap<MachineId, String>,
}

/// Gives each entry its machine.
pub(super) fn claims(fleet: &Fleet, observed: &Observed, parent: &Plan) -> Claims {
    let known: BTreeMap<&Name, MachineId> = parent
        .machines
        .iter()
        .map(|(id, machine)| (&machine.name, *id))
        .collect();
    let moved: BTreeMap<&Name, &Name> = fleet
        .moved_machines
        .iter()
        .map(|(old, moved)| (&moved.to.name, old))
        .collect();
    let mut claims = Claims {
        by_name: BTreeMap::new(),
        ambiguous: BTreeMap::new(),
    };

    // By name first, so that no newcomer takes a machine that is still called what it was.
    for name in fleet.machines.keys() {
        let old_name = moved.get(name).and_then(|old| known.get(*old));
        if let Some(id) = known.get(name).or(old_name) {
            claims.by_name.insert(name.clone(), *id);
        }
    }
    let mut taken: BTreeSet<MachineId> = claims.by_name.values().copied().collect();
    let free: Vec<(MachineId, &MachinePlan)> = parent
        .machines
        .iter()
        .filter(|(id, _)| !taken.contains(id))
        .map(|(id, machine)| (*id, machine))
        .collect();
    for (name, machine) in &fleet.machines {
        if claims.by_name.contains_key(name) {
            continue;
        }
        let evidence = in_git(machine);
        let id = match alike(&evidence, &free, observed, &taken) {
            Alike::One(id) => id,
            Alike::None => mint(observed, parent, name, &evidence, &taken),
            Alike::Perhaps { why } => {
                let id = mint(observed, parent, name, &evidence, &taken);
                claims.ambiguous.insert(id, why);
                id
            }
        };
        taken.insert(id);
        claims.by_name.insert(name.clone(), id);
    }
    contradicted(fleet, observed, &mut claims);
    claims
}

/// What git says of a machine's identity.
fn in_git(machine: &Machine) -> Evidence {
    Evidence {
        uuid: machine.uuid.as_ref().map(|uuid| uuid.value),
        serial: machine.serial.as_ref().map(|serial| serial.value.clone()),
        macs: machine.nic.values().map(|nic| nic.mac.value).collect(),
        disks: BTreeSet::new(),
    }
}

enum Alike {
    None,
    One(MachineId),
    Perhaps { why: String },
}

/// Whether an entry with a new name is one of the machines that git no longer names.
fn alike(
    evidence: &Evidence,
    free: &[(MachineId, &MachinePlan)],
    observed: &Observed,
    taken: &BTreeSet<MachineId>,
) -> Alike {
    let mut answer = Alike::None;
    for (id, machine) in free.iter().filter(|(id, _)| !taken.contains(id)) {
        let inventory = observed.machines.get(id).and_then(|seen| seen.inventory.as_ref());
        let why = match Evidence::of_plan(machine, inventory).compare(evidence) {
            Match::Same => match answer {
                Alike::One(_) => format!("it fits {} and another machine", machine.name),
                Alike::None | Alike::Perhaps { .. } => {
                    answer = Alike::One(*id);
                    continue;
                }
            },
            Match::Unclear { agreed: "nothing" } | Match::Other { .. } => continue,
            Match::Unclear { agreed } => format!(
                "it has {agreed} of {old}, which git no longer names; if it is the same machine, add \
                 [moved.machine.{old}], if {old} is gone, add [removed.machine.{old}]",
                old = machine.name
            ),
        };
        if !matches!(answer, Alike::One(_)) {
            answer = Alike::Perhaps { why };
        } else if why.ends_with("another machine") {
            return Alike::Perhaps { why };
        }
    }
    answer
}

fn mint(
    observed: &Observed,
    parent: &Plan,
    name: &Name,
    evidence: &Evidence,
    taken: &BTreeSet<MachineId>,
) -> MachineId {
    let macs: Vec<String> = evidence.macs.iter().map(ToString::to_string).collect();
    let claim = format!(
        "{}\n{}",
        evidence.serial.as_deref().unwrap_or(""),
        macs.join("\n")
    );
    let used = |id: &MachineId| {
        taken.contains(id) || observed.machines.contains_key(id) || parent.machines.contains_key(id)
    };
    (0_u64..)
        .map(|round| machine_id(observed.fleet_uid, name, &claim, round))
        .find(|id| !used(id))
        .expect("there are more rounds than machines")
}

/// What was inspected must not contradict git, nor be in two machines at once.
fn contradicted(fleet: &Fleet, observed: &Observed, claims: &mut Claims) {
    let mut owner = BTreeMap::new();
    for (name, id) in &claims.by_name {
        let inventory = observed.machines.get(id).and_then(|seen| seen.inventory.as_ref());
        let (Some(machine), Some(inventory)) = (fleet.machines.get(name), inventory) else {
            continue;
        };
        let seen = Evidence::of_inventory(inventory);
        if let Match::Other { why } = in_git(machine).compare(&seen) {
            claims.ambiguous.insert(
                *id,
                format!("{why} (known: what git says; found: its last inspection)"),
            );
        }
        for mac in seen.macs {
            if let Some((other, other_name)) = owner.insert(mac, (*id, name)) {
                let why = format!("{mac} was found in {name} and in {other_name}");
                claims.ambiguous.insert(*id, why.clone());
                claims.ambiguous.insert(other, why);
            }
        }
    }
}
