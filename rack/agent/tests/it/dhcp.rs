//! DHCP on the wire, with real clients.

use crate::full_disk::FullDisk;
use crate::rack::{Rack, desired, leased, mac};
use rack_api::{config::Enlist, fact::FactBody};
use std::{collections::BTreeSet, net::Ipv4Addr};

pub(crate) const RANGE: (&str, &str) = ("10.77.0.100", "10.77.0.107");

#[test]
fn a_reservation_is_answered_by_unicast_and_by_broadcast() {
    let rack = Rack::start(desired(Enlist::Off, RANGE));
    rack.set_mac(mac(1));
    let reserved = Some(Ipv4Addr::new(10, 77, 0, 17));
    assert_eq!(rack.dhcp("nic0", &[]), reserved);
    assert_eq!(rack.dhcp("nic0", &["-B"]), reserved);
    // Undeclared, and the link gives strangers nothing.
    rack.set_mac(mac(9));
    assert_eq!(rack.dhcp("nic0", &["-t", "2", "-T", "1"]), None);
}

#[test]
fn eight_clients_at_once_get_eight_addresses() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    assert_eq!(eight_at_once(&rack).len(), 8);
    rack.await_true("all leases are told", |rack| {
        let leased = |fact: &FactBody| match fact {
            FactBody::Leased { address, .. } => Some(*address),
            _ => None,
        };
        rack.daemon
            .facts()
            .iter()
            .filter_map(leased)
            .collect::<BTreeSet<_>>()
            .len()
            == 8
    });
}

#[test]
fn leases_survive_a_power_cut_and_a_silent_daemon() {
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    rack.set_mac(mac(21));
    let first = rack.dhcp("nic0", &["-r", "10.77.0.105"]).expect("a lease");
    assert_eq!(first, Ipv4Addr::new(10, 77, 0, 105));
    rack.stop_daemon();
    rack.kill_agent();
    rack.start_agent();
    // Another client asks for the same address: it is held, though nobody but the disk remembers.
    rack.set_mac(mac(22));
    rack.await_true("the agent serves from its disk", |rack| {
        rack.dhcp("nic0", &["-t", "1", "-T", "1", "-r", "10.77.0.105"])
            .is_some()
    });
    let other = rack.dhcp("nic0", &["-r", "10.77.0.105"]).expect("a lease");
    assert_ne!(other, first);
    rack.set_mac(mac(21));
    assert_eq!(rack.dhcp("nic0", &[]), Some(first));
}

#[test]
fn a_full_disk_stops_leases_and_not_reservations() {
    let disk = FullDisk::make();
    let rack = Rack::start_on(&disk, desired(Enlist::Known, RANGE));
    disk.fill();
    rack.set_mac(mac(1));
    assert_eq!(rack.dhcp("nic0", &[]), Some(Ipv4Addr::new(10, 77, 0, 17)));
    rack.set_mac(mac(31));
    assert_eq!(rack.dhcp("nic0", &["-t", "2", "-T", "1"]), None);
    assert!(
        rack.log()
            .contains("no lease is acknowledged while it cannot be kept on disk")
    );
    disk.free();
    assert!(rack.dhcp("nic0", &[]).is_some());
}

#[test]
fn a_full_disk_keeps_no_agent_from_starting() {
    let disk = FullDisk::make();
    let mut rack = Rack::start_on(&disk, desired(Enlist::Known, RANGE));
    disk.fill();
    rack.stop_daemon();
    rack.kill_agent();
    rack.start_agent();
    rack.set_mac(mac(1));
    rack.await_true("the reservation is answered", |rack| {
        rack.dhcp("nic0", &["-t", "1", "-T", "1"]) == Some(Ipv4Addr::new(10, 77, 0, 17))
    });
}

/// Eight clients on interfaces of their own, started together; gives the addresses that they got.
pub(crate) fn eight_at_once(rack: &Rack) -> BTreeSet<Ipv4Addr> {
    let interfaces: Vec<String> = (0..8).map(|number| format!("mac{number}")).collect();
    for interface in &interfaces {
        let added = rack.client(
            "ip",
            &[
                "link", "add", interface, "link", "nic0", "type", "macvlan", "mode", "bridge",
            ],
        );
        assert!(added.status.success(), "{added:?}");
        rack.client("ip", &["link", "set", interface, "up"]);
    }
    let clients: Vec<_> = interfaces
        .iter()
        .map(|interface| {
            let mut command = rack.dhcp_command(interface, &[]);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    clients
        .into_iter()
        .map(|client| leased(&client.wait_with_output().unwrap()).expect("every client gets a lease"))
        .collect()
}
