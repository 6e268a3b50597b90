//! Makes the arrays and volume groups of the plan, and gives their nodes.
//!
//! A node is given only while all it stands on is this job's: every partition is had from its
//! [`OwnedDisk`], which looks each time, and the kernel must say that the array or volume stands on exactly
//! those.

use super::error::{DeployError, doing, running};
use super::owned_disk::{OwnedDisk, is_numbered};
use super::volume_commands::{self, CommandLine, mapper_name};
use crate::early;
use crate::program;
use crate::sysfs::Sysfs;
use rack_api::job::Deploy;
use rack_api::volume::{Array, Base, Device, Place, VolumeGroup};
use schema_ids::Name;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Metadata of a few mebibytes is written to each member; a disk that takes longer is broken.
const TOOL_LIMIT: Duration = Duration::from_secs(300);

/// The devices of a plan on disks that are this job's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes<'d, 'a> {
    pub(super) sysfs: &'a Sysfs,
    pub(super) disks: &'d [OwnedDisk<'a>],
    pub(super) deploy: &'a Deploy,
}

impl Volumes<'_, '_> {
    /// Makes every array.
    ///
    /// # Errors
    /// A tool failed, or an array did not come up as planned.
    pub(super) fn make_arrays(self) -> Result<(), DeployError> {
        load("md_mod");
        for (number, array) in self.deploy.arrays.iter().enumerate() {
            let members = self.partitions(&array.members)?;
            let node = self.sysfs.device(&kernel_name(number)).display().to_string();
            let what = format!("make the array {}", array.name);
            run(&volume_commands::array(array, &node, &members), &what)?;
            early::settle();
            clear(&self.array(array)?)?;
        }
        Ok(())
    }

    /// Makes every volume group and its volumes.
    ///
    /// # Errors
    /// A tool failed, or a volume did not come up as planned.
    pub(super) fn make_groups(self) -> Result<(), DeployError> {
        load("dm_mod");
        for group in &self.deploy.groups {
            remove_links(self.sysfs, &group.name)?;
            let what = format!("make the volume group {}", group.name);
            for command in volume_commands::group(group, &self.members(group)?) {
                // Once more for each: is all of it still ours?
                self.members(group)?;
                run(&command, &what)?;
            }
            early::settle();
            for volume in &group.volumes {
                clear(&self.volume(group, &volume.name)?)?;
            }
        }
        Ok(())
    }

    /// The node of a device, for the tool that is run next.
    ///
    /// # Errors
    /// What it stands on is not this job's any more, or it is not there as planned.
    pub(super) fn node(self, device: &Device) -> Result<String, DeployError> {
        let devices = self.deploy.devices();
        match device {
            Device::Partition(place) => self.partition(place),
            Device::Array { array } => {
                let array = devices.array(array).expect("a checked deployment has its arrays");
                self.array(array)
            }
            Device::Volume { group, volume } => {
                let group = devices.group(group).expect("a checked deployment has its groups");
                self.volume(group, volume)
            }
        }
    }

    fn partition(self, place: &Place) -> Result<String, DeployError> {
        let disk = self.disks.iter().find(|disk| disk.plan().disk == place.disk);
        let disk = disk.expect("a checked deployment has its devices on its disks");
        disk.partition(place.partition)
    }

    fn partitions(self, places: &[Place]) -> Result<Vec<String>, DeployError> {
        places.iter().map(|place| self.partition(place)).collect()
    }

    fn array(self, array: &Array) -> Result<String, DeployError> {
        let members = names(&self.partitions(&array.members)?);
        let mut arrays = self.deploy.arrays.iter();
        let number = arrays.position(|made| made.name == array.name);
        let kernel = kernel_name(number.expect("an array is one of its plan's"));
        let node = self.sysfs.device(&kernel);
        let is_it = self.slaves(&kernel) == members && self.is_at(&kernel, &node);
        if is_it {
            Ok(node.display().to_string())
        } else {
            Err(DeployError::NoVolume(format!("the array {}", array.name)))
        }
    }

    /// The nodes of a group's members.
    fn members(self, group: &VolumeGroup) -> Result<Vec<String>, DeployError> {
        let node = |base: &Base| self.node(&base.clone().into());
        group.members.iter().map(node).collect()
    }

