//! The deployment on a scripted machine: the in-machine agent's steps, on files instead of devices.
//!
//! The fence, the question to the daemon, the marker and the table are the agent's own. What the image holds is
//! not unpacked but written whole to the root's partition, its digest taken on the way.

use crate::scripted::{Disk, Machine};
use rack_api::fact::{DiskSeen, FactBody};
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, DiskPlan, JobRef};
use rack_api::machine::{GoRequest, Verdict};
use rack_api::writes::{Agreed, Writes};
use rack_inmachine::artefact::Download;
use rack_inmachine::content::END_BYTES;
use rack_inmachine::deploy::{DeployError, UnpackError, sfdisk_script};
use rack_inmachine::fence::{Refusal, Standing, may_write};
use rack_inmachine::marker::{Marker, State};
use rack_inmachine::phone_home::PhoneHomeConfig;
use rack_inmachine::plan_check;
use rack_inmachine::program;
use rack_inmachine::rack::Rack;
use rack_inmachine::step::{StepFailed, Steps};
use schema_ids::{Digest, Uuid};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// The logical sectors of every disk here.
const SECTOR_BYTES: u64 = 512;

/// `sfdisk` writes a few sectors.
const TOOL_LIMIT: Duration = Duration::from_secs(30);

/// Images of trials are a few KiB.
const BLOCK_BYTES: usize = 64 << 10;

/// Carries out a deployment and reports it.
pub(super) fn run(
    machine: &Machine,
    steps: &mut Steps<'_>,
    deploy: &Deploy,
    token: String,
) -> Result<(), StepFailed> {
    let (job, boot_id) = (steps.job, steps.boot_id);
    let standing = steps.run("fence", |progress| {
        plan_check::check(deploy, FirmwareKind::Bios).map_err(DeployError::Plan)?;
        ask(machine, progress.rack, (job, boot_id), &deploy.writes())
    })?;
    if standing == Standing::MayWrite {
        let disks = steps.run("marker", |_| {
            let disks = planned(machine, &deploy.disks)?;
            may_write(&job, &deploy.writes(), &seen(machine)?).map_err(DeployError::Fence)?;
            mark(&disks, &job, &deploy.writes(), State::Writing)?;
            Ok(disks)
        })?;
        steps.run("partition", |_| {
            disks.iter().try_for_each(|(plan, disk)| partition(plan, disk))
        })?;
        steps.run("unpack", |progress| write_image(progress.rack, &disks, deploy))?;
        let home = PhoneHomeConfig {
            server: steps.rack.server().to_owned(),
            token,
            machine: job.machine,
            binding: deploy.binding,
        };
        steps.run("configure", |_| {
            let mut disks = disks.iter();
            disks.try_for_each(|(_, disk)| disk.write_home(&home).map_err(doing("write the system's file")))
        })?;
        steps.run("finish", |_| {
            mark(&disks, &job, &deploy.writes(), State::Installed)
        })?;
    }
    if standing == Standing::Finish {
        steps.run("finish", |_| {
            let disks = planned(machine, &deploy.disks)?;
            mark(&disks, &job, &deploy.writes(), State::Installed)
        })?;
    }
    steps.rack.report(vec![FactBody::Installed {
        job,
        binding: deploy.binding,
        spec: deploy.spec,
        disks: deploy.disks.iter().map(|plan| plan.disk.clone()).collect(),
    }]);
    Ok(())
}

/// Looks at the machine and asks for the go.
pub(super) fn ask<D: Agreed>(
    machine: &Machine,
    rack: &mut Rack,
    (job, boot_id): (JobRef, Uuid),
    writes: &Writes<'_, D>,
) -> Result<Standing, DeployError> {
    let disks = seen(machine)?;
    let standing = may_write(&job, writes, &disks).map_err(DeployError::Fence)?;
    if standing == Standing::Installed {
        return Ok(standing);
    }
    let nonce = super::random()
        .map_err(io::Error::other)
        .map_err(doing("make a nonce"))?;
    let answer = rack.go(GoRequest {
        token: String::new(),
        nonce,
        boot_id,
        job,
        binding: writes.binding,
        uuid: Some(machine.board.uuid),
        serial: Some(machine.board.serial.clone()),
        macs: vec![machine.board.mac],
        disks,
        mark: Some(machine.mark()),
    });
    match answer.verdict {
        Verdict::Go => Ok(standing),
        Verdict::Refuse { code, reason } => Err(DeployError::Verdict { code, reason }),
    }
}

