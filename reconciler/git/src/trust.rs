//! Whether new commits are all signed by those who may: the first that is not, oldest first.

use crate::history::NewCommit;
use crate::signature::{Scheme, Untrusted, Window, verify};

/// Which commits must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Those of the branch itself: who signs a merge answers for what it brings.
    FirstParent,
    /// All that are new.
    All,
}

/// The first commit that is not signed as it must be.
#[derive(Debug, Clone)]
pub struct Fault<'c> {
    /// Which.
    pub commit: &'c NewCommit,
    /// What is wrong with its signature; `None` if it has none.
    pub why: Option<Untrusted>,
}

/// The first of these commits that must be signed and is not by one who may. They can have been made in the window.
pub fn first_fault<'c>(
    commits: &'c [NewCommit],
    breadth: Breadth,
    schemes: &[&dyn Scheme],
    window: Window,
) -> Option<Fault<'c>> {
    let must = |commit: &&NewCommit| breadth == Breadth::All || commit.is_of_branch;
    commits.iter().filter(must).find_map(|commit| {
        let why = match commit.signed(window) {
            None => None,
            Some(signed) => Some(verify(schemes, &signed).err()?),
        };
        Some(Fault { commit, why })
    })
}
