//! Racks and the agents that serve them.

use crate::{decode::Ref, kind::kind, kinds::zone::Zone, span::Spanned};
use schema_ids::Name;

kind! {
    /// A rack: machines, and the agents that give them DHCP, boot and power.
    "rack" in racks: Rack {
        /// For people.
        live description: Option<String>,
        /// Where it stands.
        live zone: Option<Ref<Zone>>,
        /// Its height in units.
        live units: Option<Spanned<u8>>,
        /// The power feeds it has, as they are marked: `A`, `B`. Deployments may be spread over the first of them.
        live power_feeds: Vec<String>,
        /// The rack agents that serve it, by the names they enrolled with.
        live agents: Vec<Spanned<Name>>,
    }
}
