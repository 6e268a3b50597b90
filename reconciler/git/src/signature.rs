//! What a signed commit is, and what it takes to be believed: one trait, whatever the signature's format.
//!
//! Pure: no repository, no clock, no file. Which commits must be signed is not for here to say, nor what becomes of one
//! that is not.

use schema_ids::Timestamp;

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
    /// It cannot have been made before this: the time of the revision that it comes after. A key that has run out since
    /// revives by no older date.
    pub not_before: Timestamp,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The people of the key, as the file of those who may sign has them.
    pub principals: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
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
    let scheme = schemes.iter().find(|scheme| scheme.knows(commit.signature));
    scheme.ok_or(Untrusted::Format)?.verify(commit)
}
