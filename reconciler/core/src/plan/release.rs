//! What a `removed` entry sets going: which bindings leave, what is erased for them, when they end.
//!
//! A binding whose disks shall be erased leaves first and keeps its slot, disks and addresses until every
//! disk is on record as erased. Only disks that the binding wrote are ever in it. `disks = "retain"` is a release of no
//! disks, also of a binding that is leaving: it is over when the machine was seen off, or a person vouches for that, so
//! that nobody meets two machines of one name and address. `keep` leaves single disks out: broken or lost ones.

use crate::condition::Condition;
use crate::facts::erased_for;
use crate::intent::Intent;
use crate::observed::{Binding, BindingState, DiskContents, Observed};
use crate::plan::contents::{Consents, Loss, Question};
use crate::plan::counted;
use crate::plan::deployment::{Context, Decided, last_deploy};
use crate::plan::growth::Growth;
use crate::plan::moved::Names;
use crate::plan::written::{Written, marked, written};
use crate::plan::{AsIs, Blocked, MachinePlan, Note, Origin, Plan, as_is, digest, ownership};
use rack_api::job::{Deploy, DiskErase, Erase, EraseMethod};
use schema_fleet::{DiskFate, Fleet, Manage, Quarantine, Spanned};
use schema_ids::{BindingId, ContentId, Digest, DiskId, Generation, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a binding that git says something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing new: it is active.
    Stays,
    /// It ends with this plan: nothing was ever written for it.
    Ends,
    /// It leaves: its disks are being erased or its machine switched off, or shall be.
    Leaves,
    /// It ends with this plan: its disks are erased, or its machine is gone and they keep what they hold.
    IsOver,
    /// It ends with this plan, and nothing is done to its machine: nothing of it was begun and git no longer wants it, or
    /// the machine was adopted, and runs on, or it bears another's mark.
    IsDropped,
}

/// What git says of the disks of a binding that goes.
#[derive(Clone, Copy)]
struct Fate<'a> {
    disks: DiskFate,
    keep: &'a [Spanned<DiskId>],
    quarantine: Option<Quarantine>,
}

impl<'a> Fate<'a> {
    /// The word on a machine counts before that on its deployment; `removed`: git says that the machine is gone.
    fn of(fleet: &'a Fleet, binding: &Binding, name: Option<&Name>, removed: bool) -> Option<Self> {
        let removed = name.filter(|_| removed);
        let of_machine = removed.and_then(|name| fleet.removed_machines.get(name));
        let of_deployment = fleet.removed_deployments.get(&binding.deployment);
        let counted = fleet.deployments.get(&binding.deployment).zip(name);
        let given_back = counted.and_then(|(deployment, name)| counted::released(deployment, name));
        of_machine
            .map(|gone| (&gone.disks, &gone.keep, gone.quarantine))
            .or(of_deployment.map(|gone| (&gone.disks, &gone.keep, gone.quarantine)))
            .or(given_back.map(|gone| (&gone.disks, &gone.keep, gone.quarantine)))
            // An erasure that is not carried out is no reason for another one: it stays as it runs, and a note says so.
            .filter(|(disks, ..)| matches!(disks.value, DiskFate::Retain | DiskFate::Quick))
            .map(|(disks, keep, quarantine)| Self {
                disks: disks.value,
                keep,
                quarantine,
            })
    }

    fn keeps(&self, disk: &DiskId) -> bool {
        self.disks == DiskFate::Retain || self.keep.iter().any(|kept| kept.value == *disk)
    }
}

/// What bindings are turned by.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) observed: &'a Observed,
    pub(super) parent: &'a Plan,
    /// By what the plan may grow.
    pub(super) growth: Growth,
    /// What git calls the parent's machines now.
    pub(super) names: &'a Names,
}

