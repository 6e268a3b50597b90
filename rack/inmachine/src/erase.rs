//! The quick erasure: from disks that a binding owned to disks that hold nothing which says what was where.
//!
//! It goes through the same fence as an installation, and its first write is the same marker: whatever a
//! power cut leaves is ours, and the same job again ends in the same place. Of each disk the ends of every
//! partition go first, then what it can discard, then blocks over its whole length and its own ends; the
//! marker goes last, when all that was written has been read back as zeros. Nothing beyond the plan's disks is
//! ever written.

mod extent;

pub use extent::{Extent, MARKER, places};

use crate::content::{SAMPLE_BYTES, SAMPLES, sample_offsets};
use crate::deploy::error::{doing, running};
use crate::deploy::owned_disk::{self, OwnedDisk};
use crate::deploy::{DeployError, fence_step};
use crate::disk;
use crate::program;
use crate::say;
use crate::step::{Progress, StepFailed, Steps};
use crate::sysfs::Sysfs;
use rack_api::fact::FactBody;
use rack_api::job::{DiskErase, Erase};
use rustix::fs::{Advice, OFlags, fadvise};
use schema_ids::{ContentId, Digest, DiskId};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// So many bytes are written or read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// So much is discarded at once, so that there is progress to tell: a slow disk takes seconds for it.
const DISCARD_BYTES: u64 = 64 << 30;

/// A disk that discards so much for longer hangs.
const DISCARD_LIMIT: Duration = Duration::from_secs(300);

/// `partx` only speaks with the kernel.
const PARTX_LIMIT: Duration = Duration::from_secs(120);

/// Carries out an erasure and reports a record of each disk.
///
/// # Errors
/// A step failed and was reported.
pub fn run(sysfs: &Sysfs, steps: &mut Steps<'_>, erase: &Erase) -> Result<(), StepFailed> {
    let job = steps.job;
    let writes = erase.writes();
    steps.run("fence", |progress| {
        let boot_id = progress.boot_id();
        fence_step::ask(sysfs, progress.rack, (job, boot_id), &writes, &[])
    })?;
    let disks = steps.run("marker", |_| owned_disk::claim(sysfs, &job, &writes))?;
    steps.run("erase", |progress| {
        let total = disks.iter().map(OwnedDisk::size_bytes).sum();
        let mut done = 0;
        for disk in &disks {
            let (id, name) = (disk.plan().disk.clone(), disk.name().to_owned());
            let record = one(sysfs, disk, erase, progress, (done, total)).map_err(|error| {
                let source = Box::new(error);
                DeployError::Erase {
                    disk: id.clone(),
                    name,
                    source,
                }
            })?;
            done += disk.size_bytes();
            progress.rack.report(vec![FactBody::Erased {
                job,
                binding: erase.binding,
                disk: id,
                method: record.method,
                sample: record.sample,
            }]);
        }
        Ok(())
    })
}

/// What is put on record.
struct Record {
    method: String,
    sample: String,
}

/// Erases one disk. Once it is blank it carries no marker any more, and nothing is written to it.
fn one(
    sysfs: &Sysfs,
    disk: &OwnedDisk<'_, DiskErase>,
    erase: &Erase,
    progress: &mut Progress<'_>,
    (done, total): (u64, u64),
) -> Result<Record, DeployError> {
    let (name, size) = (disk.name(), disk.size_bytes());
    let partitions = partitions(sysfs, name);
    let file = disk.open(OFlags::empty())?;
    let ends = extent::of_partitions(size, &partitions);
    zero(&file, &ends, name)?;
    let discarded = discard(sysfs, disk, |bytes| {
        let (rack, mut pace) = progress.split();
        pace.tell(rack, done + bytes, total);
    })?;
    let all = places(size, &partitions);
    zero(&file, &all, name)?;
    demand_zeros(&file, &all, name)?;
    if !partitions.is_empty() {
        // The kernel's view of what is gone; it lasts until the next boot at most.
        let node = disk.node()?;
        drop(program::run("partx", &["--delete", &node], "", PARTX_LIMIT));
    }
    // From here on it is not ours any more: the same file, held open since its marker was read.
    let own = [MARKER];
    zero(&file, &own, name)?;
    demand_zeros(&file, &own, name)?;
    let left = disk.look()?;
    if left.content != ContentId::Blank {
        return Err(DeployError::StillHolds(left.content));
    }
    let zeros = zeros_of_chosen(&file, size, &erase.spec, &disk.plan().disk)
        .map_err(doing(format!("read {name} back")))?;
    let written: u64 = all.iter().chain(&own).map(|extent| extent.bytes).sum();
    let how = if discarded { ", discarded" } else { "" };
    let record = Record {
        method: format!("{}{how}", erase.method.name()),
        sample: format!(
            "{} KiB read back as zeros, and {zeros} of {SAMPLES} blocks chosen over the disk",
            written >> 10
        ),
    };
    say!("{name}: erased, {}; {}", record.method, record.sample);
    Ok(record)
}

