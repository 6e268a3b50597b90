//! A client's packet, checked.
//!
//! `dhcproto` decodes leniently: it drops options it cannot read and checks neither the magic cookie
//! nor the hardware address length. What the server relies on is checked here, once.

use super::client::Bootstrap;
use dhcproto::v4::{
    Decodable, Decoder, DhcpOption, HType, MAGIC, Message, MessageType, Opcode, OptionCode,
    relay::{RelayCode, RelayInfo},
};
use schema_ids::{Mac, Uuid};
use std::net::Ipv4Addr;

/// The magic cookie's place (RFC 2131 §3).
const COOKIE_AT: std::ops::Range<usize> = 236..240;
/// A UDP payload on Ethernet is not longer; a fragmented one is nobody's boot client.
const LENGTH_MAX: usize = 1500;
/// How much of a client's own name is kept.
const NAME_MAX: usize = 100;

/// A packet that the server may answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// As decoded, for the fields that the reply repeats.
    pub(crate) message: Message,
    pub(crate) mac: Mac,
    pub(crate) kind: Kind,
    /// Option 50, whatever the kind.
    pub(crate) requested: Option<Ipv4Addr>,
    /// Option 54, whatever the kind.
    pub(crate) server: Option<Ipv4Addr>,
    pub(crate) bootstrap: Bootstrap,
    /// Option 97 as it came.
    pub(crate) uuid: Option<Uuid>,
}

/// A relay, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relay {
    /// Where it wants the answer.
    pub(crate) giaddr: Ipv4Addr,
    /// An address on the client's subnet: what it names (RFC 3527 §3), else its own.
    pub(crate) subnet: Ipv4Addr,
}

/// What the client wants (RFC 2131 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any address.
    Discover,
    /// This one, which a server offered.
    Select { address: Ipv4Addr },
    /// This one, which it remembers (INIT-REBOOT) or has (RENEWING, REBINDING).
    Keep { address: Ipv4Addr },
    /// Not this one: somebody has it.
    Decline { address: Ipv4Addr },
    /// Not this one any longer.
    Release { address: Ipv4Addr },
    /// Options only; it has this address from elsewhere.
    Inform { address: Ipv4Addr },
}

impl Request {
    /// Reads a packet; `None` for anything that is not an Ethernet client's DHCP request.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LENGTH_MAX || bytes.get(COOKIE_AT) != Some(&MAGIC) {
            return None;
        }
        let message = Message::decode(&mut Decoder::new(bytes)).ok()?;
        // The length is checked before `chaddr` is read: it is the client's word.
        if message.opcode() != Opcode::BootRequest || message.htype() != HType::Eth || message.hlen() != 6 {
            return None;
        }
        let mac = Mac::new(message.chaddr().try_into().ok()?)?;
        let options = message.opts();
        let requested = match options.get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(address)) => host(*address),
            _ => None,
        };
        let server = match options.get(OptionCode::ServerIdentifier) {
            Some(DhcpOption::ServerIdentifier(address)) => Some(*address),
            _ => None,
        };
        let has = host(message.ciaddr());
        let kind = match options.msg_type()? {
            MessageType::Discover => Kind::Discover,
            MessageType::Request => match server {
                Some(_) => Kind::Select {
                    address: requested.or(has)?,
                },
                None => Kind::Keep {
                    address: has.or(requested)?,
                },
            },
            MessageType::Decline => Kind::Decline { address: requested? },
            MessageType::Release => Kind::Release { address: has? },
            MessageType::Inform => Kind::Inform { address: has? },
            _ => return None,
        };
        let arch = match options.get(OptionCode::ClientSystemArchitecture) {
            Some(DhcpOption::ClientSystemArchitecture(arch)) => Some(arch.0),
            _ => None,
        };
        let bootstrap = Bootstrap::read(
            class(&message),
            user_class(&message),
            options.contains(OptionCode::Unknown(super::reply::IPXE_OPTION)),
            arch,
        );
        let uuid = match options.get(OptionCode::ClientMachineIdentifier) {
            // Type 0 and 16 bytes (RFC 4578 §2.3).
            Some(DhcpOption::ClientMachineIdentifier(bytes)) if bytes.first() == Some(&0) => {
                bytes[1..].try_into().ok().map(Uuid::from_bytes)
            }
            _ => None,
        };
        Some(Self {
            mac,
            kind,
            requested,
            server,
            bootstrap,
            uuid,
            message,
        })
    }

    /// The relay that the packet came through.
    pub(crate) fn relay(&self) -> Option<Relay> {
        let giaddr = host(self.message.giaddr())?;
        let subnet = match self.message.opts().get(OptionCode::RelayAgentInformation) {
            Some(DhcpOption::RelayAgentInformation(info)) => match info.get(RelayCode::LinkSelection) {
                Some(RelayInfo::LinkSelection(subnet)) => *subnet,
                _ => giaddr,
            },
            _ => giaddr,
        };
        Some(Relay { giaddr, subnet })
    }

    /// The address that the client has and uses.
    pub(crate) fn has(&self) -> Option<Ipv4Addr> {
        host(self.message.ciaddr())
    }

    /// How the client calls itself: its class, and its user class behind a `+`; printable characters
    /// only.
    pub(crate) fn client_name(&self) -> String {
        let class = class(&self.message).iter();
        let user = user_class(&self.message);
        let joint = if user.is_empty() { &b""[..] } else { b"+" };
        class
            .chain(joint)
            .chain(user)
            .filter(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(*byte))
            .take(NAME_MAX)
            .collect()
    }
}

/// A unicast host address.
fn host(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let usable = !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
    usable.then_some(address)
}

fn class(message: &Message) -> &[u8] {
    match message.opts().get(OptionCode::ClassIdentifier) {
        Some(DhcpOption::ClassIdentifier(text)) => text,
        _ => &[],
    }
}

fn user_class(message: &Message) -> &[u8] {
    match message.opts().get(OptionCode::UserClass) {
        Some(DhcpOption::UserClass(text)) => text,
        _ => &[],
    }
}
