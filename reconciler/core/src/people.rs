//! The people's API: paths and bodies that `musterd` serves on its unix socket and `muster` reads.
//!
//! HTTP with JSON. An answer that is not 2xx carries a [`Refusal`].

pub mod agents;
pub mod events;
pub mod restraints;

use crate::admit::BudgetTold;
use crate::condition::Condition;
use crate::drift::Drift;
use crate::facts::{Erasure, Seen};
use crate::form::Setting;
use crate::hold::{HoldTold, Stop};
use crate::next::PowerWish;
use crate::observed::Discovered;
use crate::phase::Mark;
use crate::plan::approvals::Agreement;
use crate::plan::{MachinePlan, Plan};
use crate::status::{DeploymentStatus, MachineStatus};
use rack_api::inventory::Inventory;
use rack_api::order::OrderRef;
use schema_ids::{Digest, DiskId, Generation, Incarnation, Mac, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `GET` [`Status`].
pub const STATUS: &str = "/v1/status";
/// `GET` [`Status`] as it was: this and the time, RFC 3339.
pub const STATUS_AT: &str = "/v1/status/at/";
/// `GET` [`MachineDetail`]: this and the machine's name or id.
pub const MACHINES: &str = "/v1/machines/";
/// `GET` [`DeploymentDetail`](crate::plan::reach::DeploymentDetail): this and the deployment's name.
pub const DEPLOYMENTS: &str = "/v1/deployments/";
/// After a machine's name: `POST` [`PowerRequest`], answered by [`PowerAnswer`].
pub const POWER: &str = "/power";
/// After a machine's name: this and a deployment's name: `GET` [`Against`](crate::plan::against::Against).
pub const AGAINST: &str = "/against/";
/// After a machine's name: `POST` [`FencedRequest`], answered by [`FencedAnswer`].
pub const FENCED: &str = "/fenced";
/// `GET` [`DriftAnswer`].
pub const DRIFT: &str = "/v1/drift";
/// `GET` a list of [`DiscoveredMachine`].
pub const DISCOVERED: &str = "/v1/discovered";
/// `POST` [`PlanRequest`], answered by [`PlanAnswer`].
pub const PLAN: &str = "/v1/plan";
/// `GET` a stored [`Plan`]: this and its id.
pub const PLANS: &str = "/v1/plans/";
/// After a plan's id: `GET` [`Standing`](crate::form::standing::Standing).
pub const STANDING: &str = "/standing";
/// `GET` a [`SnapshotAnswer`].
pub const SNAPSHOT: &str = "/v1/snapshot";
/// `POST` [`ApplyRequest`], answered by [`ApplyAnswer`].
pub const APPLY: &str = "/v1/apply";
/// `POST` [`ApproveRequest`], answered by an empty object.
pub const APPROVE: &str = "/v1/approve";
/// `POST` [`WithdrawRequest`], answered by [`WithdrawAnswer`].
pub const WITHDRAW: &str = "/v1/approve/withdraw";
/// `POST` [`OverrideRequest`], answered by [`OverrideAnswer`].
pub const OVERRIDE: &str = "/v1/override";
/// `POST` an empty object: raise the incarnation after a restore; answered by [`RecoverAnswer`].
pub const RECOVER: &str = "/v1/recover";
/// `GET` a list of [`Artefact`]; `PUT` an artefact's bytes at this and its 64 digits.
pub const IMAGES: &str = "/v1/images/";

/// `POST` [`LogRequest`], answered by [`LogPage`].
pub const LOG: &str = "/v1/log";

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A [`RefusalCode`](crate::refusal::RefusalCode)'s code, or a diagnostic's or condition's.
    pub code: String,
    /// The whole reason and what to do.
    pub message: String,
}

/// The fleet at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's clock.
    pub now: Timestamp,
    /// The fleet's name, once a revision was adopted.
    pub fleet: Option<Name>,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// What is carried out.
    pub adopted: Option<Adopted>,
    /// The newest revision and how far it came.
    pub revision: Option<Revision>,
    /// The repository's own trouble, if it cannot be read.
    pub source: Option<String>,
    /// Set when this daemon is too slow for what it decides.
    #[serde(default)]
    pub slow: Option<String>,
    /// Set when agents or markers know more than this database.
    pub restored: Option<String>,
    /// What is stopped.
    #[serde(default)]
    pub stops: Vec<Stop>,
    /// Budgets, and what takes their places.
    #[serde(default)]
    pub budgets: Vec<BudgetTold>,
    /// Holds, of git and of run time; of those whose time is over, the ones of which people should know.
    #[serde(default)]
    pub holds: Vec<HoldTold>,
    /// Machines by name.
    pub machines: Vec<MachineStatus>,
    /// Deployments that have machines, or lack some, by name.
    #[serde(default)]
    pub deployments: Vec<DeploymentStatus>,
    /// Rack agents and when they were last heard.
    pub agents: BTreeMap<Name, Timestamp>,
}

