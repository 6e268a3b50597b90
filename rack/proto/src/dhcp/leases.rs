//! The table of addresses in use: offers, leases and quarantine.
//!
//! One address has one holder by construction. Only [`Leases::apply`] changes the table, so that a
//! journal of [`LeaseChange`]s replayed from the start gives the same table. It never forgets a lease
//! before its end, and remembers an ended one until somebody else gets the address, so that a client
//! that comes back finds its old address.

use schema_ids::{Mac, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

/// An offered address stays reserved this long: firmware collects offers for about 4 s and repeats its
/// request up to four times, doubling the pause (RFC 2131 §4.1).
pub const OFFER_LIFE: Duration = Duration::from_secs(60);

/// A declined address is left alone this long: time enough to see who sits on it.
pub const QUARANTINE: Duration = Duration::from_secs(600);

/// A change of the table; also a line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseChange {
    /// Where.
    pub link: String,
    /// Which address.
    pub address: Ipv4Addr,
    /// What becomes of it.
    pub to: Holding,
}

/// Who has an address, or why nobody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Reserved for a client that was offered it.
    Offered {
        /// The client.
        mac: Mac,
        /// When the offer ends.
        until: Timestamp,
    },
    /// Acknowledged to the client that the configuration reserves it for.
    Reserved {
        /// The client.
        mac: Mac,
        /// When its lease ends.
        until: Timestamp,
    },
    /// Acknowledged from a dynamic range.
    Leased {
        /// The client.
        mac: Mac,
        /// When its lease ends.
        until: Timestamp,
    },
    /// Found in use by a stranger.
    Declined {
        /// Left alone until then.
        until: Timestamp,
    },
    /// Nobody's: given back by this client, or not taken.
    Free {
        /// The client.
        mac: Mac,
    },
}

impl LeaseChange {
    /// Whether it has to be in the journal before the reply goes out. Offers are not worth a write:
    /// after a restart the client asks again. Reservations stand in the configuration.
    pub fn is_durable(&self) -> bool {
        match self.to {
            Holding::Offered { .. } | Holding::Reserved { .. } => false,
            Holding::Leased { .. } | Holding::Declined { .. } | Holding::Free { .. } => true,
        }
    }
}

impl Holding {
    fn mac(self) -> Option<Mac> {
        match self {
            Self::Offered { mac, .. } | Self::Reserved { mac, .. } | Self::Leased { mac, .. } => Some(mac),
            Self::Declined { .. } | Self::Free { .. } => None,
        }
    }

    fn is_live(self, now: Timestamp) -> bool {
        match self {
            Self::Offered { until, .. }
            | Self::Reserved { until, .. }
            | Self::Leased { until, .. }
            | Self::Declined { until } => until > now,
            Self::Free { .. } => false,
        }
    }
}

/// The table, by link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leases(BTreeMap<String, Table>);

/// One link's part. `by_client` names the address that a client was given last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Table {
    by_address: BTreeMap<Ipv4Addr, Holding>,
    by_client: BTreeMap<Mac, Ipv4Addr>,
}

impl Leases {
    /// Makes a change. An offer never shortens a lease of the same client, and only the holder gives
    /// an address back.
    pub fn apply(&mut self, change: &LeaseChange) {
        let table = self.0.entry(change.link.clone()).or_default();
        let held = table.by_address.get(&change.address).copied();
        let same_client = held.and_then(Holding::mac) == change.to.mac();
        match change.to {
            Holding::Offered { until, .. } => {
                let leased = matches!(
                    held,
                    Some(Holding::Leased { until: end, .. } | Holding::Reserved { until: end, .. }) if end >= until
                );
                if !(same_client && leased) {
                    table.hold(change.address, change.to);
                }
            }
            Holding::Reserved { .. } | Holding::Leased { .. } | Holding::Declined { .. } => {
                table.hold(change.address, change.to);
            }
            Holding::Free { mac } => {
                if held.and_then(Holding::mac) == Some(mac) {
                    table.clear(change.address);
                }
            }
        }
    }

    /// The leases and quarantines as the changes that make them, for a new journal.
    pub fn snapshot(&self) -> Vec<LeaseChange> {
        let durable = |link: &str, (address, to): (&Ipv4Addr, &Holding)| {
            let change = LeaseChange {
                link: link.to_owned(),
                address: *address,
                to: *to,
            };
            change.is_durable().then_some(change)
        };
        self.0
            .iter()
            .flat_map(|(link, table)| table.by_address.iter().filter_map(|entry| durable(link, entry)))
            .collect()
    }

    /// Whether this client may be given this address: nobody else holds it.
    pub fn is_free_for(&self, link: &str, address: Ipv4Addr, mac: Mac, now: Timestamp) -> bool {
        self.live(link, address, now)
            .is_none_or(|holding| holding.mac() == Some(mac))
    }

    /// Who holds an address now.
    pub fn holder(&self, link: &str, address: Ipv4Addr, now: Timestamp) -> Option<Mac> {
        self.live(link, address, now).and_then(Holding::mac)
    }

    /// The address that a client was given last, if nobody else got it since.
    pub(crate) fn last_of(&self, link: &str, mac: Mac) -> Option<Ipv4Addr> {
        self.0.get(link)?.by_client.get(&mac).copied()
    }

    /// The address that a client has a dynamic lease of now.
    pub(crate) fn leased_to(&self, link: &str, mac: Mac, now: Timestamp) -> Option<Ipv4Addr> {
        self.last_of(link, mac)
            .filter(|address| matches!(self.live(link, *address, now), Some(Holding::Leased { .. })))
    }

    /// The address that a client is being offered now.
    pub(crate) fn offered_to(&self, link: &str, mac: Mac, now: Timestamp) -> Option<Ipv4Addr> {
        self.last_of(link, mac)
            .filter(|address| matches!(self.live(link, *address, now), Some(Holding::Offered { .. })))
    }

    fn live(&self, link: &str, address: Ipv4Addr, now: Timestamp) -> Option<Holding> {
        let holding = *self.0.get(link)?.by_address.get(&address)?;
        holding.is_live(now).then_some(holding)
    }
}

impl Table {
    fn hold(&mut self, address: Ipv4Addr, holding: Holding) {
        self.clear(address);
        if let Some(mac) = holding.mac()
            && let Some(former) = self.by_client.insert(mac, address)
        {
            // A client that takes another address has left its former one; one that is only offered
            // another still has it.
            let offered = matches!(self.by_address.get(&former), Some(Holding::Offered { .. }));
            if offered || !matches!(holding, Holding::Offered { .. }) {
                self.by_address.remove(&former);
            }
        }
        self.by_address.insert(address, holding);
    }

    fn clear(&mut self, address: Ipv4Addr) {
        if let Some(mac) = self.by_address.remove(&address).and_then(Holding::mac)
            && self.by_client.get(&mac) == Some(&address)
        {
            self.by_client.remove(&mac);
        }
    }
}
