//! Stops what stands on the disks of a deployment: arrays and volumes that an earlier attempt made, or that
//! were there before; and at the end our own, since the last marker needs the disks for itself.
//!
//! Only what stands on these disks alone is stopped. What also stands on another disk is somebody's, and the
//! deployment ends there.

use super::error::{DeployError, running};
use crate::disk;
use crate::early;
use crate::fence::Refusal;
use crate::program;
use crate::say;
use crate::sysfs::Sysfs;
use std::collections::BTreeSet;
use std::time::Duration;

/// Stopping writes a superblock to each member.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// Something may look at a device for a moment: stopping is tried so often.
const TRIES_MAX: u32 = 10;

/// Stops everything that stands on these disks, given by the kernel's names, the topmost first.
///
/// # Errors
/// Something also stands on another disk, is none that can be stopped, or is in use.
pub(super) fn take_down(sysfs: &Sysfs, disks: &[&str]) -> Result<(), DeployError> {
    let standing = on_top(sysfs, disks);
    for name in &standing {
        let beneath = disk::all_beneath(sysfs, name);
        if let Some(other) = beneath.iter().find(|disk| !disks.contains(&disk.as_str())) {
            return Err(DeployError::Fence(Refusal::Shared {
                what: words(sysfs, name),
                disk: other.clone(),
            }));
        }
    }
    standing.iter().try_for_each(|name| stop(sysfs, name))
}

/// What stands on these disks, each after all that stands on it.
fn on_top(sysfs: &Sysfs, disks: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut layer: Vec<String> = disks.iter().map(|&disk| disk.to_owned()).collect();
    for _ in 0..disk::LAYERS_MAX {
        let next: BTreeSet<String> = layer.iter().flat_map(|name| holders(sysfs, name)).collect();
        // What is found again higher up is stopped by its higher place.
        found.retain(|name| !next.contains(name));
        found.extend(next.iter().cloned());
        layer = next.into_iter().collect();
    }
    found.reverse();
    found
}

/// What stands directly on a device or on one of its partitions.
fn holders(sysfs: &Sysfs, name: &str) -> Vec<String> {
    let partitions = disk::partitions(sysfs, name);
    let mut holders = sysfs.names(&format!("sys/block/{name}/holders"));
    for partition in partitions.values() {
        holders.extend(sysfs.names(&format!("sys/block/{name}/{partition}/holders")));
    }
    holders
}

fn stop(sysfs: &Sysfs, name: &str) -> Result<(), DeployError> {
    let node = sysfs.device(name).display().to_string();
    let mapped = sysfs.text(&format!("sys/block/{name}/dm/name"));
    let (program, arguments) = match &mapped {
        Some(mapped) => ("dmsetup", vec!["remove", "--noudevrules", "--noudevsync", mapped]),
        None if name.starts_with("md") => ("mdadm", vec!["--stop", "--quiet", &node]),
        None => return Err(DeployError::InUse { by: name.to_owned() }),
    };
    let mut tries = 1;
    loop {
        let stopped = program::run(program, &arguments, "", TOOL_LIMIT);
        match stopped {
            Ok(_) => {
                say!("stopped {}", words(sysfs, name));
                return Ok(());
            }
            Err(error) if tries == TRIES_MAX => {
                return Err(running(format!("stop {}", words(sysfs, name)))(error));
            }
            Err(_) => {
                tries += 1;
                early::settle();
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// What people call an array or a volume.
fn words(sysfs: &Sysfs, name: &str) -> String {
    match sysfs.text(&format!("sys/block/{name}/dm/name")) {
        Some(mapped) => format!("the volume {mapped} ({name})"),
        None => format!("the array {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Disks a and b, each with a partition; md0 over both, dm-0 on it, dm-1 on both it and b.
    fn plant(root: &Path) {
        let stands = |name: &str, on: &str| {
            let (slaves, holders) = (format!("sys/block/{name}/slaves"), format!("{on}/holders"));
            let slave = on.rsplit('/').next().unwrap();
            for directory in [&slaves, &holders] {
                std::fs::create_dir_all(root.join(directory)).unwrap();
            }
            symlink(root.join(on), root.join(slaves).join(slave)).unwrap();
            symlink(root.join("sys/block").join(name), root.join(holders).join(name)).unwrap();
        };
        for partition in ["sys/block/sda/sda1", "sys/block/sdb/sdb1"] {
            std::fs::create_dir_all(root.join(partition)).unwrap();
            std::fs::write(root.join(partition).join("partition"), "1").unwrap();
            stands("md0", partition);
        }
        stands("dm-0", "sys/block/md0");
        stands("dm-1", "sys/block/dm-0");
        stands("dm-1", "sys/block/sdb");
    }

    #[test]
    fn what_stands_on_disks_is_found_with_the_topmost_first() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path());
        let sysfs = Sysfs::below(root.path());
        assert_eq!(on_top(&sysfs, &["sda"]), ["dm-1", "dm-0", "md0"]);
        assert_eq!(on_top(&sysfs, &["sda", "sdb"]), ["dm-1", "dm-0", "md0"]);
        assert!(on_top(&sysfs, &["sdc"]).is_empty());
        let both = BTreeSet::from(["sda".to_owned(), "sdb".to_owned()]);
        assert_eq!(disk::all_beneath(&sysfs, "dm-1"), both);
        assert_eq!(
            disk::all_beneath(&sysfs, "sda"),
            BTreeSet::from(["sda".to_owned()])
        );
    }

    #[test]
    fn nothing_is_stopped_that_is_on_another_disk_too() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path());
        let error = take_down(&Sysfs::below(root.path()), &["sda"]).unwrap_err();
        let DeployError::Fence(Refusal::Shared { what, disk }) = error else {
            panic!("{error:?}")
        };
        assert_eq!((what.as_str(), disk.as_str()), ("the array dm-1", "sdb"));
    }
}
