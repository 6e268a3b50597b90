//! Whatever a network layout is made of: it is refused, or what is planned can be made in its order.

use crate::seen::SeenMachine;
use crate::world::{World, checked};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rack_api::network::{Made, Network};
use reconciler_core::intent::Intent;
use std::collections::{BTreeMap, BTreeSet};

/// Ports, then bonds, VLANs and bridges of the layout.
const NAMES: [&str; 12] = [
    "p0", "p1", "p2", "p3", "p4", "p5", "b0", "b1", "v0", "v1", "r0", "r1",
];
const PORTS: usize = 6;

const BASE: &str = r#"
[fabric.dc]
vlan.pxe = { vid = 0, dhcp = "rack" }
vlan.web = { vid = 110, dhcp = "off" }
vlan.stor = { vid = 120, mtu = 9000, dhcp = "off" }
[subnet.pxe]
vlan = "dc/pxe"
cidr = "10.20.0.0/22"
gateway = "10.20.0.1"
[subnet.pxe6]
vlan = "dc/pxe"
cidr = "2001:db8:20::/64"
gateway = "2001:db8:20::1"
[subnet.web]
vlan = "dc/web"
cidr = "198.51.100.0/24"
gateway = "198.51.100.1"
[machine.m1]
rack = "r1"
boot.mode = "bios"
nic.p0 = { mac = "52:54:00:77:00:01", link = "dc/pxe" }
nic.p1 = { mac = "52:54:00:77:00:02" }
nic.p2 = { mac = "52:54:00:77:00:03", link = "dc/pxe" }
nic.p3 = { mac = "52:54:00:77:00:04" }
nic.p4 = { mac = "52:54:00:77:00:05" }
nic.p5 = { mac = "52:54:00:77:00:06", link = "dc/pxe" }
[deployment.web]
machines = ["m1"]
hostname = "web"
image = "debian-a"
storage = "disk"
network = "any"
[network.any]
"#;

const SEEN: &str = r#"
serial = "S1"
macs = [
    "52:54:00:77:00:01", "52:54:00:77:00:02", "52:54:00:77:00:03",
    "52:54:00:77:00:04", "52:54:00:77:00:05", "52:54:00:77:00:06",
]
disks = [{ id = "serial:d1", gb = 20 }]
"#;

/// Members of something: mostly some of these, so that many layouts fit; at times anything.
fn members(of: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        12 => subsequence(of, least..=2),
        1 => subsequence(&NAMES[..], least..=3)
    ]
}

/// A layout as it is written.
fn layout() -> impl Strategy<Value = String> {
    let mode = || select(&["802.3ad", "active-backup", "balance-xor"][..]);
    let mtu = || select(&["", "", ", mtu = 9000", ", mtu = 1000"][..]);
    let bonds = [
        (members(&["p0", "p1", "p2"], 2), mode(), mtu()),
        (members(&["p3", "p4"], 2), mode(), mtu()),
    ];
    let tag = || select(&["dc/web", "dc/stor", "dc/web", "dc/stor", "dc/web", "dc/pxe"][..]);
    let link = || prop_oneof![6 => select(&["b0", "b1", "p5"][..]), 1 => select(&NAMES[..])];
    let vlans = [(link(), tag()), (link(), tag())];
    let bridges = [
        (members(&["b0", "v0"], 1), any::<bool>()),
        (members(&["v1", "p5"], 1), any::<bool>()),
    ];
    // Which of the six are made.
    let made = prop::collection::vec(any::<bool>(), NAMES.len() - PORTS);
    let address = select(
        &[
            "mode = \"auto\", subnet = \"pxe\"",
            "mode = \"auto\", subnet = \"pxe6\"",
            "mode = \"auto\", subnet = \"web\"",
            "mode = \"dhcp\"",
            "mode = \"dhcp\", subnet = \"pxe6\"",
            "mode = \"link-up\"",
        ][..],
    );
    // The last are rarely members of others.
    let on = prop_oneof![1 => 0..NAMES.len(), 3 => NAMES.len() - 4..NAMES.len()];
    let addresses = prop::collection::vec((on, address), 0..=3);
    (made, bonds, vlans, bridges, addresses).prop_map(|(made, bonds, vlans, bridges, addresses)| {
        let bonds = bonds.into_iter().map(|(members, mode, mtu)| {
            format!("bond.NAME = {{ members = {members:?}, mode = {mode:?}{mtu} }}")
        });
        let vlans = vlans
            .into_iter()
            .map(|(link, tag)| format!("vlan.NAME = {{ link = {link:?}, vlan = {tag:?} }}"));
        let bridges = bridges
            .into_iter()
            .map(|(members, stp)| format!("bridge.NAME = {{ members = {members:?}, stp = {stp} }}"));
        let lines = bonds.chain(vlans).chain(bridges);
        let mut known = NAMES[..PORTS].to_vec();
        let mut text = String::new();
        for ((name, line), is_made) in NAMES[PORTS..].iter().zip(lines).zip(made) {
            if is_made {
                known.push(name);
                text += &format!("{}\n", line.replace("NAME", name));
            }
        }
        // What the layout does not make is no name in it; a port stands in.
        for name in NAMES.iter().filter(|name| !known.contains(name)) {
            text = text.replace(&format!("{name:?}"), "\"p5\"");
        }
        let addresses: Vec<String> = addresses
            .into_iter()
            .map(|(on, what)| format!("{{ on = {:?}, {what} }}", known[on.min(known.len() - 1)]))
            .collect();
        format!("{text}address = [{}]\n", addresses.join(", "))
    })
}

