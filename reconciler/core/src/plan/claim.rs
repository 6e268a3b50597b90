//! Which machine each entry in git is: the same as before, one with a new name, or a new one.

use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::digest::machine_id;
use crate::plan::growth::Growth;
use crate::plan::identity::{Evidence, Match};
use crate::plan::moved::{self, Names};
use crate::plan::release::{self, InGit, Turn};
use schema_fleet::{Fleet, Machine};
use schema_ids::{MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// The answer for all entries.
pub(super) struct Claims {
    /// The machine of each entry.
    pub(super) by_name: BTreeMap<Name, MachineId>,
    /// Machines of which it is not certain which they are, with the reason.
    pub(super) ambiguous: BTreeMap<MachineId, String>,
    /// What git calls the parent's machines now.
    pub(super) names: Names,
}

/// Gives each entry its machine.
pub(super) fn claims(fleet: &Fleet, observed: &Observed, parent: &Plan, growth: Growth) -> Claims {
    let mut claims = Claims {
        by_name: BTreeMap::new(),
        ambiguous: BTreeMap::new(),
        names: moved::names(fleet, parent),
    };

    // By name first, so that no newcomer takes a machine that is still called what it was.
    for (id, name) in &claims.names {
        if fleet.machines.contains_key(name) {
            claims.by_name.insert(name.clone(), *id);
        }
    }
    let mut taken: BTreeSet<MachineId> = claims.by_name.values().copied().collect();
    let ground = release::Ground {
        fleet,
        observed,
        parent,
        growth,
        names: &claims.names,
    };
    let unnamed = Unnamed::of(ground, &taken);
    for (name, machine) in &fleet.machines {
        let evidence = in_git(machine);
        let alike = unnamed.alike(&evidence, &taken);
        let id = match (claims.by_name.get(name), &alike) {
            (Some(id), _) => *id,
            (None, Alike::One(id, _)) => *id,
            (None, Alike::None | Alike::Perhaps(_)) => mint(observed, parent, name, &evidence, &taken),
        };
        match alike {
            // A name of its own, and the evidence of another machine that is still there.
            Alike::One(other, why) if other != id => {
                claims.ambiguous.insert(id, why);
            }
            Alike::Perhaps(why) => {
                claims.ambiguous.insert(id, why);
            }
            Alike::None | Alike::One(..) => {}
        }
        taken.insert(id);
        claims.by_name.insert(name.clone(), id);
    }
    for (name, id) in &claims.by_name {
        if let Some(known) = claims.names.get_mut(id) {
            *known = name.clone();
        }
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

/// What an entry has in common with machines that git no longer names.
enum Alike {
    /// Nothing.
    None,
    /// It is this one; if it is not, for the reason.
    One(MachineId, String),
    /// Something, and not enough.
    Perhaps(String),
}

/// Machines that git neither names nor removes any more, findable by their evidence.
struct Unnamed<'a> {
    /// With the name, and whether it is being released.
    evidence: BTreeMap<MachineId, (&'a Name, Evidence, bool)>,
    by_word: BTreeMap<String, BTreeSet<MachineId>>,
}

impl<'a> Unnamed<'a> {
    fn of(ground: release::Ground<'a>, taken: &BTreeSet<MachineId>) -> Self {
        let release::Ground {
            fleet,
            observed,
            parent,
            names,
            ..
        } = ground;
        let is_removed = |id: &MachineId| {
            let name = names.get(id);
            name.is_some_and(|name| fleet.removed_machines.contains_key(name))
        };
        let git = InGit {
            removed: true,
            named: false,
            surplus: false,
        };
        let is_leaving = |id: &MachineId| {
            let mut bindings = parent
                .bindings
                .iter()
                .filter(|(_, binding)| binding.machine == *id);
            bindings.any(|(id, binding)| ground.turn(id, binding, git) == Turn::Leaves)
        };
        let mut unnamed = Self {
            evidence: BTreeMap::new(),
            by_word: BTreeMap::new(),
        };
        for (id, machine) in parent.machines.iter().filter(|(id, _)| !taken.contains(id)) {
            // One that is released first is still there until it is retired.
            let leaves = is_removed(id) && is_leaving(id);
            if is_removed(id) && !leaves {
                continue;
            }
            let inventory = observed.machines.get(id).and_then(|seen| seen.inventory.as_ref());
            let evidence = Evidence::of_plan(machine, inventory);
            for word in words(&evidence) {
                unnamed.by_word.entry(word).or_default().insert(*id);
            }
            unnamed.evidence.insert(*id, (&machine.name, evidence, leaves));
        }
        unnamed
    }

    fn alike(&self, evidence: &Evidence, taken: &BTreeSet<MachineId>) -> Alike {
        let words = words(evidence);
        let near: BTreeSet<&MachineId> = words
            .iter()
            .filter_map(|word| self.by_word.get(word))
            .flatten()
            .collect();
        let mut answer = Alike::None;
        for id in near.into_iter().filter(|id| !taken.contains(id)) {
            let Some((old, known, leaves)) = self.evidence.get(id) else {
                continue;
            };
            let advice = format!(
                "which git no longer names; if it is the same machine, add [moved.machine.{old}], if {old} is gone, \
                 add [removed.machine.{old}]"
            );
            answer = match (known.compare(evidence), answer) {
                (Match::Other { .. }, answer) => answer,
                (Match::Same | Match::Unclear { .. }, _) if *leaves => {
                    return Alike::Perhaps(format!("it is like {old}, which is still being released"));
                }
                (Match::Same, Alike::One(_, _)) => {
                    return Alike::Perhaps(format!("it fits {old} and another machine, {advice}"));
                }
                (Match::Same, Alike::None | Alike::Perhaps(_)) => {
                    Alike::One(*id, format!("it is like {old}, {advice}"))
                }
                (Match::Unclear { .. }, Alike::One(one, why)) => Alike::One(one, why),
                (Match::Unclear { agreed }, Alike::None | Alike::Perhaps(_)) => {
                    Alike::Perhaps(format!("it has {agreed} of {old}, {advice}"))
                }
            };
        }
        answer
    }
}

/// Evidence as words to be looked up.
fn words(evidence: &Evidence) -> Vec<String> {
    let macs = evidence.macs.iter().map(ToString::to_string);
    let uuid = evidence
        .uuid
        .iter()
        .flat_map(|uuid| [uuid.to_string(), uuid.swapped().to_string()]);
    macs.chain(uuid).chain(evidence.serial.clone()).collect()
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
