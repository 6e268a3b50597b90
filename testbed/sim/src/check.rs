//! The checker: looks at the world from outside, and knows what must never be.
//!
//! It keeps its own books, of plans adopted, goes given and systems that ran, and compares every write
//! with them; it asks none of the code that it checks.

use crate::store::deploy_of;
use crate::world::World;
use rack_api::job::{Deploy, Job, JobRef};
use rack_api::machine::GoRequest;
use reconciler_core::next::Decision;
use reconciler_core::tick::Tick;
use schema_ids::{BindingId, ContentId, Digest, DiskId, Generation, MachineId, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What must not be, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// How long after the beginning.
    pub after: Duration,
    /// How many events had happened.
    pub events: u64,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} ({:?} in, event {})",
            self.invariant, self.what, self.after, self.events
        )
    }
}

/// The checker's books.
#[derive(Default)]
pub(crate) struct Checker {
    /// What adopted plans agreed to erase.
    agreed: BTreeMap<(MachineId, Generation), BTreeSet<(DiskId, ContentId)>>,
    /// Goes that were given while their plan was the adopted one.
    goes: BTreeSet<(JobRef, Uuid)>,
    /// Systems that were seen to run by whoever stood beside the machine.
    ran: BTreeSet<(usize, BindingId, Digest)>,
    /// Installations that were finished.
    finished: BTreeSet<(MachineId, Generation)>,
}

impl Checker {
    pub(crate) fn ran(&mut self, machine: usize, deploy: &Deploy) {
        self.ran.insert((machine, deploy.binding, deploy.spec));
    }
}

impl World {
    /// I2: one binding for each machine, one owner for each disk and address. And the books.
    pub(crate) fn check_plan(&mut self) -> Result<(), Violation> {
        let plan = &self.store.plan;
        let mut machines = BTreeSet::new();
        let mut owned = BTreeSet::new();
        for binding in plan.bindings.values() {
            let disks = binding.disks.iter().map(ToString::to_string);
            let addresses = binding.addresses.iter().map(ToString::to_string);
            if !machines.insert(binding.machine) || !disks.chain(addresses).all(|thing| owned.insert(thing)) {
                return Err(self.violation("one binding", "a machine, disk or address has two bindings"));
            }
        }
        for (id, machine) in &plan.machines {
            let Some(deploy) = deploy_of(&machine.wanted.intent) else {
                continue;
            };
            let place = self
                .check
                .agreed
                .entry((*id, machine.wanted.generation))
                .or_default();
            place.extend(
                deploy
                    .disks
                    .iter()
                    .map(|disk| (disk.disk.clone(), disk.agreed.clone())),
            );
        }
        self.plan_again()
    }

    /// A go counts only for what the adopted plan wants now.
    pub(crate) fn check_go(&mut self, request: &GoRequest) -> Result<(), Violation> {
        let wanted = self
            .store
            .plan
            .machines
            .get(&request.job.machine)
            .map(|machine| machine.wanted.generation);
        if wanted != Some(request.job.generation) {
            let what = format!(
                "generation {} may write, wanted is {wanted:?}",
                request.job.generation
            );
            return Err(self.violation("generations", what));
        }
        self.check.goes.insert((request.job, request.boot_id));
        Ok(())
    }

    /// I1: no write without a go, and none of what no plan agreed to erase.
    pub(crate) fn check_write(
        &mut self,
        machine: usize,
        job: &Job,
        deploy: &Deploy,
        disk: &DiskId,
        last: bool,
    ) -> Result<(), Violation> {
        let place = (job.job.machine, job.job.generation);
        let went = self.check.goes.iter().any(|(known, _)| *known == job.job);
        if !went {
            return Err(self.violation(
                "no write without a go",
                format!("{disk} is written for {:?}", job.job),
            ));
        }
        if self.check.finished.contains(&place) && !last {
            return Err(self.violation("installed once", format!("{disk} is written again for {place:?}")));
        }
        let before = self.machines[machine]
            .disks
            .get(disk)
            .map(|disk| disk.content.clone());
        let Some(before) = before else {
            return Err(self.violation("no write to strangers", format!("{disk} is not in the machine")));
        };
        let own = matches!(&before, ContentId::Marker { binding, installed: false, .. } if *binding == deploy.binding);
        let agreed = self
            .check
            .agreed
            .get(&place)
            .is_some_and(|agreed| agreed.contains(&(disk.clone(), before.clone())));
        if !own && !agreed {
            let what = format!("{disk} held {before}, and no plan of {place:?} agreed to erase that");
            return Err(self.violation("no write without agreement", what));
        }
        if last {
            self.check.finished.insert(place);
        }
        Ok(())
    }

    /// I10: what is said to run, runs. And nothing is waited for without a row that says so.
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
                let what = format!(
                    "{} is said to run {}, and never did",
                    machine.name, deploy.image.name
                );
                return Err(self.violation("honest status", what));
            }
        }
        Ok(())
    }

    /// Grants are never more than the limits.
    pub(crate) fn check_grants(&self, machine: MachineId) -> Result<(), Violation> {
        let grants = self.store.permits.grants.values();
        let erasing = grants.clone().filter(|grant| grant.need.erases.is_some()).count();
        if grants.count() > 4 || erasing > 1 {
            return Err(self.violation("limits", format!("a place too many was given to {machine}")));
        }
        Ok(())
    }

    /// I4: with nothing failing any more, every machine is as wanted, or waits for a person by name. One
    /// that nothing struck is as wanted, unless somebody's data is in the way.
    pub(crate) fn check_converged(&mut self) -> Result<(), Violation> {
        let step = self.tick();
        self.check_decisions(&step)?;
        self.report.ends.clear();
        for (id, decision) in &step.decisions {
            let machine = &self.store.plan.machines[id];
            let place = machine.nics.first().and_then(|nic| self.place_of(nic.mac));
            let harmed = place.is_some_and(|place| self.machines[place].harmed);
            let (word, fine) = match decision {
                Decision::Settled => ("settled".to_owned(), true),
                Decision::Propose(proposal) => (format!("about to {}", proposal.order.cause), false),
                Decision::Wait(wait) => {
                    use reconciler_core::condition::Condition as C;
                    let fine = match wait.condition {
                        C::UnexpectedContents | C::Orphaned => true,
                        C::PowerDrift
                        | C::NotSeenAfterInstall
                        | C::StepFailed
                        | C::JobStalled
                        | C::IdentityAmbiguous
                        | C::LayoutDoesNotFit => harmed,
                        // Whoever is behind one that failed waits until a person has looked at that.
                        C::Budget => self.machines.iter().any(|machine| machine.harmed),
                        _ => false,
                    };
                    (wait.condition.to_string(), fine)
                }
            };
            if !fine {
                let what = format!("{} ended in {word}: {decision:?}", machine.name);
                return Err(self.violation("convergence", what));
            }
            *self.report.ends.entry(word).or_default() += 1;
        }
        Ok(())
    }
}
