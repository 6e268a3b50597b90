//! How the store fails, told apart as far as anyone branches on it.

use crate::migrate::MigrateError;

/// A store operation that did not happen. Every one may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres did not do its part.
    #[error("Postgres failed while {doing}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// Its error.
        #[source]
        source: sqlx::Error,
    },
    /// Postgres did not answer in time; whether the change was made is unknown until it is read.
    #[error("Postgres did not answer within {seconds} s while {doing}")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The schema could not be brought up to date, or is newer than this build.
    #[error("the database's schema does not fit")]
    Schema(#[source] MigrateError),
    /// The URL is not one.
    #[error("the database URL cannot be read")]
    Url(#[source] sqlx::Error),
    /// The server is too old.
    #[error("Postgres {found} is older than {oldest}, the oldest that muster works with")]
    ServerTooOld {
        /// The server's major version.
        found: i32,
        /// The oldest that works.
        oldest: i32,
    },
    /// A stored value is not what its type wants: written by a newer muster, or damaged.
    #[error("what {table} holds in {column} cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A number does not fit the database.
    #[error("{what} {value} is beyond what the database counts")]
    OutOfRange {
        /// Of what.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A value could not be written as JSON.
    #[error("{what} cannot be written as JSON")]
    Unwritable {
        /// Of what.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Two plans share an id: its digits collide, or the plan was changed after it was made.
    #[error("another plan is already stored as {id}")]
    PlanTaken {
        /// The id.
        id: String,
    },
    /// A slot, machine, disk or address of the plan belongs to a binding that has not ended.
    #[error("the plan gives away what another binding still holds: {detail}")]
    StillHeld {
        /// The index's name, which says which kind.
        index: String,
        /// The value, as Postgres tells it.
        detail: String,
    },
    /// The plan names a binding that has ended: it was made against something else than the store.
    #[error("binding {binding} has ended and cannot come back")]
    BindingEnded {
        /// Which.
        binding: String,
    },
    /// An agent sends a fact under a number that is past, and it is not the one stored there: its spool
    /// was restored and counts anew. It has to continue after `acknowledged`.
    #[error(
        "{agent} sends another fact as number {sequence}, which is taken; it has to continue after {acknowledged}"
    )]
    SequenceReused {
        /// The agent.
        agent: schema_ids::Name,
        /// The lowest such number of the sync; the facts below it are stored as they were sent.
        sequence: u64,
        /// The highest number stored.
        acknowledged: u64,
    },
    /// A nonce that was answered for another job or boot.
    #[error("nonce {nonce} was already used for another question")]
    NonceReused {
        /// The nonce.
        nonce: schema_ids::Uuid,
    },
}
