//! The deployment: from disks that somebody agreed to erase to a system that boots from them.
//!
//! Every step begins anew what it does, so that a power cut anywhere and the same job again end in
//! the same place. Before the marker is written nothing is, and nothing beyond the plan's disks ever.

mod bootloader;
pub(crate) mod error;
pub(crate) mod fence_step;
mod filesystems;
mod mounts;
pub(crate) mod owned_disk;
mod partition;
mod reaching_out;
mod sfdisk;
mod take_down;
mod unpack;
mod volume_commands;
mod volumes;

pub use error::DeployError;
pub use filesystems::command as mkfs_command;
pub use sfdisk::script as sfdisk_script;
pub use unpack::{UnpackError, unpack};
pub(crate) use volume_commands::md_uuid;
pub use volume_commands::{CommandLine, array as array_command, group as group_commands, mapper_name};

use crate::artefact::Download;
use crate::boot_entries::Wish;
use crate::early;
use crate::family::{EntryBody, Family};
use crate::fence::Standing;
use crate::inventory;
use crate::phone_home::{PROGRAM, PhoneHomeConfig};
use crate::plan_check;
use crate::step::{StepFailed, Steps};
use crate::sysfs::Sysfs;
use crate::target::Target;
use error::doing;
use owned_disk::OwnedDisk;
use rack_api::fact::FactBody;
use rack_api::job::Deploy;
use std::path::Path;
use volumes::Volumes;

/// Where the new system is put together.
pub const TARGET: &str = "/target";

/// Carries out a deployment and reports it.
///
/// # Errors
/// A step failed and was reported.
pub fn run(
    sysfs: &Sysfs,
    steps: &mut Steps<'_>,
    deploy: &Deploy,
    phone_home_token: String,
    wish: Wish,
) -> Result<(), StepFailed> {
    let job = steps.job;
    let standing = steps.run("fence", |progress| {
        let boot_id = progress.boot_id();
        plan_check::check(deploy, inventory::firmware_kind(sysfs)).map_err(DeployError::Plan)?;
        fence_step::ask(
            sysfs,
            progress.rack,
            (job, boot_id),
            &deploy.writes(),
            &deploy.groups,
        )
    })?;
    match standing {
        Standing::MayWrite => {
            let home = PhoneHomeConfig {
                server: steps.rack.server().to_owned(),
                token: phone_home_token,
                machine: job.machine,
                binding: deploy.binding,
            };
            let written = write(sysfs, steps, deploy, &home, wish);
            if written.is_err() {
                // A disk still mounted would be in the way of the next attempt; the next fence looks
                // again.
                let _ = mounts::unmount_all(TARGET);
            }
            written?;
        }
        Standing::Finish | Standing::Installed => steps.run("finish", |_| {
            let disks = owned_disk::unfinished(sysfs, &job, deploy)?;
            // Nobody gave a go where all disks were finished.
            if standing == Standing::Installed && !disks.is_empty() {
                return Err(DeployError::Overtaken(Standing::Finish));
            }
            owned_disk::finish(&disks)
        })?,
    }
    let installed = FactBody::Installed {
        job,
        binding: deploy.binding,
        spec: deploy.spec,
        disks: deploy.disks.iter().map(|plan| plan.disk.clone()).collect(),
    };
    steps.rack.report(vec![installed]);
    Ok(())
}

/// Everything from the first write to the last.
fn write(
    sysfs: &Sysfs,
    steps: &mut Steps<'_>,
    deploy: &Deploy,
    home: &PhoneHomeConfig,
    wish: Wish,
) -> Result<(), StepFailed> {
    let job = steps.job;
    let disks = steps.run("marker", |_| owned_disk::claim(sysfs, &job, &deploy.writes()))?;
    steps.run("partition", |_| {
        disks.iter().try_for_each(partition::partition)?;
        early::settle();
        Ok(())
    })?;
    let volumes = Volumes {
        sysfs,
        disks: &disks,
        deploy,
    };
    if !deploy.arrays.is_empty() {
        steps.run("raid", |_| volumes.make_arrays())?;
    }
    if !deploy.groups.is_empty() {
        steps.run("lvm", |_| volumes.make_groups())?;
    }
    steps.run("mkfs", |_| filesystems::make(volumes))?;
    steps.run("mount", |_| filesystems::mount(volumes))?;
    steps.run("unpack", |progress| {
        let (rack, mut pace) = progress.split();
        let mut download = Download::new(rack, deploy.image.digest);
        let found = unpack(&mut download, Path::new(TARGET), |download| {
            let (done, total) = (download.done_bytes(), download.total_bytes());
            pace.tell(download.rack(), done, total);
        })
        .map_err(DeployError::Unpack)?;
        if found == deploy.image.digest {
            Ok(())
        } else {
            Err(DeployError::ImageDigest {
                wanted: deploy.image.digest,
                found,
            })
        }
    })?;
    let target = steps.run("configure", |_| configure(deploy, home))?;
    let order = steps.run("bootloader", |_| {
        bootloader::install(&target, &disks, deploy, wish)
    })?;
    if let Some(order) = order {
        steps.rack.report(vec![FactBody::BootOrder { job, order }]);
    }
    drop(target);
    steps.run("finish", |_| {
        mounts::unmount_all(TARGET).map_err(doing("unmount the new system"))?;
        rustix::fs::sync();
        let names: Vec<&str> = disks.iter().map(OwnedDisk::name).collect();
        take_down::take_down(sysfs, &names)?;
        owned_disk::finish(&disks)
    })
}

/// Writes what the family renders, and this program for the phone-home.
fn configure(deploy: &Deploy, home: &PhoneHomeConfig) -> Result<Target, DeployError> {
    let family = Family::of(&deploy.image).expect("a checked deployment has a known family");
    let target = Target::open(Path::new(TARGET)).map_err(doing("open the new system's tree"))?;
    if let Some(missing) = family.needs(deploy).iter().find(|path| !target.has(path)) {
        return Err(DeployError::ImageLacks(missing));
    }
    for entry in family.render(deploy, home) {
        let written = match &entry.body {
            EntryBody::File { mode, contents } => target.write(&entry.path, *mode, contents.as_bytes()),
            EntryBody::Link { to } => target.link(&entry.path, to),
        };
        written.map_err(doing(format!("write {}", entry.path)))?;
    }
    let own = std::fs::read("/proc/self/exe").map_err(doing("read this program"))?;
    target
        .write(PROGRAM, 0o755, &own)
        .map_err(doing(format!("write {PROGRAM}")))?;
    Ok(target)
}
