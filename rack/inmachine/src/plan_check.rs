//! Looks once more at a deployment before anything is asked or written: what could not be carried
//! out, or would reach beyond its disks or its target directory, is refused whole.
//!
//! The planner makes no such plans; this guards against a planner of another version.

mod network;
mod volumes;

use crate::family::Family;
use crate::marker;
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, DiskPlan, Filesystem, FilesystemKind, PartitionKind};
use rack_api::volume::{Device, Place};
use std::collections::BTreeSet;
use volumes::Uses;

/// Partitions begin and end at multiples of this.
const MEBIBYTE: u64 = 1 << 20;

/// GPT's limit on a name, and on the partitions of a table in its usual size (UEFI 2.10 §5.3).
const NAME_CHARS_MAX: usize = 36;
const PARTITIONS_MAX: usize = 128;

/// Partitions that a filesystem may be on.
const PLAIN: [PartitionKind; 3] = [PartitionKind::Esp, PartitionKind::Linux, PartitionKind::Swap];

/// Why a deployment cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// No disk at all.
    #[error("the deployment names no disk")]
    NoDisk,
    /// A disk twice.
    #[error("the disk {0} is in the plan twice")]
    DiskTwice(String),
    /// A disk's partitions do not fit.
    #[error("the disk {disk}: {why}")]
    Layout {
        /// Which.
        disk: String,
        /// What does not fit.
        why: String,
    },
    /// A filesystem cannot be made or mounted.
    #[error("the filesystem on {device}: {why}")]
    Filesystem {
        /// What it is on.
        device: String,
        /// What is wrong.
        why: &'static str,
    },
    /// An array or a volume group cannot be made.
    #[error("{volume}: {why}")]
    Volume {
        /// Which.
        volume: String,
        /// What is wrong.
        why: String,
    },
    /// An interface cannot be made or configured.
    #[error("the interface {interface:?}: {why}")]
    Interface {
        /// Which.
        interface: String,
        /// What is wrong.
        why: String,
    },
    /// No root filesystem first.
    #[error("the first filesystem to be mounted is not the root")]
    NoRoot,
    /// A text that would break out of the file it goes into.
    #[error("the {what} {text:?} has characters that cannot be written down")]
    Text {
        /// What it is.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Nobody can write this system's configuration.
    #[error("this agent knows no image family {0:?}")]
    Family(String),
    /// The boot loader would be the wrong one.
    #[error("the machine booted by {found:?} where the plan counts on {planned:?}")]
    Firmware {
        /// How this boot came about.
        found: FirmwareKind,
        /// What the plan says.
        planned: FirmwareKind,
    },
    /// A disk to boot from has nowhere to put the boot loader.
    #[error("the disk {0} is to boot, but has no partition for the boot loader")]
    NotBootable(String),
}

/// Checks a deployment for a machine that booted by `firmware`.
///
/// # Errors
/// The first fault.
pub fn check(deploy: &Deploy, firmware: FirmwareKind) -> Result<(), PlanFault> {
    if deploy.disks.is_empty() {
        return Err(PlanFault::NoDisk);
    }
    if deploy.firmware != firmware {
        return Err(PlanFault::Firmware {
            found: firmware,
            planned: deploy.firmware,
        });
    }
    if Family::of(&deploy.image).is_none() {
        return Err(PlanFault::Family(deploy.image.family.clone()));
    }
    let mut known = BTreeSet::new();
    for disk in &deploy.disks {
        if !known.insert(&disk.disk) {
            return Err(PlanFault::DiskTwice(disk.disk.to_string()));
        }
        check_disk(disk, deploy)?;
    }
    let mut uses = Uses::default();
    volumes::check(deploy, &mut uses)?;
    check_filesystems(deploy, &mut uses)?;
    network::check(&deploy.network)?;
    check_texts(deploy)
}

fn check_disk(plan: &DiskPlan, deploy: &Deploy) -> Result<(), PlanFault> {
    let fault = |why: String| {
        Err(PlanFault::Layout {
            disk: plan.disk.to_string(),
            why,
        })
    };
    let first = plan.partitions.first();
    let is_marker = first.is_some_and(|first| {
        first.kind == PartitionKind::Marker
            && (first.number, first.start_bytes, first.size_bytes) == (1, marker::OFFSET, MEBIBYTE)
    });
    if !is_marker {
        return fault("its first partition is not the marker's".to_owned());
    }
    if plan.partitions.len() > PARTITIONS_MAX {
        return fault(format!("more than {PARTITIONS_MAX} partitions"));
    }
    // The table's copy takes the last mebibyte.
    let end_max = plan.size_bytes.saturating_sub(MEBIBYTE);
    let mut free_from = marker::OFFSET;
    for (number, partition) in (1..).zip(&plan.partitions) {
        let named = |why: &str| fault(format!("partition {number} {why}"));
        if partition.number != number {
            return named("has another number");
        }
        if partition.start_bytes % MEBIBYTE != 0 || partition.size_bytes % MEBIBYTE != 0 {
            return named("is not aligned to mebibytes");
        }
        let end = partition.start_bytes.checked_add(partition.size_bytes);
        let Some(end) = end.filter(|end| *end <= end_max && partition.size_bytes > 0) else {
            return named("is empty or does not fit the disk");
        };
        if partition.start_bytes < free_from {
            return named("overlaps the one before it");
        }
        free_from = end;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if partition.id.chars().count() > NAME_CHARS_MAX || !partition.id.chars().all(plain) {
            return named("has a name that is too long or has special characters");
        }
    }
    let has = |kind| plan.partitions.iter().any(|partition| partition.kind == kind);
    let loader = match deploy.firmware {
        FirmwareKind::Bios => has(PartitionKind::BiosBoot),
        FirmwareKind::Uefi => esp_mount(plan, deploy).is_some(),
    };
    if plan.bootable && !loader {
        return Err(PlanFault::NotBootable(plan.disk.to_string()));
    }
    Ok(())
}

