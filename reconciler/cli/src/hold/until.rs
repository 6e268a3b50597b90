//! When a hold shall end, as people say it: a time, a time of day in UTC, or so long from now.

use schema_fleet::Interval;
use schema_ids::Timestamp;
use std::str::FromStr;
use std::time::Duration;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// When a hold shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// `2026-12-01T18:00:00Z`.
    At(Timestamp),
    /// `18:00Z`: the next time that it is so late, in milliseconds of the day.
    TimeOfDay(i64),
    /// `2h`.
    For(Duration),
}

impl Until {
    /// The time that is meant, if it is now.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::For(long) => now.plus(long),
            Self::TimeOfDay(ms) => {
                let midnight = now.unix_ms() - now.unix_ms().rem_euclid(DAY_MS);
                let today = midnight + ms;
                let next = if today > now.unix_ms() {
                    today
                } else {
                    today + DAY_MS
                };
                Timestamp::from_unix_ms(next)
            }
        }
    }
}

impl FromStr for Until {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let why =
            "it is a time (2026-12-01T18:00:00Z), a time of day in UTC (18:00Z) or so long from now (2h)";
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(Interval(long)) = text.parse() {
            return Ok(Self::For(long));
        }
        let time = text.strip_suffix('Z').and_then(|time| time.split_once(':'));
        let (hour, minute) = time.ok_or(why)?;
        let number = |text: &str, below: i64| -> Result<i64, &'static str> {
            let is_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<i64>().map_err(|_| why)?;
            (is_digits && number < below).then_some(number).ok_or(why)
        };
        let minutes = number(hour, 24)? * 60 + number(minute, 60)?;
        Ok(Self::TimeOfDay(minutes * 60 * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::Until;
    use schema_ids::Timestamp;

    #[test]
    fn a_time_is_the_next_that_is_meant() {
        let now: Timestamp = "2026-12-01T17:30:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Until>().map(|until| until.at(now).to_string());
        assert_eq!(at("2h").unwrap(), "2026-12-01T19:30:00.000Z");
        assert_eq!(at("18:00Z").unwrap(), "2026-12-01T18:00:00.000Z");
        assert_eq!(at("17:30Z").unwrap(), "2026-12-02T17:30:00.000Z");
        assert_eq!(at("2027-01-01T00:00:00Z").unwrap(), "2027-01-01T00:00:00.000Z");
        for wrong in [
            "", "18:00", "24:00Z", "8:00Z", "+1:00Z", "12:60Z", "tomorrow", "2 h",
        ] {
            assert!(at(wrong).is_err(), "{wrong:?} is read");
        }
    }
}
