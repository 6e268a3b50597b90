//! The one exchange between a rack agent and the daemon: facts up, wishes down.

use crate::{config::Desired, fact::Fact};
use schema_ids::{Digest, Generation, Incarnation, MachineId, Name, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest that the daemon holds a request back when it has nothing new: below the 30 s after
/// which proxies commonly give up.
pub const LONG_POLL_MS: u64 = 25_000;

/// At most so many facts ride in one request; the rest follows in the next.
pub const FACTS_MAX: usize = 500;

/// A rack agent's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// Who asks; must agree with the certificate.
    pub agent: Name,
    /// This start of the agent.
    pub boot: Uuid,
    /// The control plane's life it obeys, once it knows one.
    pub incarnation: Option<Incarnation>,
    /// The highest generation it has seen per machine.
    pub generations: BTreeMap<MachineId, Generation>,
    /// Digest of the [`Desired`] it has; the daemon answers at once if its own differs.
    pub have: Option<Digest>,
    /// The highest sequence that was ever acknowledged to this agent, 0 before its first answer. A
    /// daemon that knows less was restored from a backup. A fresh agent sends no facts before its
    /// first answer and numbers them on from [`SyncResponse::acknowledged`].
    pub acknowledged: u64,
    /// Facts not yet acknowledged, by rising sequence, at most [`FACTS_MAX`].
    pub facts: Vec<Spooled>,
    /// The highest sequence in the spool: once acknowledged up to here, the daemon has heard all.
    pub watermark: u64,
    /// How long the daemon may hold the answer back, at most [`LONG_POLL_MS`].
    pub wait_ms: u64,
}

/// A fact with its place in the agent's spool; the sequence never repeats over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// From 1, rising; numbers may be left out.
    pub sequence: u64,
    /// What.
    pub fact: Fact,
}

/// The daemon's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResponse {
    /// The daemon's clock, for the agent's log only.
    pub now: Timestamp,
    /// Everything up to here is stored and may leave the spool.
    pub acknowledged: u64,
    /// What is wanted, if it differs from what the agent has, with its digest.
    pub desired: Option<(Digest, Desired)>,
}

/// The daemon's answer, with status 409, to facts under numbers that are taken: the agent's spool is
/// older than what the agent once sent, since its disk was restored. Nothing of the request was stored.
///
/// Facts below `from` are stored as the agent has them. The agent numbers the others anew, above
/// `acknowledged` and above every number that it has used, and sends them once its disk says so too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumbersTaken {
    /// In words, for whoever debugs this with curl.
    pub reason: String,
    /// The lowest number of the request under which another fact is stored, or none.
    pub from: u64,
    /// The highest number that is stored for this agent.
    pub acknowledged: u64,
}

/// "May this machine boot its job now?" A live question: no daemon, no yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootGoRequest {
    /// Whose boot.
    pub machine: MachineId,
    /// The generation of the job the agent holds.
    pub generation: Generation,
    /// The job's attempt.
    pub attempt: u32,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootGo {
    /// Whether the daemon still wants that job for that machine.
    pub go: bool,
}
