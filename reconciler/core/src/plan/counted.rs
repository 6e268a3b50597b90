//! Deployments that count: which of their slots stay, and what fills those that are missing.
//!
//! Whoever has a slot keeps it; requirements are read when a slot is filled and never afterwards. A free slot
//! is offered to machines in the order of [`allocate`], and goes to the first on which the deployment can be
//! installed as a whole. Slots too many end where nothing was written, or by `release-order`; the others run on as
//! orphans.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::{Binding, BindingState, Observed};
use crate::plan::allocate::{self, Candidate, Choice, Demand, Place, Size, Spread};
use crate::plan::compose::Filling;
use crate::plan::deployment::decide;
use crate::plan::funnel::{self, Funnel};
use crate::plan::not_yet::Concerned;
use crate::plan::required::{domain, unmet_in_git, unmet_in_inventory, zone};
use crate::plan::slots::Slot;
use crate::plan::{Blocked, MachinePlan, Note, Origin, Plan, uneven};
use schema_fleet::{Deployment, Fleet, Manage, Release, ReleaseOrder, Unmet};
use schema_ids::{BindingId, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Machines named for one reason; a person sees which sort it is, and `muster status` knows them all.
const NAMED_MAX: usize = 3;

/// Reasons told of one deployment, the most frequent first.
const REASONS_MAX: usize = 8;

/// Characters of what one machine lacks: the first disk or port that does not fit says it.
const EVIDENCE_MAX: usize = 160;

/// Of a deployment's bindings, those that its count has room for. Whoever leaves already goes on leaving, and whoever is an orphan
/// stays one, before anybody else does, then those go of which nothing was written, then those of whom `unhealthy` says so, then the
/// highest slots.
pub(super) fn seated(
    deployment: &Deployment,
    bindings: &BTreeMap<BindingId, &Binding>,
    parent: &Plan,
    is_written: impl Fn(&BindingId, &Binding) -> bool,
    observed: &Observed,
) -> BTreeSet<BindingId> {
    let count = deployment.count.as_ref().map_or(0, |count| count.value as usize);
    let is_orphan = |binding: &Binding| {
        let machine = parent.machines.get(&binding.machine);
        machine.is_some_and(|machine| matches!(machine.wanted.intent, Intent::Orphaned { .. }))
    };
    let mut order: Vec<_> = bindings
        .iter()
        .map(|(id, binding)| {
            let is_unhealthy = unhealthy(deployment, observed, binding.machine).is_some();
            let is_blank = !is_written(id, binding);
            let leaves = binding.state == BindingState::Leaving;
            (
                leaves,
                is_orphan(binding),
                is_blank,
                is_unhealthy,
                binding.slot,
                *id,
            )
        })
        .collect();
    order.sort_unstable();
    order.into_iter().take(count).map(|(.., id)| id).collect()
}

/// The entry by which a person took this machine's slot back.
pub(super) fn released<'a>(deployment: &'a Deployment, machine: &Name) -> Option<&'a Release> {
    let named = |release: &&Release| release.machines.iter().any(|named| named.name == *machine);
    deployment.release.as_ref().filter(named)
}

/// Whether machines beyond a deployment's count go without being named.
pub(super) fn releases_surplus(fleet: &Fleet, deployment: &Name) -> bool {
    let deployment = fleet.deployments.get(deployment);
    deployment.is_some_and(|deployment| match deployment.release_order {
        Some(ReleaseOrder::Newest | ReleaseOrder::UnhealthyFirst) => deployment.count.is_some(),
        None => false,
    })
}

/// Why a machine goes before others of its deployment, if it does: it is out of service, and `release-order` asks for that.
pub(super) fn unhealthy<'a>(
    deployment: &Deployment,
    observed: &'a Observed,
    machine: MachineId,
) -> Option<&'a str> {
    match deployment.release_order {
        Some(ReleaseOrder::UnhealthyFirst) => observed.unhealthy.get(&machine).map(String::as_str),
        Some(ReleaseOrder::Newest) | None => None,
    }
}

/// What is said of a machine that goes though nobody named it.
pub(super) fn goes_by_order(
    fleet: &Fleet,
    bindings: &BTreeMap<BindingId, Binding>,
    machine: &MachinePlan,
) -> Option<String> {
    let Intent::Released(erase) = &machine.wanted.intent else {
        return None;
    };
    let Binding { deployment, slot, .. } = bindings.get(&erase.binding)?;
    let count = fleet.deployments.get(deployment)?.count.as_ref()?.value;
    let is_named = released(fleet.deployments.get(deployment)?, &machine.name).is_some();
    (erase.disks.is_empty() && machine.declared && !is_named).then(|| {
        format!(
            "{deployment} counts {count} and {deployment}[{slot}] goes by its release-order; git says nothing of the \
             disks, they keep their contents"
        )
    })
}