/// The network that is planned for the machine, if the layout fits; planning again changes nothing.
fn planned(layout: &str) -> Option<Network> {
    // What contradicts itself is no fleet: `check` says so before anything is planned.
    let fleet = checked("", &format!("{BASE}{layout}")).ok()?;
    let mut world = World::new();
    world.next_commit();
    let plan = world.plan(&fleet);
    let (id, _) = plan.machine("m1").unwrap();
    world.adopt(&fleet, plan);
    let seen: SeenMachine = toml::from_str(SEEN).unwrap();
    world.see(id, seen.inventory(&world.parent));
    world.later();
    let plan = world.plan(&fleet);
    world.adopt(&fleet, plan);
    let (_, machine) = world.parent.machine("m1").unwrap();
    match &machine.wanted.intent {
        Intent::Deployed(deploy) => Some(deploy.network.clone()),
        _ => {
            let why = &machine.blocked.as_ref().unwrap().evidence;
            assert!(why.starts_with("network any: "), "{why}");
            None
        }
    }
}

fn can_be_made(network: &Network) -> Result<(), TestCaseError> {
    let sizes: BTreeMap<&str, u16> = network
        .all()
        .map(|(name, settings)| (name, settings.mtu.unwrap_or(1500)))
        .collect();
    prop_assert_eq!(sizes.len(), network.all().count(), "a name twice");
    let macs: BTreeSet<_> = network.interfaces.iter().map(|port| port.mac).collect();
    let mut there: BTreeSet<&str> = network.interfaces.iter().map(|port| port.name.as_str()).collect();
    let mut members: BTreeSet<&str> = BTreeSet::new();
    for made in &network.made {
        let below = match &made.kind {
            Made::Vlan { link, .. } => vec![link],
            Made::Bond { members, .. } | Made::Bridge { members, .. } => members.iter().collect(),
        };
        prop_assert!(!below.is_empty() && macs.contains(&made.mac));
        for name in below {
            prop_assert!(there.contains(name.as_str()), "{name} comes later");
            prop_assert!(
                sizes[made.name.as_str()] <= sizes[name.as_str()],
                "{name} is too small"
            );
            let joins = !matches!(made.kind, Made::Vlan { .. });
            prop_assert!(!joins || members.insert(name), "{name} is a member of two");
        }
        there.insert(&made.name);
    }
    let (mut addresses, mut defaults) = (BTreeSet::new(), [0, 0]);
    for (name, settings) in network.all() {
        let has = settings.dhcp4 || settings.dhcp6 || !settings.addresses.is_empty();
        prop_assert!(!(has && members.contains(name)), "{name} has an address");
        for at in &settings.addresses {
            prop_assert!(addresses.insert(at.address));
        }
        let routes = settings.routes.iter().filter(|route| route.to.is_none());
        for route in routes {
            defaults[usize::from(route.via.is_ipv6())] += 1;
        }
        defaults[1] += usize::from(settings.dhcp6);
    }
    prop_assert!(defaults.iter().all(|count| *count <= 1), "{defaults:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planned_can_be_made(layout in layout()) {
        if let Some(network) = planned(&layout) {
            can_be_made(&network)?;
        }
    }
}
