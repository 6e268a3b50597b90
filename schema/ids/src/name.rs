//! Names that people give to objects.

use crate::{ParseError, serde_as_text};
use std::{fmt, str::FromStr, sync::Arc};

/// The name of a machine, rack, zone, image and so on: 1 to 63 of `a-z 0-9 . _ -`, beginning and
/// ending with a letter or digit, so that it fits a DNS label's length (RFC 1035 §2.3.4), a file
/// name and a selector. A copy shares the text: a fleet says each name many times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why| ParseError::new("a name", text, why);
        if text.is_empty() || text.len() > 63 {
            return Err(error("it is 1 to 63 characters long"));
        }
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !text.bytes().all(|b| alphanumeric(b) || b"._-".contains(&b)) {
            return Err(error("it consists of a-z, 0-9, dot, underscore and hyphen"));
        }
        let bytes = text.as_bytes();
        if !alphanumeric(bytes[0]) || !alphanumeric(bytes[bytes.len() - 1]) {
            return Err(error("it begins and ends with a letter or a digit"));
        }
        Ok(Self(text.into()))
    }
}

serde_as_text!(Name);
