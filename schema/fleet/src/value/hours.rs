//! Hours of a day.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// From one time of day to another, in minutes after midnight, the end exclusive. It runs over midnight if
/// the end is not behind the start; two equal times are a whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first minute, 0 to 1439.
    pub from: u16,
    /// The first minute after it, 0 to 1440.
    pub to: u16,
}

/// `09:00` in minutes; `24:00` is the end of the day.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= 24 * 60).then_some(whole)
}

impl FromStr for Hours {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let both = text.split_once('-').and_then(|(from, to)| {
            let from = minutes(from).filter(|from| *from < 24 * 60)?;
            Some(Self {
                from,
                to: minutes(to)?,
            })
        });
        both.ok_or(BadValue(
            "it is two times of day with a hyphen between, each hh:mm",
        ))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

text_value!(
    Hours,
    M0009,
    "hours of a day",
    "09:00-16:00",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
);
