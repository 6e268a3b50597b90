//! The wipe-set: what may be erased, under the name by which people agree to it.

use super::{Ground, report};
use crate::plan::GuardReport;
use std::collections::BTreeSet;

pub(super) fn wipe_set(ground: &Ground<'_>) -> GuardReport {
    let set = &ground.new.wipe_set;
    let disks: usize = set.entries.values().map(BTreeSet::len).sum();
    report(
        "wipe-set",
        format!("{}: {disks} disks of {} machines", set.digest, set.entries.len()),
        None,
    )
}
