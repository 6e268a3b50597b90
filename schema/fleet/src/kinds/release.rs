//! Slots that are given back on purpose. A lower `count` alone releases nothing.

use crate::{
    decode::Ref,
    kind::table,
    kinds::{disk_fate::DiskFate, machine::Machine},
    span::Spanned,
    value::quarantine::Quarantine,
};
use schema_ids::DiskId;

table! {
    /// Machines that give their slots back. While a machine is named here, it gets no slot of the deployment.
    Release {
        /// The machines.
        wipe machines: Vec<Ref<Machine>>,
        /// What becomes of their disks.
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