impl Ground<'_> {
    /// What becomes of this binding of the parent plan.
    pub(super) fn turn(&self, id: &BindingId, binding: &Binding, git: InGit) -> Turn {
        let fate = self.fate(binding, git.removed);
        match (binding.state, fate) {
            // Its deployment has room for fewer and says in which order they go. What nobody named keeps its contents.
            (BindingState::Active, None) if git.surplus => Turn::Leaves,
            (BindingState::Active, Some(_)) if self.is_unwritten(id, binding) => Turn::Ends,
            // Somebody's data that nobody consented to lose keeps its binding, and runs on.
            (BindingState::Active, Some(_)) if self.withheld(id, binding, git.removed).is_some() => {
                Turn::Stays
            }
            (BindingState::Active, Some(_)) => Turn::Leaves,
            (BindingState::Active, None) => Turn::Stays,
            // Taken back in time: nothing was written yet.
            (BindingState::Leaving, None) if git.named && !self.is_begun(id, &binding.machine) => Turn::Stays,
            (BindingState::Leaving, _) if self.is_over(id, &binding.machine, fate) => Turn::IsOver,
            (BindingState::Leaving, _) => Turn::Leaves,
        }
    }

    /// Whether nothing was ever written to the binding's machine. What the database does not know, since it comes
    /// from a backup, the disks may say.
    pub(super) fn is_unwritten(&self, id: &BindingId, binding: &Binding) -> bool {
        let seen = self.observed.machines.get(&binding.machine);
        // What it was adopted with is no less than what muster writes.
        !self.is_as_is(id, binding)
            && seen.is_none_or(|seen| {
                let inventory = seen.inventory.as_ref();
                let is_marked = inventory.is_some_and(|inventory| marked(inventory, *id).next().is_some());
                !seen.ever_written && seen.installed.is_none() && !is_marked
            })
    }

    /// Whether its machine was adopted, and is as it was.
    pub(super) fn is_as_is(&self, id: &BindingId, binding: &Binding) -> bool {
        as_is::record(self.parent.machines.get(&binding.machine), *id).is_some()
    }

    /// Whether a binding ends with this plan since its machine was adopted, git no longer says so, and says that nothing is
    /// done with the machine.
    fn is_let_alone(&self, id: &BindingId, binding: &Binding, declared: bool) -> bool {
        let Some(name) = self.names.get(&binding.machine) else {
            return false;
        };
        let entry = self.fleet.deployments.get(&binding.deployment);
        let is_adopted = declared && entry.is_some_and(|deployment| as_is::is_named(deployment, name));
        let is_observed = match self.fleet.machines.get(name).filter(|_| declared) {
            Some(machine) => machine.manage == Manage::Observe,
            // One that is removed goes as it was last known; one that git merely stopped naming keeps its slot.
            None => {
                let before = self.parent.machines.get(&binding.machine);
                self.fate(binding, true).is_some() && before.is_some_and(|before| before.observe)
            }
        };
        // A release is over as well: nothing more is done.
        let is_kept = is_adopted && binding.state == BindingState::Active;
        self.is_as_is(id, binding) && is_observed && !is_kept
    }

    /// Whether its machine bears another's mark, and git does not take it over: nobody touches that to end a slot.
    fn is_anothers(&self, binding: &Binding, declared: bool) -> bool {
        let id = binding.machine;
        let before = self.parent.machines.get(&id);
        let name = self.names.get(&id).filter(|_| declared);
        let mark = match name.and_then(|name| self.fleet.machines.get(name)) {
            Some(machine) => ownership::of_declared(self.fleet, self.observed, id, machine, before),
            None => before.and_then(|before| ownership::of_undeclared(self.observed, id, before)),
        };
        mark.and_then(|mark| mark.foreign)
            .is_some_and(|foreign| !foreign.taken_over)
    }

    /// What becomes of this binding, where git may only let its machine be observed, or it is another's: nobody switches that off.
    pub(super) fn observed_turn(
        &self,
        id: &BindingId,
        binding: &Binding,
        git: InGit,
        declared: bool,
    ) -> Turn {
        let turn = self.turn(id, binding, git);
        if turn != Turn::IsOver && self.is_let_alone(id, binding, declared) {
            return Turn::IsDropped;
        }
        if self.is_anothers(binding, declared) {
            return match (turn, binding.state) {
                (Turn::IsOver, _) => Turn::IsOver,
                (Turn::Leaves, BindingState::Leaving) => Turn::IsDropped,
                _ if self.fate(binding, git.removed).is_some() => Turn::IsDropped,
                // A lower count names no machine: nobody has said that this one is let go.
                (Turn::Leaves, BindingState::Active) => Turn::Stays,
                // What is only a plan ends with git's wish for it.
                (Turn::Stays, _) if !git.named && self.is_unwritten(id, binding) => Turn::IsDropped,
                (turn, _) => turn,
            };
        }
        let name = self.names.get(&binding.machine).filter(|_| declared);
        let machine = name.and_then(|name| self.fleet.machines.get(name));
        let is_observed = machine.is_some_and(|machine| machine.manage == Manage::Observe);
        match (turn, binding.state) {
            (Turn::Leaves, BindingState::Active) if is_observed => Turn::Stays,
            (Turn::Stays, _) if !git.named && self.is_unwritten(id, binding) => Turn::IsDropped,
            (turn, _) => turn,
        }
    }

    /// What keeps an adopted machine from being released with its disks erased: contents that nobody consented to.
    fn withheld(&self, id: &BindingId, binding: &Binding, removed: bool) -> Option<Blocked> {
        let fate = self.fate(binding, removed)?;
        let record = as_is::record(self.parent.machines.get(&binding.machine), *id)?;
        let name = self.names.get(&binding.machine);
        let question = Question {
            observed: self.observed,
            parent: self.parent,
            id: binding.machine,
            consents: name.map_or(Consents::None, |name| Consents::of(self.fleet, name, removed)),
            binding: *id,
            written: &BTreeMap::new(),
            as_is: true,
            protected: false,
        };
        let mut disks = found(&question, record);
        disks.retain(|disk| !fate.keeps(&disk.disk));
        // First what a commit would have to say.
        let mut looks = [Growth::Commit, self.growth].into_iter();
        looks.find_map(|growth| disks.iter().find_map(|disk| agree(&question, growth, disk).err()))
    }

    fn fate(&self, binding: &Binding, removed: bool) -> Option<Fate<'_>> {
        let name = self.names.get(&binding.machine);
        Fate::of(self.fleet, binding, name, removed)
    }

    fn erase(&self, id: &BindingId, machine: &MachineId) -> Option<(&MachinePlan, &Erase)> {
        let machine = self.parent.machines.get(machine)?;
        standing(machine, *id).map(|erase| (machine, erase))
    }

    /// Whether what the release has done so far is all that git still wants of it.
    fn is_over(&self, id: &BindingId, machine: &MachineId, fate: Option<Fate<'_>>) -> bool {
        let seen = self.observed.machines.get(machine);
        let Some(((machine, erase), seen)) = self.erase(id, machine).zip(seen) else {
            return false;
        };
        let mut left = erase.clone();
        left.disks
            .retain(|disk| fate.is_none_or(|fate| !fate.keeps(&disk.disk)));
        match left.disks.is_empty() {
            true => seen.gone_in >= Some(machine.wanted.generation),
            false => erased_for(&left, machine.leaving_since, &seen.erased).is_some(),
        }
    }

    /// Whether erasing may have begun: since the binding leaves, a disk of it is on record, or a go. Where nobody
    /// can tell since when it leaves, it has. What is wanted of the machine now does not tell: it may only be observed.
    fn is_begun(&self, id: &BindingId, machine: &MachineId) -> bool {
        let plan = self.parent.machines.get(machine);
        let since = plan.and_then(|plan| plan.leaving_since);
        since.is_none() || begun(self.observed, *id, *machine, since)
    }
}

