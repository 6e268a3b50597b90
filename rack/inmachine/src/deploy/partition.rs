//! Partitions a disk that carries our marker: old tables gone, the new one in place and seen by the
//! kernel.

use super::error::{DeployError, doing, running};
use super::owned_disk::OwnedDisk;
use super::sfdisk;
use crate::content::END_BYTES;
use crate::program;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Each of these tools writes or reads a few sectors; a disk that takes longer is broken.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// The kernel's view is made anew this often: something may have a partition open for a moment.
const UPDATES_MAX: u32 = 10;

/// Partitions one disk and removes old signatures where the new partitions lie.
///
/// # Errors
/// The disk cannot be written, or its partitions do not appear.
pub(super) fn partition(disk: &OwnedDisk<'_>) -> Result<(), DeployError> {
    let file = disk.open(OFlags::empty())?;
    let node = disk.node()?;
    // udev does not read a disk while it is locked, so nothing holds its partitions open (its
    // manual's "Locking Block Device Access").
    flock(&file, FlockOperation::LockExclusive)
        .map_err(std::io::Error::from)
        .map_err(doing(format!("lock {node}")))?;
    // Not a byte between: the marker is there.
    let zeros = vec![0; usize::try_from(END_BYTES).expect("a mebibyte fits")];
    for offset in [0, disk.size_bytes() - END_BYTES] {
        file.write_all_at(&zeros, offset)
            .map_err(doing(format!("clear byte {offset} of {node}")))?;
    }
    file.sync_all().map_err(doing(format!("clear {node}")))?;
    let node = disk.node()?;
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
        &sfdisk::script(disk.plan(), disk.sector_bytes()),
        TOOL_LIMIT,
    )
    .map_err(running(format!("partition {node}")))?;
    file.sync_all()
        .map_err(doing(format!("write the partitions of {node}")))?;
    let nodes = show_kernel(disk)?;
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
///
/// What it knew of this disk goes first, all of it: `partx --update` leaves a partition whose number the new table
/// lacks, and then cannot add one that lies where that one did, which it does not say (`upd_parts` of util-linux 2.38).
fn show_kernel(disk: &OwnedDisk<'_>) -> Result<Vec<String>, DeployError> {
    let mut round = 1;
    loop {
        let result = forget(disk).and_then(|()| {
            let node = disk.node()?;
            program::run("partx", &["--add", &node], "", TOOL_LIMIT)
                .map_err(running(format!("show the kernel the partitions of {node}")))?;
            disk.partitions()
        });
        if result.is_ok() || round == UPDATES_MAX {
            return result;
        }
        round += 1;
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Has the kernel forget the partitions that it knows of this disk. None is in use: all that stood on them was stopped
/// before the marker was written.
fn forget(disk: &OwnedDisk<'_>) -> Result<(), DeployError> {
    // `partx` takes having nothing to do for a mistake of its caller.
    if !disk.has_partitions() {
        return Ok(());
    }
    let node = disk.node()?;
    program::run("partx", &["--delete", &node], "", TOOL_LIMIT)
        .map(drop)
        .map_err(running(format!(
            "have the kernel forget the partitions of {node}"
        )))
}

#[cfg(test)]
mod tests;
