//! The DHCPv4 server (RFC 2131, RFC 2132) as one function of configuration, leases, packet and time.
//!
//! [`answer`] says what to send and which [`LeaseChange`]s that implies; the shell applies the changes
//! to its [`Leases`] at once, writes the durable ones to its journal, and only then sends. Leases are
//! keyed by link and MAC, never by client identifier: firmware, iPXE and the installed system send
//! three different ones and must keep one address. A reservation is read from the configuration and
//! needs no journal.

mod client;
mod leases;
mod reply;
mod request;
mod terms;

pub use client::{Bootstrap, LOADER_BIOS, LOADER_GRUB, LOADER_SHIM, LOADER_UEFI};
pub use leases::{Holding, LeaseChange, Leases, OFFER_LIFE, QUARANTINE};

use rack_api::{
    config::{Enlist, Link, RackConfig, RackMachine, Subnet},
    fact::FactBody,
};
use request::{Kind, Relay, Request};
use schema_ids::{Mac, MachineId, Timestamp, Uuid};
use std::net::{IpAddr, Ipv4Addr};
use terms::{Choice, Terms};

/// A packet as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Ingress<'a> {
    /// The link of the interface it came in on; a relayed packet's own link is found by its `giaddr`.
    pub link: &'a str,
    /// The agent's own address on that interface: server identifier, boot server.
    pub server: Ipv4Addr,
    /// The UDP payload.
    pub bytes: &'a [u8],
}

/// What to do about a packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What to send, once the durable changes are in the journal.
    pub reply: Option<Reply>,
    /// What to apply to the leases at once, in this order.
    pub changes: Vec<LeaseChange>,
    /// What to tell the daemon.
    pub facts: Vec<FactBody>,
    /// What a network boot showed of itself.
    pub seen: Option<Seen>,
    /// Why there is no reply, for the log; absent where there is one.
    pub silence: Option<Silence>,
}

/// A packet to send from port 67.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The UDP payload.
    pub bytes: Vec<u8>,
    /// Where to.
    pub to: Destination,
}

/// Where a reply goes (RFC 2131 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Port 68 of a client that has no address yet: its neighbour entry is set first.
    Neighbour {
        /// The address it is being given.
        address: Ipv4Addr,
        /// Where it is.
        mac: Mac,
    },
    /// Port 68 of a client that has its address.
    Unicast(Ipv4Addr),
    /// Port 68 of 255.255.255.255 on the link.
    Broadcast,
    /// Port 67 of the relay.
    Relay(Ipv4Addr),
}

/// What a network boot showed of itself in one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The interface.
    pub mac: Mac,
    /// The link it stands on.
    pub link: String,
    /// Whose interface, if a file declares it.
    pub machine: Option<MachineId>,
    /// How it names itself: option 60, and option 77 behind a `+`.
    pub client: String,
    /// System UUID from option 97 in the order that most firmware means (SMBIOS 2.6); others mean
    /// [`Uuid::swapped`].
    pub uuid: Option<Uuid>,
    /// What it is.
    pub bootstrap: Bootstrap,
    /// Whether it is looking for an address: the first packet of a loader.
    pub discover: bool,
    /// The address acknowledged by the answer.
    pub address: Option<Ipv4Addr>,
}

/// Why a packet gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Not a DHCP request of an Ethernet client.
    NotForUs,
    /// No link of ours carries it, or DHCP is off there.
    NoSuchLink,
    /// A relay with this address sent it, which git does not name for the link of the client.
    UnknownRelay(Ipv4Addr),
    /// The link gives unknown machines nothing.
    Unknown,
    /// The client chose another server.
    OtherServer,
    /// Another server may know better (RFC 2131 §4.3.2).
    NotOurs,
    /// Its address has become another's reservation; its lease runs out.
    Ending,
    /// No address is free.
    Exhausted,
    /// Its kind is never answered: RELEASE, DECLINE.
    NoAnswerDue,
}

