//! Slots: which machine fills which place of which deployment, and which bindings end.
//!
//! A binding is kept for as long as git names its machine in its deployment, wherever in the list, or as the
//! deployment's count has room for it. One that was ever written to a disk ends by a `removed` or `release`
//! entry alone, or by the `release-order` of a deployment that counts fewer; what git merely stopped naming becomes an orphan. One that is only a plan ends with git's
//! wish for it.

use crate::observed::{Binding, BindingState, Observed};
use crate::plan::Plan;
use crate::plan::claim::Claims;
use crate::plan::counted;
use crate::plan::digest::binding_id;
use crate::plan::growth::Growth;
use crate::plan::not_yet::{Concerned, NotCarriedOut};
use crate::plan::release::{self, InGit, Turn};
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
#[derive(Default)]
pub(super) struct Slots<'a> {
    /// By the machine that shall fill it.
    pub(super) by_machine: BTreeMap<MachineId, Slot<'a>>,
    /// Active bindings by machine, without those that end.
    pub(super) bound: BTreeMap<MachineId, BindingId>,
    /// Bindings that end with this plan, or newly leave.
    pub(super) ending: BTreeMap<BindingId, Binding>,
    /// Bindings that leave, by machine.
    pub(super) leaving: BTreeMap<MachineId, BindingId>,
    /// Bindings that end with this plan, since what they left for is over.
    pub(super) over: BTreeSet<BindingId>,
    /// Bindings that end and of which nothing was written yet.
    pub(super) dropped: BTreeSet<BindingId>,
    /// Bindings that stay in their slots, by deployments that count.
    pub(super) seated: BTreeMap<&'a Name, BTreeSet<BindingId>>,
    /// How many machines have been put into slots of a deployment that counts, to be kept there as they are.
    pub(super) adopting: BTreeMap<&'a Name, u32>,
    /// The deployment that adopts a machine which is not bound.
    pub(super) adopted_by: BTreeMap<MachineId, &'a Name>,
    /// Machines that cannot be adopted since there is no slot for them, with the reason.
    pub(super) no_room: BTreeMap<MachineId, String>,
    /// Numbers that are taken, by deployment.
    used: BTreeMap<Name, BTreeSet<u32>>,
}

impl<'a> Slots<'a> {
    /// Whether a binding ends with this plan.
    pub(super) fn ends(&self, binding: &BindingId) -> bool {
        let leaves = self.leaving.values().any(|leaving| leaving == binding);
        let ends = self.ending.contains_key(binding) || self.over.contains(binding);
        (ends && !leaves) || self.dropped.contains(binding)
    }

    /// The lowest free slot of a deployment, and the binding that this machine would have in it.
    pub(super) fn free(
        &self,
        observed: &Observed,
        parent: &Plan,
        name: &'a Name,
        machine: MachineId,
    ) -> (u32, BindingId) {
        let number = self.used.get(name).map_or(1, lowest_free);
        (number, mint(observed, parent, name, number, machine))
    }

    /// Gives a machine its slot.
    pub(super) fn seat(&mut self, machine: MachineId, slot: Slot<'a>) {
        self.used
            .entry(slot.name.clone())
            .or_default()
            .insert(slot.number);
        self.by_machine.insert(machine, slot);
    }
}

