//! A disk that is this job's to write: it carries this job's marker, and it is held open.
//!
//! The kernel names disks in the order in which they appear, so after a controller's reset `sda` may be
//! another disk than before. That no step writes a disk which the plan does not name rests on two things:
//!
//! - Paths and files to write to are had from an [`OwnedDisk`] only, and each time it looks first: is the
//!   plan's disk still the one of this name, is the node still the device that is open, is this job's marker
//!   on it? What is written here is written to the very file whose marker was read. Arrays and volumes get a
//!   path by `volumes` alone, which asks here for everything beneath them.
//! - Tools need a path. While a disk is open, its name is not given to another: the block layer gives a device
//!   number back when the last opener is gone (`bdev_free_inode`), and the drivers free the number in the name
//!   with the disk itself (`scsi_disk_release` of sd, `virtblk_free_disk` of virtio_blk, `nvme_free_ns_head` of
//!   nvme). A disk that went away and came back has another name and node, and the open one answers with
//!   errors. Only `mmcblk` is named for its slot; a card changed there is found by the look before, not by the
//!   hold.

use super::error::{DeployError, doing};
use super::take_down::take_down;
use crate::content;
use crate::disk::{self, BlockDisk};
use crate::fence::{Refusal, Standing, may_write};
use crate::marker::{self, BLOCK_BYTES, Marker, State};
use crate::say;
use crate::sysfs::Sysfs;
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, DiskPlan, JobRef};
use rack_api::writes::{Agreed, Writes};
use rustix::fs::{Advice, OFlags, fadvise, major, minor};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A disk of the wipe-set with this job's first marker on it.
#[derive(Debug)]
pub(crate) struct OwnedDisk<'a, D = DiskPlan> {
    held: HeldDisk<'a, D>,
    marker: Marker,
}

/// Looks again at exactly the disks to be written and, if all may be, marks them as begun: the first
/// write of a job.
///
/// # Errors
/// A disk changed since the go, is in use, or cannot be written.
pub(crate) fn claim<'a, D: Agreed>(
    sysfs: &'a Sysfs,
    job: &JobRef,
    writes: &Writes<'a, D>,
) -> Result<Vec<OwnedDisk<'a, D>>, DeployError> {
    let disks = hold_all(sysfs, writes)?;
    let seen = disks.iter().map(HeldDisk::look).collect::<Result<Vec<_>, _>>()?;
    match may_write(job, writes, &seen).map_err(DeployError::Fence)? {
        Standing::MayWrite => {}
        now @ (Standing::Finish | Standing::Installed) => return Err(DeployError::Overtaken(now)),
    }
    // What still runs on them would keep them from being ours alone.
    disks.iter().try_for_each(|held| held.node().map(drop))?;
    let names: Vec<&str> = disks.iter().map(|held| held.disk.name.as_str()).collect();
    take_down(sysfs, &names)?;
    let marker = marker_of(job, writes, State::Writing);
    write_marker(&disks, HeldDisk::open, &marker)?;
    let own = |held| OwnedDisk {
        held,
        marker: marker.clone(),
    };
    Ok(disks.into_iter().map(own).collect())
}

/// The disks of a job that was finished, as far as their final marker is missing.
///
/// # Errors
/// A disk carries neither marker of this job, to the last field.
pub(super) fn unfinished<'a>(
    sysfs: &'a Sysfs,
    job: &JobRef,
    deploy: &'a Deploy,
) -> Result<Vec<OwnedDisk<'a>>, DeployError> {
    let writes = deploy.writes();
    let (begun, done) = (
        marker_of(job, &writes, State::Writing),
        marker_of(job, &writes, State::Installed),
    );
    let mut disks = Vec::new();
    for held in hold_all(sysfs, &writes)? {
        let found = held.marker_on(&held.file)?;
        if found.as_ref() == Some(&begun) {
            let marker = begun.clone();
            disks.push(OwnedDisk { held, marker });
        } else if found.as_ref() != Some(&done) {
            return Err(held.not_ours());
        }
    }
    Ok(disks)
}