/// Answers one packet.
pub fn answer(config: &RackConfig, leases: &Leases, ingress: &Ingress<'_>, now: Timestamp) -> Answer {
    let Some(request) = Request::parse(ingress.bytes) else {
        return silent(Silence::NotForUs);
    };
    let (name, link) = match link_of(config, &request, ingress.link) {
        Ok(found) => found,
        Err(why) => return silent(why),
    };
    let machine = machine_of(config, request.mac);
    let mut answer = if machine.is_none() && link.enlist == Enlist::Off {
        silent(Silence::Unknown)
    } else {
        let terms = Terms {
            config,
            leases,
            name,
            link,
            mac: request.mac,
            machine: machine.map(|(_, machine)| machine),
            server: ingress.server,
            now,
        };
        answer_known(&terms, &request)
    };
    if request.bootstrap != Bootstrap::None {
        answer.seen = Some(Seen {
            mac: request.mac,
            link: name.to_owned(),
            machine: machine.map(|(id, _)| id),
            client: request.client_name(),
            uuid: request.uuid.map(Uuid::swapped),
            bootstrap: request.bootstrap,
            discover: request.kind == Kind::Discover,
            address: acknowledged(&answer.changes),
        });
    }
    answer
}

/// The machine that declares this interface, whichever link it declares it for.
pub fn machine_of(config: &RackConfig, mac: Mac) -> Option<(MachineId, &RackMachine)> {
    config
        .machines
        .iter()
        .find(|(_, machine)| machine.nics.iter().any(|nic| nic.mac == mac))
        .map(|(id, machine)| (*id, machine))
}

/// The address that a client has on a link: its reservation unless somebody else still holds it, else
/// its live lease.
pub fn address_of(
    config: &RackConfig,
    leases: &Leases,
    link: &str,
    mac: Mac,
    now: Timestamp,
) -> Option<Ipv4Addr> {
    terms::reservation(config, link, mac)
        .filter(|address| leases.is_free_for(link, *address, mac, now))
        .or_else(|| leases.leased_to(link, mac, now))
}

/// The client that has an address on a link.
pub fn client_of(
    config: &RackConfig,
    leases: &Leases,
    link: &str,
    address: Ipv4Addr,
    now: Timestamp,
) -> Option<Mac> {
    leases
        .holder(link, address, now)
        .or_else(|| terms::reserved_for(config, link, address))
}

/// The link that an address belongs to, and the subnet of it.
pub fn subnet_of(config: &RackConfig, address: IpAddr) -> Option<(&str, &Subnet)> {
    config.links.iter().find_map(|(name, link)| {
        let subnet = link
            .subnets
            .iter()
            .find(|subnet| terms::contains(subnet, address))?;
        Some((name.as_str(), subnet))
    })
}

fn silent(why: Silence) -> Answer {
    Answer {
        silence: Some(why),
        ..Answer::default()
    }
}

/// A relayed packet belongs to the link that its relay names, and one from a client that has its address already to
/// the link of that: it sends by itself through the router (RFC 2131 §4.4.5). Any other came from the link's own wire.
fn link_of<'a>(
    config: &'a RackConfig,
    request: &Request,
    ingress: &'a str,
) -> Result<(&'a str, &'a Link), Silence> {
    let from_afar = || {
        let (name, _) = subnet_of(config, IpAddr::V4(request.has()?))?;
        config.links.get(name)?.relay.as_ref().map(|_| name)
    };
    let found = match request.relay() {
        Some(relay) => declared(config, relay).ok_or(Silence::UnknownRelay(relay.giaddr))?,
        None => from_afar().unwrap_or(ingress),
    };
    let (name, link) = config.links.get_key_value(found).ok_or(Silence::NoSuchLink)?;
    link.dhcp
        .then_some((name.as_str(), link))
        .ok_or(Silence::NoSuchLink)
}

/// The link that a relay names, if git names the relay for that link: any other may be anybody's.
fn declared(config: &RackConfig, relay: Relay) -> Option<&str> {
    let (name, _) = subnet_of(config, IpAddr::V4(relay.subnet))?;
    let known = config.links.get(name)?.relay.as_ref()?;
    (known.giaddr.is_empty() || known.giaddr.contains(&relay.giaddr)).then_some(name)
}

