//! A plan made of its parts: links, machines, their intents, what differs, what guards say.

mod bind;
mod left_alone;
mod undeclared;

use crate::condition::Condition;
use crate::intent::{Intent, Wanted};
use crate::observed::{Binding, BindingState, DiskContents, Observed};
use crate::plan::addresses::Addresses;
use crate::plan::as_is::{self, Kept};
use crate::plan::claim::Claims;
use crate::plan::contents::Loss;
use crate::plan::deployment::{Context, Decided, decide, erased, is_written, last_deploy};
use crate::plan::growth::{Asks, Growth};
use crate::plan::held::KeptFree;
use crate::plan::limits::Limits;
use crate::plan::not_yet::NotCarriedOut;
use crate::plan::slots::{Slot, Slots};
use crate::plan::written::{Written, written};
use crate::plan::{Blocked, Cause, Control, Desired, MachinePlan, Note, Plan, Protect, WipeSet};
use crate::plan::{
    budgets, cause, changes, claim, counted, digest, effect, guards, held, links, machines, moved, ownership,
    quarantine, reads, release, slots,
};
use rack_api::config::Ephemeral;
use rack_api::job::Deploy;
use schema_fleet::Fleet;
use schema_ids::{BindingId, DiskId, Generation, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

pub(super) fn plan(desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
    // What the parent's own commit still asks for is no new commit's doing.
    let is_pending = parent.commit.as_deref() == Some(desired.commit);
    let base = desired.base.as_ref().filter(|_| !is_pending).map(|base| Desired {
        fleet: base.fleet,
        commit: base.commit,
        base: None,
    });
    // Neither needs the other, and each takes as long.
    let (mut plan, base) = thread::scope(|scope| {
        let base = base
            .as_ref()
            .map(|base| scope.spawn(|| compose(base, observed, parent, now)));
        let plan = compose(desired, observed, parent, now);
        (plan, base.map(ScopedJoinHandle::join))
    });
    if is_pending {
        for change in &mut plan.changes {
            change.cause = Cause::Pending;
        }
    }
    match base {
        None => {}
        Some(Ok(base)) => cause::mark(&mut plan, &base),
        Some(Err(panicked)) => panic::resume_unwind(panicked),
    }
    digest::name(&mut plan);
    plan
}

fn compose(desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
    let fleet = desired.fleet;
    let (parent, renamed) = moved::deployments(fleet, parent);
    let parent = parent.as_ref();
    let is_same_commit = parent.commit.as_deref() == Some(desired.commit);
    let asks = Asks::of(fleet, parent, is_same_commit);
    let growth = Growth::of(asks, is_same_commit);
    let claims = claim::claims(fleet, observed, parent, growth);
    let taken = machines::taken(fleet, observed, parent);
    let mut addresses = Addresses::new(fleet, &observed.addresses_in_use, taken);
    let mut machines = machines::declared(fleet, observed, parent, &claims, &mut addresses);
    let not_yet = NotCarriedOut::new(fleet);
    let slots = slots::slots(fleet, observed, parent, growth, &claims, &not_yet);
    let names = leaving_names(parent, &slots);
    let mut filling = Filling {
        context: Context {
            fleet,
            observed,
            parent,
            growth,
            leaving_names: &names,
            not_yet: &not_yet,
        },
        claims: &claims,
        bindings: kept_bindings(parent, &slots),
        slots,
        addresses: &mut addresses,
        free: KeptFree::new(fleet, observed, now),
        owners: BTreeMap::new(),
        losses: BTreeMap::new(),
    };
    filling.fill_all(&mut machines);
    let unfilled = counted::fill(&mut filling, &mut machines);
    let Filling {
        context,
        bindings,
        losses,
        slots,
        free,
        ..
    } = filling;
    let (holds, no_allocate) = free.remembered();
    machines.extend(undeclared::undeclared(&context, &claims, &slots));

    let mut plan = Plan {
        id: String::new(),
        parent: Some(parent.id.clone()),
        commit: Some(desired.commit.to_owned()),
        made: now,
        fleet: fleet.name.clone(),
        links: links::links(fleet),
        ephemeral: ephemeral(fleet),
        wipe_set: wipe_set(&machines, observed),
        notes: [notes(fleet, observed, &machines, &bindings), unfilled].concat(),
        machines,
        bindings,
        ended: ended(parent, &slots),
        changes: Vec::new(),
        guards: Vec::new(),
        holds,
        no_allocate,
        base: None,
        reads: BTreeMap::new(),
        disks: BTreeMap::new(),
        destroys: BTreeSet::new(),
        budgets: BTreeMap::new(),
        control: Control::of(fleet, asks),
    };
    plan.budgets = budgets::budgets(fleet, &plan, parent);
    plan.notes.extend(not_yet.notes(plan.machines.values()));
    plan.changes = changes::changes(fleet, parent, &plan, observed, &slots.ending, renamed);
    plan.destroys = guards::destroyed(&slots.ending, &losses);
    plan.guards = guards::guards(&guards::Ground {
        fleet,
        observed,
        parent,
        limits: Limits::of(fleet).under(parent.control.limits.as_deref()),
        new: &plan,
        ending: &slots.ending,
        losses: &losses,
    });
    told(plan, fleet, observed, parent)
}

/// With what is said of it that follows from the rest.
fn told(mut plan: Plan, fleet: &Fleet, observed: &Observed, parent: &Plan) -> Plan {
    plan.guards.extend(budgets::report(&plan));
    plan.guards
        .extend(held::report(&plan, &observed.restraints, plan.made));
    plan.reads = reads::reads(&plan, fleet, observed, parent);
    plan.disks = effect::disks(&plan, observed);
    plan
}

/// Bindings that have ended, and those that do now.
fn ended(parent: &Plan, slots: &Slots<'_>) -> BTreeSet<BindingId> {
    let ending = slots.ending.keys().filter(|id| slots.ends(id));
    let ended = parent.ended.iter().chain(ending);
    ended.chain(&slots.over).chain(&slots.dropped).copied().collect()
}

/// The host names of machines that leave, each with the machine's own name.
fn leaving_names<'a>(parent: &'a Plan, slots: &Slots<'_>) -> BTreeMap<&'a str, &'a Name> {
    let leaving = slots.leaving.keys().filter_map(|id| parent.machines.get(id));
    leaving
        .filter_map(|machine| Some((last_deploy(machine)?.hostname.as_str(), &machine.name)))
        .collect()
}

