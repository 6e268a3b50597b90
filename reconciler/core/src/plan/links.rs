//! Links: VLANs as rack agents serve them.

use crate::plan::LinkPlan;
use rack_api::config::{AddressRange, Enlist, Relay, Subnet};
use schema_fleet::{DhcpMode, Fleet, RangeUse, Vlan, VlanRef};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Lease time. A job boots, runs and reboots well within an hour; a machine that left gives its address
/// back within one.
const LEASE_SECONDS: u32 = 3600;

/// All VLANs of the fleet by `fabric/vlan`.
pub(super) fn links(fleet: &Fleet) -> BTreeMap<String, LinkPlan> {
    let mut links = BTreeMap::new();
    let racks = racks(fleet);
    for (fabric_name, fabric) in &fleet.fabrics {
        for (vlan_name, vlan) in &fabric.vlan {
            let name = VlanRef {
                fabric: fabric_name.clone(),
                vlan: vlan_name.clone(),
            };
            // The agents of a relayed VLAN are those of the VLAN that its relays lead to.
            let relayed = vlan
                .relay_to
                .as_ref()
                .filter(|_| vlan.dhcp.value == DhcpMode::Relay);
            let stands_on = relayed.map_or(&name, |to| &to.value);
            let plan = LinkPlan {
                dhcp: vlan.dhcp.value != DhcpMode::Off,
                enlist: match vlan.enlist {
                    schema_fleet::Enlist::Off => Enlist::Off,
                    schema_fleet::Enlist::Known => Enlist::Known,
                    schema_fleet::Enlist::On => Enlist::On,
                },
                subnets: subnets(fleet, &name),
                agents: agents(fleet, &racks, stands_on),
                relay: relayed.map(|_| relay(vlan)),
            };
            links.insert(name.to_string(), plan);
        }
    }
    links
}

fn relay(vlan: &Vlan) -> Relay {
    let v4 = |address: &IpAddr| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    };
    let giaddr = vlan.giaddr.iter().map(|address| &address.value);
    Relay {
        giaddr: giaddr.filter_map(v4).collect(),
    }
}

fn subnets(fleet: &Fleet, link: &VlanRef) -> Vec<Subnet> {
    let on_link = fleet.subnets.values().filter(|subnet| subnet.vlan.value == *link);
    on_link
        .map(|subnet| {
            let dynamic = subnet
                .range
                .iter()
                .filter(|range| range.purpose == RangeUse::Dynamic);
            Subnet {
                network: subnet.cidr.network(),
                prefix: subnet.cidr.prefix_len(),
                gateway: subnet.gateway.as_ref().map(|gateway| gateway.value),
                dns: subnet.dns.iter().map(|server| server.value).collect(),
                dynamic: dynamic
                    .map(|range| AddressRange {
                        from: range.from.value,
                        to: range.to.value,
                    })
                    .collect(),
                lease_seconds: LEASE_SECONDS,
            }
        })
        .collect()
}

/// The racks of the machines that have an interface on a link, by link.
fn racks(fleet: &Fleet) -> BTreeMap<&VlanRef, BTreeSet<&Name>> {
    let mut racks: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for machine in fleet.machines.values() {
        let Some(rack) = &machine.rack else { continue };
        for link in machine.nic.values().filter_map(|nic| nic.link.as_ref()) {
            racks.entry(&link.value).or_default().insert(&rack.name);
        }
    }
    racks
}

/// The agents that stand on a link: those of the racks whose machines have an interface on it. A link
/// that no machine is on yet is served by the racks of its fabric's zone, so that machines can enlist.
fn agents(fleet: &Fleet, racks: &BTreeMap<&VlanRef, BTreeSet<&Name>>, link: &VlanRef) -> BTreeSet<Name> {
    let mut racks = racks.get(link).cloned().unwrap_or_default();
    if racks.is_empty() {
        let fabric = fleet.fabrics.get(&link.fabric);
        let zone = fabric.and_then(|fabric| Some(&fabric.zone.as_ref()?.name));
        let near = fleet
            .racks
            .iter()
            .filter(|(_, rack)| rack.zone.as_ref().map(|zone| &zone.name) == zone);
        racks = near.map(|(name, _)| name).collect();
    }
    let racks = racks.into_iter().filter_map(|rack| fleet.racks.get(rack));
    racks
        .flat_map(|rack| rack.agents.iter().map(|agent| agent.value.clone()))
        .collect()
}