fn answer_known(terms: &Terms<'_>, request: &Request) -> Answer {
    let elsewhere = request.server.is_some_and(|server| server != terms.server);
    match request.kind {
        Kind::Select { .. } if elsewhere => decline_ours(terms),
        Kind::Decline { .. } | Kind::Release { .. } if elsewhere => silent(Silence::OtherServer),
        Kind::Discover => discover(terms, request),
        Kind::Select { address } => match terms.entitled(address) {
            Some(choice) => acknowledge(terms, request, &choice),
            None => refuse(terms, request),
        },
        Kind::Keep { address } => match terms.entitled(address) {
            Some(choice) => acknowledge(terms, request, &choice),
            // What it was given is honoured to its end, and not prolonged.
            None if terms.holds(address) => silent(Silence::Ending),
            None if terms.is_ours(address) => refuse(terms, request),
            None => silent(Silence::NotOurs),
        },
        Kind::Decline { address } => decline(terms, address),
        Kind::Release { address } if !terms.holds(address) => silent(Silence::NotOurs),
        Kind::Release { address } => Answer {
            changes: vec![terms.change(address, Holding::Free { mac: terms.mac })],
            ..silent(Silence::NoAnswerDue)
        },
        Kind::Inform { address } => Answer {
            reply: reply::inform(terms, request, address),
            ..Answer::default()
        },
    }
}

fn discover(terms: &Terms<'_>, request: &Request) -> Answer {
    let Some(choice) = terms.choose(request.requested) else {
        return silent(Silence::Exhausted);
    };
    let offered = Holding::Offered {
        mac: terms.mac,
        until: terms.now.plus(OFFER_LIFE),
    };
    Answer {
        reply: reply::offer(terms, request, &choice),
        changes: vec![terms.change(choice.address, offered)],
        ..Answer::default()
    }
}

/// The client took another server's offer; ours is free again.
fn decline_ours(terms: &Terms<'_>) -> Answer {
    let offered = terms.leases.offered_to(terms.name, terms.mac, terms.now);
    Answer {
        changes: offered
            .map(|address| terms.change(address, Holding::Free { mac: terms.mac }))
            .into_iter()
            .collect(),
        ..silent(Silence::OtherServer)
    }
}

fn acknowledge(terms: &Terms<'_>, request: &Request, choice: &Choice<'_>) -> Answer {
    let (mac, until) = (terms.mac, terms.until(choice));
    let address = choice.address;
    let (to, facts) = if choice.reserved {
        (Holding::Reserved { mac, until }, Vec::new())
    } else {
        let leased = FactBody::Leased {
            mac,
            address: IpAddr::V4(address),
            until,
        };
        (Holding::Leased { mac, until }, vec![leased])
    };
    Answer {
        reply: reply::acknowledge(terms, request, choice),
        changes: vec![terms.change(address, to)],
        facts,
        ..Answer::default()
    }
}

fn refuse(terms: &Terms<'_>, request: &Request) -> Answer {
    Answer {
        reply: reply::refuse(terms, request),
        ..Answer::default()
    }
}

/// The client found its address in use (RFC 2131 §4.3.3). Believed only of an address that it was
/// given, so that nobody empties a range by declining what is not theirs.
fn decline(terms: &Terms<'_>, address: Ipv4Addr) -> Answer {
    if !terms.was_given(address) {
        return silent(Silence::NotOurs);
    }
    let declined = Holding::Declined {
        until: terms.now.plus(QUARANTINE),
    };
    Answer {
        changes: vec![terms.change(address, declined)],
        facts: vec![FactBody::AddressSeen {
            address: IpAddr::V4(address),
            mac: None,
        }],
        ..silent(Silence::NoAnswerDue)
    }
}

fn acknowledged(changes: &[LeaseChange]) -> Option<Ipv4Addr> {
    changes.iter().find_map(|change| match change.to {
        Holding::Leased { .. } | Holding::Reserved { .. } => Some(change.address),
        Holding::Offered { .. } | Holding::Declined { .. } | Holding::Free { .. } => None,
    })
}
