//! Reads one revision of a fleet repository out of a bare mirror, and what changed in a person's work tree.
//!
//! libgit2 is used for objects only: fetching is `git fetch` as a child of the daemon, so that
//! credentials, ssh configuration and proxies work as the user set them up. A revision is read as
//! one consistent snapshot of blobs; the daemon never has a work tree. Nothing here decides anything.

mod mirror;
mod revision;
mod since;

pub use mirror::{Mirror, MirrorError};
pub use revision::{CommitInfo, RevisionFile, SkippedFile, Tree};
pub use since::{Since, SinceError, since};

/// A fleet file larger than this is refused: 4 MiB is 40,000 machines a file.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// More files than this are refused; 10,000 racks at one file a rack leave room.
pub const FILES_MAX: usize = 20_000;
/// All files together; the whole is held in memory while it is parsed.
pub const TREE_BYTES_MAX: usize = 256 << 20;
/// Folders deeper than this are refused.
pub const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests;