    fn volume(self, group: &VolumeGroup, volume: &Name) -> Result<String, DeployError> {
        let members = names(&self.members(group)?);
        let name = mapper_name(group.name.as_str(), volume.as_str());
        let node = self.sysfs.device("mapper").join(&name);
        let is_it = |kernel: &String| {
            let slaves = self.slaves(kernel);
            self.sysfs.text(&format!("sys/block/{kernel}/dm/name")).as_ref() == Some(&name)
                && !slaves.is_empty()
                && slaves.is_subset(&members)
                && self.is_at(kernel, &node)
        };
        if self.sysfs.names("sys/block").iter().any(is_it) {
            Ok(node.display().to_string())
        } else {
            let what = format!("the volume {}/{volume}", group.name);
            Err(DeployError::NoVolume(what))
        }
    }

    /// What the kernel says that a device stands on.
    fn slaves(self, kernel: &str) -> BTreeSet<String> {
        let slaves = self.sysfs.names(&format!("sys/block/{kernel}/slaves"));
        slaves.into_iter().collect()
    }

    fn is_at(self, kernel: &str, node: &Path) -> bool {
        let there = node.metadata();
        there.is_ok_and(|there| is_numbered(self.sysfs, &format!("sys/block/{kernel}"), &there))
    }
}

/// The kernel's name of the plan's array with this number.
fn kernel_name(number: usize) -> String {
    format!("md{number}")
}

/// The last parts of nodes: the kernel's names.
fn names(nodes: &[String]) -> BTreeSet<String> {
    let name = |node: &String| node.rsplit('/').next().map(str::to_owned);
    nodes.iter().filter_map(name).collect()
}

fn run(command: &CommandLine, what: &str) -> Result<(), DeployError> {
    let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
    program::run(command.program, &arguments, "", TOOL_LIMIT)
        .map(drop)
        .map_err(running(what))
}

/// Removes what is left at a place where something else began.
fn clear(node: &str) -> Result<(), DeployError> {
    program::run("wipefs", &["--all", "--quiet", node], "", TOOL_LIMIT)
        .map(drop)
        .map_err(running(format!("clear {node}")))
}

/// The tools load what they need; a driver that is not there shows in what they say.
fn load(module: &str) {
    let _ = program::output("modprobe", &["-q", module], "", TOOL_LIMIT);
}

/// Whether `/dev` has no place for a group of this name: something is there that is not what an earlier
/// attempt in this boot left.
pub(super) fn is_taken(sysfs: &Sysfs, group: &Name) -> bool {
    let place = sysfs.device(group.as_str());
    if !place.is_dir() {
        return place.exists();
    }
    let links = sysfs.names(&format!("dev/{group}"));
    !links.iter().all(|link| place.join(link).is_symlink())
}

/// Removes the links to volumes that an earlier attempt left, which `vgcreate` takes for a group.
fn remove_links(sysfs: &Sysfs, group: &Name) -> Result<(), DeployError> {
    let place = sysfs.device(group.as_str());
    if is_taken(sysfs, group) || !place.is_dir() {
        return Ok(());
    }
    std::fs::remove_dir_all(&place).map_err(doing(format!("remove {}", place.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_links_that_an_earlier_attempt_left_make_way_for_a_group() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::below(root.path());
        let dev = root.path().join("dev");
        let name = |text: &str| text.parse::<Name>().unwrap();
        std::fs::create_dir_all(dev.join("left")).unwrap();
        symlink("/dev/mapper/left-root", dev.join("left/root")).unwrap();
        std::fs::create_dir_all(dev.join("disk/by-id")).unwrap();
        std::fs::write(dev.join("sda"), "").unwrap();
        for (group, taken) in [("left", false), ("new", false), ("disk", true), ("sda", true)] {
            assert_eq!(is_taken(&sysfs, &name(group)), taken, "{group}");
            remove_links(&sysfs, &name(group)).unwrap();
        }
        assert!(!dev.join("left").exists());
        assert!(dev.join("disk/by-id").exists() && dev.join("sda").exists());
    }
}
