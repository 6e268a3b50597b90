//! Tombstones of machines: gone on purpose. Absence alone destroys nothing.

use crate::{kind::kind, kinds::disk_fate::DiskFate, span::Spanned};
use schema_ids::DiskId;

kind! {
    /// A machine that leaves the fleet.
    "removed.machine" in removed_machines: RemovedMachine {
        /// What becomes of the disks.
        wipe disks: Spanned<DiskFate>,
        /// Disks that are not erased: broken or lost ones. They keep what they hold, wherever they are.
        wipe keep: Vec<Spanned<DiskId>>,
        /// Why, for the audit.
        live reason: String,
    }
}
