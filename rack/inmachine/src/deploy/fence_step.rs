//! The question before the first write.

use super::error::{DeployError, doing};
use super::mounts;
use super::reaching_out;
use crate::content;
use crate::disk;
use crate::fence::{Standing, may_write};
use crate::inventory;
use crate::rack::Rack;
use crate::say;
use crate::sysfs::Sysfs;
use rack_api::fact::DiskSeen;
use rack_api::job::JobRef;
use rack_api::machine::{GoRequest, Verdict};
use rack_api::volume::VolumeGroup;
use rack_api::writes::{Agreed, Writes};
use schema_ids::Uuid;
use std::time::{Duration, Instant};

/// A disk of the wipe-set that spins up late is waited for so long.
const DISKS_WAIT_MAX: Duration = Duration::from_secs(60);

/// Looks at the machine and asks for the go.
///
/// # Errors
/// The plan, the disks or the daemon forbid writing.
pub(crate) fn ask<D: Agreed>(
    sysfs: &Sysfs,
    rack: &mut Rack,
    (job, boot_id): (JobRef, Uuid),
    writes: &Writes<'_, D>,
    groups: &[VolumeGroup],
) -> Result<Standing, DeployError> {
    mounts::unmount_all(super::TARGET).map_err(doing("unmount what an earlier attempt left"))?;
    wait_for_disks(sysfs, writes);
    let machine = inventory::take(sysfs, None, |disk| {
        content::look(sysfs, disk).unwrap_or_else(|error| {
            say!("{}", crate::console::chain(&error));
            content::unreadable()
        })
    });
    let disks: Vec<DiskSeen> = machine
        .disks
        .into_iter()
        .filter_map(|disk| {
            Some(DiskSeen {
                disk: disk.id?,
                content: disk.content,
                size_bytes: disk.size_bytes,
            })
        })
        .collect();
    let standing = may_write(&job, writes, &disks).map_err(DeployError::Fence)?;
    if standing == Standing::Installed {
        say!("the disks carry this job's final marker; nothing is left to do");
        return Ok(standing);
    }
    if standing == Standing::MayWrite {
        reaching_out::refuse(sysfs, writes.disks, groups)?;
    }
    let nonce = sysfs
        .number("proc/sys/kernel/random/uuid")
        .ok_or_else(|| std::io::Error::other("no random uuid in /proc"))
        .map_err(doing("make a nonce"))?;
    let answer = rack.go(GoRequest {
        token: String::new(),
        nonce,
        boot_id,
        job,
        binding: writes.binding,
        uuid: machine.uuid,
        serial: machine.serial,
        macs: machine.nics.iter().map(|nic| nic.mac).collect(),
        disks,
        mark: machine.mark,
    });
    match answer.verdict {
        Verdict::Go => Ok(standing),
        Verdict::Refuse { code, reason } => Err(DeployError::Verdict { code, reason }),
    }
}

fn wait_for_disks<D: Agreed>(sysfs: &Sysfs, writes: &Writes<'_, D>) {
    let began = Instant::now();
    let missing = || {
        let mut disks = writes.disks.iter().map(Agreed::disk);
        disks.find(|disk| disk::find(sysfs, disk).is_none()).cloned()
    };
    while let Some(disk) = missing()
        && began.elapsed() < DISKS_WAIT_MAX
    {
        if began.elapsed() < Duration::from_secs(1) {
            say!("waiting for the disk {disk}");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
