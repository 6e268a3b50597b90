//! The network of a plan: each interface is made of what is there before it, once, and has what its
//! configuration can say.

use super::PlanFault;
use rack_api::network::{Made, MadeInterface, Network, Route, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The kernel's limit on an interface's name (`IFNAMSIZ` less the end).
const NAME_CHARS_MAX: usize = 15;

/// More interfaces than any machine of ours has; a plan is no place for a million.
const INTERFACES_MAX: usize = 256;

/// VLAN ids that are one: 0 is no tag, 4095 is reserved (IEEE 802.1Q §9.6).
const VLAN_IDS: std::ops::RangeInclusive<u16> = 1..=4094;

/// Checks a network.
pub(super) fn check(network: &Network) -> Result<(), PlanFault> {
    if network.all().count() > INTERFACES_MAX {
        let first = network.all().next().map(|(name, _)| name).unwrap_or_default();
        return fault(
            first,
            format!("it is one of more than {INTERFACES_MAX} interfaces"),
        );
    }
    let mut stack = Stack::default();
    for (port, twin) in network.interfaces.iter().zip(1..) {
        stack.name(&port.name)?;
        let mut others = network.interfaces.iter().skip(twin);
        if let Some(other) = others.find(|other| other.mac == port.mac) {
            return fault(&other.name, format!("it is the port of {}", port.name));
        }
    }
    for made in &network.made {
        stack.make(made)?;
        stack.name(&made.name)?;
    }
    for (name, settings) in network.all() {
        if stack.masters.contains_key(name) && has_addresses(settings) {
            return fault(name, "it has an address, and is a member of another".to_owned());
        }
        check_settings(settings).or_else(|why| fault(name, why))?;
    }
    Ok(())
}

fn fault(interface: &str, why: String) -> Result<(), PlanFault> {
    Err(PlanFault::Interface {
        interface: interface.to_owned(),
        why,
    })
}

/// What is there so far.
#[derive(Default)]
struct Stack<'a> {
    names: BTreeSet<&'a str>,
    /// The bond or bridge of each member.
    masters: BTreeMap<&'a str, &'a str>,
    tags: BTreeSet<(&'a str, u16)>,
}

impl<'a> Stack<'a> {
    fn name(&mut self, name: &'a str) -> Result<(), PlanFault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = name.len() <= NAME_CHARS_MAX
            && name.chars().all(plain)
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !name.chars().all(|c| c.is_ascii_digit());
        if !good {
            return fault(name, "the system takes no such name".to_owned());
        }
        if !self.names.insert(name) {
            return fault(name, "there is another one of that name".to_owned());
        }
        Ok(())
    }

    fn make(&mut self, made: &'a MadeInterface) -> Result<(), PlanFault> {
        let absent = |below: &str| fault(&made.name, format!("{below} is not there before it"));
        match &made.kind {
            Made::Vlan { link, id } => {
                if !self.names.contains(link.as_str()) {
                    return absent(link);
                }
                if !VLAN_IDS.contains(id) {
                    return fault(&made.name, format!("{id} is no id of a VLAN"));
                }
                if !self.tags.insert((link, *id)) {
                    return fault(&made.name, format!("{link} has VLAN {id} already"));
                }
            }
            Made::Bond { members, .. } | Made::Bridge { members, .. } => {
                if members.is_empty() {
                    return fault(&made.name, "it has no members".to_owned());
                }
                for member in members {
                    if !self.names.contains(member.as_str()) {
                        return absent(member);
                    }
                    if let Some(other) = self.masters.insert(member, &made.name) {
                        return fault(&made.name, format!("{member} is a member of {other}"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn has_addresses(settings: &Settings) -> bool {
    settings.dhcp4 || settings.dhcp6 || !settings.addresses.is_empty()
}

fn check_settings(settings: &Settings) -> Result<(), String> {
    for at in &settings.addresses {
        if at.prefix > bits(at.address) {
            return Err(format!("{}/{} is no address", at.address, at.prefix));
        }
    }
    settings.routes.iter().try_for_each(check_route)
}

fn check_route(route: &Route) -> Result<(), String> {
    let Some(to) = route.to else { return Ok(()) };
    if to.prefix > bits(to.address) || to.address.is_ipv4() != route.via.is_ipv4() {
        return Err(format!(
            "there is no route to {}/{} via {}",
            to.address, to.prefix, route.via
        ));
    }
    Ok(())
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
