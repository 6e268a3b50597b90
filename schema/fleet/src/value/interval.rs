//! Lengths of time.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr, time::Duration};

/// A length of time of at least a second. A unit is always written: `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

/// The units in seconds, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// A year: whoever writes more means something else.
const SECONDS_MAX: u64 = 366 * 86_400;

impl Interval {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Interval {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() || unit.starts_with('.') {
            return Err(BadValue("a duration is a whole number with its unit"));
        }
        let factor = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor)
            .ok_or(BadValue("the unit is one of s, m, h, d"))?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|seconds| (1..=SECONDS_MAX).contains(seconds))
            .map(Self::seconds)
            .ok_or(BadValue("a duration is between 1s and 366d"))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let fits = |factor: u64| seconds >= factor && seconds.is_multiple_of(factor);
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| fits(*factor))
            .unwrap_or(("s", 1));
        write!(f, "{}{unit}", seconds / factor)
    }
}

text_value!(Interval, M0004, "a duration", "60s", r"^[0-9]+[smhd]$");
