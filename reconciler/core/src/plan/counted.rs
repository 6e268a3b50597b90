//! Deployments that count: which of their slots stay, and what fills those that are missing.
//!
//! Whoever has a slot keeps it; requirements are read when a slot is filled and never afterwards. A free slot
//! is offered to machines in the order of [`allocate`], and goes to the first on which the deployment can be
//! installed as a whole. Slots too many end only where nothing was written; the others run on as orphans.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::Binding;
use crate::plan::allocate::{self, Candidate, Place, Size, Spread};
use crate::plan::compose::Filling;
use crate::plan::deployment::decide;
use crate::plan::not_yet::Concerned;
use crate::plan::required::{unmet_in_git, unmet_in_inventory, zone};
use crate::plan::slots::Slot;
use crate::plan::{Blocked, MachinePlan, Note, Origin, Plan};
use schema_fleet::{Deployment, Fleet, Release};
use schema_ids::{BindingId, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Machines named for one reason; a person sees which sort it is, and `muster status` knows them all.
const NAMED_MAX: usize = 3;

/// Reasons told of one deployment, the most frequent first.
const REASONS_MAX: usize = 8;

/// Characters of what one machine lacks: the first disk or port that does not fit says it.
const EVIDENCE_MAX: usize = 160;

/// Of a deployment's bindings, those that its count has room for. Whoever is an orphan already stays one
/// before anybody else becomes one, then those go of which nothing was written, then the highest slots.
pub(super) fn seated(
    deployment: &Deployment,
    bindings: &BTreeMap<BindingId, &Binding>,
    parent: &Plan,
    is_written: impl Fn(&BindingId, &Binding) -> bool,
) -> BTreeSet<BindingId> {
    let count = deployment.count.as_ref().map_or(0, |count| count.value as usize);
    let is_orphan = |binding: &Binding| {
        let machine = parent.machines.get(&binding.machine);
        machine.is_some_and(|machine| matches!(machine.wanted.intent, Intent::Orphaned { .. }))
    };
    let mut order: Vec<_> = bindings
        .iter()
        .map(|(id, binding)| (is_orphan(binding), !is_written(id, binding), binding.slot, *id))
        .collect();
    order.sort_unstable();
    order.into_iter().take(count).map(|(.., id)| id).collect()
}

/// The entry by which a person took this machine's slot back.
pub(super) fn released<'a>(deployment: &'a Deployment, machine: &Name) -> Option<&'a Release> {
    let named = |release: &&Release| release.machines.iter().any(|named| named.name == *machine);
    deployment.release.as_ref().filter(named)
}

/// A deployment that lacks machines.
struct Short<'a> {
    name: &'a Name,
    deployment: &'a Deployment,
    filled: u32,
    missing: u32,
    candidates: BTreeMap<MachineId, Candidate>,
    spread: Spread,
    /// Machines that are not yet inspected and may do.
    unseen: BTreeSet<Name>,
    refused: Refused,
}

/// Why machines do not get a slot, each reason with the machines.
#[derive(Default)]
struct Refused(BTreeMap<String, BTreeSet<Name>>);

impl Refused {
    fn add(&mut self, reason: String, name: &Name) {
        self.0.entry(reason).or_default().insert(name.clone());
    }
}

/// Fills what is missing, and says what could not be filled and why. Who has the fewest machines to choose
/// from chooses first.
pub(super) fn fill(
    filling: &mut Filling<'_, '_>,
    machines: &mut BTreeMap<MachineId, MachinePlan>,
) -> Vec<Note> {
    let fleet = filling.context.fleet;
    let deployments = fleet.deployments.iter();
    let mut short: Vec<Short<'_>> = deployments
        .filter_map(|(name, deployment)| judge(filling, machines, name, deployment))
        .collect();
    short.sort_by_key(|short| (short.candidates.len(), short.name));
    let mut notes: Vec<Note> = short
        .into_iter()
        .filter_map(|short| offer(filling, machines, short))
        .collect();
    notes.extend(no_longer_fit(filling));
    notes.sort_by(|a, b| a.object.cmp(&b.object));
    notes
}