/// Where the EFI system partition of a disk is mounted.
pub(crate) fn esp_mount<'a>(plan: &DiskPlan, deploy: &'a Deploy) -> Option<&'a str> {
    let esp = plan
        .partitions
        .iter()
        .find(|partition| partition.kind == PartitionKind::Esp)?;
    let place = Device::Partition(Place {
        disk: plan.disk.clone(),
        partition: esp.number,
    });
    let on_it =
        |filesystem: &&Filesystem| filesystem.device == place && filesystem.kind == FilesystemKind::Vfat;
    deploy.filesystems.iter().find(on_it)?.mount.as_deref()
}

fn check_filesystems(deploy: &Deploy, uses: &mut Uses) -> Result<(), PlanFault> {
    let mut mounts: Vec<&str> = Vec::new();
    for filesystem in &deploy.filesystems {
        let fault = |why| {
            Err(PlanFault::Filesystem {
                device: volumes::name_of(&filesystem.device),
                why,
            })
        };
        if let Err(why) = uses.take(deploy, &filesystem.device, &PLAIN) {
            return fault(why);
        }
        match (&filesystem.mount, filesystem.kind) {
            (None, FilesystemKind::Swap) => continue,
            (Some(_), FilesystemKind::Swap) => return fault("swap is not mounted"),
            (None, _) => continue,
            (Some(mount), _) => {
                let parts = || mount.split('/').skip(1);
                let clean = mount.starts_with('/')
                    && (mount == "/" || parts().all(|part| !matches!(part, "" | "." | "..")));
                if !clean {
                    return fault("its mount point is not a clean absolute path");
                }
                if mounts.contains(&mount.as_str()) {
                    return fault("its mount point is taken");
                }
                if mounts.iter().any(|earlier| is_below(earlier, mount)) {
                    return fault("it is mounted after one that lies below it");
                }
                mounts.push(mount);
            }
        }
    }
    if mounts.first() == Some(&"/") {
        Ok(())
    } else {
        Err(PlanFault::NoRoot)
    }
}

/// Whether `path` lies below `parent`.
pub(crate) fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent.trim_end_matches('/'))
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

/// Texts that become words of files in which a blank or a line feed means something.
fn check_texts(deploy: &Deploy) -> Result<(), PlanFault> {
    // Also between quotes of a shell or of GRUB.
    let word = |text: &&String| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_graphic() && !"\"'\\$`#".contains(c))
    };
    let line = |text: &&String| !text.chars().any(char::is_control);
    let label = |text: &&String| {
        !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_graphic())
    };
    let host = |text: &&String| {
        let part = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        text.len() <= 253 && text.split('.').all(part)
    };
    let filesystems = &deploy.filesystems;
    let fault = |what, text: Option<&String>| match text {
        Some(text) => Err(PlanFault::Text {
            what,
            text: text.clone(),
        }),
        None => Ok(()),
    };
    let bad = |texts: Vec<&'_ String>, good: &dyn Fn(&&String) -> bool| {
        texts.into_iter().find(|text| !good(text)).cloned()
    };
    let wrong = [
        ("host name", bad(vec![&deploy.hostname], &host)),
        ("kernel argument", bad(deploy.kernel_args.iter().collect(), &word)),
        ("ssh key", bad(deploy.ssh_keys.iter().collect(), &line)),
        (
            "label",
            bad(
                filesystems.iter().filter_map(|f| f.label.as_ref()).collect(),
                &label,
            ),
        ),
        (
            "mount point",
            bad(
                filesystems.iter().filter_map(|f| f.mount.as_ref()).collect(),
                &word,
            ),
        ),
        (
            "mount option",
            bad(filesystems.iter().flat_map(|f| &f.options).collect(), &word),
        ),
    ];
    wrong
        .iter()
        .try_for_each(|(what, text)| fault(what, text.as_ref()))
}