fn kept_bindings(parent: &Plan, slots: &Slots<'_>) -> BTreeMap<BindingId, Binding> {
    let kept = parent.bindings.iter().filter(|(id, _)| !slots.ends(id));
    let leaving: BTreeSet<&BindingId> = slots.leaving.values().collect();
    kept.map(|(id, binding)| {
        let state = if leaving.contains(id) {
            BindingState::Leaving
        } else {
            BindingState::Active
        };
        (
            *id,
            Binding {
                state,
                ..binding.clone()
            },
        )
    })
    .collect()
}

/// Gives machines their intents, one after the other.
pub(super) struct Filling<'a, 'b> {
    pub(super) context: Context<'a>,
    pub(super) claims: &'b Claims,
    pub(super) slots: Slots<'a>,
    pub(super) addresses: &'b mut Addresses<'a>,
    /// The holds that keep free machines from being given slots.
    pub(super) free: KeptFree,
    bindings: BTreeMap<BindingId, Binding>,
    /// Whose each disk is.
    owners: BTreeMap<DiskId, BindingId>,
    /// What each machine newly loses, where it newly loses anything.
    losses: BTreeMap<MachineId, Loss>,
}

impl<'a> Filling<'a, '_> {
    fn fill_all(&mut self, machines: &mut BTreeMap<MachineId, MachinePlan>) {
        self.own();
        for (id, machine) in machines {
            self.fill(*id, machine);
        }
    }

    fn own(&mut self) {
        for (id, binding) in &self.bindings {
            self.owners
                .extend(binding.disks.iter().map(|disk| (disk.clone(), *id)));
        }
    }

    fn fill(&mut self, id: MachineId, machine: &mut MachinePlan) {
        let before = self.context.parent.machines.get(&id);
        let leaving = self.slots.leaving.get(&id).copied();
        let bound = self.slots.bound.get(&id).copied().or(leaving);
        machine.as_is = bound
            .filter(|binding| !is_written(&self.context, id, *binding))
            .and_then(|binding| as_is::record(before, binding))
            .map(|record| Box::new(record.clone()));
        let kept = match self.claims.ambiguous.contains_key(&id) || machine.foreign().is_some() {
            true => None,
            false => self.kept_as_it_is(id, machine),
        };
        let slot = self.slots.by_machine.get(&id);
        let decided = if let Some(why) = self.claims.ambiguous.get(&id) {
            let blocked = Blocked {
                condition: Condition::IdentityAmbiguous,
                evidence: why.clone(),
            };
            let why = why.clone();
            plain(Intent::Observe { why, look: None }, Some(blocked))
        } else if let Some(foreign) = machine.foreign() {
            self.anothers(id, machine, foreign)
        } else if let Some(Kept { decided, as_is }) = kept {
            machine.as_is = as_is.map(Box::new);
            match slot {
                Some(slot) => {
                    let (name, number) = (slot.name, slot.number);
                    let decided = self.bind(id, name, number, decided, machine.as_is.as_deref());
                    let record = machine.as_is.take();
                    machine.as_is = record.filter(|record| self.bindings.contains_key(&record.binding));
                    decided
                }
                None => decided,
            }
        } else if machine.observe {
            self.only_observed(id, machine)
        } else if let Some(decided) =
            leaving.and_then(|binding| release::decide(&self.context, id, &machine.name, binding, false))
        {
            decided
        } else if let Some(blocked) = slot.and_then(|slot| self.kept_free(slot, machine)) {
            plain(Intent::IDLE, Some(blocked))
        } else if let Some(slot) = slot {
            let (name, number) = (slot.name, slot.number);
            let decided = decide(&self.context, id, machine, slot, self.addresses);
            self.bind(id, name, number, decided, None)
        } else if let Some(binding) = bound {
            plain(Intent::Orphaned { binding }, None)
        } else {
            plain(Intent::IDLE, None)
        };
        let decided = self.withheld(id, machine, decided);
        self.settle(id, machine, decided);
    }

    /// Why a machine is not given the slot for which it is named.
    fn kept_free(&self, slot: &Slot<'_>, machine: &MachinePlan) -> Option<Blocked> {
        match self.bindings.contains_key(&slot.binding) {
            true => None,
            false => self.free.blocked(machine, slot.name),
        }
    }

    /// Writes what was decided into the machine's plan.
    pub(super) fn settle(&mut self, id: MachineId, machine: &mut MachinePlan, decided: Decided) {
        let before = self.context.parent.machines.get(&id);
        let slot = self.slots.by_machine.get(&id);
        let bound = self.slots.bound.get(&id).or(self.slots.leaving.get(&id));
        let protect = match (slot, bound) {
            (Some(slot), _) => slot.deployment.protect.map(Protect::of),
            (None, Some(binding)) => self.protect_of(before, binding),
            (None, None) => None,
        };
        machine.protect = machine.protect.max(protect);
        let intent = match decided.intent {
            Intent::Ready { .. } => Intent::Ready {
                look: look(before, machine.inspect),
            },
            intent @ (Intent::Observe { .. }
            | Intent::Deployed(_)
            | Intent::AsIs { .. }
            | Intent::Orphaned { .. }
            | Intent::Released(_)
            | Intent::Retired) => intent,
        };
        machine.wanted = wanted(before, intent);
        let binding = slot.map(|slot| slot.binding).or(bound.copied());
        machine.was_protected =
            machine.protect.is_none() && quarantine::was_protected(self.context.parent, before, binding);
        let leaver = quarantine::Leaver {
            id,
            name: &machine.name,
            removed: false,
            protected: machine.protect.is_some() || machine.was_protected,
        };
        machine.quarantine = quarantine::of(&self.context, leaver, &mut machine.wanted);
        let stays = binding.filter(|_| !self.slots.leaving.contains_key(&id));
        machine.taken_back = quarantine::taken_back(self.context.parent, before, &machine.wanted, stays);
        machine.blocked = decided.blocked;
        machine.outdated = decided.outdated;
        machine.kept = kept(before, &machine.wanted.intent, binding);
        machine.written = match last_deploy(machine) {
            Some(deploy) => turned(&self.context, id, machine.wanted.generation, deploy.binding),
            None => BTreeMap::new(),
        };
        machine.leaving_since = leaving_since(
            self.context.parent,
            before,
            self.slots.leaving.get(&id),
            machine.wanted.generation,
        );
        let newly = before.is_none_or(|before| before.wanted.generation != machine.wanted.generation);
        if newly && decided.loses > Loss::Nothing {
            self.losses.insert(id, decided.loses);
        }
    }

    /// The protection that a machine without a slot has of its binding: that of its deployment, and of one that
    /// git no longer names the last that was in force.
    fn protect_of(&self, before: Option<&MachinePlan>, binding: &BindingId) -> Option<Protect> {
        let bound = self.context.parent.bindings.get(binding)?;
        match self.context.fleet.deployments.get(&bound.deployment) {
            Some(deployment) => deployment.protect.map(Protect::of),
            None => before?.protect,
        }
    }
}