/// Works out all places that are named or filled already.
pub(super) fn slots<'a>(
    fleet: &'a Fleet,
    observed: &Observed,
    parent: &Plan,
    growth: Growth,
    claims: &Claims,
    not_yet: &NotCarriedOut<'_>,
) -> Slots<'a> {
    let ground = release::Ground {
        fleet,
        observed,
        parent,
        growth,
        names: &claims.names,
    };
    let mut slots = standing(fleet, ground, claims, not_yet);
    let held = slots.bound.values().chain(slots.leaving.values());
    for binding in held.filter_map(|id| parent.bindings.get(id)) {
        let used = slots.used.entry(binding.deployment.clone()).or_default();
        used.insert(binding.slot);
    }
    for (name, deployment) in &fleet.deployments {
        let mut used = slots.used.remove(name).unwrap_or_default();
        for (machine, ordinal) in machines(deployment, claims).zip(1..) {
            let kept = slots.bound.get(&machine);
            let (number, binding) = match kept.and_then(|id| Some((*id, parent.bindings.get(id)?))) {
                Some((id, binding)) if binding.deployment == *name => (binding.slot, id),
                // Bound elsewhere, or leaving: it stays there until that ends.
                Some(_) => continue,
                None if slots.leaving.contains_key(&machine) => continue,
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
            let slot = Slot {
                name,
                deployment,
                number,
                binding,
            };
            slots.by_machine.insert(machine, slot);
        }
        slots.used.insert(name.clone(), used);
    }
    seat_counted(fleet, parent, claims, &mut slots);
    seat_adopted(fleet, observed, parent, claims, &mut slots);
    slots
}

/// Puts machines that a deployment which counts adopts into the slots that are left; those that have one stay there.
fn seat_adopted<'a>(
    fleet: &'a Fleet,
    observed: &Observed,
    parent: &Plan,
    claims: &Claims,
    slots: &mut Slots<'a>,
) {
    for (name, deployment) in &fleet.deployments {
        let entries = deployment.adopt.iter();
        let entries = entries.filter_map(|adopt| Some((adopt, *claims.by_name.get(&adopt.machine.name)?)));
        for (adopt, machine) in entries {
            if slots.bound.contains_key(&machine) || slots.leaving.contains_key(&machine) {
                continue;
            }
            slots.adopted_by.insert(machine, name);
            let Some(count) = &deployment.count else { continue };
            let used = slots.used.entry(name.clone()).or_default();
            let number = adopt
                .slot
                .as_ref()
                .map_or_else(|| lowest_free(used), |slot| slot.value);
            let seated = slots.seated.get(name).map_or(0, BTreeSet::len);
            let adopting = slots.adopting.get(name).copied().unwrap_or(0);
            let is_full = seated + adopting as usize >= count.value as usize;
            if used.contains(&number) || is_full {
                let why = match is_full {
                    true => format!(
                        "{name} counts {}, and has as many: raise its count to adopt another",
                        count.value
                    ),
                    false => format!("it is to be adopted into {name}[{number}], which another machine has"),
                };
                slots.no_room.insert(machine, why);
                continue;
            }
            *slots.adopting.entry(name).or_default() += 1;
            let slot = Slot {
                name,
                deployment,
                number,
                binding: mint(observed, parent, name, number, machine),
            };
            slots.seat(machine, slot);
        }
    }
}

/// Puts those that have a slot of a deployment that counts into it.
fn seat_counted<'a>(fleet: &'a Fleet, parent: &Plan, claims: &Claims, slots: &mut Slots<'a>) {
    let declared: BTreeSet<&MachineId> = claims.by_name.values().collect();
    for (name, seated) in slots.seated.clone() {
        for (id, binding) in seated
            .into_iter()
            .filter_map(|id| Some((id, parent.bindings.get(&id)?)))
        {
            if let Some(deployment) = fleet.deployments.get(name)
                && declared.contains(&binding.machine)
            {
                let slot = Slot {
                    name,
                    deployment,
                    number: binding.slot,
                    binding: id,
                };
                slots.seat(binding.machine, slot);
            }
        }
    }
}

/// The machines that git names in a deployment, in its order.
fn machines<'a>(deployment: &'a Deployment, claims: &'a Claims) -> impl Iterator<Item = MachineId> + use<'a> {
    let named = deployment.machines.iter();
    named.filter_map(|machine| claims.by_name.get(&machine.name).copied())
}