/// Looks at every machine for a deployment that lacks some; none if it lacks none.
fn judge<'a>(
    filling: &Filling<'a, '_>,
    machines: &BTreeMap<MachineId, MachinePlan>,
    name: &'a Name,
    deployment: &'a Deployment,
) -> Option<Short<'a>> {
    let fleet = filling.context.fleet;
    let seated = filling.slots.seated.get(name);
    let filled = seated.map_or(0, BTreeSet::len).try_into().unwrap_or(u32::MAX);
    let missing = deployment.count.as_ref()?.value.saturating_sub(filled);
    if missing == 0 {
        return None;
    }
    let mut short = Short {
        name,
        deployment,
        filled,
        missing,
        candidates: BTreeMap::new(),
        spread: Spread::default(),
        unseen: BTreeSet::new(),
        refused: Refused::default(),
    };
    let parent = filling.context.parent;
    for binding in seated
        .into_iter()
        .flatten()
        .filter_map(|id| parent.bindings.get(id))
    {
        let machine = machines
            .get(&binding.machine)
            .or_else(|| parent.machines.get(&binding.machine));
        if let Some(machine) = machine {
            short.spread.add(&place(fleet, machine));
        }
    }
    for (id, machine) in machines {
        if filling
            .slots
            .by_machine
            .get(id)
            .is_some_and(|slot| slot.name == name)
        {
            continue;
        }
        match verdict(filling, *id, machine, name, deployment) {
            Verdict::Fits(candidate) => {
                short.candidates.insert(*id, candidate);
            }
            Verdict::Unseen => {
                short.unseen.insert(machine.name.clone());
            }
            Verdict::Refused(reason) => short.refused.add(reason, &machine.name),
        }
    }
    Some(short)
}

enum Verdict {
    Fits(Candidate),
    Unseen,
    Refused(String),
}

/// Requirements first, since what they exclude is nobody's loss; then whether the machine is free. In this order
/// the answer is the same before a machine is given away and after.
fn verdict(
    filling: &Filling<'_, '_>,
    id: MachineId,
    machine: &MachinePlan,
    name: &Name,
    deployment: &Deployment,
) -> Verdict {
    let fleet = filling.context.fleet;
    let require = deployment.require.as_ref();
    let in_git = fleet.machines.get(&machine.name);
    let unmet = require
        .zip(in_git)
        .and_then(|(require, in_git)| unmet_in_git(fleet, require, in_git));
    if let Some(unmet) = unmet {
        return Verdict::Refused(unmet);
    }
    if in_git.is_some_and(|in_git| in_git.reserve.is_some()) {
        return Verdict::Refused("reserved".to_owned());
    }
    if released(deployment, &machine.name).is_some() {
        return Verdict::Refused("released here".to_owned());
    }
    if let Some(hold) = filling.free.kept(machine, name) {
        return Verdict::Refused(format!("kept free by {}", hold.id));
    }
    let seen = filling.context.observed.machines.get(&id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let unmet = require
        .zip(inventory)
        .and_then(|(require, inventory)| unmet_in_inventory(require, inventory));
    if let Some(unmet) = unmet {
        return Verdict::Refused(unmet);
    }
    if let Some(slot) = filling.slots.by_machine.get(&id) {
        return Verdict::Refused(format!("in deployment {}", slot.name));
    }
    if filling.slots.leaving.contains_key(&id) {
        return Verdict::Refused("being released".to_owned());
    }
    let bound = filling.slots.bound.get(&id);
    if let Some(binding) = bound.and_then(|bound| filling.context.parent.bindings.get(bound)) {
        let whose = match binding.deployment == *name {
            true => "this deployment".to_owned(),
            false => format!("deployment {}", binding.deployment),
        };
        return Verdict::Refused(format!("left running for {whose}"));
    }
    if filling.claims.ambiguous.contains_key(&id) {
        return Verdict::Refused("whose identity is not certain".to_owned());
    }
    let concerned = Concerned {
        name: &machine.name,
        deployment: Some(name),
    };
    if filling.context.not_yet.blocked(concerned).is_some() {
        return Verdict::Refused("of which git says what is not carried out".to_owned());
    }
    match inventory {
        None => Verdict::Unseen,
        Some(inventory) => Verdict::Fits(Candidate {
            name: machine.name.clone(),
            place: place(fleet, machine),
            size: Size::of(inventory),
        }),
    }
}

fn place(fleet: &Fleet, machine: &MachinePlan) -> Place {
    Place {
        zone: zone(fleet, machine.rack.as_ref()).cloned(),
        rack: machine.rack.clone(),
    }
}

/// Offers the free slots of a deployment, and tells what stays empty.
fn offer(
    filling: &mut Filling<'_, '_>,
    machines: &mut BTreeMap<MachineId, MachinePlan>,
    mut short: Short<'_>,
) -> Option<Note> {
    while short.missing > 0
        && let Some(id) = allocate::next(&short.candidates, &short.spread)
    {
        let candidate = short.candidates.remove(&id)?;
        let machine = machines.get_mut(&id)?;
        if let Some(other) = filling.slots.by_machine.get(&id) {
            // Another deployment chose before.
            short
                .refused
                .add(format!("in deployment {}", other.name), &candidate.name);
            continue;
        }
        match take(filling, id, machine, &short) {
            Ok(()) => {
                short.spread.add(&candidate.place);
                short.missing -= 1;
                short.filled += 1;
            }
            Err(blocked) => short.refused.add(brief(&blocked), &candidate.name),
        }
    }
    (short.missing > 0).then(|| short.note())
}

/// Gives a machine the lowest free slot, if the deployment can be installed on it.
fn take(
    filling: &mut Filling<'_, '_>,
    id: MachineId,
    machine: &mut MachinePlan,
    short: &Short<'_>,
) -> Result<(), Blocked> {
    let fleet = filling.context.fleet;
    let Some((name, deployment)) = fleet.deployments.get_key_value(short.name) else {
        return Ok(());
    };
    let (number, binding) = filling
        .slots
        .free(filling.context.observed, filling.context.parent, name, id);
    let slot = Slot {
        name,
        deployment,
        number,
        binding,
    };
    let decided = decide(&filling.context, id, machine, &slot, filling.addresses);
    let decided = filling.bind(id, name, number, decided);
    if let (false, Some(blocked)) = (
        matches!(decided.intent, Intent::Deployed(_)),
        decided.blocked.clone(),
    ) {
        return Err(blocked);
    }
    filling.slots.seat(id, slot);
    filling.settle(id, machine, decided);
    Ok(())
}

fn brief(blocked: &Blocked) -> String {
    let code = blocked.condition.code();
    let mut evidence: String = blocked.evidence.chars().take(EVIDENCE_MAX).collect();
    if evidence.len() < blocked.evidence.len() {
        evidence.push('…');
    }
    format!("where it cannot be installed ({code}: {evidence})")
}

impl Short<'_> {
    fn note(self) -> Note {
        let Self {
            name,
            deployment,
            filled,
            missing,
            unseen,
            refused,
            ..
        } = self;
        let (condition, mut text) = match unseen.is_empty() {
            true => (Condition::TooFewMachines, String::new()),
            false => (
                Condition::Commissioning,
                format!(", and waits for the inspection of {}", names(&unseen)),
            ),
        };
        let wanted = filled.saturating_add(missing);
        text.insert_str(0, &format!("it counts {wanted} and lacks {missing}"));
        let mut reasons: Vec<_> = refused.0.into_iter().collect();
        reasons.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        let left_out = reasons.len().saturating_sub(REASONS_MAX);
        for (reason, machines) in reasons.into_iter().take(REASONS_MAX) {
            text.push_str(&format!("\n{} {reason}: {}", machines.len(), names(&machines)));
        }
        if left_out > 0 {
            text.push_str(&format!("\nand {left_out} reasons more"));
        }
        Note {
            object: format!("deployment.{name}"),
            code: condition.code().to_owned(),
            text,
            origin: Some(Origin::of(&deployment.origin)),
        }
    }
}

