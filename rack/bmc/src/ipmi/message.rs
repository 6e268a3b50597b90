//! An IPMI message as a LAN carries it: addresses, sequence number, two checksums (IPMI 2.0 §13.8).

use ipmi_rs_core::connection::{Message, NetFn, Response};

/// The BMC's slave address.
const BMC: u8 = 0x20;
/// Our software id (IPMI 2.0 table 5-4: the first of the remote console software).
const CONSOLE: u8 = 0x81;
/// Addresses, function, sequence, command and both checksums.
const LEN_MIN: usize = 7;

/// Sequence numbers of messages have six bits.
pub(crate) const SEQUENCE_MASK: u8 = 0x3f;

/// The bytes of a request. `sequence` tells its answer from that to an earlier request.
pub(crate) fn encode(sequence: u8, request: &Message) -> Vec<u8> {
    let mut bytes = vec![BMC, request.netfn_raw() << 2];
    bytes.push(checksum(&bytes));
    bytes.extend_from_slice(&[CONSOLE, (sequence & SEQUENCE_MASK) << 2, request.cmd()]);
    bytes.extend_from_slice(request.data());
    bytes.push(checksum(&bytes[3..]));
    bytes
}

/// The response in `bytes`, if they are the undamaged answer to `request` under this sequence number.
pub(crate) fn answer(bytes: &[u8], sequence: u8, request: &Message) -> Option<Response> {
    if bytes.len() < LEN_MIN || checksum(&bytes[..3]) != 0 || checksum(&bytes[3..]) != 0 {
        return None;
    }
    let (netfn, command) = (bytes[1] >> 2, bytes[5]);
    if !NetFn::is_response_value(netfn) || netfn != request.netfn().response_value() {
        return None;
    }
    if bytes[4] >> 2 != sequence & SEQUENCE_MASK || command != request.cmd() {
        return None;
    }
    let data = bytes[6..bytes.len() - 1].to_vec();
    Response::new(Message::new_raw(netfn, command, data), i64::from(sequence))
}

/// The two's complement of the sum: bytes with their checksum add up to zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Message {
        Message::new_request(NetFn::Chassis, 0x01, vec![])
    }

    fn answered(sequence: u8) -> Vec<u8> {
        let mut bytes = vec![CONSOLE, NetFn::Chassis.response_value() << 2];
        bytes.push(checksum(&bytes));
        bytes.extend_from_slice(&[BMC, sequence << 2, 0x01, 0x00, 0x21, 0x10, 0x40]);
        bytes.push(checksum(&bytes[3..]));
        bytes
    }

    #[test]
    fn a_request_is_the_bytes_that_ipmitool_sends() {
        let privilege = Message::new_request(NetFn::App, 0x3b, vec![0x04]);
        assert_eq!(
            encode(2, &privilege),
            [0x20, 0x18, 0xc8, 0x81, 0x08, 0x3b, 0x04, 0x38]
        );
    }

    #[test]
    fn the_answer_is_read() {
        let response = answer(&answered(5), 5, &request()).unwrap();
        assert_eq!((response.cc(), response.data()), (0, &[0x21, 0x10, 0x40][..]));
    }

    #[test]
    fn a_late_answer_to_an_earlier_request_is_not_taken() {
        assert_eq!(answer(&answered(4), 5, &request()), None);
    }

    #[test]
    fn the_answer_to_another_command_is_not_taken() {
        let other = Message::new_request(NetFn::Chassis, 0x02, vec![]);
        assert_eq!(answer(&answered(5), 5, &other), None);
        let other = Message::new_request(NetFn::App, 0x01, vec![]);
        assert_eq!(answer(&answered(5), 5, &other), None);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        for at in 0..answered(5).len() {
            let mut bytes = answered(5);
            bytes[at] ^= 0x10;
            assert_eq!(answer(&bytes, 5, &request()), None, "byte {at}");
            assert_eq!(answer(&bytes[..at], 5, &request()), None, "cut at {at}");
        }
    }
}
