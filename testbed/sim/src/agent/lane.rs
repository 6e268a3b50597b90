//! The agent's power lanes: the shipped machine for each BMC, with BMCs that are modelled.

use crate::bmc::Unanswered;
use crate::invariant::Invariant;
use crate::report::Violation;
use crate::world::{Event, World};
use rack_api::fact::{BmcFaultKind, PowerSeen};
use rack_api::order::{Action, PowerWanted};
use rack_proto::power::{PowerEffect, PowerEvent, PowerFault, PowerLane, READ_EVERY};
use rack_proto::session::Event as SessionEvent;
use schema_ids::{Generation, MachineId, Name};
use std::time::Duration;

impl World<'_> {
    /// Gives each BMC's lane the order that is in force.
    pub(super) fn drive(&mut self, name: &Name) -> Result<(), Violation> {
        let agent = &self.agents[name];
        let driven: Vec<(usize, MachineId)> = agent
            .config
            .machines
            .iter()
            .filter(|(_, machine)| machine.bmc.is_some())
            .filter_map(|(id, machine)| Some((self.place_of(machine.nics.first()?.mac)?, *id)))
            .collect();
        for (machine, id) in driven {
            let agent = self.agents.get_mut(name).expect("agents are never taken away");
            let order = agent.power_order(id);
            agent
                .lanes
                .entry(machine)
                .or_insert_with(|| PowerLane::new(id, READ_EVERY));
            self.tell_lane(name, machine, PowerEvent::Order(order))?;
        }
        Ok(())
    }

    fn tell_lane(&mut self, name: &Name, machine: usize, event: PowerEvent) -> Result<(), Violation> {
        let now = self.now;
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        let life = agent.life;
        let Some(lane) = agent.lanes.get_mut(&machine).filter(|_| agent.up) else {
            return Ok(());
        };
        for effect in lane.handle(event, now) {
            if !self.agents[name].up {
                return Ok(());
            }
            let agent = name.clone();
            match effect {
                PowerEffect::Read => {
                    let delay = self.bmc_delay();
                    self.later(delay, Event::PowerRead { agent, life, machine });
                }
                PowerEffect::BootFromNetwork => {
                    let delay = self.bmc_delay();
                    self.later(
                        delay,
                        Event::PowerCommanded {
                            agent,
                            life,
                            machine,
                            wanted: None,
                        },
                    );
                }
                PowerEffect::Command(wanted) => {
                    if self.agent_dies_here(name) {
                        return Ok(());
                    }
                    self.check_command(name, machine)?;
                    self.note(name, format_args!("commands m{machine}: {wanted:?}"));
                    let delay = self.bmc_delay();
                    self.later(
                        delay,
                        Event::PowerCommanded {
                            agent,
                            life,
                            machine,
                            wanted: Some(wanted),
                        },
                    );
                }
                PowerEffect::Tell(body) => {
                    self.tell(name, vec![body])?;
                }
                PowerEffect::Ended(order) => self.tell_session(name, SessionEvent::OrderEnded(order))?,
                PowerEffect::WakeAt(time) => {
                    let agent = self.agents.get_mut(name).expect("agents are never taken away");
                    agent.alarms += 1;
                    let alarm = agent.alarms;
                    agent.lane_alarms.insert(machine, alarm);
                    self.at(
                        time,
                        Event::PowerTimer {
                            agent: name.clone(),
                            life,
                            machine,
                            alarm,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Checked from outside: whoever has heard of a generation obeys no older one.
    fn check_command(&self, name: &Name, machine: usize) -> Result<(), Violation> {
        let agent = &self.agents[name];
        let id = agent.machine_of(self.machines[machine].mac);
        let order = id.and_then(|id| agent.power_order(id)).map(|(order, _)| order);
        let Some(order) = order else { return Ok(()) };
        let highest = agent.highest.get(&order.machine).copied().unwrap_or_default();
        if order.generation < highest {
            let what = format!(
                "{} obeys generation {} after {highest}",
                agent.name, order.generation
            );
            return Err(self.violation(Invariant::OnlyWhatIsWanted, what));
        }
        Ok(())
    }

    fn bmc_delay(&mut self) -> Duration {
        Duration::from_millis(self.dice.between(100, 2500))
    }

    pub(crate) fn power_timer(
        &mut self,
        name: &Name,
        life: u64,
        machine: usize,
        alarm: u64,
    ) -> Result<(), Violation> {
        let agent = &self.agents[name];
        if agent.life == life && agent.lane_alarms.get(&machine) == Some(&alarm) {
            return self.tell_lane(name, machine, PowerEvent::Timer);
        }
        Ok(())
    }

    pub(crate) fn power_read(&mut self, name: &Name, life: u64, machine: usize) -> Result<(), Violation> {
        if self.agents[name].life != life {
            return Ok(());
        }
        let seen = self.bmc_reads(machine);
        if matches!(seen, Ok(PowerSeen::Off)) && self.machines[machine].on {
            let lied_for = self.switching_off(name, machine);
            let bmc = &mut self.machines[machine].bmc;
            bmc.lied_for = bmc.lied_for.max(lied_for);
        }
        let seen = seen.map_err(silent);
        self.tell_lane(name, machine, PowerEvent::Read(seen))
    }

    /// For which intent an agent is to switch a machine off.
    fn switching_off(&self, name: &Name, machine: usize) -> Option<Generation> {
        let agent = &self.agents[name];
        let id = agent.machine_of(self.machines[machine].mac)?;
        let (order, _) = agent.power_order(id)?;
        let is_off = !matches!(order.action, Action::Power(PowerWanted::On));
        is_off.then_some(order.generation)
    }

    pub(crate) fn power_commanded(
        &mut self,
        name: &Name,
        life: u64,
        machine: usize,
        wanted: Option<PowerWanted>,
    ) -> Result<(), Violation> {
        // The command is with the BMC, whether or not the agent lives to hear of it.
        let result = self.bmc_obeys(machine, wanted).map_err(silent);
        if self.agents[name].life != life {
            return Ok(());
        }
        self.tell_lane(name, machine, PowerEvent::Commanded(result))
    }
}

fn silent(_: Unanswered) -> PowerFault {
    PowerFault {
        kind: BmcFaultKind::Silent,
        detail: "no answer".to_owned(),
    }
}
