//! Every SQL statement of muster, and the private Postgres cluster that serves where no URL is given.
//!
//! [`Store`] takes and returns the domain's own types; no transaction is handed out, and none is held
//! across a call to anything but Postgres. Correctness rests on unique indexes, compare-and-set and
//! epochs: every function may be called twice, by several daemons at once, or after a commit whose
//! answer was lost, and ends in the same place. `NOTIFY` is a hint and nothing else.
//!
//! Facts are stored and never edited; no column holds a phase.
//!
//! Where to look:
//! - [`cluster`] starts and stops the private cluster; `store` connects and sets deadlines, `migrate`
//!   brings the schema up to date, `reader` makes the role under which planning reads, `identity` says what this control plane is;
//! - `revision`, `plans`, `adopt`: from a commit to the adopted plan;
//! - `append`, `marker`, `place`, `world`, `observed`, `discovered`: facts in, snapshots out;
//! - `enrolment`, `bmc_role`: who rack agents are, and which of them commands a rack's BMCs;
//! - `restraint`: holds and stops that people make;
//! - `orders`, `permits`, `wipes`, `start`, `approval`, `opened`: the daemon's own records; `audit`: who did what and why;
//! - `past`: what was known at a time; `times`: how long installations took; `log`: what happened, from all of these, page by page; `events`: the same of one commit, oldest first;
//! - `work`, `wake`: what is to be looked at next; `derived`: what may be deleted at any time.
//!
//! Queries are checked at build time against the answers in `.sqlx`. `cargo xtask sqlx` refreshes them:
//! it runs `examples/throwaway_cluster.rs` without the feature `queries` (so that it builds while the
//! answers are stale), which migrates a cluster and runs `cargo check` of this crate against it.

pub mod cluster;
mod migrate;
mod reader;

#[cfg(feature = "queries")]
mod adopt;
#[cfg(feature = "queries")]
mod append;
#[cfg(feature = "queries")]
mod approval;
#[cfg(feature = "queries")]
mod audit;
#[cfg(feature = "queries")]
mod bmc_role;
#[cfg(feature = "queries")]
mod budget;
#[cfg(feature = "queries")]
mod column;
#[cfg(feature = "queries")]
mod derived;
#[cfg(feature = "queries")]
mod discovered;
#[cfg(feature = "queries")]
mod enrolment;
#[cfg(feature = "queries")]
mod error;
#[cfg(feature = "queries")]
mod events;
#[cfg(feature = "queries")]
mod fenced;
#[cfg(feature = "queries")]
mod identity;
#[cfg(feature = "queries")]
mod log;
#[cfg(feature = "queries")]
mod marker;
#[cfg(feature = "queries")]
mod observed;
#[cfg(feature = "queries")]
mod opened;
#[cfg(feature = "queries")]
mod orders;
#[cfg(feature = "queries")]
mod past;
#[cfg(feature = "queries")]
mod permits;
#[cfg(feature = "queries")]
mod place;
#[cfg(feature = "queries")]
mod plans;
#[cfg(feature = "queries")]
mod restraint;
#[cfg(feature = "queries")]
mod revision;
#[cfg(feature = "queries")]
mod start;
#[cfg(feature = "queries")]
mod store;
#[cfg(feature = "queries")]
mod stored;
#[cfg(feature = "queries")]
mod times;
#[cfg(feature = "queries")]
mod transaction;
#[cfg(feature = "queries")]
mod wake;
#[cfg(feature = "queries")]
mod wipes;
#[cfg(feature = "queries")]
mod work;
#[cfg(feature = "queries")]
mod world;

#[cfg(feature = "queries")]
pub use crate::{
    adopt::{Adoption, Basis},
    append::Receipt,
    approval::Approval,
    audit::{AuditEntry, By},
    bmc_role::HandOver,
    derived::DERIVED_TABLES,
    enrolment::{AgentKey, EnrolledAgent, KeyOwner, NewToken, TokenFault},
    error::StoreError,
    events::{Adoptions, Asked},
    fenced::Fencing,
    identity::Identity,
    log::{LogRecord, LogRecords, Logged},
    orders::{Beyond, Intended, Issuance, Issue},
    past::Then,
    permits::HeldPermits,
    restraint::{HeldRestraints, NewHold},
    revision::{Revision, Stage},
    start::{GoTakes, StartRecord},
    store::Store,
    times::Installation,
    wake::{Wake, Wakeups},
    work::{Claimed, WorkItem},
    world::Scope,
};
pub use cluster::PrivateCluster;
pub use migrate::{MIGRATOR, MigrateError, migrate};
