//! The checker: looks at the world from outside, and knows what must never be.
//!
//! It keeps its own books, of plans adopted, installations finished, facts on agents' disks and systems
//! that ran, and compares what happens with them; it asks none of the code that it checks.

use crate::agent::Agent;
use crate::budget::Out;
use crate::daemon::{BOOTS_MAX, Daemon};
use crate::invariant::Invariant;
use crate::planned::Shown;
use crate::report::Violation;
use crate::store::deploy_of;
use crate::world::World;
use rack_api::fact::Fact;
use rack_api::job::{Deploy, Erase, Job};
use rack_api::sync::Spooled;
use reconciler_core::condition::Condition;
use reconciler_core::facts::WriteStart;
use reconciler_core::intent::{Intent, Wanted};
use reconciler_core::next::Decision;
use reconciler_core::observed::BindingState;
use reconciler_core::plan::{Plan, Quarantine};
use reconciler_core::tick::Tick;
use schema_ids::{BindingId, ContentId, Digest, DiskId, Generation, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The checker's books.
#[derive(Default)]
pub(crate) struct Checker {
    /// What adopted plans agreed to erase.
    agreed: BTreeMap<(MachineId, Generation), BTreeSet<(DiskId, ContentId)>>,
    /// Systems that were seen to run by whoever stood beside the machine.
    ran: BTreeSet<(usize, BindingId, Digest)>,
    /// Installations that were finished.
    pub(crate) finished: BTreeSet<(MachineId, Generation)>,
    /// Bindings whose machines were told that they may write.
    told: BTreeSet<BindingId>,
    /// Since when bindings leave, and by which intent of their machines first.
    leaving: BTreeMap<BindingId, (Timestamp, Generation)>,
    /// Bindings that leave and whose machines were told that they may erase.
    begun: BTreeSet<BindingId>,
    /// Disks that releases have erased.
    erased: BTreeSet<(BindingId, DiskId)>,
    /// Facts on agents' disks that the agents have not forgotten.
    spooled: BTreeMap<(Name, u64), Fact>,
    /// Who is out of service by our doing.
    pub(crate) out: Out,
    /// What plans have shown.
    pub(crate) shown: Shown,
}

impl Checker {
    pub(crate) fn ran(&mut self, machine: usize, deploy: &Deploy) {
        self.out.back(machine);
        self.ran.insert((machine, deploy.binding, deploy.spec));
    }

    pub(crate) fn spooled(&mut self, agent: &Name, spooled: &Spooled) {
        let place = (agent.clone(), spooled.sequence);
        self.spooled.entry(place).or_insert_with(|| spooled.fact.clone());
    }
}

impl World<'_> {
    /// The generation that the adopted plan wants of a machine.
    pub(crate) fn wanted(&self, id: MachineId) -> Option<Generation> {
        Some(self.store.plan.machines.get(&id)?.wanted.generation)
    }

    /// A machine's name, for people.
    pub(crate) fn name_of(&self, id: MachineId) -> String {
        let machine = self.store.plan.machines.get(&id);
        machine.map_or_else(|| id.to_string(), |machine| machine.name.to_string())
    }

    /// Before `plan` takes the adopted one's place.
    pub(crate) fn check_adoption(&self, plan: &Plan) -> Result<(), Violation> {
        for (id, before) in &self.store.plan.machines {
            let Some(now) = plan.machines.get(id) else {
                continue;
            };
            let (old, new) = (&before.wanted, &now.wanted);
            let length = |quarantine: Option<Quarantine>| quarantine.map(|it| it.seconds);
            let longer = length(now.quarantine) > length(before.quarantine);
            let is_same = new.intent == old.intent && !longer;
            if new.generation < old.generation || (new.generation == old.generation) != is_same {
                let (old, new) = (words(old), words(new));
                let what = format!("{}: {old} is followed by {new}", before.name);
                return Err(self.violation(Invariant::OneIntent, what));
            }
        }
        let bindings = self.store.plan.bindings.iter();
        for (id, binding) in bindings.filter(|(id, _)| !plan.bindings.contains_key(*id)) {
            if binding.state != BindingState::Leaving {
                if self.check.told.contains(id) {
                    let what = format!("{id} ends, and {} may have written for it", binding.machine);
                    return Err(self.violation(Invariant::WrittenStays, what));
                }
                continue;
            }
            if self.keeps_disks(binding.machine) && self.was_off(*id, binding.machine) {
                continue;
            }
            for disk in &binding.disks {
                let erased = self.check.erased.contains(&(*id, disk.clone()));
                if !erased || !self.store.has_erased(binding.machine, *id, disk) {
                    let what = format!("{id} ends, and {disk} was erased: {erased}, or is not on record");
                    return Err(self.violation(Invariant::ReleasedErased, what));
                }
            }
        }
        Ok(())
    }

    /// Whether its release erases nothing, or people just said that disks are kept.
    fn keeps_disks(&self, machine: MachineId) -> bool {
        let planned = self.store.plan.machines.get(&machine);
        let intent = planned.map(|planned| &planned.wanted.intent);
        matches!(intent, Some(Intent::Released(erase)) if erase.disks.is_empty()) || self.people.keep_disks()
    }

    /// Whether the machine of a binding that leaves was off since it does, or its BMC said so to whoever was to switch it off for
    /// that, and lied, which nobody can know.
    fn was_off(&self, binding: BindingId, machine: MachineId) -> bool {
        let planned = self.store.plan.machines.get(&machine);
        let nic = planned.and_then(|planned| planned.nics.first());
        let place = nic
            .and_then(|nic| self.place_of(nic.mac))
            .map(|place| &self.machines[place]);
        let since = self.check.leaving.get(&binding);
        place.zip(since).is_some_and(|(place, (since, intent))| {
            !place.on || place.on_since > *since || place.bmc.lied_for >= Some(*intent)
        })
    }

    /// After a plan was adopted.
    pub(crate) fn check_plan(&mut self) -> Result<(), Violation> {
        self.note_shown();
        let plan = &self.store.plan;
        let mut owned = BTreeSet::new();
        for (id, binding) in &plan.bindings {
            let disks = binding.disks.iter().map(ToString::to_string);
            let addresses = binding.addresses.iter().map(ToString::to_string);
            let things = disks.chain(addresses).chain([binding.machine.to_string()]);
            for thing in things {
                if !owned.insert(thing.clone()) {
                    let what = format!("{thing} is in {id} and in another binding");
                    return Err(self.violation(Invariant::OneBinding, what));
                }
            }
        }
        let leaving = plan.bindings.iter();
        let leaving = leaving.filter(|(_, binding)| binding.state == BindingState::Leaving);
        let before = std::mem::take(&mut self.check.leaving);
        let since = leaving.filter_map(|(id, binding)| {
            let intent = plan.machines.get(&binding.machine)?.wanted.generation;
            Some((*id, before.get(id).copied().unwrap_or((self.now, intent))))
        });
        self.check.leaving = since.collect();
        let leaving = &self.check.leaving;
        self.check.begun.retain(|id| leaving.contains_key(id));
        for (id, machine) in &plan.machines {
            let place = (*id, machine.wanted.generation);
            if let Intent::Released(erase) = &machine.wanted.intent {
                let agreed = self.check.agreed.entry(place).or_default();
                let disks = erase.disks.iter();
                agreed.extend(disks.map(|disk| (disk.disk.clone(), disk.agreed.clone())));
            }
            let Some(deploy) = deploy_of(&machine.wanted.intent) else {
                continue;
            };
            let disks = deploy.disks.iter();
            let place = (*id, machine.wanted.generation);
            let agreed = self.check.agreed.entry(place).or_default();
            agreed.extend(disks.map(|disk| (disk.disk.clone(), disk.agreed.clone())));
        }
        Ok(())
    }

    /// After a plan was adopted, with nothing new heard since it was made.
    pub(crate) fn check_plan_stands(&mut self) -> Result<(), Violation> {
        let again = self.planned();
        match again.filter(|again| !again.changes.is_empty()) {
            None => Ok(()),
            Some(again) => {
                let changes = again
                    .changes
                    .iter()
                    .map(|change| format!("{}: {}", change.object, change.why));
                let what = format!(
                    "planning again changes {}",
                    changes.collect::<Vec<_>>().join("; ")
                );
                Err(self.violation(Invariant::PlanStands, what))
            }
        }
    }

    /// A go counts only for what the adopted plan wants now.
    pub(crate) fn check_go(&mut self, start: &WriteStart) -> Result<(), Violation> {
        let (generation, wanted) = (start.job.generation, self.wanted(start.job.machine));
        if wanted == Some(generation) {
            let intent = &self.store.plan.machines[&start.job.machine].wanted.intent;
            self.check
                .told
                .extend(deploy_of(intent).map(|deploy| deploy.binding));
            return match intent {
                Intent::Released(erase) => self.check_quarantine(start.job.machine, erase.binding),
                _ => Ok(()),
            };
        }
        let name = self.name_of(start.job.machine);
        let what = format!("{name} may write for generation {generation}, wanted is {wanted:?}");
        Err(self.violation(Invariant::OnlyWhatIsWanted, what))
    }

    /// A machine that is told to erase what its binding wrote has been off for long enough, unless it was told so before
    /// or nobody could know.
    fn check_quarantine(&mut self, id: MachineId, binding: BindingId) -> Result<(), Violation> {
        let machine = &self.store.plan.machines[&id];
        let nic = machine.nics.first();
        let place = nic.and_then(|nic| self.place_of(nic.mac));
        let place = place.map(|place| &self.machines[place]);
        let (Some(place), Some((since, _)), Some(quarantine)) =
            (place, self.check.leaving.get(&binding), machine.quarantine)
        else {
            return Ok(());
        };
        if !self.check.begun.insert(binding) || place.misled_until >= Some(*since) {
            return Ok(());
        }
        let mut rests = place.rests.iter();
        if rests.any(|(off, on)| on.since(*since.max(off)) >= quarantine.length()) {
            return Ok(());
        }
        let what = format!(
            "{} leaves since {since} and was not off for {quarantine}",
            machine.name
        );
        Err(self.violation(Invariant::Quarantine, what))
    }

    /// Before `machine` writes to `disk`: the first time, or the `last`.
    pub(crate) fn check_write(
        &mut self,
        machine: usize,
        job: &Job,
        deploy: &Deploy,
        disk: &DiskId,
        last: bool,
    ) -> Result<(), Violation> {
        let (reference, place) = (job.job, (job.job.machine, job.job.generation));
        let gone = |start: &WriteStart| start.job == reference && start.refused.is_none();
        if !self.store.starts.iter().any(gone) {
            let what = format!("m{machine} writes {disk} for {reference:?}");
            return Err(self.violation(Invariant::GoOnRecord, what));
        }
        if self.check.finished.contains(&place) && !last {
            let what = format!("m{machine} writes {disk} again for {reference:?}");
            return Err(self.violation(Invariant::InstalledOnce, what));
        }
        let before = self.machines[machine].disks.get(disk);
        let before = before.map(|disk| disk.content.clone());
        let own = matches!(&before, Some(ContentId::Marker { binding, installed: false, .. }) if *binding == deploy.binding);
        let agreed = self.check.agreed.get(&place).zip(before.clone());
        let agreed = agreed.is_some_and(|(agreed, before)| agreed.contains(&(disk.clone(), before)));
        if !own && !agreed {
            let held = before.map_or_else(|| "nothing: it is not there".to_owned(), |held| held.to_string());
            let what = format!("m{machine} writes {disk} for {reference:?}; it held {held}");
            return Err(self.violation(Invariant::AgreedContents, what));
        }
        if let Some(before) = before.filter(|_| !own && !last) {
            self.check_shown(machine, &job.job, disk, &before)?;
        }
        if last {
            self.check.finished.insert(place);
        }
        Ok(())
    }

    /// When something is ordered or allowed.
    pub(crate) fn check_stopped(&self, what: impl FnOnce() -> String) -> Result<(), Violation> {
        match self.store.restraints.is_empty() {
            true => Ok(()),
            false => Err(self.violation(Invariant::Stopped, what())),
        }
    }

    /// Before `machine` erases `disk`.
    pub(crate) fn check_erase(
        &mut self,
        machine: usize,
        job: &Job,
        erase: &Erase,
        disk: &DiskId,
    ) -> Result<(), Violation> {
        let (reference, place) = (job.job, (job.job.machine, job.job.generation));
        let gone = |start: &WriteStart| start.job == reference && start.refused.is_none();
        if !self.store.starts.iter().any(gone) {
            let what = format!("m{machine} erases {disk} for {reference:?}");
            return Err(self.violation(Invariant::GoOnRecord, what));
        }
        let before = self.machines[machine].disks.get(disk);
        let before = before.map(|disk| disk.content.clone());
        let is_own = match &before {
            Some(ContentId::Marker {
                binding,
                installed: false,
                ..
            }) => *binding == erase.binding,
            before => *before == Some(ContentId::Blank),
        };
        let agreed = self.check.agreed.get(&place).into_iter().flatten();
        let of_disk: Vec<&ContentId> = agreed
            .filter(|(of, _)| of == disk)
            .map(|(_, held)| held)
            .collect();
        if of_disk.is_empty() || !(is_own || of_disk.contains(&before.as_ref().unwrap_or(&ContentId::Blank)))
        {
            let what = format!("m{machine} erases {disk} for {reference:?}; it held {before:?}");
            return Err(self.violation(Invariant::ReleasedErased, what));
        }
        if let Some(before) = before.filter(|_| !is_own) {
            self.check_shown(machine, &job.job, disk, &before)?;
        }
        self.check.erased.insert((erase.binding, disk.clone()));
        Ok(())
    }

    /// What is said to run, runs.
    pub(crate) fn check_decisions(&self, step: &Tick) -> Result<(), Violation> {
        for (id, decision) in &step.decisions {
            let machine = &self.store.plan.machines[id];
            let deploy = deploy_of(&machine.wanted.intent);
            let Some(deploy) = deploy.filter(|_| *decision == Decision::Settled) else {
                continue;
            };
            let place = machine.nics.first().and_then(|nic| self.place_of(nic.mac));
            let ran =
                place.is_some_and(|place| self.check.ran.contains(&(place, deploy.binding, deploy.spec)));
            if !ran {
                let what = format!("{} is said to run {}", machine.name, deploy.image.name);
                return Err(self.violation(Invariant::HonestStatus, what));
            }
        }
        Ok(())
    }

    /// After `machine` was given a place.
    pub(crate) fn check_grants(&self, machine: MachineId) -> Result<(), Violation> {
        let grants = &self.store.permits.grants;
        let erasing = grants
            .values()
            .filter(|grant| grant.need.erases.is_some())
            .count();
        // Whoever is out already is erased beside those that a budget lets.
        let few = self.settings.budget.is_some() || erasing <= 1;
        if grants.len() <= BOOTS_MAX as usize && few {
            return Ok(());
        }
        let name = self.name_of(machine);
        let what = format!(
            "with {name}, {} machines boot and {erasing} are erased",
            grants.len()
        );
        Err(self.violation(Invariant::Limits, what))
    }

    /// Before an agent forgets what it has on disk up to this number.
    pub(crate) fn check_forgotten(&mut self, agent: &Name, up_to: u64) -> Result<(), Violation> {
        let places = (agent.clone(), 0)..=(agent.clone(), up_to);
        let forgotten: Vec<u64> = self.check.spooled.range(places).map(|((_, at), _)| *at).collect();
        for sequence in forgotten {
            let fact = self.check.spooled.remove(&(agent.clone(), sequence));
            self.check_stored(agent, sequence, fact.as_ref())?;
        }
        Ok(())
    }

    /// At the end, all that was ever on an agent's disk is stored.
    pub(crate) fn check_facts_arrived(&self) -> Result<(), Violation> {
        let spooled = &self.check.spooled;
        spooled
            .iter()
            .try_for_each(|((agent, sequence), fact)| self.check_stored(agent, *sequence, Some(fact)))
    }

    fn check_stored(&self, agent: &Name, sequence: u64, fact: Option<&Fact>) -> Result<(), Violation> {
        if self.store.received(agent, sequence) == fact {
            return Ok(());
        }
        let what = format!("{agent}'s fact {sequence} is not stored as it was");
        Err(self.violation(Invariant::FactsKept, what))
    }

    /// With nothing failing any more, every machine is as wanted, or waits for a person by name. One
    /// that nothing struck is as wanted, unless somebody's data is in the way.
    pub(crate) fn check_converged(&mut self) -> Result<(), Violation> {
        let step = self.tick();
        self.check_decisions(&step)?;
        self.report.end.clear();
        for (id, decision) in &step.decisions {
            if !self.is_end(*id, decision) {
                let name = self.name_of(*id);
                let end = match decision {
                    Decision::Settled => "settled".to_owned(),
                    Decision::Propose(proposal) => format!("about to be ordered: {}", proposal.order.cause),
                    Decision::Wait(wait) => {
                        format!("{} since {}: {}", wait.condition, wait.since, wait.evidence)
                    }
                };
                return Err(self.violation(Invariant::Convergence, format!("{name} ended {end}")));
            }
            let machine = &self.store.plan.machines[id];
            let end = self.end_of(*id, decision);
            self.report.end.insert(machine.name.clone(), end);
        }
        Ok(())
    }

    /// Whether nothing is under way or about to be.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        let told = |agent: &Agent| agent.is_up() && agent.has_told_all();
        let calm = self.people.coming == 0
            && self.store.plan.commit.as_ref() == Some(&self.people.commit)
            && self.daemons.iter().all(Daemon::is_idle)
            && self.agents.values().all(told)
            && self
                .machines
                .iter()
                .all(|machine| !machine.bmc.is_faulty(self.now));
        if !calm {
            return false;
        }
        let step = self.tick();
        let waits = |decision: &Decision| matches!(decision, Decision::Wait(wait) if wait.retry_at.is_some());
        let over = |(id, decision): (&MachineId, &Decision)| !waits(decision) && self.is_end(*id, decision);
        step.effects.is_empty() && step.decisions.iter().all(over)
    }

    /// Whether a machine may end like this.
    fn is_end(&self, id: MachineId, decision: &Decision) -> bool {
        use Condition as C;
        let condition = match decision {
            Decision::Settled => return true,
            Decision::Propose(_) => return false,
            Decision::Wait(wait) => wait.condition,
        };
        match condition {
            // Somebody's data is in the way; git forgot it; or an installation that ended after the commit
            // left what that commit's plan had not shown.
            C::UnexpectedContents | C::Orphaned | C::PlanChangedSinceShown => true,
            C::PowerDrift
            | C::NotSeenAfterInstall
            | C::StepFailed
            | C::JobStalled
            | C::IdentityAmbiguous
            | C::LayoutDoesNotFit => {
                let nic = self
                    .store
                    .plan
                    .machines
                    .get(&id)
                    .and_then(|machine| machine.nics.first());
                let place = nic.and_then(|nic| self.place_of(nic.mac));
                place.is_some_and(|place| self.machines[place].harmed)
            }
            // Whoever is behind one that failed waits until a person has looked at that.
            C::Budget | C::Canary => self.machines.iter().any(|machine| machine.harmed),
            _ => false,
        }
    }

    /// How a machine ended, for comparing runs.
    fn end_of(&self, id: MachineId, decision: &Decision) -> String {
        let machine = &self.store.plan.machines[&id];
        let word = match decision {
            Decision::Settled => "settled".to_owned(),
            Decision::Propose(proposal) => proposal.order.cause.clone(),
            Decision::Wait(wait) => wait.condition.to_string(),
        };
        let image = deploy_of(&machine.wanted.intent).map_or("none", |deploy| deploy.image.name.as_str());
        let place = machine.nics.first().and_then(|nic| self.place_of(nic.mac));
        let Some(place) = place.map(|place| &self.machines[place]) else {
            return word;
        };
        let disks: Vec<String> = place
            .disks
            .iter()
            .map(|(id, disk)| format!("{id} holds {}", disk.content))
            .collect();
        let power = if place.on { "on" } else { "off" };
        let runs = place
            .runs
            .as_ref()
            .map_or("nothing", |deploy| deploy.image.name.as_str());
        format!(
            "{word}; generation {}, image {image}; {power}, runs {runs}; {}",
            machine.wanted.generation,
            disks.join(", ")
        )
    }
}

/// An intent in words, with its digest where it has one.
fn words(wanted: &Wanted) -> String {
    let intent = match &wanted.intent {
        Intent::Observe { .. } => "observed".to_owned(),
        Intent::Ready { .. } => "ready".to_owned(),
        Intent::AsIs { .. } => "as it is".to_owned(),
        Intent::Orphaned { .. } => "orphaned".to_owned(),
        Intent::Released(erase) => format!("released, erased ({})", erase.spec),
        Intent::Retired => "retired".to_owned(),
        Intent::Deployed(deploy) => format!("deployed with {} ({})", deploy.image.name, deploy.spec),
    };
    format!("generation {}, {intent}", wanted.generation)
}
