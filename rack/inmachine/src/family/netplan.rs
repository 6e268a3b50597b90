//! The network as netplan's YAML, for systemd-networkd.
//!
//! Written for good at installation: it is there before cloud-init runs, and whether or not it does.

use super::Entry;
use rack_api::network::{
    BondHash, BondMode, Interface, LacpRate, Made, MadeInterface, Network, Route, Settings,
};

/// How often a bond looks whether its ports have carrier, in milliseconds. Without it, it would never
/// look; this is where the kernel's documentation says to begin (bonding.rst, `miimon`).
const CARRIER_INTERVAL_MS: u32 = 100;

/// Renders netplan's file, and beside it what netplan cannot say.
pub(super) fn render(network: &Network) -> Vec<Entry> {
    let sizes = network.made.iter().filter_map(bridge_frame_size);
    std::iter::once(yaml(network)).chain(sizes).collect()
}

/// Only the root may read it, as netplan wants.
fn yaml(network: &Network) -> Entry {
    let mut lines = vec![
        "# Written by muster at installation.".to_owned(),
        "network:".to_owned(),
        "  version: 2".to_owned(),
        "  renderer: networkd".to_owned(),
    ];
    let (mut bonds, mut vlans, mut bridges) = (Vec::new(), Vec::new(), Vec::new());
    for made in &network.made {
        let section = match made.kind {
            Made::Bond { .. } => &mut bonds,
            Made::Vlan { .. } => &mut vlans,
            Made::Bridge { .. } => &mut bridges,
        };
        section.extend(made_lines(made));
        section.extend(settings_lines(&made.settings, network));
    }
    let ports = network.interfaces.iter();
    let ports = ports.flat_map(|port| {
        let mut lines = port_lines(port, network);
        lines.extend(settings_lines(&port.settings, network));
        lines
    });
    for (name, section) in [
        ("ethernets", ports.collect()),
        ("bonds", bonds),
        ("vlans", vlans),
        ("bridges", bridges),
    ] {
        if !section.is_empty() {
            lines.push(format!("  {name}:"));
            lines.extend(section);
        }
    }
    Entry::file("/etc/netplan/50-muster.yaml", 0o600, lines.join("\n") + "\n")
}

/// Makes the frame size of a bridge hold. The kernel sets it to the smallest of the ports' at every change,
/// unless somebody changed it once; systemd does not, if the bridge was made with the size it is to have.
/// So it is made with another, and changed.
fn bridge_frame_size(made: &MadeInterface) -> Option<Entry> {
    let Made::Bridge { .. } = made.kind else {
        return None;
    };
    // Next to it, so that IPv6 is not switched off on the way for a frame that is too small.
    let other = made.settings.mtu? ^ 1;
    let path = format!(
        "/etc/systemd/network/10-netplan-{}.netdev.d/50-muster.conf",
        made.name
    );
    let text = format!("# Written by muster at installation.\n[NetDev]\nMTUBytes={other}\n");
    Some(Entry::file(&path, 0o644, text))
}

fn port_lines(port: &Interface, network: &Network) -> Vec<String> {
    let mut lines = vec![
        format!("    \"{}\":", port.name),
        "      match:".to_owned(),
        format!("        macaddress: \"{}\"", port.mac),
        format!("      set-name: \"{}\"", port.name),
    ];
    let bonded = network
        .made
        .iter()
        .any(|made| matches!(&made.kind, Made::Bond { members, .. } if members.contains(&port.name)));
    if bonded {
        // A bond is there to live with a dead port: the boot does not wait for one either.
        lines.push("      optional: true".to_owned());
    }
    lines
}

fn made_lines(made: &MadeInterface) -> Vec<String> {
    let mut lines = vec![
        format!("    \"{}\":", made.name),
        // systemd would make one up, and the rack's DHCP would not know it.
        format!("      macaddress: \"{}\"", made.mac),
    ];
    match &made.kind {
        Made::Bond { members, mode } => {
            lines.extend(list(6, "interfaces", members));
            lines.push("      parameters:".to_owned());
            lines.extend(bond_lines(*mode));
        }
        Made::Vlan { link, id } => {
            lines.push(format!("      id: {id}"));
            lines.push(format!("      link: \"{link}\""));
        }
        Made::Bridge { members, stp } => {
            lines.extend(list(6, "interfaces", members));
            lines.push("      parameters:".to_owned());
            lines.push(format!("        stp: {stp}"));
        }
    }
    lines
}

