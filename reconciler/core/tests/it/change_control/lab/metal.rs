//! Machines: they do as they are told, fail, go off by themselves and come back.

use super::Lab;
use rack_api::fact::{FactBody, PowerSeen, StepState};
use rack_api::job::{JobKind, JobRef};
use rack_api::order::{Lane, PowerWanted};
use reconciler_core::facts::{MachineFacts, WriteStart};
use reconciler_core::intent::Intent;
use schema_ids::{Digest, MachineId, Timestamp, Uuid};

/// A machine as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metal {
    /// Whether its installed system runs.
    pub(crate) up: bool,
    pub(crate) home: Option<Timestamp>,
    pub(crate) installed_at: Option<Timestamp>,
    /// What is installed on it.
    pub(crate) spec: Option<Digest>,
    pub(crate) image: Option<Digest>,
    /// Since when it is off, and from when to when it was before.
    pub(super) off: Option<Timestamp>,
    pub(super) rests: Vec<(Timestamp, Timestamp)>,
    boots: u8,
    /// The job that runs.
    pub(super) running: Option<(JobRef, bool)>,
}

impl Lab {
    /// A machine gets on with the next thing that it was told; whether there was one.
    pub(super) fn advance(&mut self, id: MachineId) -> bool {
        let facts = self.folded(id);
        let generation = self.generation(id);
        let (boot, power) = (
            facts.newest(Lane::Boot).cloned(),
            facts.newest(Lane::Power).cloned(),
        );
        if let Some(boot) = boot.as_ref().filter(|boot| boot.taken.is_empty()) {
            let order = boot.issued.order.reference();
            self.tell(id, FactBody::OrderTaken { order });
            return true;
        }
        if let Some(power) = power
            .as_ref()
            .filter(|power| power.done.is_none() && power.failed.is_none())
        {
            let order = power.issued.order.reference();
            let is_on = power.power() == Some(PowerWanted::On);
            let leaves = matches!(self.world.parent.machines[&id].wanted.intent, Intent::Released(_));
            if is_on && leaves {
                // It never comes up for its erasure: nothing is begun, so that it can be taken back.
                return false;
            }
            let state = if is_on { PowerSeen::On } else { PowerSeen::Off };
            self.switched(id, is_on);
            let metal = self.metal.get_mut(&id).unwrap();
            if !is_on {
                (metal.up, metal.running) = (false, None);
            }
            self.tell(
                id,
                FactBody::Power {
                    machine: id,
                    power: state,
                },
            );
            self.tell(id, FactBody::OrderDone { order });
            return true;
        }
        let is_on = facts
            .power
            .as_ref()
            .is_some_and(|power| power.value == PowerSeen::On);
        if !is_on || self.metal[&id].up {
            return false;
        }
        match boot.and_then(|boot| boot.job().cloned()) {
            Some(job) if job.job.generation == generation => self.on_with_job(id, &job.job, &job.kind),
            // What was begun to be written starts no more.
            _ if is_whole(&facts) => {
                self.home(id);
                true
            }
            _ => false,
        }
    }

    fn on_with_job(&mut self, id: MachineId, job: &JobRef, kind: &JobKind) -> bool {
        if matches!(kind, JobKind::Erase(_)) {
            return false;
        }
        let metal = &self.metal[&id];
        match metal.running {
            Some((running, _)) if running == *job => {
                if matches!(kind, JobKind::Deploy(_)) {
                    self.installed(id);
                }
                let boot_id = self.boot_id(id);
                self.tell(id, FactBody::JobDone { job: *job, boot_id });
                self.metal.get_mut(&id).unwrap().running = Some((*job, true));
                false
            }
            _ if metal
                .running
                .is_some_and(|(running, done)| done && running == *job) =>
            {
                false
            }
            _ => {
                let metal = self.metal.get_mut(&id).unwrap();
                metal.boots += 1;
                metal.running = Some((*job, false));
                let boot_id = self.boot_id(id);
                let at = self.now();
                if matches!(kind, JobKind::Deploy(_)) {
                    let nonce = Uuid::from_bytes([0xdd; 16]);
                    let start = WriteStart {
                        job: *job,
                        boot_id,
                        nonce,
                        at,
                        refused: None,
                    };
                    self.starts.entry(id).or_default().push(start);
                    self.world.begin(id);
                }
                self.tell(id, FactBody::JobStarted { job: *job, boot_id });
                true
            }
        }
    }

