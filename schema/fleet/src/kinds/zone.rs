//! Zones: places that share a fate.

use crate::{kind::kind, kinds::scope_limits::ScopeLimits};
use std::net::IpAddr;

kind! {
    /// A place that shares power, cooling and network: a room, a cage, a site.
    "zone" in zones: Zone {
        /// For people.
        live description: Option<String>,
        /// Time servers for machines in it.
        live ntp: Vec<IpAddr>,
        /// What may be destroyed at most in it.
        live limits: Option<ScopeLimits>,
    }
}
