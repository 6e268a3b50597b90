//! Addresses: fixed ones as git says, all others chosen once and kept.
//!
//! Never given out: network and broadcast address, gateway and name servers, reserved and dynamic
//! ranges, what another machine or binding has, and what was seen in use by a stranger.

use ipnet::IpNet;
use schema_fleet::{Fleet, Subnet};
use schema_ids::{Mac, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What can be given out, and what has been.
pub(super) struct Addresses<'a> {
    fleet: &'a Fleet,
    in_use: &'a BTreeMap<IpAddr, Option<Mac>>,
    taken: BTreeSet<IpAddr>,
    /// Where the search for a free address goes on, so that a full subnet is walked once.
    cursors: BTreeMap<&'a Name, u128>,
}

impl<'a> Addresses<'a> {
    /// Starts with what is fixed or kept already.
    pub(super) fn new(
        fleet: &'a Fleet,
        in_use: &'a BTreeMap<IpAddr, Option<Mac>>,
        taken: BTreeSet<IpAddr>,
    ) -> Self {
        Self {
            fleet,
            in_use,
            taken,
            cursors: BTreeMap::new(),
        }
    }

    /// The address that was chosen before, if it may still be had; else the lowest free one.
    pub(super) fn choose(&mut self, subnet: &'a Name, kept: Option<IpAddr>, mac: Mac) -> Option<IpAddr> {
        let object = self.fleet.subnets.get(subnet)?;
        if let Some(kept) = kept.filter(|kept| may_be_given(object, *kept)) {
            self.taken.insert(kept);
            return Some(kept);
        }
        let (first, last) = bounds(object.cidr.value);
        let mut number = self.cursors.get(subnet).copied().unwrap_or(first);
        while number <= last {
            let address = like(object.cidr.network(), number);
            if let Some(after) = skip(object, address) {
                number = after;
                continue;
            }
            number += 1;
            let stranger = self.in_use.get(&address).is_some_and(|user| *user != Some(mac));
            if !stranger && may_be_given(object, address) && self.taken.insert(address) {
                self.cursors.insert(subnet, number);
                return Some(address);
            }
        }
        self.cursors.insert(subnet, number);
        None
    }
}

/// Whether an address of a subnet is for machines, by what git says.
pub(super) fn may_be_given(subnet: &Subnet, address: IpAddr) -> bool {
    let cidr = subnet.cidr.value;
    let (first, last) = bounds(cidr);
    cidr.contains(&address)
        && (first..=last).contains(&number(address))
        && subnet
            .gateway
            .as_ref()
            .is_none_or(|gateway| gateway.value != address)
        && !subnet.dns.iter().any(|server| server.value == address)
        && skip(subnet, address).is_none()
}

/// If the address lies in a range that serves a purpose: the number after that range.
fn skip(subnet: &Subnet, address: IpAddr) -> Option<u128> {
    let range = subnet
        .range
        .iter()
        .find(|range| (range.from.value..=range.to.value).contains(&address))?;
    Some(number(range.to.value) + 1)
}

/// The first and last address that a machine can have: without network and broadcast address (v4), and
/// without the routers' anycast address (v6, RFC 4291 §2.6.1).
fn bounds(cidr: IpNet) -> (u128, u128) {
    let (network, broadcast) = (number(cidr.network()), number(cidr.broadcast()));
    match cidr {
        IpNet::V4(v4) if v4.prefix_len() >= 31 => (network, broadcast),
        IpNet::V4(_) => (network + 1, broadcast - 1),
        IpNet::V6(v6) if v6.prefix_len() >= 127 => (network, broadcast),
        IpNet::V6(_) => (network + 1, broadcast),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn like(family: IpAddr, number: u128) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}
