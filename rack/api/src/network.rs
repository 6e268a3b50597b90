//! The installed system's network, with every choice already made by the plan: names, MAC addresses,
//! sizes of frames, addresses, routes.
//!
//! Fields that came later are left out where they say nothing, so that the digest of a deployment
//! which does not use them stays what it was.

use schema_ids::Mac;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The installed system's network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Ports that are configured, by MAC address; others stay as the image has them.
    pub interfaces: Vec<Interface>,
    /// Interfaces made of others, each after all that it is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<MadeInterface>,
}

impl Network {
    /// Names and settings of all interfaces, ports first.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Settings)> {
        let ports = self
            .interfaces
            .iter()
            .map(|port| (port.name.as_str(), &port.settings));
        let made = self.made.iter().map(|made| (made.name.as_str(), &made.settings));
        ports.chain(made)
    }
}

/// One Ethernet port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The layout's name for it, which the installed system uses too.
    pub name: String,
    /// Which port.
    pub mac: Mac,
    /// What it has.
    #[serde(flatten)]
    pub settings: Settings,
}

/// An interface made of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeInterface {
    /// Its name.
    pub name: String,
    /// Its address: that of a port beneath it, by which the rack's DHCP knows the machine.
    pub mac: Mac,
    /// What it is made of, and how.
    pub kind: Made,
    /// What it has.
    #[serde(flatten)]
    pub settings: Settings,
}

/// What an interface is made of, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// Ports used as one.
    Bond {
        /// The ports.
        members: Vec<String>,
        /// How they share the work.
        mode: BondMode,
    },
    /// A tagged VLAN (IEEE 802.1Q).
    Vlan {
        /// The interface beneath.
        link: String,
        /// The tag, 1 to 4094.
        id: u16,
    },
    /// A bridge (IEEE 802.1D).
    Bridge {
        /// Its ports.
        members: Vec<String>,
        /// Whether it speaks the spanning tree protocol.
        stp: bool,
    },
}

/// How the ports of a bond share the work, with what that way of sharing knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    /// One works, the others wait.
    ActiveBackup,
    /// Link aggregation (IEEE 802.1AX, once 802.3ad).
    #[serde(rename = "802.3ad")]
    Lacp {
        /// How often to speak to the switch.
        rate: LacpRate,
        /// Which port carries a packet.
        hash: BondHash,
    },
    /// By a hash of each packet.
    BalanceXor {
        /// Which port carries a packet.
        hash: BondHash,
    },
    /// In turn.
    BalanceRr,
}

/// How often LACP speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LacpRate {
    /// Every 30 s.
    Slow,
    /// Every second.
    Fast,
}

/// What of a packet decides which port carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BondHash {
    /// MAC addresses.
    #[serde(rename = "layer2")]
    Layer2,
    /// MAC and IP addresses.
    #[serde(rename = "layer2+3")]
    Layer23,
    /// IP addresses and ports.
    #[serde(rename = "layer3+4")]
    Layer34,
}

/// What an interface has, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Whether it asks DHCP for its IPv4 address.
    pub dhcp4: bool,
    /// Fixed addresses with prefix lengths.
    pub addresses: Vec<InterfaceAddress>,
    /// Routes, the default route among them.
    pub routes: Vec<Route>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// Largest payload of a frame, in bytes; absent means the driver's own.
    pub mtu: Option<u16>,
    /// Whether it asks DHCPv6 for its IPv6 address, and takes the routes that routers advertise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dhcp6: bool,
    /// Metric of the IPv4 routes that DHCP brings; absent means the system's own. Set where another
    /// interface has the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp_metric: Option<u32>,
}

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination; absent for the default route.
    pub to: Option<InterfaceAddress>,
    /// The next hop.
    pub via: IpAddr,
    /// Its metric.
    pub metric: Option<u32>,
}
