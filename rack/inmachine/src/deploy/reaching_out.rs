//! Arrays and volume groups that are on the disks to be erased and on others too, running or not.
//!
//! Erasing a member degrades or destroys what also lives elsewhere, on disks nobody agreed to erase: that is
//! refused before the first write. It only reads, and it starts nothing.

use super::error::{DeployError, running};
use super::volume_commands::LVM_CONFIG;
use super::volumes::is_taken;
use crate::content;
use crate::disk::{self, BlockDisk};
use crate::fence::Refusal;
use crate::program;
use crate::sysfs::Sysfs;
use rack_api::volume::VolumeGroup;
use rack_api::writes::Agreed;
use std::time::Duration;

/// `pvs` reads the metadata of each device it is given.
const PVS_LIMIT: Duration = Duration::from_secs(120);

/// A device that is a member of something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// The disk it is on, as people call it.
    disk: String,
    /// Whether that disk is in the wipe-set.
    is_ours: bool,
    /// What it is a member of: the UUID.
    of: String,
    /// In words.
    what: String,
}

/// A signature of a container on a device.
struct Signed {
    node: String,
    disk: String,
    is_ours: bool,
    kind: String,
    uuid: String,
    /// UUID and name, as far as it has one.
    name: String,
}

/// Refuses what also lives on disks outside the wipe-set, and groups whose names are taken there.
///
/// # Errors
/// Something does, or it could not be told.
pub(super) fn refuse<D: Agreed>(
    sysfs: &Sysfs,
    wipe_set: &[D],
    groups: &[VolumeGroup],
) -> Result<(), DeployError> {
    if let Some(group) = groups.iter().find(|group| is_taken(sysfs, &group.name)) {
        return Err(DeployError::Fence(Refusal::GroupTaken {
            group: group.name.to_string(),
            place: sysfs.device(group.name.as_str()).display().to_string(),
        }));
    }
    let disks = disk::find_all(sysfs);
    let is_ours = |disk: &BlockDisk| wipe_set.iter().any(|plan| Some(plan.disk()) == disk.id.as_ref());
    if disks.iter().all(is_ours) {
        return Ok(());
    }
    let signed: Vec<Signed> = disks
        .iter()
        .flat_map(|disk| signatures(sysfs, disk, is_ours(disk)))
        .collect();
    let arrays = signed.iter().filter(|signed| signed.kind == "linux_raid_member");
    let mut members: Vec<Member> = arrays
        .map(|signed| Member {
            disk: signed.disk.clone(),
            is_ours: signed.is_ours,
            of: signed.uuid.clone(),
            what: format!("the array {}", signed.name),
        })
        .collect();
    let volumes: Vec<&Signed> = signed
        .iter()
        .filter(|signed| signed.kind == "LVM2_member")
        .collect();
    let nodes: Vec<&str> = volumes.iter().map(|signed| signed.node.as_str()).collect();
    if volumes.iter().any(|signed| !signed.is_ours) {
        let (config, nodes) = (LVM_CONFIG, nodes.join(","));
        let arguments = [
            "pvs",
            "--config",
            config,
            "--devices",
            &nodes,
            "--readonly",
            "--noheadings",
            "--separator",
            "|",
            "--options",
            "pv_name,vg_uuid,vg_name",
        ];
        let text = program::run("lvm", &arguments, "", PVS_LIMIT)
            .map_err(running("read which groups the physical volumes belong to"))?;
        let found = groups_of(&text, &volumes);
        let taken = |member: &&(Member, String)| {
            !member.0.is_ours && groups.iter().any(|group| group.name.as_str() == member.1)
        };
        if let Some((member, name)) = found.iter().find(taken) {
            return Err(DeployError::Fence(Refusal::GroupTaken {
                group: name.clone(),
                place: member.disk.clone(),
            }));
        }
        members.extend(found.into_iter().map(|(member, _)| member));
    }
    match shared(&members) {
        Some((what, disk)) => Err(DeployError::Fence(Refusal::Shared { what, disk })),
        None => Ok(()),
    }
}