/// What becomes of the bindings there are; no place is filled yet.
fn standing<'a>(
    fleet: &'a Fleet,
    ground: release::Ground<'_>,
    claims: &Claims,
    not_yet: &NotCarriedOut<'_>,
) -> Slots<'a> {
    let declared: BTreeSet<&MachineId> = claims.by_name.values().collect();
    let named = all_named(fleet, claims);
    let removed = |machine: &MachineId| {
        let name = claims.names.get(machine);
        !declared.contains(machine) && name.is_some_and(|name| fleet.removed_machines.contains_key(name))
    };
    let release::Ground { observed, parent, .. } = ground;
    let is_written = |id: &BindingId, binding: &Binding| !ground.is_unwritten(id, binding);
    let seated = |(name, deployment): (&'a Name, &Deployment)| {
        deployment.count.as_ref()?;
        let may_stay = |(id, binding): &(&BindingId, &Binding)| {
            let git = InGit {
                removed: removed(&binding.machine),
                named: true,
                surplus: false,
            };
            let turn = ground.observed_turn(id, binding, git, declared.contains(&binding.machine));
            let is_declared = declared.contains(&binding.machine);
            turn == Turn::Stays
                && match binding.state {
                    BindingState::Active => is_declared || is_written(id, binding),
                    // Taken back in time, if there is room for it.
                    BindingState::Leaving => is_declared,
                }
        };
        let own = parent
            .bindings
            .iter()
            .filter(|(_, binding)| binding.deployment == *name);
        let own = own.filter(may_stay).map(|(id, binding)| (*id, binding)).collect();
        Some((
            name,
            counted::seated(deployment, &own, parent, is_written, observed),
        ))
    };
    let mut slots = Slots {
        seated: fleet.deployments.iter().filter_map(seated).collect(),
        ..Slots::default()
    };
    for (id, binding) in &parent.bindings {
        let Binding {
            deployment, machine, ..
        } = binding;
        let named = match slots.seated.get(deployment) {
            Some(seated) => seated.contains(id),
            None => named.contains(&(deployment, *machine)),
        };
        let git = InGit {
            removed: removed(machine),
            named,
            surplus: !named && declared.contains(machine) && is_surplus(ground, not_yet, id, binding),
        };
        match ground.observed_turn(id, binding, git, declared.contains(machine)) {
            Turn::IsDropped => {
                slots.dropped.insert(*id);
            }
            Turn::Stays => {
                slots.bound.insert(*machine, *id);
            }
            Turn::Ends => {
                slots.ending.insert(*id, binding.clone());
            }
            Turn::Leaves => {
                slots.leaving.insert(*machine, *id);
                if binding.state == BindingState::Active {
                    slots.ending.insert(*id, binding.clone());
                }
            }
            Turn::IsOver => {
                slots.over.insert(*id);
            }
        }
    }
    slots
}

/// Whether a binding that its deployment has no room for goes by `release-order`.
fn is_surplus(
    ground: release::Ground<'_>,
    not_yet: &NotCarriedOut<'_>,
    id: &BindingId,
    binding: &Binding,
) -> bool {
    let Binding {
        deployment, machine, ..
    } = binding;
    let concerned = ground.names.get(machine).map(|name| Concerned {
        name,
        deployment: Some(deployment),
    });
    counted::releases_surplus(ground.fleet, deployment)
        // What muster did not install it does not switch off because a number was lowered.
        && !ground.is_as_is(id, binding)
        && !ground.is_unwritten(id, binding)
        && concerned.is_some_and(|concerned| not_yet.blocked(concerned).is_none())
}

/// Each machine that git names in a deployment, with that.
fn all_named<'a>(fleet: &'a Fleet, claims: &Claims) -> BTreeSet<(&'a Name, MachineId)> {
    let deployments = fleet.deployments.iter();
    deployments
        .flat_map(|(name, deployment)| machines(deployment, claims).map(move |machine| (name, machine)))
        .collect()
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
