//! How long a machine may take to start.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, interval::Interval},
};
use std::{fmt, str::FromStr, time::Duration};

/// The longest time without news from a machine that starts, of 10 s to 4 h. Boards with terabytes of
/// memory test it for longer than the default of ten minutes; a machine in a laboratory is up at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTimeout(Interval);

impl BootTimeout {
    /// What holds where git says nothing.
    pub const DEFAULT: Self = Self(Interval::seconds(600));
    /// No firmware comes to its first packet sooner.
    const LEAST: Interval = Interval::seconds(10);
    /// No board that we know of takes half as long.
    const MOST: Interval = Interval::seconds(4 * 3600);

    /// As a length of time.
    pub const fn duration(self) -> Duration {
        self.0.0
    }
}

impl FromStr for BootTimeout {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let interval: Interval = text.parse()?;
        (Self::LEAST..=Self::MOST)
            .contains(&interval)
            .then_some(Self(interval))
            .ok_or(BadValue("a boot timeout is between 10s and 4h"))
    }
}

impl fmt::Display for BootTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(BootTimeout, M0004, "a boot timeout", "10m", r"^[0-9]+[smhd]$");