/// Where the kernel sees partitions on a disk: first byte and length.
fn partitions(sysfs: &Sysfs, name: &str) -> Vec<Extent> {
    let found = disk::partitions(sysfs, name);
    let extents = found.values().filter_map(|partition| {
        // In units of 512 bytes, whatever the disk's own sectors are.
        let bytes = |attribute: &str| -> Option<u64> {
            let sectors: u64 = sysfs.number(&format!("sys/block/{name}/{partition}/{attribute}"))?;
            sectors.checked_mul(512)
        };
        Some(Extent {
            from: bytes("start")?,
            bytes: bytes("size")?,
        })
    });
    extents.collect()
}

/// Discards everything but the ends and the marker, if the disk can. One that says it can and refuses is
/// erased without.
fn discard(
    sysfs: &Sysfs,
    disk: &OwnedDisk<'_, DiskErase>,
    mut tell: impl FnMut(u64),
) -> Result<bool, DeployError> {
    let most: Option<u64> = sysfs.number(&format!("sys/block/{}/queue/discard_max_bytes", disk.name()));
    if most.unwrap_or(0) == 0 {
        return Ok(false);
    }
    let end = disk.size_bytes();
    let mut from = MARKER.end();
    while from < end {
        let bytes = DISCARD_BYTES.min(end - from);
        // Asked for each part: the name leads to the disk that carries our marker, now.
        let node = disk.node()?;
        let (offset, length) = (from.to_string(), bytes.to_string());
        let arguments = ["--offset", &offset, "--length", &length, &node];
        let discarded = program::run("blkdiscard", &arguments, "", DISCARD_LIMIT);
        if let Err(error) = discarded.map_err(running(format!("discard {node} from byte {from}"))) {
            say!("{}; going on without", crate::console::chain(&error));
            return Ok(false);
        }
        from += bytes;
        tell(from);
    }
    Ok(true)
}

/// Writes zeros, and waits until the disk has them.
///
/// # Errors
/// The disk cannot be written.
pub fn zero(file: &File, extents: &[Extent], name: &str) -> Result<(), DeployError> {
    let zeros = vec![0; CHUNK_BYTES];
    for extent in extents {
        for (offset, length) in extent.chunks(CHUNK_BYTES) {
            file.write_all_at(&zeros[..length], offset)
                .map_err(doing(format!("clear byte {offset} of {name}")))?;
        }
    }
    file.sync_all().map_err(doing(format!("write out {name}")))
}

/// Reads what was cleared, from the disk and not from memory.
///
/// # Errors
/// The disk cannot be read, or holds something there.
pub fn demand_zeros(file: &File, extents: &[Extent], name: &str) -> Result<(), DeployError> {
    forget(file).map_err(doing(format!("read {name} back")))?;
    let mut bytes = vec![0; CHUNK_BYTES];
    for extent in extents {
        for (offset, length) in extent.chunks(CHUNK_BYTES) {
            let read = &mut bytes[..length];
            file.read_exact_at(read, offset)
                .map_err(doing(format!("read byte {offset} of {name} back")))?;
            if read.iter().any(|byte| *byte != 0) {
                return Err(DeployError::NotErased { offset });
            }
        }
    }
    Ok(())
}

/// How many of the blocks that the release's digest chooses on this disk are zeros: all of them where the
/// disk was discarded and gives zeros, few where a quick erasure left what lies between.
fn zeros_of_chosen(file: &File, size: u64, spec: &Digest, disk: &DiskId) -> io::Result<u64> {
    forget(file)?;
    let mut block = vec![0; usize::try_from(SAMPLE_BYTES).expect("a block is small")];
    let mut zeros = 0;
    for offset in chosen(size, spec, disk) {
        file.read_exact_at(&mut block, offset)?;
        zeros += u64::from(block.iter().all(|byte| *byte == 0));
    }
    Ok(zeros)
}

/// Where the blocks begin that are read back.
fn chosen(size: u64, spec: &Digest, disk: &DiskId) -> impl Iterator<Item = u64> {
    let blocks = (size / SAMPLE_BYTES).max(1);
    (0..SAMPLES).map(move |number| {
        let hash = Sha256::new()
            .chain_update(spec.0)
            .chain_update(disk.as_str())
            .chain_update(number.to_be_bytes())
            .finalize();
        let first: [u8; 8] = hash[..8].try_into().expect("a digest has 32 bytes");
        u64::from_be_bytes(first) % blocks * SAMPLE_BYTES
    })
}

/// Drops what the kernel remembers of a disk, so that it is read anew.
fn forget(file: &File) -> io::Result<()> {
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}
