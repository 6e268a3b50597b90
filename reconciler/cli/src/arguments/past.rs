//! A time that is past, as people say it: itself, or so long ago.

use schema_fleet::Interval;
use schema_ids::Timestamp;
use std::str::FromStr;
use std::time::Duration;

/// A time that is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// `2026-12-01T18:00:00Z`.
    At(Timestamp),
    /// `2h`.
    Ago(Duration),
}

impl Past {
    /// The time that is meant, if it is now.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(long) => {
                let long = i64::try_from(long.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_unix_ms(now.unix_ms().saturating_sub(long))
            }
        }
    }
}

impl FromStr for Past {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        match text.parse() {
            Ok(Interval(long)) => Ok(Self::Ago(long)),
            Err(_) => Err("it is a time in UTC (2026-12-01T18:00:00Z), or so long ago (2h)"),
        }
    }
}
