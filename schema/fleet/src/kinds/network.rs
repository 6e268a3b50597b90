//! Network layouts: what the installed system makes of its interfaces.

use crate::{
    decode::Ref,
    kind::{kind, table, words},
    kinds::subnet::Subnet,
    span::{Given, Spanned},
    value::{template::Template, vlan_ref::VlanRef},
};
use ipnet::IpNet;
use schema_ids::Name;
use std::{collections::BTreeMap, net::IpAddr};

kind! {
    /// A network layout of the installed system, used by deployments. Interfaces are those of the
    /// machine, by its names for them, and those made here.
    "network" in networks: Network {
        /// For people.
        live description: Option<String>,
        /// Bonds by name.
        next_deploy bond: BTreeMap<Name, Bond>,
        /// Tagged VLANs by name.
        next_deploy vlan: BTreeMap<Name, VlanInterface>,
        /// Bridges by name.
        next_deploy bridge: BTreeMap<Name, Bridge>,
        /// What address which interface gets.
        next_deploy address: Vec<Address>,
        /// Routes beside those of the subnets' gateways.
        next_deploy route: Vec<Route>,
    }
    later {
        /// Settings of the machine's own ports by name, where they are not in a bond.
        next_deploy port: BTreeMap<Name, Port>,
    }
}

table! {
    /// Settings of a port.
    Port {
        /// Largest payload of a frame, in bytes.
        next_deploy mtu: Option<Spanned<u16>>,
        /// Whether the machine may be woken over it.
        next_deploy wake_on_lan: bool = false,
    }
}

table! {
    /// Interfaces used as one.
    Bond {
        /// Its interfaces.
        next_deploy members: Vec<Spanned<Name>>,
        /// How they share the work.
        next_deploy mode: Spanned<BondMode>,
        /// For `802.3ad`: how often to speak to the switch.
        next_deploy lacp_rate: Given<LacpRate> = Given::by_default(LacpRate::Slow),
        /// Which interface carries a packet.
        next_deploy hash: Given<BondHash> = Given::by_default(BondHash::Layer2),
        /// Largest payload of a frame, in bytes.
        next_deploy mtu: Option<Spanned<u16>>,
    }
    later {
        /// For `active-backup`, `balance-tlb` and `balance-alb`: the member that works while it can.
        next_deploy primary: Option<Spanned<Name>>,
        /// How often links are looked at, in milliseconds; 0 is never.
        next_deploy miimon: u32 = 100,
        /// How long a link must have been up before it is used, in milliseconds.
        next_deploy up_delay: u32 = 0,
        /// How long a link must have been down before it is given up, in milliseconds.
        next_deploy down_delay: u32 = 0,
        /// For `802.3ad`: how many members must work for the bond to be up.
        next_deploy min_links: Given<u32> = Given::by_default(0),
        /// How often the addresses in `arp-targets` are asked for, in milliseconds, instead of `miimon`.
        next_deploy arp_interval: Option<Spanned<u32>>,
        /// Addresses that answer while a link works.
        next_deploy arp_targets: Vec<Spanned<IpAddr>>,
    }
}

words! {
    /// How the interfaces of a bond share the work (Linux bonding).
    BondMode {
        /// One works, the others wait.
        ActiveBackup = "active-backup",
        /// Link aggregation by LACP (IEEE 802.1AX, once 802.3ad).
        Lacp = "802.3ad",
        /// By a hash of each packet.
        BalanceXor = "balance-xor",
        /// In turn.
        BalanceRr = "balance-rr",
    }
    later {
        /// On all at once.
        Broadcast = "broadcast",
        /// By load, what is sent; no help of the switch is needed.
        BalanceTlb = "balance-tlb",
        /// By load, what is sent and received; no help of the switch is needed.
        BalanceAlb = "balance-alb",
    }
}

words! {
    /// How often LACP speaks.
    LacpRate {
        /// Every 30 s.
        Slow = "slow",
        /// Every second.
        Fast = "fast",
    }
}

words! {
    /// Which interface carries a packet.
    BondHash {
        /// By MAC addresses.
        Layer2 = "layer2",
        /// By MAC and IP addresses.
        Layer23 = "layer2+3",
        /// By IP addresses and ports.
        Layer34 = "layer3+4",
    }
    later {
        /// As `layer2+3`, of what a tunnel carries.
        Encap23 = "encap2+3",
        /// As `layer3+4`, of what a tunnel carries.
        Encap34 = "encap3+4",
        /// By VLAN and the sender's MAC address.
        VlanSrcMac = "vlan+srcmac",
    }
}

table! {
    /// A tagged VLAN on an interface.
    VlanInterface {
        /// The interface beneath.
        next_deploy link: Spanned<Name>,
        /// The VLAN, whose id and MTU it takes.
        next_deploy vlan: Spanned<VlanRef>,
    }
    later {
        /// Largest payload of a frame, in bytes, where it is less than the VLAN's.
        next_deploy mtu: Option<Spanned<u16>>,
    }
}

table! {
    /// A bridge.
    Bridge {
        /// Its ports.
        next_deploy members: Vec<Spanned<Name>>,
        /// Whether it speaks the spanning tree protocol.
        next_deploy stp: bool = false,
        /// What passes the frames.
        next_deploy bridge_type("type"): BridgeType = BridgeType::Linux,
    }
    later {
        /// How long a port listens and learns before it passes frames, in seconds.
        next_deploy forward_delay: Option<u32>,
        /// Its priority in the spanning tree; the lowest is the root.
        next_deploy priority: Option<u16>,
        /// Largest payload of a frame, in bytes.
        next_deploy mtu: Option<Spanned<u16>>,
    }
}

words! {
    /// What passes the frames of a bridge.
    BridgeType {
        /// The Linux kernel's bridge.
        Linux = "linux",
    }
    later {
        /// Open vSwitch.
        Ovs = "ovs",
    }
}

table! {
    /// What address an interface gets.
    Address {
        /// The interface.
        next_deploy on: Spanned<Name>,
        /// How it gets one.
        next_deploy mode: Spanned<AddressMode>,
        /// For `auto`: where the address is taken from. For `dhcp`: one of IPv6 asks DHCPv6 and routers.
        next_deploy subnet: Option<Ref<Subnet>>,
        /// For `static`: address and prefix, such as `10.20.16.{position}/24`. Without it, the machine's
        /// `nic.NAME.address` is taken.
        next_deploy cidr: Option<Spanned<Template>>,
    }
}

words! {
    /// How an interface gets its address.
    AddressMode {
        /// The planner chooses one of the subnet and keeps it.
        Auto = "auto",
        /// Written here or on the machine.
        Static = "static",
        /// The installed system asks.
        Dhcp = "dhcp",
        /// None: the interface is only up.
        LinkUp = "link-up",
    }
}

table! {
    /// A route.
    Route {
        /// The destination.
        next_deploy to: IpNet,
        /// The router.
        next_deploy via: Spanned<IpAddr>,
        /// The interface.
        next_deploy on: Spanned<Name>,
        /// The lower, the better.
        next_deploy metric: Option<u32>,
    }
}
