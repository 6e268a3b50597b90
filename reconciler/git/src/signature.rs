//! What a signed commit is, and what it takes to be believed: one trait, whatever the signature's format.
//!
//! Pure: no repository, no clock, no file. Which commits must be signed is not for here to say, nor what becomes of one
//! that is not.

use crate::allowed_signers::matches_list;
use schema_ids::Timestamp;
use std::time::Duration;

/// A commit as far as its signature is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'c> {
    /// The signature, in its armour.
    pub signature: &'c str,
    /// The bytes that it is made over: the commit's object without it.
    pub payload: &'c [u8],
    /// The address of who made the commit.
    pub committer: &'c str,
    /// When it was made, as it says itself.
    pub time: Timestamp,
    /// When it can have been made.
    pub window: Window,
}

/// A clock that goes wrong by more than so much is put right before somebody signs by it.
const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// When commits that are looked at now can have been made, whatever they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The time of the revision that they come after: a key that has run out since revives by no older date.
    pub(crate) not_before: Timestamp,
    /// When they are looked at: a later date brings no key before its time, and lets none run out by what comes next.
    pub(crate) now: Timestamp,
}

impl Window {
    /// Of commits that come after one of the time `base`, if after any. One that was dated ahead of its time, by somebody
    /// who need not sign, does not count for later than it is.
    pub fn new(base: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            not_before: base.unwrap_or(Timestamp::from_unix_ms(0)).min(now),
            now,
        }
    }
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The people of the key, by each line that the file of those who may sign has of it.
    pub principals: Vec<String>,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

impl Signer {
    /// Whether it may be this person: a line of the key means their address, however it is written.
    pub fn may_be(&self, address: &str) -> bool {
        let lower = address.to_ascii_lowercase();
        self.principals
            .iter()
            .any(|list| matches_list(list, address) || matches_list(&list.to_ascii_lowercase(), &lower))
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No scheme knows its armour.
    #[error("its signature is in a format that musterd does not verify; it verifies SSH signatures")]
    Format,
    /// The signature cannot be read.
    #[error("its signature cannot be read: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
    /// A key of another kind.
    #[error(
        "it is signed with key {fingerprint} of type {algorithm}, which musterd does not take; it takes ssh-ed25519, \
         ecdsa-sha2-nistp* and ssh-rsa of at least 2048 bits"
    )]
    Algorithm {
        /// The key.
        fingerprint: String,
        /// Its type.
        algorithm: String,
    },
    /// Made for something else than a commit.
    #[error("its signature by key {fingerprint} was made for {namespace:?}, not for git")]
    Purpose {
        /// The key.
        fingerprint: String,
        /// What for.
        namespace: String,
    },
    /// It is not of these bytes.
    #[error(
        "its signature by key {fingerprint} is not of this commit: the commit was changed after it was signed"
    )]
    Tampered {
        /// The key.
        fingerprint: String,
    },
    /// Nobody's key.
    #[error("it is signed with key {fingerprint}, which nobody who may sign has")]
    Unknown {
        /// The key.
        fingerprint: String,
    },
    /// Its date has not come.
    #[error("it says that it is of {time}, and here it is {now}: one of the two clocks is wrong")]
    Ahead {
        /// What it says.
        time: Timestamp,
        /// What this host says.
        now: Timestamp,
    },
    /// Somebody's key, but not for this commit.
    #[error("it is signed with key {fingerprint} of {principals}, {why}")]
    NotFor {
        /// The key.
        fingerprint: String,
        /// Whose.
        principals: String,
        /// Why not.
        why: String,
    },
}

/// One format of signatures, with those who may sign in it.
pub trait Scheme {
    /// Whether it is its armour.
    fn knows(&self, armour: &str) -> bool;

    /// Who signed the commit, if they may.
    ///
    /// # Errors
    /// Why it does not count.
    fn verify(&self, commit: &Signed<'_>) -> Result<Signer, Untrusted>;
}

/// Who signed the commit, by the scheme that knows its armour.
///
/// # Errors
/// Why the signature does not count.
pub fn verify(schemes: &[&dyn Scheme], commit: &Signed<'_>) -> Result<Signer, Untrusted> {
    let (time, now) = (commit.time, commit.window.now);
    if time > now.plus(AHEAD_MAX) {
        return Err(Untrusted::Ahead { time, now });
    }
    let scheme = schemes.iter().find(|scheme| scheme.knows(commit.signature));
    scheme.ok_or(Untrusted::Format)?.verify(commit)
}
