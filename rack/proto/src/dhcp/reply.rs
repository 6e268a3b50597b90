//! The packets that the server sends.
//!
//! Made from the client's own, so that what has to be repeated (transaction, flags, relay, option 82)
//! is. Boot options go to boot clients only; an installed system gets none.

use super::{
    Destination, Reply,
    client::{Bootstrap, LOADER_BIOS, LOADER_SHIM, LOADER_UEFI},
    request::Request,
    terms::{Choice, Terms},
};
use crate::boot::LOADER_PATH;
use dhcproto::v4::{
    DhcpOption, DhcpOptions, Encodable, Encoder, Message, MessageType, Opcode, OptionCode, UnknownOption,
};
use rack_api::{RACK_HTTP_PORT, config::Subnet, rack_path};
use std::net::{IpAddr, Ipv4Addr};

/// iPXE's own option, with options of its own inside.
pub(crate) const IPXE_OPTION: u8 = 175;
/// Inside it: do not wait for a proxy's offer (`no-pxedhcp`), which saves 3 s of each boot.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];
/// Old BOOTP clients drop shorter packets (RFC 1542 §2.1).
const LENGTH_MIN: usize = 300;
/// More resolvers than this no client uses, and the packet stays below 576 bytes (RFC 2131 §2).
const RESOLVERS_MAX: usize = 4;

/// DHCPOFFER.
pub(crate) fn offer(terms: &Terms<'_>, request: &Request, choice: &Choice<'_>) -> Option<Reply> {
    grant(terms, request, choice, MessageType::Offer)
}

/// DHCPACK of an address.
pub(crate) fn acknowledge(terms: &Terms<'_>, request: &Request, choice: &Choice<'_>) -> Option<Reply> {
    grant(terms, request, choice, MessageType::Ack)
}

/// DHCPACK of options only (RFC 2131 §4.3.5): no address, no lease time.
pub(crate) fn inform(terms: &Terms<'_>, request: &Request, address: Ipv4Addr) -> Option<Reply> {
    let mut message = blank(terms, request, MessageType::Ack);
    message.set_ciaddr(address);
    if let Some(subnet) = terms.subnet(address) {
        network_options(message.opts_mut(), subnet);
    }
    boot_options(&mut message, request.bootstrap, terms);
    finish(request, &message, Destination::Unicast(address))
}

/// DHCPNAK.
pub(crate) fn refuse(terms: &Terms<'_>, request: &Request) -> Option<Reply> {
    let mut message = blank(terms, request, MessageType::Nak);
    message
        .opts_mut()
        .insert(DhcpOption::Message("this address is not yours here".to_owned()));
    if !message.giaddr().is_unspecified() {
        // The relay must not unicast to an address that is wrong (RFC 2131 §4.3.2).
        message.set_flags(request.message.flags().set_broadcast());
    }
    finish(request, &message, Destination::Broadcast)
}

fn grant(terms: &Terms<'_>, request: &Request, choice: &Choice<'_>, kind: MessageType) -> Option<Reply> {
    let mut message = blank(terms, request, kind);
    let seconds = terms.lease_seconds(choice);
    message.set_yiaddr(choice.address);
    let has = request.message.ciaddr();
    if kind == MessageType::Ack {
        message.set_ciaddr(has);
    }
    let options = message.opts_mut();
    options.insert(DhcpOption::AddressLeaseTime(seconds));
    // The times of RFC 2131 §4.4.5, said aloud.
    options.insert(DhcpOption::Renewal(seconds / 2));
    options.insert(DhcpOption::Rebinding(seconds / 8 * 7));
    network_options(options, choice.subnet);
    if let Some(hostname) = terms.machine.and_then(|machine| machine.hostname.as_ref()) {
        options.insert(DhcpOption::Hostname(hostname.clone()));
    }
    boot_options(&mut message, request.bootstrap, terms);
    let to = if !has.is_unspecified() {
        Destination::Unicast(has)
    } else if request.message.flags().broadcast() {
        Destination::Broadcast
    } else {
        Destination::Neighbour {
            address: choice.address,
            mac: terms.mac,
        }
    };
    finish(request, &message, to)
}

