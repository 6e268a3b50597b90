//! The outer layers of a datagram: RMCP header and session header (IPMI 2.0 §13.6), without cryptography.
//!
//! Decoding takes untrusted bytes and never fails loudly: what is not a packet is nobody's answer.

/// The longest datagram we read. IPMI messages stay below 300 bytes; the rest is room for trailers.
pub(crate) const DATAGRAM_MAX: usize = 1024;

/// RMCP version 1.0, no acknowledgement, class IPMI (IPMI 2.0 §13.1.3).
const RMCP: [u8; 4] = [0x06, 0x00, 0xff, 0x07];
/// Bytes before the payload in the format of RMCP+, after the RMCP header.
const PLUS_HEADER: usize = 12;
/// Marks the session header of RMCP+ where older ones name an authentication type.
const FORMAT_PLUS: u8 = 0x06;
const FORMAT_NONE: u8 = 0x00;
const FLAG_ENCRYPTED: u8 = 0x80;
const FLAG_AUTHENTICATED: u8 = 0x40;
/// The only value of the trailer's next-header field.
const NEXT_HEADER: u8 = 0x07;

/// Payload types (IPMI 2.0 table 13-16).
pub(crate) mod payload {
    pub(crate) const IPMI: u8 = 0x00;
    pub(crate) const OPEN_SESSION_REQUEST: u8 = 0x10;
    pub(crate) const OPEN_SESSION_RESPONSE: u8 = 0x11;
    pub(crate) const RAKP_1: u8 = 0x12;
    pub(crate) const RAKP_2: u8 = 0x13;
    pub(crate) const RAKP_3: u8 = 0x14;
    pub(crate) const RAKP_4: u8 = 0x15;
}

