//! Network layouts, resolved for one machine: interfaces by MAC address, every address chosen.
//!
//! One default route of each family: what the layout writes, else the first gateway of a subnet, else
//! what the first interface that asks DHCP is told.

use crate::plan::NicPlan;
use crate::plan::addresses::Addresses;
use crate::plan::interfaces::Interfaces;
use ipnet::IpNet;
use rack_api::network::{Interface, InterfaceAddress, MadeInterface, Network, Route, Settings};
use schema_fleet::{AddressMode, Fleet, Placeholders, Subnet};
use schema_ids::{Mac, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Metric of routes by DHCP beside those of another interface: beyond the 100 of netplan and the 1024 of
/// systemd-networkd, whichever the first has (systemd.network(5), `RouteMetric=`).
const DHCP_METRIC: u32 = 2048;

/// The least that IPv6 works with, in bytes (RFC 8200 §5), and IPv4 (RFC 791 §3.2).
const IPV6_MTU_MIN: u16 = 1280;
const IPV4_MTU_MIN: u16 = 68;

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
    /// What was resolved for the binding before, if anything was.
    pub(super) before: Option<&'b Network>,
}

/// Resolves a layout, or says why it does not fit.
pub(super) fn resolve<'a>(
    problem: &Problem<'a, '_>,
    addresses: &mut Addresses<'a>,
) -> Result<Network, String> {
    let interfaces = Interfaces::of(problem.fleet, problem.layout, problem.machine, problem.nics)?;
    let mut resolving = Resolving {
        problem,
        interfaces: &interfaces,
        settings: interfaces
            .names()
            .map(|name| (name, Settings::default()))
            .collect(),
        gateways: BTreeSet::new(),
        given: BTreeSet::new(),
    };
    resolving.written_defaults()?;
    for entry in &problem.layout.address {
        resolving.address(entry, addresses)?;
    }
    resolving.routes()?;
    resolving.dhcp()?;
    let mut settings = resolving.settings;
    for (name, settings) in &mut settings {
        settings.mtu = interfaces.mtu_to_set(name)?;
        enough(name, interfaces.mtu(name)?, settings)?;
    }
    let mut network = Network::default();
    for (name, settings) in &settings {
        if let Some(nic) = interfaces.port(name) {
            network.interfaces.push(Interface {
                name: name.to_string(),
                mac: nic.mac,
                settings: settings.clone(),
            });
        }
    }
    for name in interfaces.made() {
        let made = interfaces.recipe(name)?.zip(settings.get(name));
        let (kind, settings) = made.expect("what is made has a recipe and settings");
        network.made.push(MadeInterface {
            name: name.to_string(),
            mac: mac(&interfaces, name)?,
            kind,
            settings: settings.clone(),
        });
    }
    Ok(network)
}

fn mac(interfaces: &Interfaces<'_>, name: &Name) -> Result<Mac, String> {
    interfaces
        .mac(name)
        .ok_or_else(|| format!("{name} has no port beneath it"))
}

/// A frame is large enough for the families that the interface speaks.
fn enough(name: &Name, mtu: u16, settings: &Settings) -> Result<(), String> {
    let v6 = settings.dhcp6 || settings.addresses.iter().any(|at| at.address.is_ipv6());
    let (family, least) = match v6 {
        true => ("IPv6", IPV6_MTU_MIN),
        false => ("IPv4", IPV4_MTU_MIN),
    };
    if mtu < least {
        return Err(format!(
            "{name} has frames of {mtu} bytes; {family} needs {least}"
        ));
    }
    Ok(())
}

type Resolved<'a> = (InterfaceAddress, Option<&'a Subnet>);

/// A layout on its way to being resolved.
struct Resolving<'p, 'a, 'b> {
    problem: &'p Problem<'a, 'b>,
    interfaces: &'p Interfaces<'b>,
    settings: BTreeMap<&'b Name, Settings>,
    /// The families that have their default route: whether it is IPv4.
    gateways: BTreeSet<bool>,
    /// Addresses that interfaces of this machine have by now.
    given: BTreeSet<IpAddr>,
}