/// A deployment that lacks machines.
struct Short<'a> {
    name: &'a Name,
    deployment: &'a Deployment,
    filled: u32,
    missing: u32,
    candidates: BTreeMap<MachineId, Candidate>,
    spread: Spread,
    funnel: Funnel,
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
    let Choice { picks, gave_up } = allocate::choose(short.iter().map(Short::demand).collect());
    let mut reserved: BTreeSet<MachineId> = picks.iter().flatten().copied().collect();
    for (short, picks) in short.iter_mut().zip(picks) {
        picks.iter().for_each(|id| {
            reserved.remove(id);
        });
        offer(filling, machines, short, picks, &reserved);
    }
    // What was kept for somebody and could not be installed there.
    for short in &mut short {
        offer(filling, machines, short, Vec::new(), &BTreeSet::new());
    }
    let short = short.into_iter().filter(|short| short.missing > 0);
    let mut notes: Vec<Note> = short.map(|short| short.note(filling, gave_up)).collect();
    notes.extend(no_longer_fit(filling));
    notes.extend(uneven::notes(filling, machines));
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
    let filled: u32 = seated.map_or(0, BTreeSet::len).try_into().unwrap_or(u32::MAX);
    let filled = filled.saturating_add(filling.slots.adopting.get(name).copied().unwrap_or(0));
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
        spread: Spread::new(deployment.spread.as_ref().map(|spread| spread.max_skew)),
        funnel: Funnel::new(filled as usize),
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
            short.spread.add(&place(fleet, deployment, machine));
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
        short.funnel.look();
        match verdict(filling, *id, machine, name, deployment) {
            Verdict::Fits(candidate) => {
                short.candidates.insert(*id, candidate);
            }
            Verdict::Unseen => {
                short.funnel.lose(funnel::INSPECTED);
                short.unseen.insert(machine.name.clone());
            }
            Verdict::Refused(stage, reason) => {
                short.funnel.lose(stage);
                short.refused.add(reason, &machine.name);
            }
        }
    }
    Some(short)
}

