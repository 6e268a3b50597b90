//! The two numbers that fence orders.

use crate::{ParseError, Uuid};
use std::{fmt, str::FromStr};

/// How often a machine's intent has changed by value. Rises by one; an order with a lower one is
/// refused by whoever gets it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Generation {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseError::new("a generation", text, "it is a whole number"))
    }
}

/// One life of a control plane's database. A restored backup gets a new one by `muster recover`;
/// agents and markers obey one incarnation only. Ordered by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Incarnation {
    /// Rises with each recovery.
    pub number: u64,
    /// Tells apart two databases that count from the same number.
    pub uuid: Uuid,
}
