//! Fabrics: switches that pass frames to each other, and the VLANs on them.

use crate::{
    decode::Ref,
    kind::{kind, table, words},
    kinds::zone::Zone,
    span::Spanned,
    value::vlan_ref::VlanRef,
};
use schema_ids::Name;
use std::{collections::BTreeMap, net::IpAddr};

kind! {
    /// Switches among which a VLAN id means one network.
    "fabric" in fabrics: Fabric {
        /// For people.
        live description: Option<String>,
        /// Where it stands.
        live zone: Option<Ref<Zone>>,
        /// Its VLANs by name.
        live vlan: BTreeMap<Name, Vlan>,
    }
}

table! {
    /// One layer-2 network of a fabric.
    Vlan {
        /// For people.
        live description: Option<String>,
        /// VLAN id; 0 is the untagged one (IEEE 802.1Q), at most 4094.
        live vid: Spanned<u16>,
        /// Largest payload of a frame, in bytes.
        live mtu: u16 = 1500,
        /// Who answers DHCP.
        live dhcp: Spanned<DhcpMode>,
        /// For `relay`: the VLAN whose agents answer.
        live relay_to: Option<Spanned<VlanRef>>,
        /// For `relay`: the addresses the relays put into requests (RFC 2131 §2, giaddr).
        live giaddr: Vec<Spanned<IpAddr>>,
        /// What an unknown machine that asks for a boot gets.
        live enlist: Enlist = Enlist::Known,
    }
}

words! {
    /// Who answers DHCP on a VLAN.
    DhcpMode {
        /// The rack's agents, directly.
        Rack = "rack",
        /// Nobody of ours.
        Off = "off",
        /// The rack's agents, through relays.
        Relay = "relay",
    }
}

words! {
    /// What an unknown machine gets that asks for a boot.
    Enlist {
        /// Local boot.
        Off = "off",
        /// Inspection, if git knows its serial number, its system UUID or a MAC address of it.
        Known = "known",
        /// Inspection.
        On = "on",
    }
}