/// The plan that is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Its id.
    pub plan: String,
    /// Its commit.
    pub commit: Option<String>,
    /// When it was made.
    pub made: Timestamp,
}

/// A commit and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// 40 digits.
    pub commit: String,
    /// First line of its message.
    pub summary: String,
    /// Its author.
    pub author: String,
    /// The last stage it reached.
    pub stage: Stage,
    /// Why it goes no further, if it does not.
    pub stopped: Option<Refusal>,
    /// Since when it stands there.
    pub since: Timestamp,
}

/// The stages of a revision, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// In the mirror.
    Fetched,
    /// A descendant of the last adopted one.
    Verified,
    /// Its files could be read and checked: a fleet.
    Checked,
    /// A plan was made and stored.
    Planned,
    /// The plan's guards let it pass.
    Guarded,
    /// It is carried out.
    Adopted,
}

impl Stage {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Verified => "verified",
            Self::Checked => "checked",
            Self::Planned => "planned",
            Self::Guarded => "guarded",
            Self::Adopted => "adopted",
        }
    }
}

/// One machine in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineDetail {
    /// At a glance.
    pub status: MachineStatus,
    /// What the adopted plan says of it.
    pub plan: MachinePlan,
    /// What it is made of.
    pub inventory: Option<Inventory>,
    /// The newest erasure of each of its disks, the record of which is kept for ever.
    #[serde(default)]
    pub erased: BTreeMap<DiskId, Seen<Erasure>>,
    /// Why it is where it is, as text.
    pub why: String,
}

/// Where reality is otherwise than wanted, and left so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftAnswer {
    /// The daemon's clock.
    pub now: Timestamp,
    /// The commit that is carried out.
    pub commit: Option<String>,
    /// By machine.
    pub drift: Vec<Drift>,
    /// Machines of which nothing was heard for too long: nobody can tell.
    pub silent: Vec<Name>,
}

/// A machine that no file declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredMachine {
    /// The interface it booted from.
    pub mac: Mac,
    /// Where, when and what.
    pub discovered: Discovered,
    /// Fleet lines that would declare it, in TOML.
    pub toml: String,
}

/// "What would this do?"
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanRequest {
    /// A branch, tag or commit of the repository; absent for the branch that is carried out.
    pub head: Option<String>,
    /// What it is compared with, likewise: what that asks for too is not the head's doing. Absent for the commit
    /// that is carried out.
    #[serde(default)]
    pub base: Option<String>,
    /// The machines of interest, as a selector; absent for all. A part is not kept, and nobody can agree to it.
    #[serde(default)]
    pub only: Option<String>,
    /// A plan that is stale: its commit is planned anew, and the answer says what made it so.
    #[serde(default)]
    pub replace: Option<String>,
}

/// A plan for a commit, stored so that it can be shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAnswer {
    /// The plan.
    pub plan: Plan,
    /// What it was asked for with, and what was found beside it.
    #[serde(default)]
    pub setting: Setting,
    /// What the plan that it replaces had read otherwise.
    #[serde(default)]
    pub stale: Vec<String>,
    /// What is said of the fleet that does not stop it, as text.
    pub warnings: String,
}

/// What planning reads, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotAnswer {
    /// The document `muster.snapshot/1.0` in one line, and its signature under it.
    pub sealed: String,
    /// The line that lets the daemon's key sign, for a file of allowed signers.
    pub allowed: String,
}

/// "Carry out the branch now."
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The plan that was shown; refused as stale if the branch or the fleet has moved on.
    pub plan: Option<String>,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// The revision.
    pub revision: Revision,
}

/// "This wipe-set may be erased."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproveRequest {
    /// The plan it was read in.
    pub plan: String,
    /// The wipe-set's digest, `w-…`.
    pub wipe_set: String,
}

/// "I said that this wipe-set may be erased, and do not say so any more."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawRequest {
    /// A plan with it.
    pub plan: String,
    /// The wipe-set's digest, `w-…`.
    pub wipe_set: String,
    /// Why; never empty.
    pub reason: String,
}

/// What taking it back has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WithdrawAnswer {
    /// Whether they had agreed.
    pub withdrawn: bool,
    /// Whether what is carried out erases it all the same: that was adopted before.
    pub carried_out: bool,
}

/// What that word comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproveAnswer {
    /// Whether it counts; where nobody must agree, every word does.
    pub counts: bool,
    /// How many must say it, and who has; absent where nobody must.
    pub agreement: Option<Agreement>,
    /// Who is missing, and whose word does not count and why; absent where enough have said it.
    pub missing: Option<String>,
    /// The guard that stops the plan all the same, and why.
    pub blocked: Option<String>,
}