fn bond_lines(mode: BondMode) -> Vec<String> {
    let (name, rate, hash) = match mode {
        BondMode::ActiveBackup => ("active-backup", None, None),
        BondMode::Lacp { rate, hash } => ("802.3ad", Some(rate), Some(hash)),
        BondMode::BalanceXor { hash } => ("balance-xor", None, Some(hash)),
        BondMode::BalanceRr => ("balance-rr", None, None),
    };
    let rate = rate.map(|rate| match rate {
        LacpRate::Slow => "slow",
        LacpRate::Fast => "fast",
    });
    let hash = hash.map(|hash| match hash {
        BondHash::Layer2 => "layer2",
        BondHash::Layer23 => "layer2+3",
        BondHash::Layer34 => "layer3+4",
    });
    let mut lines = vec![
        format!("        mode: \"{name}\""),
        format!("        mii-monitor-interval: {CARRIER_INTERVAL_MS}"),
    ];
    lines.extend(rate.map(|rate| format!("        lacp-rate: \"{rate}\"")));
    lines.extend(hash.map(|hash| format!("        transmit-hash-policy: \"{hash}\"")));
    lines
}

fn settings_lines(settings: &Settings, network: &Network) -> Vec<String> {
    let mut lines = vec![format!("      dhcp4: {}", settings.dhcp4)];
    if settings.dhcp6 {
        lines.push("      dhcp6: true".to_owned());
    } else if has_ipv6_default(network) {
        // What routers advertise would be a second default route beside the plan's.
        lines.push("      accept-ra: false".to_owned());
    }
    if settings.dhcp4 {
        // The rack's DHCP knows machines by MAC; networkd would show it a DUID.
        lines.push("      dhcp-identifier: mac".to_owned());
    }
    if let Some(metric) = settings.dhcp_metric {
        // netplan wants both families to have the same.
        for family in ["dhcp4-overrides", "dhcp6-overrides"] {
            lines.push(format!("      {family}:"));
            lines.push(format!("        route-metric: {metric}"));
        }
    }
    if !settings.addresses.is_empty() {
        let addresses = settings.addresses.iter();
        let addresses: Vec<String> = addresses
            .map(|at| format!("{}/{}", at.address, at.prefix))
            .collect();
        lines.extend(list(6, "addresses", &addresses));
    }
    if !settings.routes.is_empty() {
        lines.push("      routes:".to_owned());
        for route in &settings.routes {
            lines.extend(route_lines(route));
        }
    }
    if !settings.dns.is_empty() {
        lines.push("      nameservers:".to_owned());
        let servers: Vec<String> = settings.dns.iter().map(ToString::to_string).collect();
        lines.extend(list(8, "addresses", &servers));
    }
    lines.extend(settings.mtu.map(|mtu| format!("      mtu: {mtu}")));
    lines
}

/// Whether the plan has the default route of IPv6, so that no router need advertise one.
fn has_ipv6_default(network: &Network) -> bool {
    network
        .all()
        .flat_map(|(_, settings)| &settings.routes)
        .any(|route| route.via.is_ipv6() && route.to.is_none_or(|to| to.prefix == 0))
}

/// A list of texts, at so many blanks.
fn list(indent: usize, key: &str, values: &[String]) -> Vec<String> {
    let blanks = " ".repeat(indent);
    let values = values.iter().map(|value| format!("{blanks}  - \"{value}\""));
    std::iter::once(format!("{blanks}{key}:")).chain(values).collect()
}

fn route_lines(route: &Route) -> Vec<String> {
    let to = match route.to {
        Some(to) => format!("\"{}/{}\"", to.address, to.prefix),
        None => "default".to_owned(),
    };
    let mut lines = vec![
        format!("        - to: {to}"),
        format!("          via: \"{}\"", route.via),
    ];
    lines.extend(route.metric.map(|metric| format!("          metric: {metric}")));
    lines
}
