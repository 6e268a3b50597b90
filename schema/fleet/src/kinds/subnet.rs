//! Subnets: the addresses of a VLAN.

use crate::{
    kind::{kind, table, words},
    span::Spanned,
    value::vlan_ref::VlanRef,
};
use ipnet::IpNet;
use schema_ids::Name;
use std::net::IpAddr;

kind! {
    /// A range of IPv4 or IPv6 addresses on a VLAN. All subnets are in one routing domain.
    "subnet" in subnets: Subnet {
        /// For people.
        live description: Option<String>,
        /// The VLAN it is on.
        live vlan: Spanned<VlanRef>,
        /// The network, without host bits.
        live cidr: Spanned<IpNet>,
        /// The router.
        live gateway: Option<Spanned<IpAddr>>,
        /// Name servers.
        live dns: Vec<Spanned<IpAddr>>,
        /// Parts of it that serve a purpose; all else is given out to interfaces with `mode = "auto"`.
        live range: Vec<Range>,
    }
    later {
        /// For IPv6: what routers' advertisements say of it (RFC 4861 §4.2, RFC 4862).
        live ra: Option<RouterAdvertisement>,
        /// Routes that DHCP hands out beside the gateway's (RFC 3442).
        live route: Vec<SubnetRoute>,
        /// The routing domain it is in; subnets of different ones may overlap.
        live vrf: Option<Name>,
    }
}

table! {
    /// What advertisements say of a subnet.
    RouterAdvertisement {
        /// Addresses are had by DHCPv6 (the M flag).
        live managed: bool = false,
        /// Name servers and the like are had by DHCPv6 (the O flag).
        live other: bool = false,
        /// Machines may make themselves an address in it (the A flag).
        live autonomous: bool = true,
    }
}

table! {
    /// A route that DHCP hands out.
    SubnetRoute {
        /// The destination.
        live to: Spanned<IpNet>,
        /// The router.
        live via: Spanned<IpAddr>,
    }
}

table! {
    /// A part of a subnet, both ends included.
    Range {
        /// What for.
        live purpose("use"): RangeUse,
        /// The first address.
        live from: Spanned<IpAddr>,
        /// The last address.
        live to: Spanned<IpAddr>,
        /// For people.
        live comment: Option<String>,
    }
}

words! {
    /// What a part of a subnet is for.
    RangeUse {
        /// Not ours: never given out.
        Reserved = "reserved",
        /// DHCP leases for a while: unknown machines and jobs.
        Dynamic = "dynamic",
    }
}