fn plain(intent: Intent, blocked: Option<Blocked>) -> Decided {
    Decided {
        intent,
        blocked,
        outdated: BTreeSet::new(),
        loses: Loss::Nothing,
    }
}

/// An intent with its number, which rises only when the intent changes by value.
fn wanted(before: Option<&MachinePlan>, intent: Intent) -> Wanted {
    match before {
        Some(before) if before.wanted.intent == intent => Wanted {
            generation: before.wanted.generation,
            intent,
        },
        Some(before) => Wanted {
            generation: before.wanted.generation.next(),
            intent,
        },
        None => Wanted {
            generation: Generation(1),
            intent,
        },
    }
}

/// From which generation on an idle machine's inventory does: from the next on, where git raised `inspect`.
fn look(before: Option<&MachinePlan>, inspect: u64) -> Generation {
    match before {
        Some(before) if inspect > before.inspect => before.wanted.generation.next(),
        Some(MachinePlan {
            wanted: Wanted {
                intent: Intent::Ready { look },
                ..
            },
            ..
        }) => *look,
        Some(_) | None => Generation(0),
    }
}

/// What it was last told to run, while its binding stays and its intent says nothing of it.
fn kept(before: Option<&MachinePlan>, intent: &Intent, binding: Option<BindingId>) -> Option<Arc<Deploy>> {
    if matches!(intent, Intent::Deployed(_)) {
        return None;
    }
    before
        .and_then(last_deploy)
        .filter(|deploy| Some(deploy.binding) == binding)
        .cloned()
}

