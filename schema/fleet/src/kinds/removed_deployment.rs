//! Tombstones of deployments: gone on purpose. Absence alone destroys nothing.

use crate::{kind::kind, kinds::disk_fate::DiskFate, span::Spanned, value::quarantine::Quarantine};
use schema_ids::DiskId;

kind! {
    /// A deployment that ends; its machines are released.
    "removed.deployment" in removed_deployments: RemovedDeployment {
        /// What becomes of the disks.
        wipe disks: Spanned<DiskFate>,
        /// Disks that are not erased: broken or lost ones. They keep what they hold, wherever they are.
        wipe keep: Vec<Spanned<DiskId>>,
        /// How long each machine is kept off with its data before its disks are erased; `0s` is not at all. Without it,
        /// what the fleet says.
        live quarantine: Option<Quarantine>,
        /// Why, for the audit.
        live reason: String,
    }
}
