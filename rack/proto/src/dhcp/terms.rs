//! Which address a client may have.
//!
//! A reservation on the link comes first, unless somebody else still holds the address: a lease in use
//! is honoured to its end. Then the client's last address, the one it asks for, and the dynamic range
//! from a place that its MAC decides, so that a client finds its address again even when the leases
//! were lost.

use super::leases::{Holding, LeaseChange, Leases};
use rack_api::config::{Link, RackConfig, RackMachine, Subnet};
use schema_ids::{Mac, Timestamp};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// More addresses than this are not tried for one packet: a full /16, some milliseconds.
const PROBES_MAX: u32 = 65_536;
/// No lease is shorter: clients renew at half of it, and a boot lives through one.
const LEASE_SECONDS_MIN: u32 = 120;

/// All that bears on one client's address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) config: &'a RackConfig,
    pub(crate) leases: &'a Leases,
    /// The link's name.
    pub(crate) name: &'a str,
    pub(crate) link: &'a Link,
    pub(crate) mac: Mac,
    /// The machine that declares the client's interface, on whichever link.
    pub(crate) machine: Option<&'a RackMachine>,
    pub(crate) server: Ipv4Addr,
    pub(crate) now: Timestamp,
}

/// An address that the client may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) address: Ipv4Addr,
    pub(crate) subnet: &'a Subnet,
    pub(crate) reserved: bool,
}

impl<'a> Terms<'a> {
    /// An address for a client that has none.
    pub(crate) fn choose(&self, requested: Option<Ipv4Addr>) -> Option<Choice<'a>> {
        if let Some(choice) = self.reservation() {
            return Some(choice);
        }
        let mut likely = [self.leases.last_of(self.name, self.mac), requested]
            .into_iter()
            .flatten();
        likely
            .find_map(|address| self.dynamic(address, |address| self.is_reserved(address)))
            .or_else(|| {
                let reserved = reserved_on(self.config, self.name);
                self.probes()
                    .find_map(|address| self.dynamic(address, |address| reserved.contains(&address)))
            })
    }

    /// The same for a client that names its address; `None` if it may not have it.
    pub(crate) fn entitled(&self, address: Ipv4Addr) -> Option<Choice<'a>> {
        match self.reservation() {
            Some(choice) => (choice.address == address).then_some(choice),
            None => self.dynamic(address, |address| self.is_reserved(address)),
        }
    }

    /// Whether a claim to this address is ours to refuse; of any other, another server may know better.
    pub(crate) fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.in_our_range(address).is_some()
            || reserved_for(self.config, self.name, address).is_some()
            || self.reservation().is_some()
            || (self.machine.is_some() && self.subnet(address).is_none())
    }

    /// Whether the client holds this address, if only by an offer.
    pub(crate) fn holds(&self, address: Ipv4Addr) -> bool {
        self.leases.holder(self.name, address, self.now) == Some(self.mac)
    }

    /// Whether the client has, or was offered, this address by us.
    pub(crate) fn was_given(&self, address: Ipv4Addr) -> bool {
        self.holds(address) || reservation(self.config, self.name, self.mac) == Some(address)
    }

    /// Lease time in seconds.
    pub(crate) fn lease_seconds(&self, choice: &Choice<'_>) -> u32 {
        choice.subnet.lease_seconds.max(LEASE_SECONDS_MIN)
    }

    /// When a lease that begins now ends.
    pub(crate) fn until(&self, choice: &Choice<'_>) -> Timestamp {
        self.now
            .plus(Duration::from_secs(u64::from(self.lease_seconds(choice))))
    }

    /// A change of this link's table.
    pub(crate) fn change(&self, address: Ipv4Addr, to: Holding) -> LeaseChange {
        LeaseChange {
            link: self.name.to_owned(),
            address,
            to,
        }
    }

    fn reservation(&self) -> Option<Choice<'a>> {
        let address = reservation(self.config, self.name, self.mac)?;
        let subnet = self.subnet(address)?;
        self.leases
            .is_free_for(self.name, address, self.mac, self.now)
            .then_some(Choice {
                address,
                subnet,
                reserved: true,
            })
    }

    /// Whether somebody's interface on this link has the address; a walk over all, for one address.
    fn is_reserved(&self, address: Ipv4Addr) -> bool {
        reserved_for(self.config, self.name, address).is_some()
    }

    fn dynamic(&self, address: Ipv4Addr, is_reserved: impl Fn(Ipv4Addr) -> bool) -> Option<Choice<'a>> {
        let subnet = self.in_our_range(address)?;
        let taken = address == self.server
            || subnet.gateway == Some(IpAddr::V4(address))
            || is_edge(subnet, address)
            || !self.leases.is_free_for(self.name, address, self.mac, self.now)
            || is_reserved(address);
        (!taken).then_some(Choice {
            address,
            subnet,
            reserved: false,
        })
    }

    /// The subnet of the link that has this address.
    pub(crate) fn subnet(&self, address: Ipv4Addr) -> Option<&'a Subnet> {
        let wanted = IpAddr::V4(address);
        self.link.subnets.iter().find(|subnet| contains(subnet, wanted))
    }

    fn in_our_range(&self, address: Ipv4Addr) -> Option<&'a Subnet> {
        let subnet = self.subnet(address)?;
        let bits = address.to_bits();
        subnet
            .dynamic
            .iter()
            .filter_map(bounds)
            .any(|(from, to)| (from..=to).contains(&bits))
            .then_some(subnet)
    }

    /// The addresses of our ranges, from a place that the MAC decides, around to it again.
    fn probes(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let ranges: Vec<(u32, u32)> = self
            .link
            .subnets
            .iter()
            .flat_map(|subnet| subnet.dynamic.iter().filter_map(bounds))
            .collect();
        let total: u64 = ranges.iter().map(|(from, to)| u64::from(to - from) + 1).sum();
        let start = u64::from(spread(self.mac));
        let probes = u64::from(PROBES_MAX).min(total);
        (0..probes).filter_map(move |step| {
            let mut at = (start + step) % total;
            for (from, to) in &ranges {
                let length = u64::from(to - from) + 1;
                if at < length {
                    return u32::try_from(at).ok().map(|at| Ipv4Addr::from_bits(from + at));
                }
                at -= length;
            }
            None
        })
    }
}

