//! Reads one revision of a fleet repository out of a bare mirror, who signed it, and what changed in a person's work
//! tree.
//!
//! libgit2 is used for objects only: fetching is `git fetch` as a child of the daemon, so that
//! credentials, ssh configuration and proxies work as the user set them up. A revision is read as
//! one consistent snapshot of blobs; the daemon never has a work tree. Nothing here decides anything: what of a tree is
//! read is for the rules of the language to say, which hold for a person's folder as well.

mod allowed_signers;
mod authors;
mod checked;
mod history;
mod mirror;
mod revision;
mod sealed;
mod signature;
mod since;
mod sshsig;
mod submodule;
mod trust;

pub use allowed_signers::{AllowedSigners, BadSigners};
pub use authors::{Signatures, authors};
pub use checked::Checked;
pub use history::NewCommit;
pub use mirror::{Mirror, MirrorError};
pub use revision::{CommitInfo, RevisionFile, Tree};
pub use sealed::{BadKey, SealingKey, Unsealed, unseal};
pub use signature::{Scheme, Signed, Signer, Untrusted, Window, verify};
pub use since::{Since, SinceError, since};
pub use submodule::{SubmodulesError, submodules};
pub use trust::{Breadth, Fault, first_fault};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod tests;
