//! The network as netplan's YAML, for systemd-networkd.
//!
//! Written for good at installation: it is there before cloud-init runs, and whether or not it does.

use super::Entry;
use rack_api::job::{Interface, Network, Route};

/// Renders the file; only the root may read it, as netplan wants.
pub(super) fn render(network: &Network) -> Entry {
    let mut lines = vec![
        "# Written by muster at installation.".to_owned(),
        "network:".to_owned(),
        "  version: 2".to_owned(),
        "  renderer: networkd".to_owned(),
    ];
    if !network.interfaces.is_empty() {
        lines.push("  ethernets:".to_owned());
    }
    for interface in &network.interfaces {
        lines.extend(ethernet(interface));
    }
    Entry::file("/etc/netplan/50-muster.yaml", 0o600, lines.join("\n") + "\n")
}

fn ethernet(interface: &Interface) -> Vec<String> {
    let mut lines = vec![
        format!("    \"{}\":", interface.name),
        "      match:".to_owned(),
        format!("        macaddress: \"{}\"", interface.mac),
        format!("      set-name: \"{}\"", interface.name),
        format!("      dhcp4: {}", interface.dhcp4),
    ];
    if interface.dhcp4 {
        // The rack's DHCP knows machines by MAC; networkd would show it a DUID.
        lines.push("      dhcp-identifier: mac".to_owned());
    }
    if !interface.addresses.is_empty() {
        lines.push("      addresses:".to_owned());
        lines.extend(
            interface
                .addresses
                .iter()
                .map(|at| format!("        - \"{}/{}\"", at.address, at.prefix)),
        );
    }
    if !interface.routes.is_empty() {
        lines.push("      routes:".to_owned());
        for route in &interface.routes {
            lines.extend(route_lines(route));
        }
    }
    if !interface.dns.is_empty() {
        lines.push("      nameservers:".to_owned());
        lines.push("        addresses:".to_owned());
        lines.extend(interface.dns.iter().map(|dns| format!("          - \"{dns}\"")));
    }
    lines.extend(interface.mtu.map(|mtu| format!("      mtu: {mtu}")));
    lines
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
