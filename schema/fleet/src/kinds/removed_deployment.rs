//! Tombstones of deployments: gone on purpose. Absence alone destroys nothing.

use crate::{kind::kind, kinds::disk_fate::DiskFate, span::Spanned};

kind! {
    /// A deployment that ends; its machines are released.
    "removed.deployment" in removed_deployments: RemovedDeployment {
        /// What becomes of the disks.
        wipe disks: Spanned<DiskFate>,
        /// Why, for the audit.
        live reason: String,
    }
}
