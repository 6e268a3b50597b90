//! Time as far as it is known: limits run only while their witness is heard.
//!
//! A limit is measured to the watermark of the agents that would have told us otherwise, and from no
//! earlier than when they were last back. So an outage of agent, network or daemon times out nobody.

use super::Case;
use crate::condition::{Condition, Wait};
use crate::facts::AgentSeen;
use schema_ids::{Name, Timestamp};
use std::time::Duration;

/// The time up to which the witnesses have told everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    known_to: Timestamp,
    steady: Timestamp,
}

impl Clock {
    /// How long something has lasted for certain.
    pub(super) fn elapsed(self, since: Timestamp) -> Duration {
        self.known_to.since(since.max(self.steady))
    }

    /// Whether they have told everything up to then.
    pub(super) fn has_told(self, then: Timestamp) -> bool {
        self.known_to >= then
    }
}

impl Case<'_> {
    /// The clock of what the boot agents see: boots, jobs, phone-homes. One live witness suffices to
    /// be heard; all live ones must have told everything.
    pub(super) fn boot_clock(&self) -> Result<Clock, Wait> {
        self.clock(self.around.boot_agents.iter())
    }

    /// The clock of what the BMC's agent sees.
    pub(super) fn power_clock(&self) -> Result<Clock, Wait> {
        self.clock(self.machine.bmc_agent.iter())
    }

    /// The boot agents that are live now.
    pub(super) fn live_boot_agents(&self) -> impl Iterator<Item = &Name> {
        self.around
            .boot_agents
            .iter()
            .filter(|name| self.live(name).is_some())
    }

    fn live(&self, name: &Name) -> Option<&AgentSeen> {
        self.facts
            .agents
            .get(name)
            .filter(|agent| agent.is_live(self.now))
    }

    fn clock<'n>(&self, names: impl Iterator<Item = &'n Name> + Clone) -> Result<Clock, Wait> {
        names
            .clone()
            .filter_map(|name| self.live(name))
            .map(|agent| Clock {
                known_to: agent.watermark,
                steady: agent.steady,
            })
            .reduce(|a, b| Clock {
                known_to: a.known_to.min(b.known_to),
                steady: a.steady.max(b.steady),
            })
            .ok_or_else(|| self.silent(names))
    }

    fn silent<'n>(&self, names: impl Iterator<Item = &'n Name> + Clone) -> Wait {
        let last = names
            .clone()
            .filter_map(|name| Some((self.facts.agents.get(name)?.heard, name)))
            .max();
        let known: Vec<&str> = names.map(Name::as_str).collect();
        let (since, evidence) = match last {
            Some((heard, name)) => (heard, format!("agent {name} was last heard at {heard}")),
            None if known.is_empty() => (
                self.around.planned,
                "no rack agent serves this machine".to_owned(),
            ),
            None => (self.around.planned, format!("never heard: {}", known.join(", "))),
        };
        Wait::new(Condition::RackSilent, since, evidence)
    }
}
