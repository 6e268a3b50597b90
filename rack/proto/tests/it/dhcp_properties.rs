//! DHCP against chance: no bytes bring it down, and no address is ever two clients'.

use crate::dhcp::{LINK, SERVER, config, encode};
use dhcproto::v4::{DhcpOption, Message, MessageType};
use proptest::prelude::*;
use rack_api::config::Enlist;
use rack_proto::dhcp::{Ingress, Leases, answer};
use schema_ids::{Mac, Timestamp};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

const ADDRESSES: u8 = 5;

fn mac(client: u8) -> Mac {
    Mac::new([0x52, 0x54, 0, 0, 0, client]).unwrap()
}

/// What a client does: a kind of packet, an address out of a few, for our server or another.
#[derive(Debug, Clone)]
struct Act {
    client: u8,
    kind: MessageType,
    address: u8,
    by_ciaddr: bool,
    other_server: bool,
    later: u64,
}

fn act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        4 => Just(MessageType::Discover),
        6 => Just(MessageType::Request),
        1 => Just(MessageType::Release),
        1 => Just(MessageType::Decline),
    ];
    (
        0..8_u8,
        kind,
        0..ADDRESSES + 2,
        any::<bool>(),
        any::<bool>(),
        0..400_u64,
    )
        .prop_map(|(client, kind, address, by_ciaddr, other_server, later)| Act {
            client,
            kind,
            address,
            by_ciaddr,
            other_server: other_server && address == 0,
            later,
        })
}

fn packet(act: &Act) -> Vec<u8> {
    let zero = Ipv4Addr::UNSPECIFIED;
    let address = Ipv4Addr::new(10, 77, 0, 100 + act.address);
    let mut message = Message::new_with_id(1, zero, zero, zero, zero, &mac(act.client).octets());
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(act.kind));
    if act.by_ciaddr {
        message.set_ciaddr(address);
    } else {
        options.insert(DhcpOption::RequestedIpAddress(address));
        let server = if act.other_server {
            Ipv4Addr::new(10, 77, 0, 2)
        } else {
            SERVER
        };
        options.insert(DhcpOption::ServerIdentifier(server));
    }
    encode(&message)
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..600), now in 0..1_000_000_i64) {
        let config = config(Enlist::On, &["10.77.0.100-10.77.0.110".to_owned()], &BTreeMap::new());
        let ingress = Ingress { link: LINK, server: SERVER, bytes: &bytes };
        let _ = answer(&config, &Leases::default(), &ingress, Timestamp::from_unix_ms(now));
    }

    /// A real packet with some bytes changed gets past the first checks.
    #[test]
    fn no_damaged_packet_brings_it_down(
        act in act(),
        damage in prop::collection::vec((0..400_usize, any::<u8>()), 0..8),
        length in 0..400_usize,
    ) {
        let mut bytes = packet(&act);
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length.max(200));
        let config = config(Enlist::On, &["10.77.0.100-10.77.0.110".to_owned()], &BTreeMap::new());
        let ingress = Ingress { link: LINK, server: SERVER, bytes: &bytes };
        let _ = answer(&config, &Leases::default(), &ingress, Timestamp::from_unix_ms(0));
    }

    #[test]
    fn an_address_has_one_client(
        acts in prop::collection::vec(act(), 1..120),
        reserved in prop::option::of((0..8_u8, 0..ADDRESSES)),
    ) {
        let machines = reserved
            .map(|(client, address)| (mac(client), format!("10.77.0.{}", 100 + address)))
            .into_iter()
            .collect();
        let last = 100 + ADDRESSES - 1;
        let config = config(Enlist::On, &[format!("10.77.0.100-10.77.0.{last}")], &machines);
        let mut leases = Leases::default();
        // What each client was told that it has, and until when.
        let mut told: BTreeMap<Ipv4Addr, (Mac, Timestamp)> = BTreeMap::new();
        let mut now = Timestamp::from_unix_ms(0);
        for act in acts {
            now = now.plus(Duration::from_secs(act.later));
            let bytes = packet(&act);
            let ingress = Ingress { link: LINK, server: SERVER, bytes: &bytes };
            let answer = answer(&config, &leases, &ingress, now);
            for change in &answer.changes {
                leases.apply(change);
            }
            let client = mac(act.client);
            let address = Ipv4Addr::new(10, 77, 0, 100 + act.address);
            if matches!(act.kind, MessageType::Release | MessageType::Decline)
                && told.get(&address).is_some_and(|(holder, _)| *holder == client)
            {
                told.remove(&address);
            }
            let Some(given) = answer.reply.and_then(|reply| given(&reply.bytes)) else { continue };
            let (kind, address, seconds) = given;
            if let Some((holder, until)) = told.get(&address) {
                prop_assert!(
                    *holder == client || *until <= now,
                    "{address} was {holder}'s until {until}, and is given to {client} at {now}"
                );
            }
            if kind == MessageType::Ack {
                // A client that takes an address leaves its former one.
                told.retain(|_, (holder, _)| *holder != client);
                told.insert(address, (client, now.plus(Duration::from_secs(u64::from(seconds)))));
            }
        }
    }
}

/// Kind, address and lease time of an OFFER or ACK.
fn given(bytes: &[u8]) -> Option<(MessageType, Ipv4Addr, u32)> {
    use dhcproto::v4::{Decodable, Decoder, OptionCode};
    let message = Message::decode(&mut Decoder::new(bytes)).unwrap();
    let kind = message.opts().msg_type().unwrap();
    match message.opts().get(OptionCode::AddressLeaseTime) {
        Some(DhcpOption::AddressLeaseTime(seconds)) => Some((kind, message.yiaddr(), *seconds)),
        _ => None,
    }
}
