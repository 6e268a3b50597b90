//! Limits of a zone, a pool or a deployment, beside those of the fleet.

use crate::{kind::table, value::percent::Percent};

table! {
    /// What may be destroyed at most here, by one plan and within 24 hours. The limits of the fleet hold beside them, and the
    /// smallest counts. Blank disks and disks a person agreed to erase do not count.
    ScopeLimits {
        /// Machines of which disks are erased, or that are released.
        live max_destroyed: Option<u32>,
        /// The same as a share of the machines here, in percent and never less than one machine; it counts from the
        /// fleet's `limits.min-population` up.
        live max_destroyed_percent: Option<Percent>,
    }
}
