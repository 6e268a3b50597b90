//! Who a BMC says it is: evidence for matching a machine, never proof.

use std::fmt;

/// What a BMC says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The system's GUID, or none where the BMC has none or an obviously empty one.
    pub guid: Option<Guid>,
    /// IANA enterprise number of the manufacturer.
    pub manufacturer: u32,
    /// The manufacturer's product number.
    pub product: u16,
    /// The BMC's firmware revision, `major.minor`.
    pub firmware: String,
}

/// Sixteen bytes in the order they came over the wire.
///
/// Boards disagree on that order (IPMI 2.0 §20.8 says least significant byte first, many send the SMBIOS layout
/// or the printed one), so whoever compares it with an SMBIOS UUID has to try all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID of these bytes; none when they are all zero or all ones, which is what unset firmware sends.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16] && bytes != [0xff; 16]).then_some(Self(bytes))
    }

    /// The bytes in wire order.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