/// Writes the final marker on every disk: the last write of a deployment.
///
/// # Errors
/// A disk is in use, is not what it was, or cannot be written.
pub(super) fn finish(disks: &[OwnedDisk<'_>]) -> Result<(), DeployError> {
    let Some(first) = disks.first() else { return Ok(()) };
    let marker = Marker {
        state: State::Installed,
        ..first.marker.clone()
    };
    write_marker(disks, OwnedDisk::open, &marker)
}

impl<'a, D: Agreed> OwnedDisk<'a, D> {
    /// The kernel's name of it.
    pub(crate) fn name(&self) -> &str {
        &self.held.disk.name
    }

    /// What shall be on it.
    pub(crate) fn plan(&self) -> &'a D {
        self.held.plan
    }

    /// Its size.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.held.disk.size_bytes
    }

    /// Bytes of a logical sector.
    pub(super) fn sector_bytes(&self) -> u64 {
        self.held.disk.sector_bytes
    }

    /// Its node, for the tool that is run next.
    ///
    /// # Errors
    /// It is not this job's disk any more.
    pub(crate) fn node(&self) -> Result<String, DeployError> {
        let node = self.held.node()?;
        self.demand_marker(&self.held.file)?;
        Ok(node.display().to_string())
    }

    /// Opens it for writing.
    ///
    /// # Errors
    /// It is not this job's disk any more.
    pub(crate) fn open(&self, flags: OFlags) -> Result<File, DeployError> {
        let file = self.held.open(flags)?;
        self.demand_marker(&file)?;
        Ok(file)
    }

    fn demand_marker(&self, file: &File) -> Result<(), DeployError> {
        if self.held.marker_on(file)?.as_ref() == Some(&self.marker) {
            Ok(())
        } else {
            Err(self.held.not_ours())
        }
    }

    /// What is on it now, whether it carries the marker or not.
    ///
    /// # Errors
    /// It is not the disk that it was, or cannot be read.
    pub(crate) fn look(&self) -> Result<DiskSeen, DeployError> {
        self.held.node()?;
        self.held.look()
    }
}

impl OwnedDisk<'_> {
    /// The node of one of its partitions, for the tool that is run next.
    ///
    /// # Errors
    /// It is not this job's disk any more, or not partitioned as planned.
    pub(super) fn partition(&self, number: u32) -> Result<String, DeployError> {
        let place = self.plan().partitions.iter().position(|p| p.number == number);
        let nodes = self.partitions()?;
        place
            .and_then(|place| nodes.into_iter().nth(place))
            .ok_or_else(|| self.no_partition(number))
    }

    /// The nodes of its partitions in the plan's order, if the kernel has exactly those.
    ///
    /// # Errors
    /// It is not this job's disk any more, or not partitioned as planned.
    pub(super) fn partitions(&self) -> Result<Vec<String>, DeployError> {
        self.node()?;
        let (sysfs, disk) = (self.held.sysfs, &self.held.disk.name);
        let found = disk::partitions(sysfs, disk);
        let planned = &self.plan().partitions;
        if let Some(more) = found
            .keys()
            .find(|number| !planned.iter().any(|partition| partition.number == **number))
        {
            return Err(self.no_partition(*more));
        }
        let node = |partition: &rack_api::job::Partition| {
            let name = found.get(&partition.number)?;
            let directory = format!("sys/block/{disk}/{name}");
            // In units of 512 bytes, whatever the disk's own sectors are.
            let bytes = |attribute| {
                let sectors: Option<u64> = sysfs.number(&format!("{directory}/{attribute}"));
                sectors.map(|sectors| sectors * 512)
            };
            let node = sysfs.device(name);
            let is_it = bytes("start") == Some(partition.start_bytes)
                && bytes("size") == Some(partition.size_bytes)
                && is_numbered(sysfs, &directory, &node.metadata().ok()?);
            is_it.then(|| node.display().to_string())
        };
        planned
            .iter()
            .map(|partition| node(partition).ok_or_else(|| self.no_partition(partition.number)))
            .collect()
    }

    /// Whether the kernel knows any partition of it.
    pub(super) fn has_partitions(&self) -> bool {
        !disk::partitions(self.held.sysfs, &self.held.disk.name).is_empty()
    }

    fn no_partition(&self, number: u32) -> DeployError {
        DeployError::NoPartition {
            disk: self.held.disk.name.clone(),
            number,
        }
    }
}

/// A disk of the wipe-set, held open, whatever is on it.
#[derive(Debug)]
struct HeldDisk<'a, D> {
    sysfs: &'a Sysfs,
    plan: &'a D,
    disk: BlockDisk,
    /// Only for reading: udev looks at a disk anew when one that was open for writing is closed.
    file: File,
}

fn hold_all<'a, D: Agreed>(
    sysfs: &'a Sysfs,
    writes: &Writes<'a, D>,
) -> Result<Vec<HeldDisk<'a, D>>, DeployError> {
    writes
        .disks
        .iter()
        .map(|plan| HeldDisk::hold(sysfs, plan))
        .collect()
}

impl<'a, D: Agreed> HeldDisk<'a, D> {
    fn hold(sysfs: &'a Sysfs, plan: &'a D) -> Result<Self, DeployError> {
        let disk = disk::find(sysfs, plan.disk()).ok_or_else(|| {
            DeployError::Fence(Refusal::Missing {
                disk: plan.disk().clone(),
            })
        })?;
        let node = sysfs.device(&disk.name);
        let file = File::open(&node).map_err(doing(format!("open {}", node.display())))?;
        let held = Self {
            sysfs,
            plan,
            disk,
            file,
        };
        // Now that it keeps its name: was it the plan's disk that was opened?
        held.node()?;
        Ok(held)
    }