/// "This guard shall let this plan pass."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideRequest {
    /// The plan.
    pub plan: String,
    /// The guard, by its name in the plan.
    pub guard: String,
    /// Why; never empty.
    pub reason: String,
}

/// Who has said so by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideAnswer {
    /// The people whose word counts.
    pub people: BTreeSet<String>,
    /// How many must say it.
    pub needed: usize,
    /// When the first of these words ends.
    pub until: Timestamp,
}

/// "Switch this machine." `POST` to [`MACHINES`], the machine's name and [`POWER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerRequest {
    /// What.
    pub power: PowerWish,
    /// Why, for the audit.
    #[serde(default)]
    pub reason: String,
    /// Whether it is done though a budget has no room for it; then the reason is needed.
    #[serde(default)]
    pub beyond_budget: bool,
}

/// The order that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerAnswer {
    /// Which.
    pub order: OrderRef,
    /// In words.
    pub cause: String,
}

/// "This machine is off, and will not come back as it was." `POST` to [`MACHINES`], the machine's name and [`FENCED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencedRequest {
    /// Why that person can tell; never empty.
    pub reason: String,
}

/// What the word ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencedAnswer {
    /// The machine.
    pub machine: MachineId,
    /// The generation of the intent by which it leaves.
    pub generation: Generation,
}

/// The new life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverAnswer {
    /// Raised by one.
    pub incarnation: Incarnation,
}

/// Bytes that rack agents may fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// Their digest.
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

/// "What happened?"
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogRequest {
    /// A machine's name or id, gone ones too; absent for the whole fleet.
    pub machine: Option<String>,
    /// Where to read on towards what is older; absent for the newest.
    pub before: Option<LogPlace>,
}

/// What happened, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The daemon's clock.
    pub now: Timestamp,
    /// At most 500.
    pub entries: Vec<LogEntry>,
    /// Where what is older begins; absent if there is nothing older.
    pub before: Option<LogPlace>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its name; no other entry ever has it.
    pub key: String,
    /// When it was stored, by the daemon's clock.
    pub at: Timestamp,
    /// The machine concerned, by its newest name.
    pub machine: Option<Name>,
    /// Its id.
    pub id: Option<MachineId>,
    /// What, in a line.
    pub what: String,
    /// By whom: an agent, a person, a commit's author, `musterd`.
    pub by: String,
    /// What it tells a further part of, by a name that all its parts have: a boot, which is told again as it
    /// gets on. The newest part says all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<String>,
}

/// A place in the log: for each source, the key before which nothing was read yet. It belongs to one reader
/// and one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Among facts.
    pub fact: u64,
    /// Among what was done by whom.
    pub audit: u64,
    /// Among answers to "may I write?".
    pub start: (Timestamp, String),
    /// Among stands of commits.
    pub revision: u64,
}

impl LogPlace {
    /// Behind the newest of all.
    pub fn end() -> Self {
        Self {
            fact: u64::MAX,
            audit: u64::MAX,
            start: (Timestamp::from_unix_ms(i64::MAX), String::new()),
            revision: u64::MAX,
        }
    }
}

/// How a machine stands to what is wanted of it, as `apply --wait` reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is left to do. A machine that git no longer names, or that someone else switched, counts:
    /// both are shown and left alone.
    AsWanted,
    /// Something is under way, or is tried again by itself.
    UnderWay,
    /// Others go first.
    Queued,
    /// No rack agent of its is heard, so that nobody can tell.
    Unseen,
    /// Held, and nothing goes on until the hold ends.
    Held,
    /// Only a person can go on.
    NeedsPerson,
}

/// How this machine stands.
pub fn standing(status: &MachineStatus) -> Standing {
    let Some(wait) = &status.wait else {
        return match status.proposed {
            Some(_) => Standing::UnderWay,
            None => Standing::AsWanted,
        };
    };
    match wait.condition {
        Condition::AdoptedChanged
        | Condition::Orphaned
        | Condition::PowerDrift
        | Condition::PowerOrdered
        | Condition::DisksKept => Standing::AsWanted,
        Condition::Held => Standing::Held,
        Condition::Budget
        | Condition::WindowClosed
        | Condition::EarlierWave
        | Condition::Soaking
        | Condition::Canary
        | Condition::RateLimited => Standing::Queued,
        Condition::BudgetHalted => Standing::NeedsPerson,
        Condition::RackSilent => Standing::Unseen,
        _ if status.marks.contains(&Mark::Stalled) => Standing::NeedsPerson,
        _ => Standing::UnderWay,
    }
}
