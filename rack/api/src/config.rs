//! What one rack agent is to serve: links, machines and the ephemeral system.
//!
//! A whole value: a new one replaces the old. The agent keeps the last one on disk (credentials are
//! sealed) and answers every packet from it, with or without a daemon.

use crate::order::Order;
use schema_ids::{Digest, Incarnation, Mac, MachineId, Name, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Everything the daemon wants of one rack agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The control plane's life that wants it.
    pub incarnation: Incarnation,
    /// What to serve.
    pub config: RackConfig,
    /// What to do, at most one order per machine and lane.
    pub orders: Vec<Order>,
}

/// What to serve.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RackConfig {
    /// Links by their name in the fleet, `fabric/vlan`.
    pub links: BTreeMap<String, Link>,
    /// Machines that may boot on these links or have their BMC driven from here.
    pub machines: BTreeMap<MachineId, RackMachine>,
    /// The system that jobs run in; without one no job can be served.
    pub ephemeral: Option<Ephemeral>,
    /// Artefacts worth fetching before they are asked for.
    pub artefacts: BTreeSet<Digest>,
    /// Key of the job tokens, hexadecimal, shared by all boot agents of the links.
    pub token_key: String,
    /// What git knows machines by; for strangers on links with [`Enlist::Known`], empty if the agent
    /// stands on none.
    #[serde(default)]
    pub known: Known,
}

/// What git knows the fleet's machines by, wherever they stand: one that was moved, or got another network
/// card, is no stranger. Machines on which an installation ever began are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Serial numbers.
    pub serials: BTreeSet<String>,
    /// System UUIDs.
    pub uuids: BTreeSet<Uuid>,
    /// Interfaces.
    pub macs: BTreeSet<Mac>,
}

/// The ephemeral system's three artefacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ephemeral {
    /// The Linux kernel.
    pub kernel: Digest,
    /// The small initrd that fetches the root.
    pub initrd: Digest,
    /// The root, a squashfs.
    pub rootfs: Digest,
}

/// One VLAN as seen by an agent that stands on it, or that a relay passes its DHCP requests to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether this agent answers DHCP here.
    pub dhcp: bool,
    /// What an unknown machine gets.
    pub enlist: Enlist,
    /// The subnets on it.
    pub subnets: Vec<Subnet>,
    /// Set where the agent does not stand on it: everything comes through a router. Without it nothing is relayed.
    #[serde(default)]
    pub relay: Option<Relay>,
}

/// How requests of a link come to agents that do not stand on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Relay {
    /// The addresses that its relays put into requests (RFC 2131 §2, giaddr). Others are not answered; empty for
    /// any address on the link.
    pub giaddr: BTreeSet<Ipv4Addr>,
}

/// What is done with a machine that no file declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enlist {
    /// Not even an address.
    Off,
    /// An address and local boot; inspected only if git knows its serial number, system UUID or MAC.
    Known,
    /// Inspected and proposed as fleet lines, no disk touched.
    On,
}

/// A subnet and what DHCP says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The network's first address.
    pub network: IpAddr,
    /// Prefix length: 0 to 32 for v4, 0 to 128 for v6.
    pub prefix: u8,
    /// The router, if there is one.
    pub gateway: Option<IpAddr>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// This agent's slice of the dynamic ranges, ends included.
    pub dynamic: Vec<AddressRange>,
    /// Lease time of dynamic addresses and reservations, in seconds.
    pub lease_seconds: u32,
}

/// Addresses from `from` to `to`, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// The lowest.
    pub from: IpAddr,
    /// The highest.
    pub to: IpAddr,
}

/// A machine as far as its rack agent needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RackMachine {
    /// Its name in the fleet.
    pub name: Name,
    /// Interfaces that may boot, with the link each is on and the address reserved for it.
    pub nics: Vec<RackNic>,
    /// The name that DHCP hands out.
    pub hostname: Option<String>,
    /// Whether this machine was ever installed by us, or runs what we did not install: if so, it gets local boot whenever
    /// a job cannot be vouched for.
    pub installed: bool,
    /// Whether it boots by legacy BIOS or UEFI; decides the form of the local-boot answer where the
    /// client did not say.
    pub firmware: crate::inventory::FirmwareKind,
    /// Whether its firmware starts signed loaders only.
    #[serde(default)]
    pub secure_boot: bool,
    /// Its BMC, for the agent that drives it.
    pub bmc: Option<BmcAccess>,
    /// Set when the machine must be refused, with the reason for its console.
    pub refuse: Option<String>,
    /// Set while a person has stopped it, with who and why: nothing is ordered of it, no job is booted and nothing may
    /// be written, until a later word no longer says so. It is served, read, and boots its own disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// A boot interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RackNic {
    /// Its address on the link.
    pub mac: Mac,
    /// The link, `fabric/vlan`.
    pub link: String,
    /// Its reserved IPv4 address.
    pub address: Option<Ipv4Addr>,
}

/// How to reach a BMC. The account travels and is kept sealed to the agent that commands the BMC; it is
/// opened in that agent's memory, and neither of its parts is ever written or printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcAccess {
    /// The driver: `ipmi`.
    pub driver: String,
    /// Address and port.
    pub address: SocketAddr,
    /// The agent commands it no longer than so many milliseconds after it sent the last request that was
    /// answered: then another agent may.
    pub lease_ms: u64,
    /// The [`Account`](crate::enrol::Account), encrypted to the agent's age recipient, in age's armour.
    pub sealed: String,
    /// The account, once opened.
    #[serde(skip)]
    pub username: String,
    /// Its password, once opened; empty until then.
    #[serde(skip)]
    pub password: String,
}

impl std::fmt::Debug for BmcAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BmcAccess")
            .field("driver", &self.driver)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
