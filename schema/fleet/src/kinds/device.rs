//! Devices: what is on the network and is no machine of the fleet.

use crate::{decode::Ref, kind::kind, kinds::rack::Rack, span::Spanned, value::vlan_ref::VlanRef};
use schema_ids::Mac;
use std::net::IpAddr;

kind! {
    /// A thing on the network that is no machine of the fleet: a switch, a PDU, a name server. Its addresses are
    /// never given to anything else.
    "device" in devices: Device {
        /// For people.
        live description: Option<String>,
        /// Its MAC address.
        live mac: Option<Spanned<Mac>>,
        /// The VLAN it is on.
        live link: Option<Spanned<VlanRef>>,
        /// Its addresses.
        live address: Vec<Spanned<IpAddr>>,
        /// Where it stands.
        live rack: Option<Ref<Rack>>,
        /// The lowest rack unit it fills, from 1.
        live position: Option<Spanned<u8>>,
        /// How many rack units it fills, upwards from `position`; 1 if it is not given.
        live height: Option<Spanned<u8>>,
    }
    later {
        /// Whether rack agents give it its address by DHCP; it needs `mac`, `link` and an IPv4 address.
        live dhcp: bool = false,
    }
}
