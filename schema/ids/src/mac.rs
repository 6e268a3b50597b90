//! A 48-bit IEEE 802 MAC address.

use crate::{ParseError, bytes_text::read_hex, serde_as_text};
use std::{fmt, str::FromStr};

/// A 48-bit MAC address of one interface. Printed in lower case with colons (IEEE 802); read with
/// colons, hyphens (iPXE's `hexhyp`) or bare. Multicast and all-zero addresses name no interface
/// and are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Takes the six octets in transmission order; `None` for a multicast or all-zero address.
    pub fn new(octets: [u8; 6]) -> Option<Self> {
        (octets[0] & 1 == 0 && octets != [0; 6]).then_some(Self(octets))
    }

    /// The six octets in transmission order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The form used in paths and file names: `52-54-00-77-00-01`.
    pub fn hyphenated(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why| ParseError::new("a MAC address", text, why);
        let separated = text.len() == 17
            && [b':', b'-'].iter().any(|mark| {
                text.bytes()
                    .enumerate()
                    .all(|(at, byte)| (at % 3 == 2) == (byte == *mark))
            });
        if !separated && text.len() != 12 {
            return Err(error(
                "it is six pairs of hexadecimal digits such as 52:54:00:77:00:01",
            ));
        }
        let octets = read_hex(&text.replace([':', '-'], ""))
            .ok_or_else(|| error("it has a character that is not a hexadecimal digit"))?;
        Self::new(octets).ok_or_else(|| error("a multicast or all-zero address names no interface"))
    }
}

serde_as_text!(Mac);
