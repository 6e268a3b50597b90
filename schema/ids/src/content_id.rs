//! What is on a disk, as far as anyone may agree to erase it.

use crate::{BindingId, Generation, ParseError, serde_as_text};
use std::{fmt, str::FromStr};

/// The identity of a disk's contents: the thing a plan agrees to erase and the machine compares
/// before its first write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentId {
    /// No partition table, no signature, and zeros at both ends and in samples between them.
    Blank,
    /// Our marker: a deployment that has begun to write, or has finished.
    Marker {
        /// The number of the control plane's incarnation that wrote it.
        incarnation: u64,
        /// The binding that owns the disk.
        binding: BindingId,
        /// The intent's generation.
        generation: Generation,
        /// Whether the installation was finished.
        installed: bool,
    },
    /// Somebody's data: a digest over partition table, signatures and both ends of the disk, or over
    /// the samples where the ends are empty, with a readable hint such as `gpt` or `ext4`. 1 to 100
    /// characters of `[a-z0-9_.+-]`.
    Foreign(String),
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("blank"),
            Self::Marker {
                incarnation,
                binding,
                generation,
                installed,
            } => {
                let state = if *installed { "installed" } else { "writing" };
                write!(f, "muster:{state}:{incarnation}:{binding}:{generation}")
            }
            Self::Foreign(text) => write!(f, "data:{text}"),
        }
    }
}

impl FromStr for ContentId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why| ParseError::new("a content id", text, why);
        if text == "blank" {
            return Ok(Self::Blank);
        }
        if let Some(value) = text.strip_prefix("data:") {
            let fits = (1..=100).contains(&value.len())
                && value
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.+-".contains(&b));
            return if fits {
                Ok(Self::Foreign(value.to_owned()))
            } else {
                Err(error("after data: come 1 to 100 of a-z, 0-9, _ . + -"))
            };
        }
        let shape =
            || error("it is blank, data:… or muster:(writing|installed):INCARNATION:BINDING:GENERATION");
        let mut parts = text.strip_prefix("muster:").ok_or_else(shape)?.split(':');
        let installed = match parts.next() {
            Some("installed") => true,
            Some("writing") => false,
            _ => return Err(shape()),
        };
        let mut next = || parts.next().ok_or_else(shape);
        let incarnation = next()?.parse().map_err(|_| shape())?;
        let binding = next()?.parse().map_err(|_| shape())?;
        let generation = next()?.parse().map_err(|_| shape())?;
        if parts.next().is_some() {
            return Err(shape());
        }
        Ok(Self::Marker {
            incarnation,
            binding,
            generation,
            installed,
        })
    }
}

serde_as_text!(ContentId);
