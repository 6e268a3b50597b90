//! Tombstones of machines: gone on purpose. Absence alone destroys nothing.

use crate::{kind::kind, kinds::disk_fate::DiskFate, span::Spanned};

kind! {
    /// A machine that leaves the fleet.
    "removed.machine" in removed_machines: RemovedMachine {
        /// What becomes of the disks.
        wipe disks: Spanned<DiskFate>,
        /// Why, for the audit.
        live reason: String,
    }
}