/// Whether erasing may have begun for a binding that leaves since this generation.
pub(super) fn begun(
    observed: &Observed,
    binding: BindingId,
    machine: MachineId,
    since: Option<Generation>,
) -> bool {
    observed.machines.get(&machine).is_none_or(|seen| {
        let records = seen.erased.values().map(|seen| &seen.value);
        let mut own = records.filter(|record| record.binding == binding);
        own.any(|record| Some(record.job.generation) >= since)
            || (seen.written_in.is_some() && seen.written_in >= since)
    })
}

/// The quarantine that the entry says which ends a binding, if there is such an entry.
pub(super) fn entry(
    fleet: &Fleet,
    binding: &Binding,
    name: &Name,
    removed: bool,
) -> Option<Option<Quarantine>> {
    Fate::of(fleet, binding, Some(name), removed).map(|fate| fate.quarantine)
}

/// What git says of a binding's machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct InGit {
    /// A `removed.machine` entry is about it.
    pub(super) removed: bool,
    /// It is named in the binding's deployment.
    pub(super) named: bool,
    /// The deployment counts fewer, and its `release-order` says that this one goes.
    pub(super) surplus: bool,
}

/// Decides what a machine whose binding leaves shall be: erased, disk by disk of what it was last told to
/// run; or released as it is, if no word in git is on its disks. `None` if what it was told to run is not known any more.
/// `name` is what git calls it, `removed` whether as a machine that is gone.
pub(super) fn decide(
    context: &Context<'_>,
    id: MachineId,
    name: &Name,
    binding: BindingId,
    removed: bool,
) -> Option<Decided> {
    let before = context.parent.machines.get(&id)?;
    let standing = standing(before, binding);
    let bound = context.parent.bindings.get(&binding)?;
    let fate = Fate::of(context.fleet, bound, Some(name), removed);
    // What a person has said once stands, until git says something else.
    let retained = match standing {
        Some(erase) => erase.disks.is_empty(),
        // It goes by `release-order`.
        None => true,
    };
    if fate.map_or(retained, |fate| fate.disks == DiskFate::Retain) {
        return Some(released(of_disks(context, binding, Vec::new()), None));
    }
    let record = as_is::record(Some(before), binding);
    let deploy = last_deploy(before).filter(|deploy| deploy.binding == binding);
    let question = Question {
        observed: context.observed,
        parent: context.parent,
        id,
        consents: Consents::of(context.fleet, name, removed),
        binding,
        written: &written(context, id, binding),
        as_is: record.is_some(),
        protected: false,
    };
    let mut disks = match (record, deploy) {
        (Some(record), _) => found(&question, record),
        (None, Some(deploy)) => walked(&question, deploy, standing),
        (None, None) => return None,
    };
    disks.retain(|known| !fate.is_some_and(|fate| fate.keeps(&known.disk)));
    let (candidate, blocked) = resolve(context, &question, disks, standing);
    let erase = standing
        .filter(|standing| same_wish(standing, &candidate))
        .unwrap_or(&candidate);
    let blocked = blocked.or_else(|| context.growth.unshown(&question, erased(erase)));
    Some(released(erase.clone(), blocked))
}

