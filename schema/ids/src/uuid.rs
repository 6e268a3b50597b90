//! UUIDs and the identities that are one.

use crate::{
    ParseError,
    bytes_text::{put_hex, read_hex, write_text},
    serde_as_text,
};
use std::{fmt, str::FromStr};

/// A UUID in its canonical text form (RFC 9562 §4): filesystems, partitions, boots, machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// A UUID made of a digest's first 16 bytes: version 8, "custom" (RFC 9562 §5.8). The same name
    /// gives the same UUID, so that planning needs no dice.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The bytes in network order.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes in network order.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// SMBIOS and DHCP option 97 carry the first three fields little-endian on most firmware; this
    /// is the other reading of the same sixteen bytes.
    pub fn swapped(self) -> Self {
        let mut bytes = self.0;
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; 36];
        for (at, part) in [(0, 0..4), (9, 4..6), (14, 6..8), (19, 8..10), (24, 10..16)] {
            put_hex(&mut text[at..at + 2 * part.len()], &self.0[part]);
        }
        write_text(f, &text)
    }
}

impl FromStr for Uuid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new(
                "a UUID",
                text,
                "it is 32 hexadecimal digits in groups of 8-4-4-4-12",
            )
        };
        let hyphens = text
            .bytes()
            .enumerate()
            .all(|(at, byte)| matches!(at, 8 | 13 | 18 | 23) == (byte == b'-'));
        if text.len() != 36 || !hyphens {
            return Err(error());
        }
        read_hex(&text.replace('-', "")).map(Self).ok_or_else(error)
    }
}

serde_as_text!(Uuid);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                text.parse().map(Self)
            }
        }

        serde_as_text!($name);
    };
}

uuid_newtype! {
    /// A machine: ours, minted at its first claim from the fleet's uid and the claim, and kept in
    /// Postgres and in the ownership marker. Hardware identifiers are evidence, never the identity.
    MachineId
}
uuid_newtype! {
    /// One machine bound to one slot of a deployment; a new binding gets a new id.
    BindingId
}
