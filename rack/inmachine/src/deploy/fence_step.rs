//! The question before the first write, and the writes that say whose the disks are.

use super::error::{DeployError, doing};
use super::mounts;
use crate::content;
use crate::disk::{self, BlockDisk};
use crate::fence::{Refusal, Standing, may_write};
use crate::inventory;
use crate::marker::{Marker, State};
use crate::plan_check;
use crate::rack::Rack;
use crate::say;
use crate::sysfs::Sysfs;
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, DiskPlan, JobRef};
use rack_api::machine::{GoRequest, Verdict};
use schema_ids::Uuid;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// A disk of the wipe-set that spins up late is waited for so long.
const DISKS_WAIT_MAX: Duration = Duration::from_secs(60);

/// A disk that will be written.
#[derive(Debug)]
pub(super) struct PlannedDisk<'a> {
    /// What shall be on it.
    pub(super) plan: &'a DiskPlan,
    /// Where it is.
    pub(super) disk: BlockDisk,
}

/// Looks at the machine and asks for the go.
///
/// # Errors
/// The plan, the disks or the daemon forbid writing.
pub(super) fn ask(
    sysfs: &Sysfs,
    rack: &mut Rack,
    (job, boot_id): (JobRef, Uuid),
    deploy: &Deploy,
) -> Result<Standing, DeployError> {
    plan_check::check(deploy, inventory::firmware_kind(sysfs)).map_err(DeployError::Plan)?;
    mounts::unmount_all(super::TARGET).map_err(doing("unmount what an earlier attempt left"))?;
    wait_for_disks(sysfs, deploy);
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
    let standing = may_write(&job, deploy, &disks).map_err(DeployError::Fence)?;
    if standing == Standing::Installed {
        say!("the disks carry this job's final marker; nothing is left to do");
        return Ok(standing);
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
        binding: deploy.binding,
        uuid: machine.uuid,
        serial: machine.serial,
        macs: machine.nics.iter().map(|nic| nic.mac).collect(),
        disks,
    });
    match answer.verdict {
        Verdict::Go => Ok(standing),
        Verdict::Refuse { code, reason } => Err(DeployError::Verdict { code, reason }),
    }
}

/// Looks again at exactly the disks to be written and, if all may be, marks them as begun: the first
/// write of a deployment.
///
/// # Errors
/// A disk changed since the go, is in use, or cannot be written.
pub(super) fn mark_begun<'a>(
    sysfs: &Sysfs,
    job: &JobRef,
    deploy: &'a Deploy,
) -> Result<Vec<PlannedDisk<'a>>, DeployError> {
    let found = disk::find_all(sysfs);
    let mut disks = Vec::new();
    let mut seen = Vec::new();
    for plan in &deploy.disks {
        let disk = found
            .iter()
            .find(|disk| disk.id.as_ref() == Some(&plan.disk))
            .ok_or_else(|| {
                DeployError::Fence(Refusal::Missing {
                    disk: plan.disk.clone(),
                })
            })?
            .clone();
        seen.push(DiskSeen {
            disk: plan.disk.clone(),
            content: content::look(sysfs, &disk).map_err(DeployError::Content)?.id,
            size_bytes: disk.size_bytes,
        });
        disks.push(PlannedDisk { plan, disk });
    }
    may_write(job, deploy, &seen).map_err(DeployError::Fence)?;
    mark(&disks, job, deploy, State::Writing)?;
    Ok(disks)
}

/// Writes the marker on every disk.
///
/// # Errors
/// A disk is in use or cannot be written.
pub(super) fn mark(
    disks: &[PlannedDisk<'_>],
    job: &JobRef,
    deploy: &Deploy,
    state: State,
) -> Result<(), DeployError> {
    let marker = Marker {
        state,
        incarnation: deploy.incarnation,
        binding: deploy.binding,
        generation: job.generation,
        spec: deploy.spec,
        epoch: deploy.epoch,
        machine: job.machine,
    };
    // On a block device O_EXCL fails while it is mounted or part of something: all are opened before
    // the first is written.
    let exclusive = i32::try_from(rustix::fs::OFlags::EXCL.bits()).expect("a flag of open(2) is an int");
    let mut files = Vec::new();
    for planned in disks {
        let node = planned.disk.node();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(exclusive)
            .open(&node);
        files.push((
            file.map_err(doing(format!("open {} for itself", node.display())))?,
            node,
        ));
    }
    for (file, node) in files {
        marker
            .write_to(&file)
            .map_err(doing(format!("write the marker on {}", node.display())))?;
        say!(
            "{} is marked {state:?} for binding {}",
            node.display(),
            deploy.binding
        );
    }
    Ok(())
}

fn wait_for_disks(sysfs: &Sysfs, deploy: &Deploy) {
    let began = Instant::now();
    let missing = || {
        let found = disk::find_all(sysfs);
        let is_there = |plan: &&DiskPlan| found.iter().any(|disk| disk.id.as_ref() == Some(&plan.disk));
        deploy
            .disks
            .iter()
            .find(|plan| !is_there(plan))
            .map(|plan| plan.disk.clone())
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