/// Why the machine of a binding that stays is not released as git says; see [`Ground::turn`].
pub(super) fn withheld(
    context: &Context<'_>,
    names: &Names,
    binding: BindingId,
    removed: bool,
) -> Option<Blocked> {
    let ground = Ground {
        fleet: context.fleet,
        observed: context.observed,
        parent: context.parent,
        growth: context.growth,
        names,
    };
    let bound = context.parent.bindings.get(&binding)?;
    ground.withheld(&binding, bound, removed)
}

fn released(erase: Erase, blocked: Option<Blocked>) -> Decided {
    Decided {
        intent: Intent::Released(Box::new(erase)),
        blocked,
        outdated: BTreeSet::new(),
        loses: Loss::Nothing,
    }
}

/// The release that is under way for this binding.
fn standing(machine: &MachinePlan, binding: BindingId) -> Option<&Erase> {
    match &machine.wanted.intent {
        Intent::Released(erase) => Some(&**erase).filter(|erase| erase.binding == binding),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Deployed(_)
        | Intent::Orphaned { .. }
        | Intent::Retired => None,
    }
}

/// The disks that a release erases, with what they hold.
pub(super) fn erased(erase: &Erase) -> impl Iterator<Item = DiskContents> {
    erase.disks.iter().map(|disk| DiskContents {
        disk: disk.disk.clone(),
        content: disk.agreed.clone(),
    })
}

