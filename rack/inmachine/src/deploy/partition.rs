//! Partitions a disk that carries our marker: old tables gone, the new one in place and seen by the
//! kernel.

use super::error::{DeployError, doing, running};
use super::fence_step::PlannedDisk;
use super::sfdisk;
use crate::content::END_BYTES;
use crate::disk;
use crate::program;
use crate::sysfs::Sysfs;
use rustix::fs::{FlockOperation, flock};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Each of these tools writes or reads a few sectors; a disk that takes longer is broken.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// The kernel's view is brought up to date this often: something may have a partition open for a
/// moment.
const UPDATES_MAX: u32 = 10;

/// Partitions one disk and removes old signatures where the new partitions lie.
///
/// # Errors
/// The disk cannot be written, or its partitions do not appear.
pub(super) fn partition(sysfs: &Sysfs, planned: &PlannedDisk<'_>) -> Result<(), DeployError> {
    let PlannedDisk { plan, disk } = planned;
    let path = disk.node();
    let node = path.display().to_string();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(doing(format!("open {node}")))?;
    // udev does not read a disk while it is locked, so nothing holds its partitions open (its
    // manual's "Locking Block Device Access").
    flock(&file, FlockOperation::LockExclusive)
        .map_err(std::io::Error::from)
        .map_err(doing(format!("lock {node}")))?;
    // Not a byte between: the marker is there.
    let zeros = vec![0; usize::try_from(END_BYTES).expect("a mebibyte fits")];
    for offset in [0, disk.size_bytes - END_BYTES] {
        file.write_all_at(&zeros, offset)
            .map_err(doing(format!("clear byte {offset} of {node}")))?;
    }
    file.sync_all().map_err(doing(format!("clear {node}")))?;
    let arguments = [
        "--quiet",
        "--no-reread",
        "--no-tell-kernel",
        "--wipe=never",
        &node,
    ];
    program::run(
        "sfdisk",
        &arguments,
        &sfdisk::script(plan, disk.sector_bytes),
        TOOL_LIMIT,
    )
    .map_err(running(format!("partition {node}")))?;
    file.sync_all()
        .map_err(doing(format!("write the partitions of {node}")))?;
    let nodes = show_kernel(sysfs, planned, &node)?;
    // The marker's partition keeps what is in it; the others may lie where something else began.
    let others: Vec<&str> = nodes.iter().skip(1).map(String::as_str).collect();
    if !others.is_empty() {
        let arguments: Vec<&str> = ["--all", "--quiet"].into_iter().chain(others).collect();
        program::run("wipefs", &arguments, "", TOOL_LIMIT)
            .map_err(running(format!("clear the partitions of {node}")))?;
    }
    Ok(())
}

/// Has the kernel take up the new table and gives the partitions' nodes in order.
fn show_kernel(sysfs: &Sysfs, planned: &PlannedDisk<'_>, node: &str) -> Result<Vec<String>, DeployError> {
    let mut result = Err(DeployError::NoPartition {
        disk: node.to_owned(),
        number: 1,
    });
    for round in 0..UPDATES_MAX {
        if round > 0 {
            std::thread::sleep(Duration::from_secs(1));
        }
        let updated = program::run("partx", &["--update", node], "", TOOL_LIMIT)
            .map_err(running(format!("show the kernel the partitions of {node}")));
        result = updated.and_then(|_| as_planned(sysfs, planned, node));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The nodes of the partitions, if the kernel has exactly those of the plan.
fn as_planned(sysfs: &Sysfs, planned: &PlannedDisk<'_>, node: &str) -> Result<Vec<String>, DeployError> {
    let PlannedDisk { plan, disk } = planned;
    let found = disk::partitions(sysfs, &disk.name);
    let wrong = |number| DeployError::NoPartition {
        disk: node.to_owned(),
        number,
    };
    if let Some(more) = found
        .keys()
        .find(|number| !plan.partitions.iter().any(|p| p.number == **number))
    {
        return Err(wrong(*more));
    }
    plan.partitions
        .iter()
        .map(|partition| {
            let name = found
                .get(&partition.number)
                .ok_or_else(|| wrong(partition.number))?;
            // In units of 512 bytes, whatever the disk's own sectors are.
            let bytes = |attribute| {
                let sectors: Option<u64> =
                    sysfs.number(&format!("sys/block/{}/{name}/{attribute}", disk.name));
                sectors.map(|sectors| sectors * 512)
            };
            let node = format!("/dev/{name}");
            let fits = bytes("start") == Some(partition.start_bytes)
                && bytes("size") == Some(partition.size_bytes)
                && std::path::Path::new(&node).exists();
            if fits {
                Ok(node)
            } else {
                Err(wrong(partition.number))
            }
        })
        .collect()
}
