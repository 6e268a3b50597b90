//! Pools: whose machines these are.

use crate::{
    kind::kind,
    kinds::{fleet::Deletion, scope_limits::ScopeLimits},
};

kind! {
    /// Machines that are given out together, and the people who answer for them.
    "pool" in pools: Pool {
        /// For people.
        live description: Option<String>,
        /// Who answers for it.
        live owners: Vec<String>,
        /// What becomes of its machines and their deployments when they are no longer named.
        live deletion: Deletion = Deletion::Tombstone,
        /// What may be destroyed at most of it.
        live limits: Option<ScopeLimits>,
    }
}