/// Each disk of the binding with what may go; and what keeps a person from agreeing to that.
fn resolve(
    context: &Context<'_>,
    question: &Question<'_>,
    known: Vec<Known>,
    standing: Option<&Erase>,
) -> (Erase, Option<Blocked>) {
    let mut blocked = None;
    let mut disks = Vec::new();
    for known in known {
        let agreed = agree(question, Growth::Commit, &known).unwrap_or_else(|why| {
            blocked.get_or_insert(why);
            let before = standing.and_then(|erase| erase.disks.iter().find(|disk| disk.disk == known.disk));
            before.map_or_else(|| known.agreed.clone(), |disk| disk.agreed.clone())
        });
        disks.push(DiskErase {
            agreed,
            size_bytes: known.size_bytes,
            disk: known.disk,
        });
    }
    (of_disks(context, question.binding, disks), blocked)
}

fn of_disks(context: &Context<'_>, binding: BindingId, disks: Vec<DiskErase>) -> Erase {
    let mut erase = Erase {
        binding,
        incarnation: context.observed.incarnation,
        spec: Digest([0; 32]),
        method: EraseMethod::Quick,
        disks,
    };
    erase.spec = digest::erase_spec(&erase);
    erase
}

/// A disk that a release erases.
struct Known {
    disk: DiskId,
    size_bytes: u64,
    /// What may go as far as plans know.
    agreed: ContentId,
    written: Option<Written>,
}