pub(super) enum Verdict {
    Fits(Candidate),
    Unseen,
    /// By what of the funnel, and why.
    Refused(&'static str, String),
}

impl From<Unmet> for Verdict {
    fn from(unmet: Unmet) -> Self {
        Self::Refused(unmet.field, unmet.why)
    }
}

/// Requirements first, since what they exclude is nobody's loss; then whether the machine is free. In this order
/// the answer is the same before a machine is given away and after.
pub(super) fn verdict(
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
        return unmet.into();
    }
    if in_git.is_some_and(|in_git| in_git.reserve.is_some()) {
        return Verdict::Refused(funnel::NOT_KEPT, "reserved".to_owned());
    }
    if in_git.is_some_and(|in_git| in_git.manage == Manage::Observe) {
        return Verdict::Refused(funnel::NOT_KEPT, "only observed".to_owned());
    }
    if machine.foreign().is_some() {
        return Verdict::Refused(funnel::NOT_KEPT, "marked by another control plane".to_owned());
    }
    if let Some(by) = filling.slots.adopted_by.get(&id) {
        return Verdict::Refused(funnel::NOT_KEPT, format!("to be adopted by deployment {by}"));
    }
    if released(deployment, &machine.name).is_some() {
        return Verdict::Refused(funnel::NOT_KEPT, "released here".to_owned());
    }
    if let Some(hold) = filling.free.kept(machine, name) {
        return Verdict::Refused(funnel::NOT_KEPT, format!("kept free by {}", hold.id));
    }
    let seen = filling.context.observed.machines.get(&id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let unmet = require
        .zip(inventory)
        .and_then(|(require, inventory)| unmet_in_inventory(require, inventory));
    if let Some(unmet) = unmet {
        return unmet.into();
    }
    if let Some(taken) = taken(filling, id, name) {
        return Verdict::Refused(funnel::FREE, taken);
    }
    let concerned = Concerned {
        name: &machine.name,
        deployment: Some(name),
    };
    if filling.context.not_yet.blocked(concerned).is_some() {
        let why = "of which git says what is not carried out".to_owned();
        return Verdict::Refused(funnel::CARRIED_OUT, why);
    }
    match inventory {
        None => Verdict::Unseen,
        Some(inventory) => Verdict::Fits(Candidate {
            name: machine.name.clone(),
            place: place(fleet, deployment, machine),
            size: Size::of(inventory),
        }),
    }
}

/// Whose a machine is, if it is not free.
fn taken(filling: &Filling<'_, '_>, id: MachineId, name: &Name) -> Option<String> {
    if let Some(slot) = filling.slots.by_machine.get(&id) {
        return Some(format!("in deployment {}", slot.name));
    }
    if filling.slots.leaving.contains_key(&id) {
        return Some("being released".to_owned());
    }
    let bound = filling.slots.bound.get(&id);
    if let Some(binding) = bound.and_then(|bound| filling.context.parent.bindings.get(bound)) {
        let whose = match binding.deployment == *name {
            true => "this deployment".to_owned(),
            false => format!("deployment {}", binding.deployment),
        };
        return Some(format!("left running for {whose}"));
    }
    let doubted = filling.claims.ambiguous.contains_key(&id);
    doubted.then(|| "whose identity is not certain".to_owned())
}

pub(super) fn place(fleet: &Fleet, deployment: &Deployment, machine: &MachinePlan) -> Place {
    let rack = machine.rack.as_ref();
    let by = deployment.spread.as_ref().map(|spread| spread.by.value);
    Place {
        zone: zone(fleet, rack).cloned(),
        rack: rack.cloned(),
        domain: by.and_then(|by| domain(fleet, by, rack)),
    }
}

/// Offers the free slots of a deployment to the machines that were chosen for it, and where one of them cannot be
/// installed, to whoever is next and not kept for others.
fn offer(
    filling: &mut Filling<'_, '_>,
    machines: &mut BTreeMap<MachineId, MachinePlan>,
    short: &mut Short<'_>,
    picks: Vec<MachineId>,
    reserved: &BTreeSet<MachineId>,
) {
    let mut picks = picks.into_iter();
    while short.missing > 0 {
        let taken = &filling.slots.by_machine;
        let free = short.candidates.iter();
        let free = free.filter(|(id, _)| !taken.contains_key(id) && !reserved.contains(id));
        let Some(id) = picks.next().or_else(|| allocate::next(free, &short.spread)) else {
            return;
        };
        let (Some(candidate), Some(machine)) = (short.candidates.remove(&id), machines.get_mut(&id)) else {
            continue;
        };
        match take(filling, id, machine, short) {
            Ok(()) => {
                short.spread.add(&candidate.place);
                short.missing -= 1;
                short.filled += 1;
            }
            Err(blocked) => {
                short.funnel.lose(funnel::INSTALLABLE);
                short.refused.add(brief(&blocked), &candidate.name);
                // The others were chosen with this one in mind.
                picks = Vec::new().into_iter();
            }
        }
    }
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
    let decided = filling.bind(id, name, number, decided, None);
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
    fn demand(&self) -> Demand<'_> {
        Demand {
            missing: self.missing as usize,
            candidates: &self.candidates,
            spread: self.spread.clone(),
        }
    }

    /// Why candidates that are left have no slot: others have them, or spread keeps them out.
    fn refuse_rest(&mut self, filling: &Filling<'_, '_>) {
        let is_taken = |id: &MachineId| filling.slots.by_machine.contains_key(id);
        let free = self.candidates.iter().filter(|(id, _)| !is_taken(id));
        let emptiest = self.spread.emptiest(free.map(|(_, one)| one)).unwrap_or(0);
        for (id, candidate) in std::mem::take(&mut self.candidates) {
            let (stage, reason) = match taken(filling, id, self.name) {
                Some(reason) => (funnel::FREE, reason),
                None => {
                    let domain = &candidate.place.domain;
                    let reason = uneven::kept_out(self.deployment, &self.spread, domain, emptiest);
                    (funnel::SPREAD, reason)
                }
            };
            self.funnel.lose(stage);
            self.refused.add(reason, &candidate.name);
        }
    }

    fn note(mut self, filling: &Filling<'_, '_>, gave_up: bool) -> Note {
        self.refuse_rest(filling);
        let Self {
            name,
            deployment,
            filled,
            missing,
            unseen,
            refused,
            funnel,
            ..
        } = self;
        let (condition, waits) = match unseen.is_empty() {
            true => (Condition::TooFewMachines, String::new()),
            false => (
                Condition::Commissioning,
                format!(", and waits for the inspection of {}", names(&unseen)),
            ),
        };
        let wanted = filled.saturating_add(missing);
        let mut text = format!("it counts {wanted} and lacks {missing}{waits}");
        text.push_str(&format!("\n{}", funnel.line(deployment, wanted)));
        if gave_up {
            text.push_str(&format!(
                "\nthe search for another choice was given up after {} looks",
                allocate::LOOKS_MAX
            ));
        }
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
                    "it keeps {}[{}], which it would not be given today: it is a machine {}",
                    slot.name, slot.number, unmet.why
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