impl<'a> Resolving<'_, 'a, '_> {
    /// Default routes that the layout writes take the place of the subnets' gateways.
    fn written_defaults(&mut self) -> Result<(), String> {
        let routes = &self.problem.layout.route;
        let defaults: Vec<_> = routes.iter().filter(|route| route.to.prefix_len() == 0).collect();
        for (at, route) in defaults.iter().enumerate() {
            let v4 = route.via.value.is_ipv4();
            let rival = defaults
                .iter()
                .take(at)
                .find(|other| other.via.value.is_ipv4() == v4 && other.metric == route.metric);
            if let Some(rival) = rival {
                return Err(format!(
                    "the default routes on {} and {} have the same metric",
                    rival.on.value, route.on.value
                ));
            }
            self.gateways.insert(v4);
        }
        Ok(())
    }

    fn address(
        &mut self,
        entry: &'a schema_fleet::Address,
        addresses: &mut Addresses<'a>,
    ) -> Result<(), String> {
        let name = &entry.on.value;
        let (address, subnet) = match entry.mode.value {
            AddressMode::Dhcp => {
                let v6 = self.subnet(entry)?.is_some_and(is_v6);
                let settings = self.settings_of(name)?;
                match v6 {
                    true => settings.dhcp6 = true,
                    false => settings.dhcp4 = true,
                }
                return Ok(());
            }
            AddressMode::LinkUp => return Ok(()),
            AddressMode::Auto => self.auto(entry, addresses)?,
            AddressMode::Static => fixed(self.problem, entry)?,
        };
        self.on_its_vlan(name, address.address, subnet)?;
        if !self.given.insert(address.address) {
            return Err(format!(
                "{name} has {}, as has another interface",
                address.address
            ));
        }
        let gateway = subnet
            .and_then(|subnet| subnet.gateway.as_ref())
            .map(|gateway| gateway.value)
            .filter(|gateway| self.gateways.insert(gateway.is_ipv4()));
        let settings = self.settings_of(name)?;
        settings.addresses.push(address);
        for server in subnet.iter().flat_map(|subnet| &subnet.dns) {
            if !settings.dns.contains(&server.value) {
                settings.dns.push(server.value);
            }
        }
        settings.routes.extend(gateway.map(|via| Route {
            to: None,
            via,
            metric: None,
        }));
        Ok(())
    }

    /// Routes that the layout writes, each through a network that its interface is in.
    fn routes(&mut self) -> Result<(), String> {
        for route in &self.problem.layout.route {
            let (name, via) = (&route.on.value, route.via.value);
            let settings = self
                .settings
                .get_mut(name)
                .filter(|settings| settings.dhcp4 || settings.dhcp6 || !settings.addresses.is_empty())
                .ok_or_else(|| format!("a route is on {name}, which has no address"))?;
            let is_v6 = via.is_ipv6();
            if route.to.addr().is_ipv6() != is_v6 {
                return Err(format!("the route on {name} to {} is via {via}", route.to));
            }
            let asks = if is_v6 { settings.dhcp6 } else { settings.dhcp4 };
            let link_local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
            let near = settings
                .addresses
                .iter()
                .any(|at| IpNet::new(at.address, at.prefix).is_ok_and(|network| network.contains(&via)));
            if !(asks || link_local || near) {
                return Err(format!(
                    "the route on {name} to {} is via {via}, which is in no network of {name}",
                    route.to
                ));
            }
            settings.routes.push(Route {
                to: Some(InterfaceAddress {
                    address: route.to.network(),
                    prefix: route.to.prefix_len(),
                }),
                via,
                metric: route.metric,
            });
        }
        Ok(())
    }

    /// Default routes by DHCP: one of each family has none beside it.
    fn dhcp(&mut self) -> Result<(), String> {
        // In the layout's order, as with gateways. A fixed route has metric 0 with IPv4 and comes before
        // those of DHCP; with IPv6 it has the same 1024 as one that routers advertise.
        let mut first = None;
        let mut first_v6 = None;
        for entry in &self.problem.layout.address {
            let name = &entry.on.value;
            if entry.mode.value != AddressMode::Dhcp {
                continue;
            }
            let v6 = self.subnet(entry)?.is_some_and(is_v6);
            if v6 {
                let first = *first_v6.get_or_insert(name);
                if first != name {
                    return Err(format!("{first} and {name} ask for IPv6 routes; only one can"));
                }
            }
            if v6 && self.gateways.contains(&false) {
                return Err(format!(
                    "{name} asks for IPv6 routes, and the layout has an IPv6 default route already"
                ));
            }
            if !v6 && *first.get_or_insert(name) != name {
                self.settings_of(name)?.dhcp_metric = Some(DHCP_METRIC);
            }
        }
        Ok(())
    }

