//! Crashes between effects: drawn while things fail, or at one place that a sweep names.
//!
//! Every place at which a daemon or an agent may die is counted; a sweep runs the same world again with
//! a crash at the first place, at the second, and so on. Places at which nothing was done since the last
//! one (polls without facts, readings of power, alarms) are left out.

use crate::world::World;
use schema_ids::Name;
use std::time::Duration;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A daemon.
    Daemon,
    /// A rack agent.
    Agent,
}

/// One crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Who.
    pub who: Who,
    /// At which place of all its kind in the run, from 1.
    pub at: u64,
}

/// How long whoever was crashed on purpose stays down: long enough for others to notice.
const DOWN: Duration = Duration::from_secs(7);

/// How often a daemon dies at a place, in a thousand.
const DAEMON_DIES: u64 = 4;

/// An agent has many more places than a daemon.
const AGENT_DIES: u64 = 1;

impl World<'_> {
    /// A place between two effects of a daemon; whether it died there.
    pub(crate) fn daemon_dies_here(&mut self, daemon: usize) -> bool {
        if !self.dies(Who::Daemon, DAEMON_DIES) {
            return false;
        }
        let down = self.down(Duration::from_secs(60));
        self.daemon_crashes(daemon, down);
        true
    }

    /// A place between two effects of an agent; whether it died there.
    pub(crate) fn agent_dies_here(&mut self, agent: &Name) -> bool {
        if !self.dies(Who::Agent, AGENT_DIES) {
            return false;
        }
        let down = self.down(Duration::from_secs(20));
        self.agent_crashes(agent, down);
        true
    }

    fn dies(&mut self, who: Who, permille: u64) -> bool {
        let count = self.report.places.entry(who).or_default();
        *count += 1;
        let at = *count;
        self.settings.crash == Some(Crash { who, at }) || (self.faulty() && self.dice.chance(permille))
    }

    fn down(&mut self, most: Duration) -> Duration {
        if self.faulty() {
            self.seconds(1, most.as_secs())
        } else {
            DOWN
        }
    }
}
