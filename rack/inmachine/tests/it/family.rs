//! Each deployment in `cases/deploy` gives, beside it, every file of the new system, the script of each disk
//! and the command lines of what is made on them.

use crate::sample;
use rack_api::job::Deploy;
use rack_api::volume::{Base, Device, Place};
use rack_inmachine::deploy::{
    CommandLine, array_command, group_commands, mapper_name, mkfs_command, sfdisk_script,
};
use rack_inmachine::family::{Entry, EntryBody, Family, Kernel};
use rack_inmachine::plan_check;

pub(crate) fn shown(entry: &Entry) -> String {
    match &entry.body {
        EntryBody::File { mode, contents } => format!("=== {} {mode:04o}\n{contents}", entry.path),
        EntryBody::Link { to } => format!("=== {} -> {to}\n", entry.path),
    }
}

/// Every command line that makes a volume or a filesystem; devices under the names of the plan.
fn commands(deploy: &Deploy) -> String {
    let place = |place: &Place| format!("<{}:{}>", place.disk, place.partition);
    let mut lines = Vec::new();
    for array in &deploy.arrays {
        let members: Vec<String> = array.members.iter().map(place).collect();
        lines.push(array_command(array, &format!("<{}>", array.name), &members));
    }
    for group in &deploy.groups {
        let member = |base: &Base| match base {
            Base::Partition(at) => place(at),
            Base::Array { array } => format!("<{array}>"),
        };
        let members: Vec<String> = group.members.iter().map(member).collect();
        lines.extend(group_commands(group, &members));
    }
    for filesystem in &deploy.filesystems {
        let node = match &filesystem.device {
            Device::Partition(at) => place(at),
            Device::Array { array } => format!("<{array}>"),
            Device::Volume { group, volume } => mapper_name(group.as_str(), volume.as_str()),
        };
        lines.push(mkfs_command(filesystem, &node));
    }
    let line = |line: &CommandLine| format!("{} {}\n", line.program, line.arguments.join(" "));
    format!("=== commands\n{}", lines.iter().map(line).collect::<String>())
}

#[test]
fn deployments_give_files() {
    insta::glob!("../cases/deploy", "*.json", |path| {
        let deploy = sample::deploy(path.file_stem().unwrap().to_str().unwrap());
        assert_eq!(plan_check::check(&deploy, deploy.firmware), Ok(()), "{path:?}");
        let family = Family::of(&deploy.image).unwrap();
        let kernel = Kernel {
            version: "6.1.0-40-cloud-amd64".to_owned(),
        };
        let mut text = String::new();
        for disk in &deploy.disks {
            text += &format!("=== sfdisk {}\n{}", disk.disk, sfdisk_script(disk, 512));
        }
        text += &commands(&deploy);
        for entry in family.render(&deploy, &sample::home("http://10.77.0.1:8080")) {
            text += &shown(&entry);
        }
        text += &shown(&family.boot_config(&deploy, &kernel));
        insta::assert_snapshot!(text);
    });
}

#[test]
fn positions_are_in_the_disks_own_sectors() {
    let deploy = sample::deploy("bios_one_disk");
    let script = sfdisk_script(&deploy.disks[0], 4096);
    assert!(script.contains("sector-size: 4096\n"), "{script}");
    assert!(script.contains("1 : start=256, size=256,"), "{script}");
}
