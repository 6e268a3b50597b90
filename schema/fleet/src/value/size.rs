//! Sizes of disks, partitions and files.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// A number of bytes. A unit is always written: `GB` is 10⁹, `GiB` is 2³⁰.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The units, largest first within each family.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of four digits with its unit.
const SHORT: usize = 7;

impl Size {
    /// Whole mebibytes, the unit partitions are aligned to.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// As people compare sizes: to one decimal of a binary unit, exact where that is short.
    pub fn about(self) -> String {
        let exact = self.to_string();
        if exact.len() <= SHORT {
            exact
        } else {
            self.binary()
        }
    }

    /// To one decimal of a binary unit: what is sold as 240GB has 223.5GiB.
    pub(crate) fn binary(self) -> String {
        let unit = UNITS[..4].iter().find(|(_, factor)| self.0 >= *factor);
        let (unit, factor) = unit.copied().unwrap_or(("B", 1));
        let tenths = u128::from(self.0) * 10 / u128::from(factor);
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    }
}

impl FromStr for Size {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() || unit.starts_with('.') {
            return Err(BadValue("a size is a whole number with its unit"));
        }
        let factor = UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim_start_matches(' '))
            .map(|(_, factor)| *factor)
            .ok_or(BadValue(
                "the unit is one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB",
            ))?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or(BadValue("that is more than can be counted"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        // Of both families, the unit that leaves the shortest number.
        let (unit, factor) = UNITS
            .into_iter()
            .filter(|(_, factor)| fits(*factor))
            .max_by_key(|(_, factor)| *factor)
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

text_value!(Size, M0004, "a size", "8GiB", r"^[0-9]+ *(B|[KMGT]i?B)$");
