//! The lines of a script: each is something that happens, a second after the one before.

use super::Stage;
use super::in_git::fleet;
use rack_api::fact::FactBody;
use rack_api::order::Lane;
use reconciler_core::condition::Wait;
use reconciler_core::facts::AgentSeen;
use std::fmt::Write as _;
use std::time::Duration;

impl Stage {
    pub(crate) fn play(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let pause = match verb {
            "wait" | "silent" => seconds(rest),
            _ => 1,
        };
        self.now = self.now.plus(Duration::from_secs(pause));
        self.heard = match verb {
            "silent" => false,
            "heard" => true,
            _ => self.heard,
        };
        if self.heard {
            let mut at = self.agent.heard;
            // It syncs all the while, unless it was silent.
            while verb != "heard" && self.now.since(at) > Duration::from_secs(25) {
                at = at.plus(Duration::from_secs(25));
                self.agent = AgentSeen::after_sync(Some(&self.agent), at, true);
            }
            self.agent = AgentSeen::after_sync(Some(&self.agent), self.now, true);
        }
        self.happen(verb, rest);
        writeln!(self.text, "{} {line}", self.clock(self.now)).unwrap();
        self.settle();
    }

    fn happen(&mut self, verb: &str, rest: &str) {
        let machine = self.id;
        match verb {
            "wait" | "silent" | "heard" => {}
            "taken" => self.tell(FactBody::OrderTaken {
                order: self.reference(Lane::Boot),
            }),
            "refused" => {
                self.tell(FactBody::OrderRefused {
                    order: self.reference(Lane::Boot),
                    why: rest.to_owned(),
                    until: None,
                });
            }
            // For so many minutes, since too much was begun.
            "limited" => {
                let minutes: u64 = rest.parse().expect("minutes");
                self.tell(FactBody::OrderRefused {
                    order: self.reference(Lane::Boot),
                    why: "4 machines whose data is in use were given over within an hour".to_owned(),
                    until: Some(self.now.plus(Duration::from_secs(60 * minutes))),
                });
            }
            "power" | "switched" | "bmc" => self.bmc(verb, rest),
            "by-hand" => self.by_hand(rest),
            "boot" => self.tell(FactBody::Boot {
                machine: Some(machine),
                boot: self.boot(rest),
            }),
            "started" => {
                self.boots += 1;
                self.running = self.ordered();
                let (job, boot_id) = (self.job(), self.boot_id());
                self.tell(FactBody::JobStarted { job, boot_id });
            }
            "step" => self.step(rest),
            "inventory" => {
                if !rest.is_empty() {
                    rest.clone_into(&mut self.holds);
                }
                self.inventory();
            }
            "firmware" => self.firmware(rest),
            "job-done" => {
                let (job, boot_id) = (self.job(), self.boot_id());
                self.tell(FactBody::JobDone { job, boot_id });
            }
            "installed" => self.installed(),
            "go" => {
                let known = self.planning.observed.machines.get_mut(&machine).unwrap();
                known.written_in = Some(self.planning.parent.machines[&machine].wanted.generation);
                self.go();
            }
            "erased" => self.erased(rest),
            "home" => self.home(rest),
            "fenced" => self.fenced(rest),
            "hold" => self.hold(rest),
            "release" => self.restraints.holds.clear(),
            "stop" => self.stop(rest),
            "resume" => self.restraints.stops.clear(),
            "unplannable" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                self.stopped = Some(Wait::of_stop(code, reason, self.now));
            }
            "plannable" => self.stopped = None,
            "reinstall" | "removed" | "inspect" | "boot-timeout" | "deploy" | "manage" | "revert" => {
                self.commit(verb, rest);
            }
            _ => panic!("the script says {verb:?}, which nobody knows"),
        }
    }

    /// What a person changes in git.
    fn commit(&mut self, verb: &str, rest: &str) {
        match verb {
            "reinstall" => self.in_git.epoch += 1,
            "removed" => self.in_git.removed = Some(rest.to_owned()).filter(|rest| !rest.is_empty()),
            "inspect" => self.in_git.inspect += 1,
            "manage" => self.in_git.observe = rest == "observe",
            "revert" => (self.in_git.observe, self.in_git.removed) = (false, None),
            "boot-timeout" => self.in_git.boot_timeout = Some(rest.to_owned()),
            "deploy" => self.in_git.deployed = true,
            _ => panic!("nobody commits {verb}"),
        }
        self.case_fleet = fleet(&self.in_git);
        self.planning.next_commit();
        self.replan();
    }
}

pub(super) fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{text:?} is no time"),
    };
    number.parse::<u64>().unwrap() * factor
}