fn names(names: &BTreeSet<Name>) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if names.len() > NAMED_MAX {
        shown.push(format!("{} more", names.len() - NAMED_MAX));
    }
    shown.join(", ")
}

/// Machines that have a slot and would not be given it today.
fn no_longer_fit(filling: &Filling<'_, '_>) -> Vec<Note> {
    let Filling { context, slots, .. } = filling;
    let mut notes = Vec::new();
    for (name, id) in &filling.claims.by_name {
        let slot = slots.by_machine.get(id);
        let require = slot.and_then(|slot| slot.deployment.require.as_ref());
        let (Some(slot), Some(require), Some(in_git)) = (slot, require, context.fleet.machines.get(name))
        else {
            continue;
        };
        let inventory = context
            .observed
            .machines
            .get(id)
            .and_then(|seen| seen.inventory.as_ref());
        let unmet = unmet_in_git(context.fleet, require, in_git)
            .or_else(|| inventory.and_then(|inventory| unmet_in_inventory(require, inventory)));
        if let Some(unmet) = unmet {
            notes.push(Note {
                object: format!("machine.{name}"),
                code: Condition::NoLongerFits.code().to_owned(),
                text: format!(
                    "it keeps {}[{}], which it would not be given today: it is a machine {unmet}",
                    slot.name, slot.number
                ),
                origin: Some(Origin::of(&in_git.origin)),
            });
        }
    }
    notes
}

/// Why a machine that git declares runs on without a slot, if its deployment counts fewer.
pub(super) fn one_too_many(fleet: &Fleet, binding: &Binding, machine: &Name) -> Option<String> {
    let Binding { deployment, slot, .. } = binding;
    let count = fleet.deployments.get(deployment)?.count.as_ref()?.value;
    Some(format!(
        "{deployment} counts {count}, and {deployment}[{slot}] is one too many; it keeps running. To take the slot \
         back, add release = {{ machines = [\"{machine}\"], disks = \"retain\", reason = \"…\" }} to deployment.{deployment}"
    ))
}
