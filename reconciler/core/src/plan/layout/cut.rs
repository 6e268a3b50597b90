//! How one disk is cut into partitions.

use super::{MIB, Problem, size_text, volumes};
use crate::plan::digest::owned;
use rack_api::inventory::{Disk, FirmwareKind};
use rack_api::job::{Partition, PartitionKind};
use schema_fleet::{Extent, PartitionType, Spanned, Storage};
use schema_ids::{DiskId, Name};

/// Kept free at the end of each disk: the backup GPT needs 33 sectors (UEFI 2.10 §5.3), which is less
/// than 1 MiB with any sector size in use.
const END_RESERVED: u64 = MIB;

/// Cuts one disk: the marker, a place for GRUB where BIOS needs one, then what the layout says.
pub(super) fn cut(
    problem: &Problem<'_>,
    selector: &Name,
    disk: &Disk,
    id: &DiskId,
) -> Result<Vec<Partition>, String> {
    let written = || {
        problem
            .storage
            .partition
            .iter()
            .filter(|partition| partition.on.value == *selector)
    };
    let mut pieces: Vec<(String, PartitionKind, Option<u64>)> =
        vec![("muster".to_owned(), PartitionKind::Marker, Some(MIB))];
    let has_bios = problem
        .storage
        .partition
        .iter()
        .any(|partition| partition.partition_type == PartitionType::Bios);
    let has_root = written().any(|partition| volumes::is_beneath_root(problem.storage, &partition.id.value));
    if problem.firmware == FirmwareKind::Bios && !has_bios && has_root {
        pieces.push(("bios".to_owned(), PartitionKind::BiosBoot, Some(MIB)));
    }
    for partition in written() {
        let kind = match partition.partition_type {
            PartitionType::Esp => PartitionKind::Esp,
            PartitionType::Bios => PartitionKind::BiosBoot,
            PartitionType::Linux => linux_kind(problem.storage, &partition.id.value),
            PartitionType::Swap => PartitionKind::Swap,
        };
        let size = match partition.size.value {
            Extent::Size(size) => Some(size.0.div_ceil(MIB).saturating_mul(MIB)),
            Extent::Rest => None,
        };
        pieces.push((partition.id.to_string(), kind, size));
    }
    let usable = (disk.size_bytes.saturating_sub(END_RESERVED) / MIB * MIB).saturating_sub(MIB);
    let fixed = pieces
        .iter()
        .filter_map(|(_, _, size)| *size)
        .fold(0_u64, u64::saturating_add);
    let has_rest = pieces.iter().any(|(_, _, size)| size.is_none());
    let rest = usable.saturating_sub(fixed);
    if fixed > usable || (has_rest && rest == 0) {
        return Err(format!(
            "the partitions on {selector} need {}, {id} has {}",
            size_text(fixed),
            size_text(disk.size_bytes)
        ));
    }
    let mut start = MIB;
    let cut = pieces.into_iter().zip(1..).map(|((piece, kind, size), number)| {
        let size_bytes = size.unwrap_or(rest);
        let uuid = owned(problem.binding, &["partition", id.as_str(), &piece]);
        let partition = Partition {
            number,
            id: piece,
            kind,
            start_bytes: start,
            size_bytes,
            uuid,
        };
        start += size_bytes;
        partition
    });
    Ok(cut.collect())
}

/// What a partition for Linux is marked as: by what stands on it.
fn linux_kind(storage: &Storage, partition: &Name) -> PartitionKind {
    let is_in = |members: &[Spanned<Name>]| members.iter().any(|member| member.value == *partition);
    if storage.raid.values().any(|raid| is_in(&raid.members)) {
        PartitionKind::Raid
    } else if storage.lvm.values().any(|group| is_in(&group.members)) {
        PartitionKind::Lvm
    } else {
        PartitionKind::Linux
    }
}