    /// What is on it.
    fn look(&self) -> Result<DiskSeen, DeployError> {
        let contents = content::look_through(self.sysfs, &self.disk, &self.file);
        Ok(DiskSeen {
            disk: self.plan.disk().clone(),
            content: contents.map_err(DeployError::Content)?.id,
            size_bytes: self.disk.size_bytes,
        })
    }

    /// Its node, if the plan's disk still has this name and the node is the device that is open.
    fn node(&self) -> Result<PathBuf, DeployError> {
        let named = disk::find(self.sysfs, self.plan.disk())
            .is_some_and(|now| (&now.name, now.size_bytes) == (&self.disk.name, self.disk.size_bytes));
        let node = self.sysfs.device(&self.disk.name);
        let directory = format!("sys/block/{}", self.disk.name);
        let open = self.metadata(&self.file)?;
        if named && is_numbered(self.sysfs, &directory, &open) && is_at(&node, &open) {
            Ok(node)
        } else {
            Err(self.moved())
        }
    }

    /// Opens it for writing: the device that is held, or nothing.
    fn open(&self, flags: OFlags) -> Result<File, DeployError> {
        let node = self.node()?;
        let flags = i32::try_from(flags.bits()).expect("flags of open(2) are an int");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&node)
            .map_err(doing(format!("open {} for writing", node.display())))?;
        if is_same(&self.metadata(&file)?, &self.metadata(&self.file)?) {
            Ok(file)
        } else {
            Err(self.moved())
        }
    }

    /// The marker as the disk has it, not as the kernel remembers it.
    fn marker_on(&self, file: &File) -> Result<Option<Marker>, DeployError> {
        let reading = || doing(format!("read the marker of {}", self.disk.name));
        let length = NonZeroU64::new(u64::try_from(BLOCK_BYTES).expect("a block is small"));
        fadvise(file, marker::OFFSET, length, Advice::DontNeed)
            .map_err(io::Error::from)
            .map_err(reading())?;
        let mut block = [0; BLOCK_BYTES];
        file.read_exact_at(&mut block, marker::OFFSET)
            .map_err(reading())?;
        Ok(Marker::decode(&block))
    }

    fn metadata(&self, file: &File) -> Result<Metadata, DeployError> {
        file.metadata()
            .map_err(doing(format!("look at {}", self.disk.name)))
    }

    fn moved(&self) -> DeployError {
        DeployError::Moved {
            disk: self.plan.disk().clone(),
            name: self.disk.name.clone(),
        }
    }

    fn not_ours(&self) -> DeployError {
        DeployError::NotOurs {
            disk: self.plan.disk().clone(),
            name: self.disk.name.clone(),
        }
    }
}

/// Writes a marker on every disk, each opened by `open`.
fn write_marker<H>(
    disks: &[H],
    open: impl Fn(&H, OFlags) -> Result<File, DeployError>,
    marker: &Marker,
) -> Result<(), DeployError> {
    // On a block device O_EXCL fails while it is mounted or part of something: all are opened before
    // the first is written.
    let files = disks
        .iter()
        .map(|disk| open(disk, OFlags::EXCL))
        .collect::<Result<Vec<File>, _>>()?;
    // What is in a disk's own cache is lost with the power. One final marker says that everything is on
    // all disks, so all caches are written out before the first.
    for file in &files {
        file.sync_all().map_err(doing("write out a disk's cache"))?;
    }
    for file in &files {
        marker.write_to(file).map_err(doing("write the marker"))?;
    }
    say!(
        "marked {:?} for binding {}: {} of its disks",
        marker.state,
        marker.binding,
        files.len()
    );
    Ok(())
}

/// Everything in the marker follows from the job, so an equal one is this job's.
fn marker_of<D>(job: &JobRef, writes: &Writes<'_, D>, state: State) -> Marker {
    Marker {
        state,
        incarnation: writes.incarnation,
        binding: writes.binding,
        generation: job.generation,
        spec: writes.spec,
        epoch: writes.epoch,
        machine: job.machine,
    }
}

/// Whether this device is the one that the kernel describes in this directory.
pub(super) fn is_numbered(sysfs: &Sysfs, directory: &str, device: &Metadata) -> bool {
    let number = format!("{}:{}", major(device.rdev()), minor(device.rdev()));
    sysfs.text(&format!("{directory}/dev")) == Some(number)
}

/// Whether this node is the one that was opened.
fn is_at(node: &Path, open: &Metadata) -> bool {
    node.metadata().is_ok_and(|there| is_same(&there, open))
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino(), a.rdev()) == (b.dev(), b.ino(), b.rdev())
}

#[cfg(test)]
mod tests;