/// The signatures of a disk and its partitions. Whatever cannot be read is no member of anything.
fn signatures(sysfs: &Sysfs, disk: &BlockDisk, is_ours: bool) -> Vec<Signed> {
    let partitions = disk::partitions(sysfs, &disk.name);
    let names = std::iter::once(&disk.name).chain(partitions.values());
    let signed = |name: &String| {
        let node = sysfs.device(name);
        let signature = content::probe(&node).ok()?;
        let uuid = signature.uuid?;
        Some(Signed {
            node: node.display().to_string(),
            disk: disk
                .id
                .as_ref()
                .map_or_else(|| disk.name.clone(), ToString::to_string),
            is_ours,
            kind: signature.kind?,
            name: signature
                .label
                .map_or_else(|| uuid.clone(), |label| format!("{label} ({uuid})")),
            uuid,
        })
    };
    names.filter_map(signed).collect()
}

/// Reads what `pvs` printed: a device, the UUID of its group and the group's name, if it is in one.
fn groups_of(text: &str, volumes: &[&Signed]) -> Vec<(Member, String)> {
    let member = |line: &str| {
        let mut parts = line.trim().split('|');
        let (node, uuid, name) = (parts.next()?, parts.next()?, parts.next()?);
        let signed = volumes.iter().find(|signed| signed.node == node)?;
        let member = Member {
            disk: signed.disk.clone(),
            is_ours: signed.is_ours,
            of: uuid.to_owned(),
            what: format!("the volume group {name}"),
        };
        (!uuid.is_empty()).then(|| (member, name.to_owned()))
    };
    text.lines().filter_map(member).collect()
}

/// The first thing with members on both sides, and the disk on the other.
fn shared(members: &[Member]) -> Option<(String, String)> {
    members.iter().filter(|member| member.is_ours).find_map(|ours| {
        let mut others = members.iter().filter(|member| !member.is_ours);
        let other = others.find(|other| other.of == ours.of)?;
        Some((ours.what.clone(), other.disk.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(of: &str, disk: &str, is_ours: bool) -> Member {
        Member {
            disk: disk.to_owned(),
            is_ours,
            of: of.to_owned(),
            what: format!("the array {of}"),
        }
    }

    #[test]
    fn what_lives_on_both_sides_is_found() {
        let inside = [member("a", "d1", true), member("a", "d2", true)];
        assert_eq!(shared(&inside), None);
        let outside = [member("a", "d1", true), member("b", "d3", false)];
        assert_eq!(shared(&outside), None);
        let both = [
            member("b", "d1", true),
            member("a", "d3", false),
            member("b", "d4", false),
        ];
        let found = Some(("the array b".to_owned(), "d4".to_owned()));
        assert_eq!(shared(&both), found);
    }

    #[test]
    fn groups_are_read_by_their_members() {
        let signed = |node: &str, is_ours| Signed {
            node: node.to_owned(),
            disk: format!("disk of {node}"),
            is_ours,
            kind: "LVM2_member".to_owned(),
            uuid: String::new(),
            name: String::new(),
        };
        let (a, b, c) = (
            signed("/dev/sda3", true),
            signed("/dev/sdb", false),
            signed("/dev/sdc", false),
        );
        let text =
            "  /dev/sda3|KFYiYw-78Pp|vg0\n  /dev/sdb|KFYiYw-78Pp|vg0\n  /dev/sdc||\n  [unknown]|x|vg1\n";
        let found = groups_of(text, &[&a, &b, &c]);
        let brief: Vec<_> = found
            .iter()
            .map(|(member, name)| (member.disk.as_str(), name.as_str()))
            .collect();
        assert_eq!(brief, [("disk of /dev/sda3", "vg0"), ("disk of /dev/sdb", "vg0")]);
        let members: Vec<Member> = found.into_iter().map(|(member, _)| member).collect();
        let found = Some(("the volume group vg0".to_owned(), "disk of /dev/sdb".to_owned()));
        assert_eq!(shared(&members), found);
    }
}
