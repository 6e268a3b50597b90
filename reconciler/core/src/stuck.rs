//! Machines that need somebody: those with which nothing goes on without a person, and those that exceeded a limit.
//!
//! Held and stopped machines are as somebody wants them, and what is shown and left alone (a machine that was switched off, an
//! orphan) is drift; neither is stuck.

use crate::people::{Standing, Status, standing};
use crate::phase::Phase;
use crate::status::MachineStatus;
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// A machine that is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stuck {
    /// Which.
    pub machine: Name,
    /// Why it is here; the worst comes first.
    pub why: Why,
    /// Where it stands.
    pub phase: Phase,
    /// The condition's code.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
    /// The last thing seen.
    pub evidence: String,
    /// What a person can do.
    pub next_step: String,
    /// When it is tried again without anyone's help.
    pub retry_at: Option<Timestamp>,
    /// Where in git it stands: `file:line`.
    pub origin: String,
}

/// Why a machine is stuck, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Something failed, or is in the way, and only a person can go on.
    NeedsPerson,
    /// Nobody who would tell is heard: it may be well.
    Unseen,
    /// It lasts longer than it should. It may end by itself.
    OverLimit,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NeedsPerson => "needs a person",
            Self::Unseen => "seen by nobody",
            Self::OverLimit => "over its limit",
        }
    }
}

/// The machines that are stuck: worst first, and of those that are equally so, the longest first.
pub fn stuck(status: &Status) -> Vec<Stuck> {
    let machines = status.machines.iter();
    let mut stuck: Vec<Stuck> = machines.filter_map(|machine| one(machine, status.now)).collect();
    stuck.sort_by(|a, b| (a.why, a.since, &a.machine).cmp(&(b.why, b.since, &b.machine)));
    stuck
}

fn one(machine: &MachineStatus, now: Timestamp) -> Option<Stuck> {
    let wait = machine.wait.as_ref()?;
    let is_over = wait.limit.is_some_and(|limit| now > wait.since.plus(limit));
    let why = match standing(machine) {
        Standing::NeedsPerson => Why::NeedsPerson,
        Standing::Unseen => Why::Unseen,
        Standing::UnderWay if is_over => Why::OverLimit,
        Standing::UnderWay | Standing::AsWanted | Standing::Queued | Standing::Held => return None,
    };
    Some(Stuck {
        machine: machine.name.clone(),
        why,
        phase: machine.phase.clone(),
        code: wait.condition.code().to_owned(),
        since: wait.since,
        evidence: wait.evidence.clone(),
        next_step: wait.next_step.clone(),
        retry_at: wait.retry_at,
        origin: machine.origin.clone(),
    })
}