    fn settings_of(&mut self, name: &Name) -> Result<&mut Settings, String> {
        self.settings
            .get_mut(name)
            .ok_or_else(|| format!("the machine has no interface {name}"))
    }

    /// The subnet that an entry names.
    fn subnet(&self, entry: &schema_fleet::Address) -> Result<Option<&'a Subnet>, String> {
        let Some(name) = &entry.subnet else {
            return Ok(None);
        };
        let subnet = self.problem.fleet.subnets.get(&name.name);
        let subnet = subnet.ok_or_else(|| format!("there is no subnet {name}"))?;
        Ok(Some(subnet))
    }

    /// A tagged VLAN has addresses of its own subnets.
    fn on_its_vlan(&self, name: &Name, address: IpAddr, subnet: Option<&Subnet>) -> Result<(), String> {
        let vlan = self.interfaces.tagged(name);
        match (vlan, subnet) {
            (Some(vlan), Some(subnet)) if *vlan != subnet.vlan.value => Err(format!(
                "{name} is of VLAN {vlan}, but {address} is of {}",
                subnet.vlan.value
            )),
            (Some(_), Some(_)) | (Some(_), None) | (None, _) => Ok(()),
        }
    }

    /// The address that a port beneath the interface boots with, if it is of that subnet; else one chosen
    /// for the binding.
    fn auto(
        &self,
        entry: &'a schema_fleet::Address,
        addresses: &mut Addresses<'a>,
    ) -> Result<Resolved<'a>, String> {
        let on = &entry.on.value;
        let name = entry
            .subnet
            .as_ref()
            .ok_or_else(|| format!("{on} has no subnet to choose from"))?;
        let subnet = self.subnet(entry)?;
        let subnet = subnet.ok_or_else(|| format!("there is no subnet {name}"))?;
        let cidr = subnet.cidr.value;
        let fits = |address: &IpAddr| cidr.contains(address) && !self.given.contains(address);
        let boots_with = self
            .interfaces
            .untagged(on)
            .into_iter()
            .filter_map(|nic| nic.address.map(IpAddr::V4))
            .find(fits);
        let address = match boots_with {
            Some(address) => Some(address),
            None => addresses.choose(&name.name, self.kept(on, fits), mac(self.interfaces, on)?),
        };
        let address = address.ok_or_else(|| format!("{on}: subnet {name} has no free address"))?;
        let prefix = cidr.prefix_len();
        Ok((InterfaceAddress { address, prefix }, Some(subnet)))
    }

    /// The address that an interface of this name had, else any that the binding has and nothing else
    /// of the machine needs.
    fn kept(&self, name: &Name, fits: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
        let before = self.problem.before.into_iter().flat_map(Network::all);
        let before: Vec<_> = before
            .flat_map(|(owner, settings)| settings.addresses.iter().map(move |at| (owner, at.address)))
            .collect();
        let own = before.iter().find(|(owner, address)| {
            *owner == name.as_str() && self.problem.kept.contains(address) && fits(address)
        });
        let others = |address: &IpAddr| {
            let boots = self
                .problem
                .nics
                .iter()
                .any(|nic| nic.address.map(IpAddr::V4) == Some(*address));
            let named = before.iter().any(|(owner, at)| {
                at == address
                    && self
                        .problem
                        .layout
                        .address
                        .iter()
                        .any(|entry| entry.on.as_str() == *owner)
            });
            boots || named
        };
        let any = || {
            let mut kept = self.problem.kept.iter().copied();
            kept.find(|address| fits(address) && !others(address))
        };
        own.map(|(_, address)| *address).or_else(any)
    }
}

fn is_v6(subnet: &Subnet) -> bool {
    subnet.cidr.value.addr().is_ipv6()
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
