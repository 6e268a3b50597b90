//! Who commands a rack's BMCs: one agent at a time, and another once the first has fallen silent.
//!
//! Boot agents all serve a link together, but two programs on one BMC confuse it and each other. So the
//! role is a lease. Its holder stops by its own clock [`BmcTimes::lease`] after it *sent* the last request that
//! was answered; it is given away no sooner than half a lease later, counted from when that request
//! *came*. No clock is compared with another, and no message needs to arrive for the holder to stop.

use crate::facts::AgentSeen;
use crate::plan::{MachinePlan, Plan};
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Who has the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcRole {
    /// The agent; nobody while a holder that git took it from may still act on it.
    pub agent: Option<Name>,
    /// Rises with each change of hands.
    pub epoch: u64,
    /// Since when.
    pub since: Timestamp,
}

/// How long a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BmcTimes {
    /// The holder commands no BMC so long after the last request of its that was answered.
    pub lease: Duration,
}

impl BmcTimes {
    /// Three syncs may be lost; see [`AgentSeen::GAP`], which is when the role is given away.
    pub const DEFAULT: Self = Self {
        lease: Duration::from_secs(60),
    };

    /// When a silent holder's role is given away: half a lease after it stopped, time for the command that
    /// it had begun then (a BMC session gives up within 30 s).
    pub fn silence(self) -> Duration {
        self.lease + self.lease / 2
    }

    /// A sync is held back no longer than this, so that a holder that waits is no silent one.
    pub fn hold_back(self) -> Duration {
        self.lease / 3
    }
}

/// A change of hands that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The rack.
    pub rack: Name,
    /// Who gets its BMCs; nobody where they are taken from an agent that may still act.
    pub to: Option<Name>,
}

/// The racks whose BMCs need other hands: nobody's yet, a silent agent's, or one's that the plan no longer
/// names. A holder that is heard keeps the role, whoever stands first in git.
pub fn due(
    plan: &Plan,
    roles: &BTreeMap<Name, BmcRole>,
    agents: &BTreeMap<Name, AgentSeen>,
    times: BmcTimes,
    now: Timestamp,
) -> Vec<Due> {
    let is_heard = |name: &&Name| {
        let seen = agents.get(*name);
        seen.is_some_and(|seen| now.since(seen.heard) <= times.hold_back() * 2)
    };
    let is_silent = |name: &Name| {
        let seen = agents.get(name);
        seen.is_none_or(|seen| now.since(seen.heard) > times.silence())
    };
    let mut due = Vec::new();
    for (rack, candidates) in candidates(plan) {
        let heard = || candidates.iter().find(is_heard).cloned();
        let Some(role) = roles.get(rack) else {
            // Before anyone was heard the first may begin: it is told with its first sync.
            let to = heard().or(candidates.first().cloned());
            due.push(Due {
                rack: rack.clone(),
                to,
            });
            continue;
        };
        let to = match &role.agent {
            // Whatever it was answered since, it was told that it is not the holder.
            None if now.since(role.since) > times.silence() => heard(),
            None => None,
            Some(holder) if !candidates.contains(holder) => {
                due.push(Due {
                    rack: rack.clone(),
                    to: None,
                });
                None
            }
            Some(holder) if is_silent(holder) => heard().filter(|other| other != holder),
            Some(_) => None,
        };
        due.extend(to.map(|to| Due {
            rack: rack.clone(),
            to: Some(to),
        }));
    }
    due
}

/// BMCs that a plan brings from one rack to another, which may be the same one under another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// Whose they were.
    pub from: Name,
    /// Whose they are.
    pub to: Name,
}

/// The racks between which BMCs move. A BMC is its address: that is what two hands would meet at.
pub fn moved(parent: &Plan, plan: &Plan) -> BTreeSet<Moved> {
    let racks = |plan: &Plan| -> BTreeMap<(IpAddr, u16), Name> {
        let placed = plan.machines.values().filter_map(|machine| {
            let bmc = machine.bmc.as_ref()?;
            Some(((bmc.address, bmc.port), machine.rack.clone()?))
        });
        placed.collect()
    };
    let before = racks(parent);
    let moves = racks(plan).into_iter().filter_map(|(bmc, to)| {
        let from = before.get(&bmc).filter(|from| **from != to)?.clone();
        Some(Moved { from, to })
    });
    moves.collect()
}

/// The agents that may command each rack's BMCs, in the order of git.
fn candidates(plan: &Plan) -> BTreeMap<&Name, Vec<Name>> {
    let named = plan.machines.values().filter_map(|machine| {
        let first = machine.bmc_agent.clone()?;
        let all = std::iter::once(first).chain(machine.bmc_standby.iter().cloned());
        Some((machine.rack.as_ref()?, all.collect()))
    });
    named.collect()
}

/// The plan as it stands: each BMC's agent is the one that holds the role. Where nobody does yet, no agent
/// has it.
pub fn in_hand(mut plan: Plan, roles: &BTreeMap<Name, BmcRole>) -> Plan {
    let holder = |machine: &MachinePlan| {
        let role = roles.get(machine.rack.as_ref()?)?;
        let named = machine.bmc_agent.iter().chain(&machine.bmc_standby);
        named
            .into_iter()
            .find(|name| role.agent.as_ref() == Some(*name))
            .cloned()
    };
    for machine in plan.machines.values_mut() {
        machine.bmc_agent = holder(machine);
    }
    plan
}
