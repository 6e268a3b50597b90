//! When a machine that failed is replaced.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, interval::Interval},
};
use std::{fmt, str::FromStr};

/// `after 2h`: how long a machine must have failed before another gets its slot. It keeps what is on its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplaceFailed(pub Interval);

impl FromStr for ReplaceFailed {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let interval = text
            .strip_prefix("after ")
            .ok_or(BadValue("it begins with \"after \""))?;
        interval.parse().map(Self)
    }
}

impl fmt::Display for ReplaceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {}", self.0)
    }
}

text_value!(
    ReplaceFailed,
    M0004,
    "a time to wait",
    "after 2h",
    r"^after [0-9]+[smhd]$"
);
