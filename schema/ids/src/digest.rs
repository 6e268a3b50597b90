//! SHA-256 digests.

use crate::{
    ParseError,
    bytes_text::{put_hex, read_hex, write_text},
    serde_as_text,
};
use std::{fmt, str::FromStr};

/// A SHA-256 digest (FIPS 180-4). Printed as `sha256:` and 64 hexadecimal digits; read with or
/// without the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

const PREFIX: &str = "sha256:";

impl Digest {
    /// The 64 digits without the prefix, for paths and checksum files.
    pub fn hex(self) -> String {
        self.to_string().split_off(PREFIX.len())
    }

    /// The first 8 digits, for people.
    pub fn short(self) -> String {
        self.hex().split_at(8).0.to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; PREFIX.len() + 64];
        text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        put_hex(&mut text[PREFIX.len()..], &self.0);
        write_text(f, &text)
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        read_hex(text.strip_prefix(PREFIX).unwrap_or(text))
            .map(Self)
            .ok_or_else(|| ParseError::new("a SHA-256 digest", text, "it is 64 hexadecimal digits"))
    }
}

serde_as_text!(Digest);
