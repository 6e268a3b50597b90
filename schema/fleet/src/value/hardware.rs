//! Hardware that something is for.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, pattern::Pattern},
};
use std::{fmt, str::FromStr};

/// `pci:10de:*`, `system:Dell*`, `disk:SAMSUNG*`: a machine that has something which the pattern covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HardwareMatch {
    /// What is looked at.
    pub of: HardwareOf,
    /// What it must be.
    pub pattern: Pattern,
}

/// What of a machine is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HardwareOf {
    /// A PCI function, as `vendor:device` in hexadecimal digits.
    Pci,
    /// The system's maker and product, with a blank between.
    System,
    /// A disk's model.
    Disk,
    /// A network interface's driver.
    Nic,
}

impl HardwareOf {
    const ALL: [Self; 4] = [Self::Pci, Self::System, Self::Disk, Self::Nic];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pci => "pci",
            Self::System => "system",
            Self::Disk => "disk",
            Self::Nic => "nic",
        }
    }
}

impl FromStr for HardwareMatch {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let why = "it is pci, system, disk or nic, a colon, and a pattern";
        let (of, pattern) = text.split_once(':').ok_or(BadValue(why))?;
        let of = HardwareOf::ALL.into_iter().find(|known| known.as_str() == of);
        let pattern = pattern.parse()?;
        Ok(Self {
            of: of.ok_or(BadValue(why))?,
            pattern,
        })
    }
}

impl fmt::Display for HardwareMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.of.as_str(), self.pattern)
    }
}

text_value!(
    HardwareMatch,
    M0009,
    "a piece of hardware",
    "pci:10de:*",
    r"^(pci|system|disk|nic):[\s\S]+$"
);