/// A message outside of any session in the format of IPMI 1.5, which every BMC reads.
pub(crate) fn sessionless_old(message: &[u8]) -> Vec<u8> {
    let mut datagram = [&RMCP[..], &[FORMAT_NONE, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    datagram.push(u8::try_from(message.len()).expect("our own messages before a session are short"));
    datagram.extend_from_slice(message);
    datagram
}

/// A payload outside of any session in the format of RMCP+.
pub(crate) fn sessionless(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    plus(payload_type, 0, 0, payload)
}

/// An encrypted, authenticated IPMI payload up to where its code goes: what the code covers is all of it but the
/// RMCP header ([`covered`]).
pub(crate) fn in_session(session: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut datagram = plus(
        payload::IPMI | FLAG_ENCRYPTED | FLAG_AUTHENTICATED,
        session,
        sequence,
        payload,
    );
    // The covered part, with its last two bytes, is a multiple of four long.
    let pad = (4 - (covered(&datagram).len() + 2) % 4) % 4;
    datagram.extend(std::iter::repeat_n(0xff, pad));
    datagram.extend_from_slice(&[pad as u8, NEXT_HEADER]);
    datagram
}

/// The part of a datagram that its code covers.
pub(crate) fn covered(datagram: &[u8]) -> &[u8] {
    &datagram[RMCP.len()..]
}

fn plus(type_and_flags: u8, session: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("our own payloads are short");
    [
        &RMCP[..],
        &[FORMAT_PLUS, type_and_flags],
        &session.to_le_bytes(),
        &sequence.to_le_bytes(),
        &len.to_le_bytes(),
        payload,
    ]
    .concat()
}

/// A datagram taken apart.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet<'a> {
    /// Outside of any session, in either format.
    Sessionless { payload_type: u8, payload: &'a [u8] },
    /// In a session, not yet verified: `covered` ends with the payload's trailer and `code` is over it.
    InSession {
        session: u32,
        sequence: u32,
        payload: &'a [u8],
        covered: &'a [u8],
        code: &'a [u8],
    },
}

/// Takes a datagram apart, expecting codes of `code_len` bytes. A payload in a session that is not both encrypted
/// and authenticated is none of ours, nor is one that is either without a session.
pub(crate) fn parse(datagram: &[u8], code_len: usize) -> Option<Packet<'_>> {
    let rest = datagram.strip_prefix(&[RMCP[0]])?;
    // The reserved byte and the sequence number are left to the sender; acknowledgements have another class.
    let rest = rest.get(2..)?.strip_prefix(&[RMCP[3]])?;
    match *rest.first()? {
        FORMAT_NONE => {
            let (header, rest) = rest.split_first_chunk::<10>()?;
            let payload = rest.get(..usize::from(header[9]))?;
            Some(Packet::Sessionless {
                payload_type: payload::IPMI,
                payload,
            })
        }
        FORMAT_PLUS => parse_plus(rest, code_len),
        _ => None,
    }
}

fn parse_plus(packet: &[u8], code_len: usize) -> Option<Packet<'_>> {
    let (header, rest) = packet.split_first_chunk::<PLUS_HEADER>()?;
    let session = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
    let sequence = u32::from_le_bytes([header[6], header[7], header[8], header[9]]);
    let len = usize::from(u16::from_le_bytes([header[10], header[11]]));
    let payload = rest.get(..len)?;
    let payload_type = header[1] & !(FLAG_ENCRYPTED | FLAG_AUTHENTICATED);
    let sealed = header[1] & (FLAG_ENCRYPTED | FLAG_AUTHENTICATED);
    if sealed == 0 && session == 0 {
        return Some(Packet::Sessionless {
            payload_type,
            payload,
        });
    }
    if sealed != FLAG_ENCRYPTED | FLAG_AUTHENTICATED || session == 0 || payload_type != payload::IPMI {
        return None;
    }
    let (covered, code) = packet.split_at_checked(packet.len().checked_sub(code_len)?)?;
    // At least pad length and next header stand between payload and code.
    if covered.len() < PLUS_HEADER + len + 2 {
        return None;
    }
    Some(Packet::InSession {
        session,
        sequence,
        payload,
        covered,
        code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessionless_packets_round_trip_in_both_formats() {
        let expected = Packet::Sessionless {
            payload_type: payload::IPMI,
            payload: &[1, 2, 3],
        };
        assert_eq!(parse(&sessionless_old(&[1, 2, 3]), 0), Some(expected));
        let expected = Packet::Sessionless {
            payload_type: payload::RAKP_2,
            payload: &[4, 5],
        };
        assert_eq!(parse(&sessionless(payload::RAKP_2, &[4, 5]), 0), Some(expected));
    }

    #[test]
    fn a_session_packet_is_padded_to_four_and_taken_apart_again() {
        for len in 0..20_u8 {
            let payload: Vec<u8> = (0..len).collect();
            let mut datagram = in_session(0x01020304, 9, &payload);
            let whole = datagram.clone();
            assert_eq!(covered(&whole).len() % 4, 0);
            datagram.extend_from_slice(&[0xaa; 12]);
            let expected = Packet::InSession {
                session: 0x01020304,
                sequence: 9,
                payload: &payload,
                covered: covered(&whole),
                code: &[0xaa; 12],
            };
            assert_eq!(parse(&datagram, 12), Some(expected));
        }
    }

    #[test]
    fn no_truncation_and_no_single_changed_byte_makes_it_panic() {
        let mut datagram = in_session(7, 1, &[3; 16]);
        datagram.extend_from_slice(&[0xaa; 12]);
        for end in 0..datagram.len() {
            parse(&datagram[..end], 12);
        }
        for at in 0..datagram.len() {
            for value in 0..=255 {
                let mut changed = datagram.clone();
                changed[at] = value;
                parse(&changed, 12);
            }
        }
        assert_eq!(
            parse(&datagram[..40], 12),
            None,
            "a payload that runs into its code"
        );
    }

    #[test]
    fn a_session_packet_without_encryption_or_code_is_refused() {
        for flags in [0, FLAG_ENCRYPTED, FLAG_AUTHENTICATED] {
            let mut datagram = in_session(7, 1, &[3; 16]);
            datagram.extend_from_slice(&[0xaa; 12]);
            datagram[5] = flags;
            assert_eq!(parse(&datagram, 12), None);
        }
    }
}
