//! A number by which PCI devices tell what they are.

use crate::{ParseError, bytes_text::read_hex, serde_as_text};
use std::{fmt, str::FromStr};

/// Four hexadecimal digits: a vendor (`10de`), a device of that vendor (`20b5`), or a class with its subclass (`0302`), as the
/// PCI-SIG and the makers give them out (PCI Local Bus 3.0 §6.2.1) and `lspci -nn` shows them. Read in either case, printed in
/// lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId(pub u16);

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl FromStr for PciId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let why = "it is four hexadecimal digits such as 10de, as `lspci -nn` shows them";
        let bytes = read_hex(text).ok_or_else(|| ParseError::new("a PCI id", text, why))?;
        Ok(Self(u16::from_be_bytes(bytes)))
    }
}

serde_as_text!(PciId);
