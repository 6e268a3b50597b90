//! Identifiers of the fleet: each is parsed here, nowhere else, into a type that cannot be wrong.
//!
//! `Display` is the canonical text and `FromStr` the only way in; serde goes through the same two,
//! so the wire, the database and a person read one form. Nothing here computes, reads a clock or
//! knows what a fleet is.

mod bytes_text;
mod content_id;
mod digest;
mod disk_id;
mod generation;
mod mac;
mod mark_owner;
mod name;
mod pci_id;
mod timestamp;
mod uuid;

pub use content_id::ContentId;
pub use digest::Digest;
pub use disk_id::DiskId;
pub use generation::{Generation, Incarnation};
pub use mac::Mac;
pub use mark_owner::MarkOwner;
pub use name::Name;
pub use pci_id::PciId;
pub use timestamp::Timestamp;
pub use uuid::{BindingId, MachineId, Uuid};

/// A text that is not what the type wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was wanted, as a noun: "a MAC address".
    pub wanted: &'static str,
    /// The text as given, cut at 80 characters.
    pub got: String,
    /// Why it does not fit.
    pub why: &'static str,
}

impl ParseError {
    pub(crate) fn new(wanted: &'static str, got: &str, why: &'static str) -> Self {
        Self {
            wanted,
            got: got.chars().take(80).collect(),
            why,
        }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not {}: {}", self.got, self.wanted, self.why)
    }
}

impl std::error::Error for ParseError {}

/// Serde through the canonical text.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests;