/// Whether a subnet has this address.
pub(crate) fn contains(subnet: &Subnet, address: IpAddr) -> bool {
    let (network, address, width) = match (subnet.network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let host_bits = width - u32::from(subnet.prefix).min(width);
    // A shift by the full width would overflow; a prefix of 0 has every address.
    (network ^ address).checked_shr(host_bits).unwrap_or(0) == 0
}

/// The address reserved for an interface on a link.
pub(crate) fn reservation(config: &RackConfig, link: &str, mac: Mac) -> Option<Ipv4Addr> {
    config
        .machines
        .values()
        .flat_map(|machine| &machine.nics)
        .find(|nic| nic.mac == mac && nic.link == link)
        .and_then(|nic| nic.address)
}

/// The interface that an address is reserved for.
pub(crate) fn reserved_for(config: &RackConfig, link: &str, address: Ipv4Addr) -> Option<Mac> {
    config
        .machines
        .values()
        .flat_map(|machine| &machine.nics)
        .find(|nic| nic.link == link && nic.address == Some(address))
        .map(|nic| nic.mac)
}

fn reserved_on(config: &RackConfig, link: &str) -> BTreeSet<Ipv4Addr> {
    config
        .machines
        .values()
        .flat_map(|machine| &machine.nics)
        .filter(|nic| nic.link == link)
        .filter_map(|nic| nic.address)
        .collect()
}

fn bounds(range: &rack_api::config::AddressRange) -> Option<(u32, u32)> {
    match (range.from, range.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) if from <= to => Some((from.to_bits(), to.to_bits())),
        _ => None,
    }
}

/// The network's own and its broadcast address; a /31 or /32 has neither (RFC 3021).
fn is_edge(subnet: &Subnet, address: Ipv4Addr) -> bool {
    let host_bits = 32 - u32::from(subnet.prefix.min(32));
    let hosts = u32::MAX.checked_shr(32 - host_bits).unwrap_or(0);
    let host = address.to_bits() & hosts;
    host_bits > 1 && (host == 0 || host == hosts)
}

/// FNV-1a over the MAC: neighbours in a rack differ in the last octet and shall not collide.
fn spread(mac: Mac) -> u32 {
    mac.octets().iter().fold(0x811c_9dc5, |hash: u32, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}