/// The client's packet turned around, with the options that every reply has.
fn blank(terms: &Terms<'_>, request: &Request, kind: MessageType) -> Message {
    let mut message = request.message.clone();
    let relay = message.opts_mut().remove(OptionCode::RelayAgentInformation);
    message
        .set_opcode(Opcode::BootReply)
        .set_hops(0)
        .set_secs(0)
        .set_ciaddr(Ipv4Addr::UNSPECIFIED)
        .set_yiaddr(Ipv4Addr::UNSPECIFIED)
        .set_siaddr(Ipv4Addr::UNSPECIFIED)
        .set_opts(DhcpOptions::new());
    message.clear_sname();
    message.clear_fname();
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(terms.server));
    if let Some(relay) = relay {
        // Returned as it came (RFC 3046 §2.2).
        options.insert(relay);
    }
    message
}

fn network_options(options: &mut DhcpOptions, subnet: &Subnet) {
    let host_bits = 32 - u32::from(subnet.prefix.min(32));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    options.insert(DhcpOption::SubnetMask(Ipv4Addr::from_bits(mask)));
    if let Some(IpAddr::V4(gateway)) = subnet.gateway {
        options.insert(DhcpOption::Router(vec![gateway]));
    }
    let resolvers: Vec<Ipv4Addr> = subnet
        .dns
        .iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
        .take(RESOLVERS_MAX)
        .collect();
    if !resolvers.is_empty() {
        options.insert(DhcpOption::DomainNameServer(resolvers));
    }
}

/// What each kind of boot client needs. PXE clients get no option 60: with it some ROMs look for a
/// boot server on port 4011; UEFI HTTP boot ignores an offer without it. A machine that starts signed loaders
/// only gets nothing by HTTP: Debian's signed GRUB reads its files by TFTP.
fn boot_options(message: &mut Message, bootstrap: Bootstrap, terms: &Terms<'_>) {
    let server = terms.server;
    let signed_only = terms.machine.is_some_and(|machine| machine.secure_boot);
    let file = match bootstrap {
        Bootstrap::None | Bootstrap::Foreign => return,
        Bootstrap::Ipxe => format!("http://{server}:{RACK_HTTP_PORT}{}", rack_path::BOOT_FIRST),
        Bootstrap::HttpUefi if signed_only => return,
        Bootstrap::PxeUefi if signed_only => LOADER_SHIM.to_owned(),
        Bootstrap::HttpUefi => format!("http://{server}:{RACK_HTTP_PORT}{LOADER_PATH}{LOADER_UEFI}"),
        Bootstrap::PxeBios => LOADER_BIOS.to_owned(),
        Bootstrap::PxeUefi => LOADER_UEFI.to_owned(),
    };
    let server_text = server.to_string();
    message.set_siaddr(server);
    message.set_sname_str(&server_text);
    message.set_fname_str(&file);
    let options = message.opts_mut();
    options.insert(DhcpOption::TFTPServerName(server_text.into_bytes()));
    options.insert(DhcpOption::BootfileName(file.into_bytes()));
    match bootstrap {
        Bootstrap::Ipxe => {
            options.insert(DhcpOption::Unknown(UnknownOption::new(
                OptionCode::from(IPXE_OPTION),
                IPXE_NO_PROXY.to_vec(),
            )));
        }
        Bootstrap::HttpUefi => {
            options.insert(DhcpOption::ClassIdentifier(b"HTTPClient".to_vec()));
        }
        Bootstrap::None | Bootstrap::Foreign | Bootstrap::PxeBios | Bootstrap::PxeUefi => {}
    }
}

/// `None` only where a relay's option cannot be encoded again.
fn finish(request: &Request, message: &Message, to: Destination) -> Option<Reply> {
    let relay = request.message.giaddr();
    let mut bytes = Vec::with_capacity(LENGTH_MIN * 2);
    message.encode(&mut Encoder::new(&mut bytes)).ok()?;
    bytes.resize(bytes.len().max(LENGTH_MIN), 0);
    Some(Reply {
        bytes,
        to: if relay.is_unspecified() {
            to
        } else {
            Destination::Relay(relay)
        },
    })
}
