//! A disk's plan as a script for `sfdisk` (sfdisk(8), "Script-file format"). Pure.

use crate::partition_table::MARKER_TYPE;
use rack_api::job::{DiskPlan, PartitionKind};
use std::fmt::Write;

/// Renders the script for a disk with logical sectors of `sector_bytes`.
///
/// Positions are in sectors, since `sfdisk` moves what it is told in larger units.
pub fn script(plan: &DiskPlan, sector_bytes: u64) -> String {
    let mut script = format!(
        "label: gpt\nlabel-id: {}\nunit: sectors\nsector-size: {sector_bytes}\n\n",
        plan.table
    );
    for partition in &plan.partitions {
        let kind = match partition.kind {
            PartitionKind::Marker => MARKER_TYPE,
            PartitionKind::BiosBoot => "21686148-6449-6E6F-744E-656564454649",
            PartitionKind::Esp => "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            PartitionKind::Linux => "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            PartitionKind::Swap => "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
            PartitionKind::Raid => "A19D880F-05FC-4D3B-A006-743F0F84911E",
            PartitionKind::Lvm => "E6D6D379-F507-44C2-A23C-238F2A3DF928",
        };
        writeln!(
            script,
            "{} : start={}, size={}, type={kind}, uuid={}, name=\"{}\"",
            partition.number,
            partition.start_bytes / sector_bytes,
            partition.size_bytes / sector_bytes,
            partition.uuid,
            partition.id,
        )
        .expect("a String takes all that is written");
    }
    script
}
