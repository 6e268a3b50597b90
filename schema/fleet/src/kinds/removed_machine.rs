//! Tombstones of machines: gone on purpose. Absence alone destroys nothing.

use crate::{
    kind::kind,
    kinds::{disk_fate::DiskFate, machine::Consent},
    span::Spanned,
    value::quarantine::Quarantine,
};
use schema_ids::DiskId;

kind! {
    /// A machine that leaves the fleet.
    "removed.machine" in removed_machines: RemovedMachine {
        /// What becomes of the disks.
        wipe disks: Spanned<DiskFate>,
        /// Disks that are not erased: broken or lost ones. They keep what they hold, wherever they are.
        wipe keep: Vec<Spanned<DiskId>>,
        /// Contents that may go: of an adopted machine those of each disk, of another one what muster did not write.
        wipe consent: Vec<Consent>,
        /// How long the machine is kept off with its data before its disks are erased; `0s` is not at all. Without it, what
        /// the fleet says.
        live quarantine: Option<Quarantine>,
        /// Why, for the audit.
        live reason: String,
    }
}
