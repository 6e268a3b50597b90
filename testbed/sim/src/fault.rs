//! What strikes, and when: drawn before the run begins, so that one seed is one run.

use crate::world::{Event, World};
use schema_ids::{ContentId, Name};
use std::time::Duration;

/// Something that strikes.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A daemon dies, beside those that die between two effects.
    DaemonDies { daemon: usize },
    /// An agent dies and starts again.
    AgentDies { agent: Name },
    /// A machine loses its power.
    PowerLost { machine: usize },
    /// Somebody presses the button.
    Pressed { machine: usize },
    /// A BMC says nothing for a while.
    BmcSilent { machine: usize, lasts: Duration },
    /// A BMC says yes and does nothing for a while.
    BmcDeaf { machine: usize, lasts: Duration },
    /// A BMC tells what was ordered instead of what is.
    BmcLies { machine: usize, lasts: Duration },
    /// Somebody puts data on a disk of a machine that is not installed.
    DataAppears { machine: usize },
}

impl World<'_> {
    /// Draws what will strike.
    pub(crate) fn schedule_faults(&mut self) {
        let hours = self.settings.faults_for.as_secs() / 3600;
        let agents: Vec<Name> = self.agents.keys().cloned().collect();
        for _ in 0..hours * 14 {
            let at = self.seconds(0, self.settings.faults_for.as_secs());
            let machine = self.dice.between(0, self.machines.len() as u64) as usize;
            let lasts = self.seconds(30, 1500);
            let fault = match self.dice.between(0, 16) {
                0..2 => Fault::DaemonDies {
                    daemon: self.dice.between(0, self.daemons.len() as u64) as usize,
                },
                2..5 => Fault::AgentDies {
                    agent: agents[self.dice.between(0, agents.len() as u64) as usize].clone(),
                },
                5..8 => Fault::PowerLost { machine },
                8 => Fault::Pressed { machine },
                9..12 => Fault::BmcSilent { machine, lasts },
                12 => Fault::BmcDeaf { machine, lasts },
                13 => Fault::BmcLies { machine, lasts },
                _ => Fault::DataAppears { machine },
            };
            self.later(at, Event::Fault(fault));
        }
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        let now = self.now;
        self.note("fault", format_args!("{fault:?}"));
        let name = match fault {
            Fault::DaemonDies { daemon } => {
                let down = self.down_for(600, 7200);
                return self.daemon_crashes(daemon, down);
            }
            Fault::AgentDies { agent } => {
                let down = self.down_for(120, 2400);
                return self.agent_crashes(&agent, down);
            }
            Fault::PowerLost { machine } => {
                self.machines[machine].harmed = true;
                self.switch(machine, false);
                "power lost"
            }
            Fault::Pressed { machine } => {
                self.machines[machine].harmed = true;
                self.machines[machine].misled_until = Some(now);
                let on = !self.machines[machine].on;
                self.switch(machine, on);
                "button pressed"
            }
            Fault::BmcSilent { machine, lasts } => {
                self.machines[machine].bmc.silent_until = Some(now.plus(lasts));
                "BMC silent"
            }
            Fault::BmcDeaf { machine, lasts } => {
                self.machines[machine].bmc.deaf_until = Some(now.plus(lasts));
                "BMC deaf"
            }
            Fault::BmcLies { machine, lasts } => {
                self.machines[machine].harmed = true;
                self.machines[machine].bmc.lies_until = Some(now.plus(lasts));
                self.machines[machine].misled_until = Some(now.plus(lasts));
                "BMC lies"
            }
            Fault::DataAppears { machine } => {
                let data = ContentId::Foreign(format!("xfs-{}", self.dice.between(0, 1000)));
                let place = &mut self.machines[machine];
                // Nobody can do that to a disk that an installation is writing.
                let Some(disk) = place
                    .disks
                    .values_mut()
                    .find(|disk| disk.content == ContentId::Blank)
                else {
                    return;
                };
                disk.content = data;
                place.harmed = true;
                "data appears"
            }
        };
        *self.report.faults.entry(name).or_default() += 1;
    }

    /// Mostly not for long.
    fn down_for(&mut self, least: u64, most: u64) -> Duration {
        if self.dice.chance(200) {
            self.seconds(least, most)
        } else {
            self.seconds(1, 60)
        }
    }
}
