//! What people are told: views of machines for the API and the command line.
//!
//! Made anew for each question from plan, facts and decision; nothing here decides.

use crate::condition::Wait;
use crate::facts::MachineFacts;
use crate::next::Decision;
use crate::phase::{Mark, Phase};
use crate::plan::Plan;
use rack_api::fact::PowerSeen;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One machine as `muster status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub id: MachineId,
    /// Where it stands.
    pub phase: Phase,
    /// What is to be said beside it.
    pub marks: BTreeSet<Mark>,
    /// Its intent in words: `ready`, `deployed web[1]` …
    pub wanted: String,
    /// The intent's number.
    pub generation: Generation,
    /// What it waits on, if it waits.
    pub wait: Option<Wait>,
    /// What is about to be ordered, if something is.
    pub proposed: Option<String>,
    /// The power state as last told, and since when.
    pub power: Option<(PowerSeen, Timestamp)>,
    /// Progress of the running step, percent.
    pub percent: Option<u8>,
    /// The addresses of its installed system.
    pub addresses: Vec<std::net::IpAddr>,
    /// Where in git it stands: `file:line`.
    pub origin: String,
}

/// The status of one machine; `None` if the plan does not know it.
pub fn machine_status(
    plan: &Plan,
    id: MachineId,
    facts: &MachineFacts,
    decision: &Decision,
) -> Option<MachineStatus> {
    let _ = (plan, id, facts, decision);
    None
}

/// Everything that explains one machine, as text: phase, condition, evidence, next step, orders and
/// steps so far.
pub fn why(plan: &Plan, id: MachineId, facts: &MachineFacts, decision: &Decision) -> String {
    let _ = (plan, id, facts, decision);
    String::new()
}
