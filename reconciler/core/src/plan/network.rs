//! Network layouts, resolved for one machine: interfaces by MAC address, every address chosen.

use crate::plan::NicPlan;
use crate::plan::addresses::Addresses;
use ipnet::IpNet;
use rack_api::job::{Interface, InterfaceAddress, Network, Route};
use schema_fleet::{AddressMode, Fleet, Placeholders, Subnet};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a layout is resolved for.
pub(super) struct Problem<'a, 'b> {
    pub(super) fleet: &'a Fleet,
    pub(super) layout: &'a schema_fleet::Network,
    pub(super) machine: &'a schema_fleet::Machine,
    /// Its interfaces with their boot addresses.
    pub(super) nics: &'b [NicPlan],
    pub(super) placeholders: Placeholders<'b>,
    /// Addresses that the binding has already.
    pub(super) kept: &'b BTreeSet<IpAddr>,
}

/// Resolves a layout, or says why it does not fit.
pub(super) fn resolve<'a>(
    problem: &Problem<'a, '_>,
    addresses: &mut Addresses<'a>,
) -> Result<Network, String> {
    let layout = problem.layout;
    if !layout.bond.is_empty() || !layout.vlan.is_empty() || !layout.bridge.is_empty() {
        return Err("bonds, tagged VLANs and bridges are not carried out by this version".to_owned());
    }
    let mut interfaces: BTreeMap<&Name, Interface> = BTreeMap::new();
    let mut gateways: BTreeSet<bool> = BTreeSet::new();
    for entry in &layout.address {
        let name = &entry.on.value;
        let nic = problem.nics.iter().find(|nic| nic.name == name.as_str());
        let nic = nic.ok_or_else(|| format!("the machine has no interface {name}"))?;
        let interface = interfaces
            .entry(name)
            .or_insert_with(|| empty(problem, name, nic));
        let (address, subnet) = match entry.mode.value {
            AddressMode::Dhcp => {
                interface.dhcp4 = true;
                continue;
            }
            AddressMode::LinkUp => continue,
            AddressMode::Auto => auto(problem, entry, nic, addresses)?,
            AddressMode::Static => fixed(problem, entry)?,
        };
        interface.addresses.push(address);
        let Some(subnet) = subnet else { continue };
        for server in &subnet.dns {
            if !interface.dns.contains(server) {
                interface.dns.push(*server);
            }
        }
        // One default route of each family: the first interface that has a gateway.
        if let Some(gateway) = subnet.gateway.as_ref().map(|gateway| gateway.value)
            && gateways.insert(gateway.is_ipv4())
        {
            interface.routes.push(Route {
                to: None,
                via: gateway,
                metric: None,
            });
        }
    }
    for route in &layout.route {
        let name = &route.on.value;
        let interface = interfaces
            .get_mut(name)
            .ok_or_else(|| format!("a route is on {name}, which has no address"))?;
        let to = InterfaceAddress {
            address: route.to.network(),
            prefix: route.to.prefix_len(),
        };
        interface.routes.push(Route {
            to: Some(to),
            via: route.via.value,
            metric: route.metric,
        });
    }
    Ok(Network {
        interfaces: interfaces.into_values().collect(),
    })
}

fn empty(problem: &Problem<'_, '_>, name: &Name, nic: &NicPlan) -> Interface {
    let link = problem.machine.nic.get(name).and_then(|nic| nic.link.as_ref());
    let vlan = link.and_then(|link| problem.fleet.fabrics.get(&link.fabric)?.vlan.get(&link.vlan));
    Interface {
        name: name.to_string(),
        mac: nic.mac,
        dhcp4: false,
        addresses: Vec::new(),
        routes: Vec::new(),
        dns: Vec::new(),
        // What Ethernet has without being told (IEEE 802.3) is left to the driver.
        mtu: vlan.map(|vlan| vlan.mtu).filter(|mtu| *mtu != 1500),
    }
}

type Resolved<'a> = (InterfaceAddress, Option<&'a Subnet>);

/// The address that the interface boots with, if it is of that subnet; else one chosen for the binding.
fn auto<'a>(
    problem: &Problem<'a, '_>,
    entry: &'a schema_fleet::Address,
    nic: &NicPlan,
    addresses: &mut Addresses<'a>,
) -> Result<Resolved<'a>, String> {
    let name = entry
        .subnet
        .as_ref()
        .ok_or_else(|| format!("{} has no subnet to choose from", entry.on.value))?;
    let subnet = problem
        .fleet
        .subnets
        .get(&name.name)
        .ok_or_else(|| format!("there is no subnet {name}"))?;
    let cidr = subnet.cidr.value;
    let boots_with = nic
        .address
        .map(IpAddr::V4)
        .filter(|address| cidr.contains(address));
    let kept = || {
        problem
            .kept
            .iter()
            .copied()
            .find(|address| cidr.contains(address))
    };
    let address = boots_with.or_else(|| addresses.choose(&name.name, kept(), nic.mac));
    let address = address.ok_or_else(|| format!("subnet {name} has no free address"))?;
    Ok((
        InterfaceAddress {
            address,
            prefix: cidr.prefix_len(),
        },
        Some(subnet),
    ))
}

/// The address as written, here or on the machine.
fn fixed<'a>(problem: &Problem<'a, '_>, entry: &'a schema_fleet::Address) -> Result<Resolved<'a>, String> {
    let name = &entry.on.value;
    let fleet = problem.fleet;
    let subnet_of = |address: IpAddr| {
        fleet
            .subnets
            .values()
            .find(|subnet| subnet.cidr.value.contains(&address))
    };
    if let Some(template) = &entry.cidr {
        let text = template.value.fill(&problem.placeholders);
        let text = text.ok_or_else(|| format!("the machine lacks a value for {}", template.value))?;
        let cidr: IpNet = text
            .parse()
            .map_err(|_| format!("{text:?} is not an address with a prefix"))?;
        let address = InterfaceAddress {
            address: cidr.addr(),
            prefix: cidr.prefix_len(),
        };
        return Ok((address, subnet_of(cidr.addr())));
    }
    let written = problem.machine.nic.get(name).and_then(|nic| nic.address.as_ref());
    let address = written
        .ok_or_else(|| format!("{name} has no address in git"))?
        .value;
    let subnet = subnet_of(address).ok_or_else(|| format!("{address} is in no subnet"))?;
    Ok((
        InterfaceAddress {
            address,
            prefix: subnet.cidr.value.prefix_len(),
        },
        Some(subnet),
    ))
}
