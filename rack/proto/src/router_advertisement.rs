//! Router advertisements for boot clients that wait for one (RFC 4861 §4.2).
//!
//! iPXE waits up to 16 s for IPv6 on a link where nobody answers its router solicitation. The answer
//! here says "I am no router, there is no prefix and no DHCPv6": lifetime 0, no flags, no prefix. It
//! ends the wait and changes nobody's routes.

use schema_ids::Mac;

/// ICMPv6 type of a router solicitation.
const SOLICITATION: u8 = 133;
/// ICMPv6 type of a router advertisement.
const ADVERTISEMENT: u8 = 134;
/// Type, code, checksum and the reserved word.
const SOLICITATION_MIN: usize = 8;
/// Option: the sender's link-layer address.
const SOURCE_ADDRESS: u8 = 1;

/// Whether an ICMPv6 message is a router solicitation (RFC 4861 §6.1.1, as far as it shows without the
/// IP header).
pub fn is_solicitation(message: &[u8]) -> bool {
    message.len() >= SOLICITATION_MIN && message[0] == SOLICITATION && message[1] == 0
}

/// The ICMPv6 message that answers it; its checksum is left to the kernel. The sender's own address
/// spares the client a neighbour solicitation.
pub fn advertisement(own: Option<Mac>) -> Vec<u8> {
    // Type, code, checksum (2), hop limit unspecified, no flags, router lifetime 0 (2), reachable time
    // unspecified (4), retransmission timer unspecified (4).
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Some(mac) = own {
        // Length in units of 8 bytes.
        message.extend([SOURCE_ADDRESS, 1]);
        message.extend(mac.octets());
    }
    message
}
