//! How long a machine that leaves is kept off with its data before its disks are erased.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, interval::Interval},
};
use std::{fmt, str::FromStr, time::Duration};

/// A length of time up to 366 days; `0s` is none: the disks are erased at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quarantine(Duration);

impl Quarantine {
    /// What a machine gets that has ever been protected, where git says nothing: a week, so that whoever misses it has
    /// been back from a weekend.
    pub const OF_PROTECTED: Self = Self(Duration::from_secs(7 * 86_400));

    /// As a length of time; zero for none.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Quarantine {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let is_none = text.strip_suffix(['s', 'm', 'h', 'd']) == Some("0");
        match is_none {
            true => Ok(Self(Duration::ZERO)),
            false => text.parse().map(|Interval(length)| Self(length)),
        }
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_zero() {
            true => f.write_str("0s"),
            false => Interval(self.0).fmt(f),
        }
    }
}

text_value!(Quarantine, M0004, "a quarantine", "7d", r"^[0-9]+[smhd]$");
