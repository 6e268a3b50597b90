//! The interfaces of the links, and neighbour entries for clients that have no address yet (rtnetlink).

use futures_util::TryStreamExt;
use rtnetlink::packet_route::{
    address::{AddressAttribute, AddressHeaderFlags},
    link::LinkAttribute,
    neighbour::NeighbourState,
};
use schema_ids::Mac;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// netlink answers at once; a longer wait is a broken kernel.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// An interface as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) mac: Option<Mac>,
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Its fe80 address, once duplicate address detection has let it through.
    pub(crate) link_local: Option<Ipv6Addr>,
}

/// Why the kernel could not be asked or told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterfaceError {
    #[error("cannot open a netlink socket")]
    Open(#[source] std::io::Error),
    #[error("netlink request failed")]
    Request(#[source] rtnetlink::Error),
    #[error("netlink did not answer within {ANSWER_MAX:?}")]
    TimedOut,
}

/// A netlink connection; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Netlink(rtnetlink::Handle);

impl Netlink {
    /// Opens it. The future carries the messages and is to be run until the last clone is gone.
    pub(crate) fn open() -> Result<(Self, impl Future<Output = ()> + Send), InterfaceError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(InterfaceError::Open)?;
        Ok((Self(handle), connection))
    }

    /// The wanted interfaces that exist, by name.
    pub(crate) async fn interfaces(
        &self,
        wanted: &[String],
    ) -> Result<BTreeMap<String, Interface>, InterfaceError> {
        tokio::time::timeout(ANSWER_MAX, self.dump(wanted))
            .await
            .map_err(|_| InterfaceError::TimedOut)?
            .map_err(InterfaceError::Request)
    }

    /// Says where an address is, for as long as a client needs to hear its DHCP answer: a reachable
    /// entry becomes stale and is forgotten by the kernel.
    pub(crate) async fn set_neighbour(
        &self,
        interface: u32,
        address: Ipv4Addr,
        mac: Mac,
    ) -> Result<(), InterfaceError> {
        let request = self
            .0
            .neighbours()
            .add(interface, IpAddr::V4(address))
            .link_layer_address(&mac.octets())
            .state(NeighbourState::Reachable)
            .replace()
            .execute();
        tokio::time::timeout(ANSWER_MAX, request)
            .await
            .map_err(|_| InterfaceError::TimedOut)?
            .map_err(InterfaceError::Request)
    }

    async fn dump(&self, wanted: &[String]) -> Result<BTreeMap<String, Interface>, rtnetlink::Error> {
        let mut by_index = BTreeMap::new();
        let mut links = self.0.link().get().execute();
        while let Some(link) = links.try_next().await? {
            let mut name = None;
            let mut mac = None;
            for attribute in link.attributes {
                match attribute {
                    LinkAttribute::IfName(text) => name = Some(text),
                    LinkAttribute::Address(bytes) => mac = bytes.try_into().ok().and_then(Mac::new),
                    _ => {}
                }
            }
            if let Some(name) = name.filter(|name| wanted.contains(name)) {
                let interface = Interface {
                    name,
                    index: link.header.index,
                    mac,
                    addresses: Vec::new(),
                    link_local: None,
                };
                by_index.insert(link.header.index, interface);
            }
        }
        let mut addresses = self.0.address().get().execute();
        while let Some(message) = addresses.try_next().await? {
            let Some(interface) = by_index.get_mut(&message.header.index) else {
                continue;
            };
            for attribute in message.attributes {
                match attribute {
                    // `Local` is the own address; on a point-to-point link `Address` is the peer's.
                    AddressAttribute::Local(IpAddr::V4(address)) => interface.addresses.push(address),
                    AddressAttribute::Address(IpAddr::V6(address))
                        if address.is_unicast_link_local()
                            && !message.header.flags.contains(AddressHeaderFlags::Tentative) =>
                    {
                        interface.link_local = Some(address);
                    }
                    _ => {}
                }
            }
        }
        Ok(by_index
            .into_values()
            .map(|interface| (interface.name.clone(), interface))
            .collect())
    }
}