/// The disks that its binding had begun to write when its intent was last another one.
fn turned(
    context: &Context<'_>,
    id: MachineId,
    generation: Generation,
    binding: BindingId,
) -> BTreeMap<DiskId, Written> {
    let before = context.parent.machines.get(&id);
    match before.filter(|before| before.wanted.generation == generation) {
        Some(before) => before.written.clone(),
        None => written(context, id, binding),
    }
}

/// Since which generation the binding that leaves does.
fn leaving_since(
    parent: &Plan,
    before: Option<&MachinePlan>,
    leaving: Option<&BindingId>,
    generation: Generation,
) -> Option<Generation> {
    match parent.bindings.get(leaving?)?.state {
        BindingState::Active => Some(generation),
        BindingState::Leaving => before?.leaving_since,
    }
}

/// Disks that are still to be erased, with what may go.
fn wipe_set(machines: &BTreeMap<MachineId, MachinePlan>, observed: &Observed) -> WipeSet {
    let mut entries: BTreeMap<MachineId, BTreeSet<DiskContents>> = BTreeMap::new();
    for (id, machine) in machines {
        let deploy = match &machine.wanted.intent {
            Intent::Deployed(deploy) => deploy,
            Intent::Released(erase) if erase.disks.is_empty() => continue,
            Intent::Released(erase) => {
                entries.insert(*id, release::erased(erase).collect());
                continue;
            }
            Intent::Observe { .. }
            | Intent::Ready { .. }
            | Intent::AsIs { .. }
            | Intent::Orphaned { .. }
            | Intent::Retired => continue,
        };
        if observed.machines.get(id).is_none_or(|seen| !seen.runs(deploy)) {
            entries.insert(*id, erased(deploy).collect());
        }
    }
    WipeSet::of(entries)
}

