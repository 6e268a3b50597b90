//! Frames in a file that QEMU's `filter-dump` wrote, as far as tagged VLANs are concerned.
//!
//! The format is libpcap's (draft-ietf-opsawg-pcap §4, §5) in the host's own byte order. A file that is still
//! being written may end within a frame, which is passed over.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FILE_HEADER_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 16;
/// Where a frame's captured length is in its header.
const LENGTH: std::ops::Range<usize> = 8..12;
/// QEMU before 8.1 leaves the header of virtio-net before each frame: 12 bytes (Virtual I/O Device 1.1
/// §5.1.6), or 10 without mergeable buffers.
const PREFIXES: [usize; 3] = [0, 10, 12];

/// 802.1Q's tag, ARP (RFC 826) and IPv6 (RFC 8200) in the type field of Ethernet.
const TAGGED: [u8; 2] = [0x81, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// The last twelve bits of a tag are the VLAN.
const VLAN_MASK: u16 = 0x0fff;
/// ICMPv6 and its neighbour solicitation (RFC 4861 §4.3).
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;

/// Somebody asks on a tagged VLAN who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    /// The VLAN of the tag.
    pub(crate) vlan: u16,
    /// Who asks.
    pub(crate) from: IpAddr,
}

/// The questions for neighbours (ARP, ND) that a card with this MAC address sent on tagged VLANs.
pub(crate) fn questions(file: &[u8], mac: [u8; 6]) -> BTreeSet<Question> {
    frames(file).filter_map(|frame| question(frame, mac)).collect()
}

fn frames(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file.get(FILE_HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length: [u8; 4] = rest.get(LENGTH)?.try_into().ok()?;
        let end = FRAME_HEADER_BYTES.checked_add(usize::try_from(u32::from_ne_bytes(length)).ok()?)?;
        let frame = rest.get(FRAME_HEADER_BYTES..end)?;
        rest = &rest[end..];
        Some(frame)
    })
}

fn question(frame: &[u8], mac: [u8; 6]) -> Option<Question> {
    let is_from = |at: &usize| frame.get(at + 6..at + 12) == Some(&mac);
    let frame = &frame[PREFIXES.into_iter().find(is_from)?..];
    if frame.get(12..14)? != TAGGED {
        return None;
    }
    let vlan = u16::from_be_bytes(frame.get(14..16)?.try_into().ok()?) & VLAN_MASK;
    let payload = frame.get(18..)?;
    let kind: [u8; 2] = frame.get(16..18)?.try_into().ok()?;
    let from = match kind {
        // The sender's protocol address, after its hardware address.
        ARP => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(payload.get(14..18)?).ok()?)),
        // The next header, and the type of the message behind the 40 bytes of IPv6's own.
        IPV6 if *payload.get(6)? == ICMPV6 && *payload.get(40)? == SOLICITATION => {
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(payload.get(8..24)?).ok()?))
        }
        _ => return None,
    };
    Some(Question { vlan, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 1];

    fn file(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; FILE_HEADER_BYTES];
        for frame in frames {
            let mut header = [0; FRAME_HEADER_BYTES];
            header[LENGTH].copy_from_slice(&u32::try_from(frame.len()).unwrap().to_ne_bytes());
            bytes.extend(header);
            bytes.extend(frame);
        }
        bytes
    }

    fn arp(prefix: usize, tag: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; prefix];
        frame.extend([0xff; 6]);
        frame.extend(MAC);
        frame.extend(tag);
        frame.extend(ARP);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(MAC);
        frame.extend([10, 77, 120, 17]);
        frame.extend([0; 10]);
        frame
    }

    fn solicitation(tag: &[u8], kind: u8) -> Vec<u8> {
        let mut frame = vec![0x33; 6];
        frame.extend(MAC);
        frame.extend(tag);
        frame.extend(IPV6);
        frame.extend([0x60, 0, 0, 0, 0, 32, ICMPV6, 255]);
        frame.extend("fd77::17".parse::<Ipv6Addr>().unwrap().octets());
        frame.extend([0; 16]);
        frame.push(kind);
        frame.extend([0; 31]);
        frame
    }

    #[test]
    fn what_a_card_asks_on_tagged_vlans_is_found_and_nothing_else() {
        let stor = [0x81, 0x00, 0xe0, 120];
        let mut cut = file(&[
            arp(0, &[]),
            arp(12, &stor),
            solicitation(&stor, SOLICITATION),
            solicitation(&[0x81, 0x00, 0, 130], 136),
        ]);
        let from = |text: &str| Question {
            vlan: 120,
            from: text.parse().unwrap(),
        };
        let wanted = BTreeSet::from([from("10.77.120.17"), from("fd77::17")]);
        assert_eq!(questions(&cut, MAC), wanted);
        assert!(questions(&cut, [0; 6]).is_empty());
        cut.extend(file(&[arp(0, &stor)]).drain(FILE_HEADER_BYTES..).take(40));
        assert_eq!(questions(&cut, MAC), wanted);
    }
}
