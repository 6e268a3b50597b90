//! Layouts are solved on the disks that were found, where somebody hands them in.

use super::{muster, says, text};
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory};
use schema_ids::ContentId;
use std::fs;

const MORE: &str = "[machine.m1]\nboot.mode = \"bios\"\nexpect = { disk = [{ type = \"ssd\", size = \"960GB\" }] }\n\
    nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
    [storage.wide]\nselect.os = {}\n\
    partition = [{ id = \"bios\", on = \"os\", size = \"1MiB\", type = \"bios\" }, { id = \"root\", on = \"os\", size = \"500GB\" }]\n\
    filesystem = [{ on = \"root\", type = \"ext4\", mount = \"/\" }]\n\
    [deployment.d]\nmachines = [\"m1\"]\nhostname = \"d\"\nimage = \"debian\"\nstorage = \"wide\"\nnetwork = \"port\"\n";

/// What the daemon tells of a machine with these disks, as far as it is read.
fn detail(machine: &str, gigabytes: &[u64]) -> String {
    let disk = |(number, size): (usize, &u64)| Disk {
        id: Some(format!("serial:d{number}").parse().expect("an id")),
        path: format!("/dev/sd{number}"),
        model: "m".to_owned(),
        serial: format!("d{number}"),
        size_bytes: size * 1_000_000_000,
        kind: DiskKind::Ssd,
        local: true,
        content: ContentId::Blank,
        holds: String::new(),
    };
    let inventory = Inventory {
        uuid: None,
        serial: None,
        vendor: String::new(),
        product: String::new(),
        firmware: Firmware {
            kind: FirmwareKind::Bios,
            version: String::new(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: String::new(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks: gigabytes.iter().enumerate().map(disk).collect(),
        nics: Vec::new(),
        bmc: None,
        pci: None,
        mark: None,
    };
    serde_json::json!({ "status": { "name": machine, "phase": "Ready" }, "inventory": inventory, "why": "" })
        .to_string()
}

#[test]
fn what_was_found_counts_instead_of_what_was_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = include_str!("../../../../schema/fleet/tests/cases/base.toml");
    fs::write(folder.path().join("base.toml"), base).expect("write");
    fs::write(folder.path().join("more.toml"), MORE).expect("write");
    let fleet = folder.path().display().to_string();
    says(&["check", &fleet], 0);
    let file = folder.path().join("observed.json");
    let name = file.display().to_string();
    let observed = |text: &str, code: i32| {
        fs::write(&file, text).expect("write");
        says(&["check", "--observed", &name, &fleet], code)
    };
    observed(&detail("m1", &[960]), 0);
    let said = observed(
        &format!("{}\n{}", detail("other", &[10]), detail("m1", &[240])),
        1,
    );
    assert!(
        said.contains("M0402") && said.contains("the disk has 223.5GiB (240GB)"),
        "{said}"
    );
    // A machine that was not inspected has what git says.
    observed("{\"status\": {\"name\": \"m1\"}, \"inventory\": null}", 0);
    fs::write(&file, "{\"status\": 1}").expect("write");
    let output = muster(&["check", "--observed", &name, &fleet]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        text(&output.stderr).contains("muster --json show NAME"),
        "{}",
        text(&output.stderr)
    );
}
