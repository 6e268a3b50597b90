//! Each deployment in `cases/deploy` gives, beside it, every file of the new system and the script of
//! each disk.

use crate::sample;
use rack_inmachine::deploy::sfdisk_script;
use rack_inmachine::family::{Entry, EntryBody, Family, Kernel};
use rack_inmachine::plan_check;

fn shown(entry: &Entry) -> String {
    match &entry.body {
        EntryBody::File { mode, contents } => format!("=== {} {mode:04o}\n{contents}", entry.path),
        EntryBody::Link { to } => format!("=== {} -> {to}\n", entry.path),
    }
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
