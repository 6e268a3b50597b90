//! Whose a mark of ownership on a machine is, as far as anyone may take the machine over from them.

use crate::{ParseError, Uuid, serde_as_text};
use std::{fmt, str::FromStr};

/// Digits of a digest that stand for a mark which cannot be read.
const DIGITS: usize = 16;

/// Before them.
const UNREADABLE: &str = "unreadable:";

/// Whoever left a mark of ownership on a machine: the thing that git names to take the machine over, and that the
/// machine compares before it replaces the mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkOwner {
    /// A control plane, by its id.
    Plane(Uuid),
    /// Nobody can tell, since the mark cannot be read: the first 16 digits, in lower case, of the SHA-256 of what it holds.
    Unreadable(String),
}

impl MarkOwner {
    /// Of a mark that cannot be read, by the SHA-256 of what it holds.
    pub fn unreadable(digest: crate::Digest) -> Self {
        Self::Unreadable(digest.hex()[..DIGITS].to_owned())
    }
}

impl fmt::Display for MarkOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plane(plane) => plane.fmt(f),
            Self::Unreadable(digits) => write!(f, "{UNREADABLE}{digits}"),
        }
    }
}

impl FromStr for MarkOwner {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                "the owner of a mark",
                text,
                "it is a control plane's UUID, or unreadable: and 16 hexadecimal digits",
            )
        };
        let Some(digits) = text.strip_prefix(UNREADABLE) else {
            return text.parse().map(Self::Plane).map_err(|_| wrong());
        };
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match digits.len() == DIGITS && digits.bytes().all(is_hex) {
            true => Ok(Self::Unreadable(digits.to_owned())),
            false => Err(wrong()),
        }
    }
}

serde_as_text!(MarkOwner);
