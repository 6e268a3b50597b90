//! The in-machine agent: asks for a job, carries it out, and says so until an agent has it on disk.

use crate::machine::Stage;
use crate::report::Violation;
use crate::rpc::Question;
use crate::world::World;
use rack_api::fact::{FactBody, StepState};
use rack_api::job::{Deploy, Erase, Job, JobKind};
use rack_api::machine::{GoRequest, Verdict};
use schema_ids::{BindingId, ContentId, MachineId, Name};
use std::time::Duration;

/// Every job step says something this often.
const STEPS: u32 = 4;

impl World<'_> {
    /// "What shall I do?"
    pub(super) fn hello(&mut self, machine: usize) -> Result<(), Violation> {
        let (mac, boot_id) = (self.machines[machine].mac, self.machines[machine].boot_id);
        let job = self.server(machine).and_then(|server| {
            let agent = &self.agents[&server];
            let id: MachineId = agent.machine_of(mac)?;
            Some((server, agent.job_for(id, boot_id)?))
        });
        let Some((server, job)) = job else {
            return self.again(machine, Stage::Hello);
        };
        let started = FactBody::JobStarted {
            job: job.job,
            boot_id,
        };
        if !self.tell(&server, vec![started])? {
            return self.again(machine, Stage::Hello);
        }
        let place = &mut self.machines[machine];
        (place.job, place.progress, place.nonce) = (Some(job), 0, None);
        let work = self.seconds(1, 10);
        self.next_stage(machine, work, Stage::Works);
        Ok(())
    }

    /// The agent is not there, or did not say that it has what it was told.
    fn again(&mut self, machine: usize, stage: Stage) -> Result<(), Violation> {
        self.next_stage(machine, Duration::from_secs(5), stage);
        Ok(())
    }

    /// The agent it booted from, if that can be reached.
    fn server(&self, machine: usize) -> Option<Name> {
        self.machines[machine]
            .server
            .clone()
            .filter(|server| self.agents[server].is_up())
    }

    pub(super) fn works(&mut self, machine: usize) -> Result<(), Violation> {
        let (Some(job), Some(server)) = (self.machines[machine].job.clone(), self.server(machine)) else {
            return self.again(machine, Stage::Works);
        };
        let boot_id = self.machines[machine].boot_id;
        match &job.kind {
            JobKind::Inspect => {
                let inventory = FactBody::Inventory {
                    job: job.job,
                    inventory: Box::new(self.machines[machine].inventory()),
                };
                let done = FactBody::JobDone {
                    job: job.job,
                    boot_id,
                };
                if !self.tell(&server, vec![inventory, done])? {
                    return self.again(machine, Stage::Works);
                }
                self.job_over(machine, &server, &job);
                Ok(())
            }
            JobKind::Deploy(deploy) if self.machines[machine].progress == 0 => {
                self.asks_to_write(machine, &job, deploy.binding);
                Ok(())
            }
            JobKind::Erase(erase) if self.machines[machine].progress == 0 => {
                self.asks_to_write(machine, &job, erase.binding);
                Ok(())
            }
            JobKind::Deploy(deploy) => self.writes(machine, &server, &job, deploy),
            JobKind::Erase(erase) => self.erases(machine, &server, &job, erase),
        }
    }

    fn asks_to_write(&mut self, machine: usize, job: &Job, binding: BindingId) {
        let boot_id = self.machines[machine].boot_id;
        let nonce = self.machines[machine].nonce.unwrap_or_else(|| self.dice.uuid());
        let place = &mut self.machines[machine];
        place.nonce = Some(nonce);
        let request = GoRequest {
            token: String::new(),
            nonce,
            boot_id,
            job: job.job,
            binding,
            uuid: Some(place.uuid),
            serial: Some(place.serial.clone()),
            macs: vec![place.mac],
            disks: place.seen_disks(),
            mark: None,
        };
        self.call(machine, Question::Write(Box::new(request)));
    }

    /// The marker first, then nothing but zeros, disk by disk, then the records and what is there now.
    fn erases(&mut self, machine: usize, server: &Name, job: &Job, erase: &Erase) -> Result<(), Violation> {
        let boot_id = self.machines[machine].boot_id;
        let step = self.machines[machine].progress;
        if step <= STEPS {
            self.machines[machine].progress += 1;
            self.machines[machine].installed = None;
            for disk in &erase.disks {
                self.check_erase(machine, job, erase, &disk.disk)?;
                let content = match step {
                    // Each disk is blank for itself, the first of them before the last step.
                    STEPS => ContentId::Blank,
                    _ => ContentId::Marker {
                        incarnation: erase.incarnation.number,
                        binding: erase.binding,
                        generation: job.job.generation,
                        installed: false,
                    },
                };
                if let Some(physical) = self.machines[machine].disks.get_mut(&disk.disk) {
                    physical.content = content;
                }
            }
            if self.faulty() && self.dice.chance(20) {
                self.machines[machine].harmed = true;
                self.note(format_args!("m{machine}"), "hangs in its job");
                *self.report.faults.entry("in-machine agent hangs").or_default() += 1;
                return Ok(());
            }
            let work = self.seconds(6, 80);
            self.next_stage(machine, work, Stage::Works);
            return Ok(());
        }
        let records = erase.disks.iter().map(|disk| FactBody::Erased {
            job: job.job,
            binding: erase.binding,
            disk: disk.disk.clone(),
            method: erase.method.name().to_owned(),
            sample: "zeros".to_owned(),
        });
        let mut words: Vec<FactBody> = records.collect();
        words.push(FactBody::Inventory {
            job: job.job,
            inventory: Box::new(self.machines[machine].inventory()),
        });
        words.push(FactBody::JobDone {
            job: job.job,
            boot_id,
        });
        if !self.tell(server, words)? {
            return self.again(machine, Stage::Works);
        }
        self.report.erasures += 1;
        self.job_over(machine, server, job);
        Ok(())
    }

    pub(super) fn write_answered(
        &mut self,
        machine: usize,
        verdict: Option<Verdict>,
    ) -> Result<(), Violation> {
        let Some(verdict) = verdict else {
            return self.again(machine, Stage::Works);
        };
        let (code, error) = match verdict {
            Verdict::Refuse { code, reason } => (code, reason),
            Verdict::Go => {
                self.machines[machine].progress = 1;
                self.next_stage(machine, Duration::from_millis(200), Stage::Works);
                return Ok(());
            }
        };
        let refused = Stage::WriteAnswered {
            verdict: Some(Verdict::Refuse {
                code: code.clone(),
                reason: error.clone(),
            }),
        };
        let (Some(job), Some(server)) = (self.machines[machine].job.clone(), self.server(machine)) else {
            return self.again(machine, refused);
        };
        let failed = FactBody::Step {
            job: job.job,
            boot_id: self.machines[machine].boot_id,
            step: "fence".to_owned(),
            state: StepState::Failed { code, error },
        };
        if !self.tell(&server, vec![failed])? {
            return self.again(machine, refused);
        }
        self.job_over(machine, &server, &job);
        Ok(())
    }

    /// The marker first, then the system, then the final marker, then the word of it.
    fn writes(&mut self, machine: usize, server: &Name, job: &Job, deploy: &Deploy) -> Result<(), Violation> {
        let boot_id = self.machines[machine].boot_id;
        let step = self.machines[machine].progress;
        if step == 1 {
            self.machines[machine].installed = None;
            self.mark(machine, job, deploy, false)?;
        }
        if step <= STEPS {
            self.machines[machine].progress += 1;
            let state = StepState::Progress {
                done: u64::from(step),
                total: u64::from(STEPS),
            };
            // Progress that was not heard is followed by later progress.
            self.tell(
                server,
                vec![FactBody::Step {
                    job: job.job,
                    boot_id,
                    step: "unpack".to_owned(),
                    state,
                }],
            )?;
            if self.faulty() && self.dice.chance(20) {
                self.machines[machine].harmed = true;
                self.note(format_args!("m{machine}"), "hangs in its job");
                *self.report.faults.entry("in-machine agent hangs").or_default() += 1;
                return Ok(());
            }
            let work = self.seconds(6, 80);
            self.next_stage(machine, work, Stage::Works);
            return Ok(());
        }
        if step == STEPS + 1 {
            self.machines[machine].progress += 1;
            self.mark(machine, job, deploy, true)?;
            self.machines[machine].installed = Some(Box::new(deploy.clone()));
        }
        let installed = FactBody::Installed {
            job: job.job,
            binding: deploy.binding,
            spec: deploy.spec,
            disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
        };
        let done = FactBody::JobDone {
            job: job.job,
            boot_id,
        };
        if !self.tell(server, vec![installed, done])? {
            return self.again(machine, Stage::Works);
        }
        self.job_over(machine, server, job);
        Ok(())
    }

    fn mark(&mut self, machine: usize, job: &Job, deploy: &Deploy, installed: bool) -> Result<(), Violation> {
        let words = if installed { "finishes" } else { "begins to write" };
        let generation = job.job.generation;
        for disk in &deploy.disks {
            let disk_id = &disk.disk;
            self.note(
                format_args!("m{machine}"),
                format_args!("{words} {disk_id}, generation {generation}"),
            );
            self.check_write(machine, job, deploy, &disk.disk, installed)?;
            if let Some(physical) = self.machines[machine].disks.get_mut(&disk.disk) {
                physical.content = ContentId::Marker {
                    incarnation: deploy.incarnation.number,
                    binding: deploy.binding,
                    generation,
                    installed,
                };
            }
        }
        Ok(())
    }

    fn job_over(&mut self, machine: usize, server: &Name, job: &Job) {
        let boot_id = self.machines[machine].boot_id;
        if let Some(agent) = self.agents.get_mut(server) {
            agent.ends(job.job, boot_id);
        }
        self.machines[machine].job = None;
        self.next_stage(machine, Duration::from_secs(5), Stage::Hello);
    }
}
