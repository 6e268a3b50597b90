//! Orders from the daemon to a rack agent. An order says the state wanted, so repeating it is harmless.

use crate::job::Job;
use schema_ids::{Generation, Incarnation, MachineId, Timestamp};
use serde::{Deserialize, Serialize};

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whom it concerns.
    pub machine: MachineId,
    /// The control plane's life; agents obey one only.
    pub incarnation: Incarnation,
    /// The intent it serves.
    pub generation: Generation,
    /// Its place among the orders of this generation, rising over both lanes.
    pub number: u32,
    /// After this the agent gives up and says so.
    pub deadline: Timestamp,
    /// Why, for people.
    pub cause: String,
    /// Set where a person asked for it, apart from what git wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
    /// What is wanted.
    pub action: Action,
}

/// A person's own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Who.
    pub who: String,
    /// Why, in that person's words; may be empty.
    pub why: String,
    /// Whether it is part of a power cycle: off, seen off, then on.
    pub cycle: bool,
}

/// What an order wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A power state.
    Power(PowerWanted),
    /// What the machine gets when it next boots from the network; stands until replaced.
    Boot(NextBoot),
}

/// Orders of one lane replace each other; the lanes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Handled by the agent that drives the BMC.
    Power,
    /// Handled by every agent on a boot link.
    Boot,
}

/// The power state wanted. A cycle is off, seen off, then on: three decisions, never one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerWanted {
    /// On.
    On,
    /// Off by asking the operating system (ACPI); may be ignored by it.
    SoftOff,
    /// Off at once.
    Off,
}

/// What the next network boot gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextBoot {
    /// Its own disk.
    Local,
    /// The ephemeral system and this job.
    Job(Box<Job>),
}

/// Names an order in facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderRef {
    /// Whom it concerned.
    pub machine: MachineId,
    /// The number of its incarnation.
    pub incarnation: u64,
    /// Its generation.
    pub generation: Generation,
    /// Its number within the generation.
    pub number: u32,
}

impl Order {
    /// The lane.
    pub fn lane(&self) -> Lane {
        match self.action {
            Action::Power(_) => Lane::Power,
            Action::Boot(_) => Lane::Boot,
        }
    }

    /// Whether it boots the machine into a job that writes disks which hold data in use.
    pub fn wipes_in_use(&self) -> bool {
        matches!(&self.action, Action::Boot(NextBoot::Job(job)) if job.kind.wipes_in_use())
    }

    /// The name for facts.
    pub fn reference(&self) -> OrderRef {
        OrderRef {
            machine: self.machine,
            incarnation: self.incarnation.number,
            generation: self.generation,
            number: self.number,
        }
    }
}
