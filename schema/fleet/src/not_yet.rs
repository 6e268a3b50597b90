//! What a commit says that this version understands, but does not carry out.
//!
//! It is decoded and checked like everything else, warned of by `muster check`, and kept with the fleet,
//! so that the planner refuses the machines that it concerns instead of leaving it out in silence.

use crate::span::Origin;

/// One thing that is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct NotYet {
    /// The object that says it: `storage.mirror-root`.
    pub object: String,
    /// What it is, for people: `` `zfs` ``.
    pub what: String,
    /// Where it is written.
    pub origin: Origin,
}