pub(super) fn seen(machine: &Machine) -> Result<Vec<DiskSeen>, DeployError> {
    let disks = machine.disks.iter().map(Disk::seen).collect::<io::Result<_>>();
    disks.map_err(doing("look at the disks"))
}

/// The disks of the wipe-set.
pub(super) fn planned<'a, D: Agreed>(
    machine: &'a Machine,
    disks: &'a [D],
) -> Result<Vec<(&'a D, &'a Disk)>, DeployError> {
    let find = |plan: &'a D| {
        let found = machine.disks.iter().find(|disk| disk.id == *plan.disk());
        let missing = || {
            DeployError::Fence(Refusal::Missing {
                disk: plan.disk().clone(),
            })
        };
        Ok((plan, found.ok_or_else(missing)?))
    };
    disks.iter().map(find).collect()
}

pub(super) fn mark<D>(
    disks: &[(&D, &Disk)],
    job: &JobRef,
    writes: &Writes<'_, D>,
    state: State,
) -> Result<(), DeployError> {
    let marker = Marker {
        state,
        incarnation: writes.incarnation,
        binding: writes.binding,
        generation: job.generation,
        spec: writes.spec,
        epoch: writes.epoch,
        machine: job.machine,
    };
    disks.iter().try_for_each(|(_, disk)| {
        let written = disk.file().and_then(|file| marker.write_to(&file));
        written.map_err(doing("write the marker"))
    })
}

/// Clears the ends of a disk and writes its new table.
fn partition(plan: &DiskPlan, disk: &Disk) -> Result<(), DeployError> {
    let zeros = vec![0; usize::try_from(END_BYTES).expect("a mebibyte fits")];
    let cleared = disk.file().and_then(|file| {
        file.write_all_at(&zeros, 0)?;
        file.write_all_at(&zeros, disk.size_bytes - END_BYTES)
    });
    cleared.map_err(doing("clear the disk"))?;
    let node = disk.path().display().to_string();
    let words = [
        "--quiet",
        "--no-reread",
        "--no-tell-kernel",
        "--wipe=never",
        &node,
    ];
    program::run("sfdisk", &words, &sfdisk_script(plan, SECTOR_BYTES), TOOL_LIMIT)
        .map(drop)
        .map_err(|source| DeployError::Program {
            what: format!("partition {node}"),
            source,
        })
}

/// Streams the image to where the root's first partition begins, and compares its digest.
fn write_image(rack: &mut Rack, disks: &[(&DiskPlan, &Disk)], deploy: &Deploy) -> Result<(), DeployError> {
    let root = deploy
        .filesystems
        .iter()
        .find(|made| made.mount.as_deref() == Some("/"));
    let place = root.and_then(|root| {
        let place = deploy.devices().beneath(&root.device).into_iter().next()?;
        let (_, disk) = disks.iter().find(|(plan, _)| plan.disk == place.disk)?;
        Some((disk, deploy.devices().partition(&place)?))
    });
    let (disk, partition) = place.expect("a checked deployment has a root on a disk of its own");
    let file = disk.file().map_err(doing("open the root's disk"))?;
    let mut download = Download::new(rack, deploy.image.digest);
    let (mut hash, mut at) = (Sha256::new(), partition.start_bytes);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let count = download
            .read(&mut block)
            .map_err(|error| DeployError::Unpack(UnpackError::Read(error)))?;
        if count == 0 {
            break;
        }
        hash.update(&block[..count]);
        file.write_all_at(&block[..count], at)
            .map_err(doing("write the image"))?;
        at += u64::try_from(count).expect("a block is small");
    }
    let found = Digest(hash.finalize().into());
    if found == deploy.image.digest {
        Ok(())
    } else {
        Err(DeployError::ImageDigest {
            wanted: deploy.image.digest,
            found,
        })
    }
}

pub(super) fn doing(what: &str) -> impl FnOnce(io::Error) -> DeployError {
    let what = what.to_owned();
    |source| DeployError::Io { what, source }
}