/// The system that jobs run in, if the image has all three parts.
fn ephemeral(fleet: &Fleet) -> Option<Ephemeral> {
    let image = fleet.images.get(&fleet.settings.ephemeral.name)?;
    let digest = |part: &Option<schema_fleet::Part>| part.as_ref().map(|part| part.sha256.value);
    Some(Ephemeral {
        kernel: digest(&image.kernel)?,
        initrd: digest(&image.initrd)?,
        rootfs: digest(&image.rootfs)?,
    })
}

/// What was asked for and is not done.
fn notes(
    fleet: &Fleet,
    observed: &Observed,
    machines: &BTreeMap<MachineId, MachinePlan>,
    bindings: &BTreeMap<BindingId, Binding>,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |object: String, condition: Condition, text: String, origin| {
        notes.push(Note {
            object,
            code: condition.code().to_owned(),
            text,
            origin,
        });
    };
    for machine in machines.values() {
        let origin = Some(machine.origin.clone());
        let object = format!("machine.{}", machine.name);
        if let Some(blocked) = &machine.blocked {
            note(
                object.clone(),
                blocked.condition,
                blocked.evidence.clone(),
                origin.clone(),
            );
        }
        let binding = |id| {
            bindings
                .get(id)
                .map(|binding: &Binding| (&binding.deployment, binding.slot))
        };
        if let Intent::Deployed(deploy) = &machine.wanted.intent
            && let Some((name, slot)) = binding(&deploy.binding)
            && let Some(written) = fleet.deployments.get(name).map(|deployment| deployment.reinstall)
            && written < deploy.epoch
        {
            let text = format!(
                "{name}[{slot}] was installed by epoch {}, git says {written}",
                deploy.epoch
            );
            note(object.clone(), Condition::ReinstallLowered, text, origin.clone());
        }
        if let Intent::Orphaned { binding } = &machine.wanted.intent {
            let place = bindings
                .get(binding)
                .map(|binding| format!("{}[{}]", binding.deployment, binding.slot));
            let text = format!(
                "git no longer names it, it keeps running {}",
                place.unwrap_or_default()
            );
            let too_many = bindings.get(binding).filter(|_| machine.declared);
            let text = too_many
                .and_then(|binding| counted::one_too_many(fleet, binding, &machine.name))
                .unwrap_or(text);
            note(object.clone(), Condition::Orphaned, text, origin.clone());
        } else if let Some(text) = counted::goes_by_order(fleet, bindings, machine) {
            note(object, Condition::DisksKept, text, origin);
        } else if matches!(machine.wanted.intent, Intent::Observe { .. }) && !machine.declared {
            note(
                object,
                Condition::Orphaned,
                "git no longer names it; it is left alone".to_owned(),
                origin,
            );
        }
    }
    notes.extend(release::notes(fleet, observed, machines));
    notes.extend(ownership::notes(fleet, observed, machines));
    notes
}
