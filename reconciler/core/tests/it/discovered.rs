//! The lines that are proposed for a machine that no file declares are fleet lines, whatever its firmware
//! says of itself.

use proptest::prelude::*;
use rack_api::inventory::{BmcSeen, Cpu, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::ownership::{MarkFound, MarkSeen, OwnershipMark};
use reconciler_core::discovered::fleet_lines;
use reconciler_core::observed::{Discovered, Observed};
use reconciler_core::plan::{Desired, Plan, plan};
use schema_fleet::{Fleet, Machine, Manage, Parsed, SourceFile};
use schema_ids::{Incarnation, Mac, MachineId, MarkOwner, Timestamp, Uuid};

const EXAMPLE: &str = include_str!("../../../../examples/one-machine/toml/fleet.toml");
const MAC: &str = "52:54:00:77:00:99";

/// The control plane's own id.
fn ours() -> Uuid {
    Uuid::from_bytes([7; 16])
}

fn parse(text: &str) -> Parsed {
    schema_fleet::parse(&[SourceFile {
        path: "fleet.toml".to_owned(),
        bytes: text.as_bytes().into(),
    }])
}

/// The example and its first plan.
fn adopted() -> (Plan, Fleet) {
    let fleet = parse(EXAMPLE).fleet.expect("the example is sound");
    let at = Timestamp::from_unix_ms(1_795_000_000_000);
    let uuid = ours();
    let observed = Observed::empty(at, uuid, Incarnation { number: 1, uuid });
    let desired = Desired {
        fleet: &fleet,
        commit: "0123456789abcdef0123456789abcdef01234567",
        base: None,
    };
    let plan = plan(&desired, &observed, &Plan::empty(fleet.name.clone()), at);
    (plan, fleet)
}

fn found(link: &str, vendor: &str, product: &str, serial: Option<&str>) -> Discovered {
    let nic = |mac: &str| Nic {
        name: "eno1".to_owned(),
        mac: mac.parse().unwrap(),
        speed_mbps: None,
        link: true,
        driver: "virtio_net".to_owned(),
    };
    Discovered {
        link: link.to_owned(),
        seen: Timestamp::from_unix_ms(1_795_000_000_000),
        inventory: Inventory {
            uuid: Some(Uuid::from_bytes([9; 16])),
            serial: serial.map(str::to_owned),
            vendor: vendor.to_owned(),
            product: product.to_owned(),
            firmware: Firmware {
                kind: FirmwareKind::Bios,
                version: "1".to_owned(),
            },
            cpu: Cpu {
                arch: "amd64".to_owned(),
                model: "cpu".to_owned(),
                cores: 1,
                threads: 1,
            },
            memory_bytes: 1 << 30,
            disks: Vec::new(),
            nics: vec![nic("52:54:00:77:00:98"), nic(MAC)],
            bmc: Some(BmcSeen {
                address: Some("10.77.0.12".parse().unwrap()),
                mac: None,
            }),
            pci: None,
            mark: None,
        },
    }
}

/// The example with the lines for what was found, and the machine that they declare.
fn declared(found: &Discovered) -> Result<(String, Machine), TestCaseError> {
    let (plan, fleet) = adopted();
    let mac: Mac = MAC.parse().unwrap();
    let lines = fleet_lines(mac, found, ours(), Some((&plan, &fleet)));
    let parsed = parse(&format!("{EXAMPLE}\n{lines}"));
    prop_assert!(
        parsed.diagnostics.is_empty(),
        "{lines}\n{:#?}",
        parsed.diagnostics
    );
    let machines = parsed.fleet.expect("nothing is wrong").machines;
    prop_assert_eq!(machines.len(), 2, "{}", lines);
    let new = machines
        .into_iter()
        .find(|(name, _)| !fleet.machines.contains_key(name));
    let (_, machine) = new.expect("there are two");
    Ok((lines, Machine::clone(&machine)))
}

#[test]
fn the_lines_stand_on_their_own() {
    let (lines, machine) = declared(&found("lab/pxe", "Acme", "R1", Some("CZ 231"))).unwrap();
    insta::assert_snapshot!(lines, @r#"
    # Acme R1, seen on lab/pxe at 2026-11-18T11:06:40.000Z
    [machine.cz-231]
    rack = "r1"
    serial = "CZ 231"
    uuid = "09090909-0909-0909-0909-090909090909"
    boot.mode = "bios"
    # To have it switched, name the secret that holds its BMC's account:
    # bmc = { driver = "ipmi", address = "10.77.0.12", secret = "..." }
    nic.p0 = { mac = "52:54:00:77:00:98" }
    nic.p1 = { mac = "52:54:00:77:00:99", link = "lab/pxe" }
    "#);
    assert_eq!(
        machine.rack.map(|rack| rack.name.to_string()).as_deref(),
        Some("r1")
    );
    assert!(machine.bmc.is_none());
    // Of a link that is gone since, and of a machine whose name is another's.
    declared(&found("lab/gone", "Acme", "R1", None)).unwrap();
    let (lines, _) = declared(&found("lab/pxe", "Acme", "R1", Some("node-01"))).unwrap();
    assert!(lines.contains("[machine.m-52-54-00-77-00-99]"), "{lines}");
}

#[test]
fn one_that_bears_a_mark_is_only_to_be_observed() {
    let mut stranger = found("lab/pxe", "Acme", "R1", None);
    let owner: MarkOwner = "unreadable:0123456789abcdef".parse().unwrap();
    let unreadable = MarkFound::Unreadable {
        owner,
        why: "it holds \"\n\"".to_owned(),
    };
    stranger.inventory.mark = Some(MarkSeen::of(unreadable));
    let (lines, machine) = declared(&stranger).unwrap();
    assert!(
        lines.contains("# It bears the mark of unreadable:0123456789abcdef: "),
        "{lines}"
    );
    assert_eq!(machine.manage, Manage::Observe);
    let marked = |plane| {
        Some(MarkSeen::of(MarkFound::Mark(OwnershipMark {
            plane,
            fleet: "lab".parse().unwrap(),
            machine: MachineId(Uuid::from_bytes([5; 16])),
        })))
    };
    let theirs = Uuid::from_bytes([8; 16]);
    stranger.inventory.mark = marked(theirs);
    let (lines, machine) = declared(&stranger).unwrap();
    assert!(
        lines.contains(&format!("# It bears the mark of {theirs}: ")),
        "{lines}"
    );
    assert_eq!(machine.manage, Manage::Observe);
    // Of ours that was removed and kept there is nobody to take it over from.
    for nobody in [marked(ours()), Some(MarkSeen::of(MarkFound::Absent))] {
        stranger.inventory.mark = nobody;
        let (lines, machine) = declared(&stranger).unwrap();
        assert!(!lines.contains("mark"), "{lines}");
        assert_eq!(machine.manage, Manage::Full);
    }
}

proptest! {
    #[test]
    fn firmware_injects_nothing(vendor in "(?s).*", product in "(?s).*", serial in proptest::option::of("(?s).{1,80}")) {
        // What makers leave where they write none counts as absent where it is read; of that, only this comes by chance.
        prop_assume!(serial.as_deref().is_none_or(|serial| serial.trim() != "0"));
        let (lines, machine) = declared(&found("lab/pxe", &vendor, &product, serial.as_deref()))?;
        prop_assert_eq!(machine.serial.map(|serial| serial.value), serial, "{}", lines);
    }

    #[test]
    fn a_line_break_stays_in_its_comment(lead in "[\\r\\n\\t\\x00 ]{1,3}", key in "rack|bmc.driver|protect") {
        let vendor = format!("Acme{lead}[machine.evil]\n{key} = \"r9\"");
        declared(&found("lab/pxe", &vendor, &vendor, None))?;
    }
}
