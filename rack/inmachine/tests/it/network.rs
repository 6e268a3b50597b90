//! Each network in `cases/network` gives, beside it, the files that netplan and systemd-networkd read; networks that cannot be
//! made are refused, each with its fault.

use crate::family::shown;
use crate::sample;
use rack_api::network::{Made, Network};
use rack_inmachine::family::{Entry, Family};
use rack_inmachine::plan_check::check;
use std::fmt::Write;
use std::path::Path;

fn network(name: &str) -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/network/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn networks_give_netplan() {
    insta::glob!("../cases/network", "*.json", |path| {
        let mut deploy = sample::deploy("uefi_two_disks");
        deploy.network = network(path.file_stem().unwrap().to_str().unwrap());
        assert_eq!(check(&deploy, deploy.firmware), Ok(()), "{path:?}");
        let entries = Family::of(&deploy.image)
            .unwrap()
            .render(&deploy, &sample::home("http://10.77.0.1:8080"));
        let of_network = ["/etc/netplan/", "/etc/systemd/network/"];
        let of_network = |entry: &&Entry| of_network.iter().any(|folder| entry.path.starts_with(folder));
        let text: String = entries.iter().filter(of_network).map(shown).collect();
        insta::assert_snapshot!(text);
    });
}

/// What was written before there were bonds is read, and written again as it was: digests stay.
#[test]
fn ports_alone_are_written_as_ever() {
    let text = r#"{"interfaces":[{"name":"p0","mac":"52:54:00:77:00:01","dhcp4":true,"addresses":[],"routes":[],"dns":[],"mtu":null}]}"#;
    let network: Network = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&network).unwrap(), text);
}

#[test]
fn faults_of_networks_are_named() {
    type Spoil = fn(&mut Network);
    let cases: [(&str, Spoil); 15] = [
        ("too long", |n| n.made[2].name = "bridge-of-a-bond".to_owned()),
        ("escapes", |n| n.interfaces[0].name = "../p0".to_owned()),
        ("a number", |n| n.interfaces[0].name = "7".to_owned()),
        ("twice", |n| n.made[2].name = "p1".to_owned()),
        ("one port", |n| n.interfaces[1].mac = n.interfaces[0].mac),
        ("absent member", |n| n.interfaces.truncate(1)),
        ("made later", |n| n.made.swap(0, 1)),
        ("absent link", |n| {
            n.made.remove(0);
        }),
        ("no members", |n| {
            let Made::Bridge { members, .. } = &mut n.made[2].kind else {
                panic!("it is the bridge");
            };
            members.clear();
        }),
        ("two masters", |n| {
            let Made::Bridge { members, .. } = &mut n.made[2].kind else {
                panic!("it is the bridge");
            };
            members.push("p1".to_owned());
        }),
        ("no tag", |n| n.made[1].kind = vlan(0)),
        ("tag twice", |n| n.made[2].kind = vlan(120)),
        ("member with address", |n| {
            n.interfaces[1].settings.dhcp4 = true;
        }),
        ("prefix", |n| n.made[2].settings.addresses[0].prefix = 33),
        ("route", |n| {
            n.made[2].settings.routes[2].via = "2001:db8:20::1".parse().unwrap();
        }),
    ];
    let mut table = String::new();
    for (name, spoil) in cases {
        let mut deploy = sample::deploy("uefi_two_disks");
        deploy.network = network("bridge_on_bond");
        spoil(&mut deploy.network);
        let fault = check(&deploy, deploy.firmware).unwrap_err();
        writeln!(table, "{name}: {fault}").unwrap();
    }
    let mut deploy = sample::deploy("uefi_two_disks");
    let port = deploy.network.interfaces[0].clone();
    deploy.network.interfaces = vec![port; 257];
    let fault = check(&deploy, deploy.firmware).unwrap_err();
    writeln!(table, "many: {fault}").unwrap();
    insta::assert_snapshot!(table);
}

fn vlan(id: u16) -> Made {
    Made::Vlan {
        link: "bond0".to_owned(),
        id,
    }
}
