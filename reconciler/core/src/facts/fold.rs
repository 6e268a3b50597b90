//! Folding stored facts into what is known of one machine.
//!
//! The result does not depend on the order in which facts are handed in, nor on how often.

use super::{
    AgentSeen, Erasure, Installed, IssuedOrder, JobSeen, MachineFacts, OrderSeen, PhonedHome, Seen, StepSeen,
    StoredFact, Told, WriteStart,
};
use rack_api::fact::{Fact, FactBody, PowerSeen, StepState};
use rack_api::job::JobRef;
use rack_api::order::OrderRef;
use schema_ids::{Generation, Name, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn fold(
    generation: Generation,
    issued: Vec<IssuedOrder>,
    mut starts: Vec<WriteStart>,
    facts: &[StoredFact],
    agents: BTreeMap<Name, AgentSeen>,
) -> MachineFacts {
    let mut orders: Vec<OrderSeen> = issued.into_iter().map(OrderSeen::new).collect();
    orders.sort_by_key(OrderSeen::number);
    let goes = starts.iter().filter(|start| start.refused.is_none());
    let written_in = goes.map(|start| start.job.generation).max();
    starts.retain(|start| start.job.generation == generation);
    starts.sort_by_key(|start| start.at);
    let mut folding = Folding {
        generation,
        facts: MachineFacts {
            orders,
            starts,
            written_in,
            agents,
            ..MachineFacts::default()
        },
        left_boots: BTreeSet::new(),
        written: false,
    };
    let mut sorted: Vec<&StoredFact> = facts.iter().collect();
    sorted.sort_by_key(|stored| (stored.received, &stored.agent, stored.sequence));
    sorted.dedup_by(|a, b| a.agent == b.agent && a.sequence == b.sequence && a.fact == b.fact);
    for stored in sorted {
        folding.take(&stored.agent, stored.received, &stored.fact);
    }
    if folding.facts.job.is_some() {
        folding.facts.earlier_job = None;
    }
    folding.facts
}

struct Folding {
    generation: Generation,
    facts: MachineFacts,
    /// Boots that a job has left for a newer one: what they still say is history.
    left_boots: BTreeSet<(JobRef, Uuid)>,
    /// Whether disks were installed or erased since the newest inventory.
    written: bool,
}

impl Folding {
    #[expect(clippy::too_many_lines, reason = "one short arm for each kind of fact")]
    fn take(&mut self, agent: &Name, at: Timestamp, fact: &Fact) {
        match &fact.body {
            FactBody::Boot { boot, .. } => {
                // Both by the agent's clock, so that it need not agree with the store's.
                self.facts.boot_began = Some(at.minus(fact.at.since(boot.began)));
                self.facts.boot = Some(Seen {
                    value: boot.clone(),
                    since: at,
                });
            }
            FactBody::Power { power, .. } => {
                self.facts.bmc_fault = None;
                renew(&mut self.facts.power, *power, at);
                if *power == PowerSeen::Off {
                    self.facts.off_at = Some(Told {
                        received: at,
                        said: fact.at,
                    });
                }
            }
            FactBody::BmcFault { fault, detail, .. } => {
                let since = self
                    .facts
                    .bmc_fault
                    .as_ref()
                    .filter(|seen| seen.value.0 == *fault);
                let since = since.map_or(at, |seen| seen.since);
                self.facts.bmc_fault = Some(Seen {
                    value: (*fault, detail.clone()),
                    since,
                });
            }
            FactBody::OrderTaken { order } => {
                if let Some(seen) = self.order(*order) {
                    seen.taken.entry(agent.clone()).or_insert(at);
                    seen.refused.remove(agent);
                    seen.refused_until.remove(agent);
                }
            }
            FactBody::OrderRefused { order, why, until } => {
                if let Some(seen) = self.order(*order) {
                    seen.refused.insert(agent.clone(), why.clone());
                    match until {
                        // Both by the agent's clock, so that it need not agree with the store's.
                        Some(until) => {
                            let there = at.plus(until.since(fact.at));
                            seen.refused_until.insert(agent.clone(), there);
                        }
                        None => {
                            seen.refused_until.remove(agent);
                        }
                    }
                }
            }
            FactBody::OrderDone { order } => {
                if let Some(seen) = self.order(*order) {
                    seen.done.get_or_insert(at);
                }
            }
            FactBody::OrderFailed { order, step, error } => {
                if let Some(seen) = self.order(*order) {
                    seen.failed.get_or_insert((at, step.clone(), error.clone()));
                }
            }
            FactBody::JobStarted { job, boot_id } => {
                self.job(*job, *boot_id, at);
            }
            FactBody::Inventory { job, inventory } => {
                self.facts.inspected_in = Some(job.generation);
                // What an older one found too is news where disks were written since.
                if std::mem::take(&mut self.written) {
                    self.facts.inventory = None;
                }
                renew(&mut self.facts.inventory, (**inventory).clone(), at)
            }
            FactBody::BootOrder { order, .. } => renew(&mut self.facts.boot_order, order.clone(), at),
            FactBody::Step {
                job,
                boot_id,
                step,
                state,
            } => {
                if let Some(seen) = self.job(*job, *boot_id, at) {
                    seen.step(step, state, at);
                }
            }
            FactBody::Installed {
                job,
                binding,
                spec,
                disks,
            } => {
                let installed = Installed {
                    job: *job,
                    binding: *binding,
                    spec: *spec,
                    disks: disks.clone(),
                };
                self.written = true;
                renew(&mut self.facts.installed, installed, at);
            }
            FactBody::PhonedHome {
                binding,
                boot_id,
                root_disk,
                root_device,
                ..
            } => {
                let word = PhonedHome {
                    binding: *binding,
                    boot_id: *boot_id,
                    root_disk: root_disk.clone(),
                    root_device: root_device.clone(),
                };
                if self
                    .facts
                    .phoned_home
                    .as_ref()
                    .is_none_or(|known| known.value != word)
                {
                    self.facts.home_told = Some(fact.at);
                }
                renew(&mut self.facts.phoned_home, word, at);
            }
            FactBody::Erased {
                job,
                binding,
                disk,
                method,
                sample,
            } => {
                self.written = true;
                let installed = self.facts.installed.take();
                self.facts.installed = installed.filter(|seen| !seen.value.disks.contains(disk));
                let value = Erasure {
                    job: *job,
                    binding: *binding,
                    method: method.clone(),
                    sample: sample.clone(),
                };
                self.facts.erased.insert(disk.clone(), Seen { value, since: at });
            }
            FactBody::JobDone { job, boot_id } => {
                if let Some(seen) = self.job(*job, *boot_id, at) {
                    seen.done.get_or_insert(at);
                }
            }
            // About links, not about where this machine stands.
            FactBody::Leased { .. } | FactBody::AddressSeen { .. } | FactBody::Enlisted { .. } => {}
        }
    }

    fn order(&mut self, order: OrderRef) -> Option<&mut OrderSeen> {
        self.facts
            .orders
            .iter_mut()
            .find(|seen| seen.issued.order.reference() == order)
    }

    /// The record of this job in this boot, if it is the newest of its kind; anything it says is news.
    fn job(&mut self, job: JobRef, boot_id: Uuid, at: Timestamp) -> Option<&mut JobSeen> {
        let place = if job.generation == self.generation {
            &mut self.facts.job
        } else if job.generation < self.generation {
            &mut self.facts.earlier_job
        } else {
            return None;
        };
        let newer = place.as_ref().is_none_or(|seen| seen.job < job);
        let left = self.left_boots.contains(&(job, boot_id));
        match place {
            Some(seen) if seen.job > job || left => return None,
            Some(seen) if !newer && seen.boot_id == boot_id => {}
            _ => {
                if let Some(seen) = place.as_ref().filter(|_| !newer) {
                    self.left_boots.insert((job, seen.boot_id));
                }
                *place = Some(JobSeen {
                    job,
                    boot_id,
                    started: at,
                    last: at,
                    steps: Vec::new(),
                    done: None,
                });
            }
        }
        let seen = place.as_mut()?;
        seen.last = at;
        Some(seen)
    }
}

impl OrderSeen {
    fn new(issued: IssuedOrder) -> Self {
        Self {
            issued,
            taken: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_until: BTreeMap::new(),
            done: None,
            failed: None,
        }
    }
}

impl JobSeen {
    fn step(&mut self, name: &str, state: &StepState, at: Timestamp) {
        let seen = match self.steps.iter().position(|step| step.step == name) {
            Some(place) => &mut self.steps[place],
            None => {
                self.steps.push(StepSeen {
                    step: name.to_owned(),
                    state: state.clone(),
                    since: at,
                    measured: None,
                    last: at,
                });
                self.steps.last_mut().expect("one was pushed")
            }
        };
        let progress = |state: &StepState| matches!(state, StepState::Progress { .. });
        if !(progress(state) && progress(&seen.state)) {
            seen.since = at;
        }
        match state {
            // What is begun again is measured again.
            StepState::Started => seen.measured = None,
            StepState::Progress { done, .. } => {
                seen.measured.get_or_insert((at, *done));
            }
            StepState::Done | StepState::Failed { .. } => {}
        }
        seen.state = state.clone();
        seen.last = at;
    }
}

/// Takes the newer value; an equal one keeps its age.
fn renew<T: PartialEq>(place: &mut Option<Seen<T>>, value: T, at: Timestamp) {
    if place.as_ref().is_none_or(|seen| seen.value != value) {
        *place = Some(Seen { value, since: at });
    }
}