    fn boot_id(&self, id: MachineId) -> Uuid {
        Uuid::from_bytes([self.metal[&id].boots; 16])
    }

    pub(super) fn installed(&mut self, id: MachineId) {
        let Intent::Deployed(deploy) = self.world.parent.machines[&id].wanted.intent.clone() else {
            return;
        };
        let (job, _) = self.metal[&id].running.unwrap();
        if self.metal[&id].spec == Some(deploy.spec) && job.generation != self.generation(id) {
            return;
        }
        self.tell(
            id,
            FactBody::Installed {
                job,
                binding: deploy.binding,
                spec: deploy.spec,
                disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
            },
        );
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        (metal.spec, metal.image) = (Some(deploy.spec), Some(deploy.image.digest));
        metal.installed_at = Some(now);
        self.world.install(id);
    }

    pub(super) fn home(&mut self, id: MachineId) {
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        metal.boots += 1;
        (metal.up, metal.running, metal.home) = (true, None, Some(now));
        self.judge.finished(id);
        let Some(binding) = self
            .world
            .parent
            .bindings
            .iter()
            .find(|(_, bound)| bound.machine == id)
        else {
            return;
        };
        let (binding, root_disk) = (*binding.0, binding.1.disks.iter().next().cloned());
        let boot_id = self.boot_id(id);
        self.tell(
            id,
            FactBody::PhonedHome {
                machine: id,
                binding,
                boot_id,
                root_disk,
                root_device: "/dev/vda2".to_owned(),
            },
        );
    }

    /// A job that runs fails for good.
    pub(super) fn fail(&mut self, id: MachineId) {
        let Some((job, false)) = self.metal[&id].running else {
            return;
        };
        let boot_id = self.boot_id(id);
        self.tell(
            id,
            FactBody::Step {
                job,
                boot_id,
                step: "unpack".to_owned(),
                state: StepState::Failed {
                    code: "IMAGE_DIGEST_MISMATCH".to_owned(),
                    error: "other bytes".to_owned(),
                },
            },
        );
        self.metal.get_mut(&id).unwrap().running = Some((job, true));
    }

    /// Its power goes on or off.
    fn switched(&mut self, id: MachineId, on: bool) {
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        match on {
            true => metal.rests.extend(metal.off.take().map(|off| (off, now))),
            false => {
                metal.off.get_or_insert(now);
            }
        }
    }

    pub(super) fn power(&mut self, id: MachineId) {
        let metal = self.metal.get_mut(&id).unwrap();
        if metal.up {
            metal.up = false;
            self.switched(id, false);
            let power = PowerSeen::Off;
            self.tell(id, FactBody::Power { machine: id, power });
        } else {
            self.comes_back(id);
        }
    }

    /// Somebody switches it on at its front: its own system starts, where there is one.
    pub(super) fn comes_back(&mut self, id: MachineId) {
        let facts = self.folded(id);
        let is_off = facts
            .power
            .as_ref()
            .is_some_and(|power| power.value == PowerSeen::Off);
        if is_off && is_whole(&facts) && facts.newest(Lane::Boot).is_none_or(|order| order.job().is_none()) {
            let power = PowerSeen::On;
            self.switched(id, true);
            self.tell(id, FactBody::Power { machine: id, power });
            self.home(id);
        }
    }

    /// An agent carries out no order whose time is over.
    pub(super) fn give_up(&mut self, id: MachineId) {
        let Some(order) = self.folded(id).newest(Lane::Power).cloned() else {
            return;
        };
        if order.done.is_some() || order.failed.is_some() || order.issued.order.deadline > self.now() {
            return;
        }
        self.tell(
            id,
            FactBody::OrderFailed {
                order: order.issued.order.reference(),
                step: "power".to_owned(),
                error: "its time was over".to_owned(),
            },
        );
        if self.metal[&id].up && order.issued.order.by_hand.is_some() {
            self.judge.finished(id);
        }
    }
}

/// Whether what is installed was not begun to be written over.
fn is_whole(facts: &MachineFacts) -> bool {
    let installed = facts.installed.as_ref();
    installed.is_some_and(|seen| facts.written_in <= Some(seen.value.job.generation))
}
