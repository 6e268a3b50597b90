//! How much of a container a partition or volume takes.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, size::Size},
};
use std::{fmt, str::FromStr};

/// A size, or what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So much.
    Size(Size),
    /// All that the others leave; once per container.
    Rest,
}

impl FromStr for Extent {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text == "rest" {
            Ok(Self::Rest)
        } else {
            text.parse().map(Self::Size)
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Rest => f.write_str("rest"),
        }
    }
}

text_value!(
    Extent,
    M0004,
    "a size or \"rest\"",
    "4GiB",
    r"^(rest|[0-9]+ *(B|[KMGT]i?B))$"
);