/// The disks that a machine was adopted with. What they hold is nobody's to erase before a person consents to it.
fn found(question: &Question<'_>, record: &AsIs) -> Vec<Known> {
    let seen = question.observed.machines.get(&question.id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let size = |id: &DiskId| {
        let mut disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
        disks
            .find(|disk| disk.id.as_ref() == Some(id))
            .map_or(0, |disk| disk.size_bytes)
    };
    let known = record.disks().map(|disk| Known {
        disk: disk.clone(),
        size_bytes: size(disk),
        agreed: ContentId::Blank,
        written: None,
    });
    known.collect()
}

/// The disks that the binding has written, under any layout; those of the last one where nothing is known
/// of what it has begun. What a release was told to erase stays in it.
fn walked(question: &Question<'_>, deploy: &Deploy, standing: Option<&Erase>) -> Vec<Known> {
    let written = question.written;
    let stands = standing.into_iter().flat_map(|erase| &erase.disks);
    let stands = stands.map(|disk| (&disk.disk, disk.size_bytes, &disk.agreed));
    let planned = deploy.disks.iter();
    let planned = planned.filter(|plan| written.is_empty() || written.contains_key(&plan.disk));
    let planned = planned.map(|plan| (&plan.disk, plan.size_bytes, &plan.agreed));
    let earlier = written
        .iter()
        .map(|(disk, written)| (disk, written.size_bytes, &written.agreed));
    let seen = question.observed.machines.get(&question.id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let found = inventory
        .into_iter()
        .flat_map(|inventory| marked(inventory, question.binding))
        // What nobody told of is there: a person has to agree to it.
        .map(|(disk, size_bytes)| (disk, size_bytes, &ContentId::Blank));
    let mut walked: Vec<Known> = Vec::new();
    for (disk, size_bytes, agreed) in stands.chain(planned).chain(earlier).chain(found) {
        if walked.iter().all(|known| known.disk != *disk) {
            walked.push(Known {
                disk: disk.clone(),
                size_bytes,
                agreed: agreed.clone(),
                written: written.get(disk).cloned(),
            });
        }
    }
    walked
}

/// What may be erased from a disk of the binding: what it left there, what it was allowed to erase when it
/// came, what a person consents to.
fn agree(question: &Question<'_>, growth: Growth, known: &Known) -> Result<ContentId, Blocked> {
    let keep = format!(
        "or leave it out: keep = [\"{}\"] in the entry that removes it",
        known.disk
    );
    let seen = question.observed.machines.get(&question.id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let mut disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
    let Some(disk) = disks.find(|disk| disk.id.as_ref() == Some(&known.disk)) else {
        return Err(Blocked {
            condition: Condition::DiskMissing,
            evidence: format!(
                "{} is not in the machine, so that it cannot be erased; put it back, {keep}",
                known.disk
            ),
        });
    };
    let content = question.content(disk, &known.disk);
    let written = known.written.as_ref();
    let came_with = written.map_or(&known.agreed, |written| &written.agreed);
    if ![&known.agreed, came_with].contains(&&content) {
        question.agree(disk, &known.disk).map_err(|why| Blocked {
            condition: Condition::UnexpectedContents,
            evidence: format!("{why}, {keep}"),
        })?;
    }
    let erased = DiskContents {
        disk: known.disk.clone(),
        content,
    };
    let is_begun = is_begun_by(&erased.content, question.binding);
    let unshown = growth.unshown(question, Some(erased.clone()).filter(|_| !is_begun).into_iter());
    unshown.map_or(Ok(erased.content), Err)
}

/// Whether a binding has itself begun to write this, or to erase it.
fn is_begun_by(content: &ContentId, binding: BindingId) -> bool {
    matches!(content, ContentId::Marker { binding: of, installed: false, .. } if *of == binding)
}

/// Whether a release that stands agrees to all that is now known: what it has itself begun to write, or has
/// erased, is no other content.
fn same_wish(standing: &Erase, candidate: &Erase) -> bool {
    let is_own = |content: &ContentId| *content == ContentId::Blank || is_begun_by(content, standing.binding);
    standing.disks.len() == candidate.disks.len()
        && standing.disks.iter().zip(&candidate.disks).all(|(stands, now)| {
            (&stands.disk, stands.size_bytes) == (&now.disk, now.size_bytes)
                && (stands.agreed == now.agreed || is_own(&now.agreed))
        })
}

/// A retired machine's row: nothing of it is wanted. What git gives to another machine, that one has.
pub(super) fn retire(fleet: &Fleet, before: &MachinePlan) -> MachinePlan {
    let nics = fleet.machines.values().flat_map(|machine| machine.nic.values());
    let macs: BTreeSet<_> = nics.map(|nic| nic.mac.value).collect();
    let bmcs = fleet
        .machines
        .values()
        .filter_map(|machine| machine.bmc.as_ref()?.address.as_ref());
    let bmcs: BTreeSet<_> = bmcs.map(|address| address.value).collect();
    let passed_on = before.nics.iter().any(|nic| macs.contains(&nic.mac))
        || before.bmc.as_ref().is_some_and(|bmc| bmcs.contains(&bmc.address));
    let mut machine = before.clone();
    machine.outdated.clear();
    if passed_on {
        machine.nics.clear();
        machine.bmc = None;
    }
    machine
}

/// `removed` entries that ask for more than was done: a retired machine on which nothing of ours ever stood.
pub(super) fn notes(
    fleet: &Fleet,
    observed: &Observed,
    machines: &BTreeMap<MachineId, MachinePlan>,
) -> Vec<Note> {
    let kept = machines.iter().filter_map(|(id, machine)| {
        let gone = fleet.removed_machines.get(&machine.name)?;
        let seen = observed.machines.get(id)?;
        let has_disks = seen.inventory.as_ref().is_some_and(|seen| !seen.disks.is_empty());
        let nothing_done = machine.wanted.intent == Intent::Retired && seen.erased.is_empty();
        (nothing_done && has_disks && gone.disks.value == DiskFate::Quick).then(|| Note {
            object: format!("removed.machine.{}", machine.name),
            code: Condition::DisksKept.code().to_owned(),
            text: match machine.foreign() {
                Some(_) => {
                    "it bears the mark of another control plane: its disks keep their contents".to_owned()
                }
                None => "no deployment stood on its disks: they keep their contents".to_owned(),
            },
            origin: Some(Origin::of(&gone.origin)),
        })
    });
    kept.collect()
}
