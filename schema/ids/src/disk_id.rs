//! What a disk is called, for as long as it lives.

use crate::{ParseError, serde_as_text};
use std::{fmt, str::FromStr, sync::Arc};

/// A disk by what its maker wrote into it: `nguid:…`, `eui64:…`, `wwn:…`, else `serial:MODEL_SERIAL`.
/// 1 to 200 printable ASCII characters without blanks. A disk that reports nothing usable has no
/// `DiskId` and can be neither selected nor erased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(Arc<str>);

/// The schemes in the order in which an identity is looked for.
const SCHEMES: [&str; 4] = ["nguid", "eui64", "wwn", "serial"];

impl DiskId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes an identity of raw evidence; blanks become `_`, so that a model with spaces stays one
    /// word. `None` where the evidence is empty, all zeros, or otherwise names nothing.
    pub fn from_evidence(scheme: &str, value: &str) -> Option<Self> {
        let value: String = value
            .trim()
            .chars()
            .map(|c| if c.is_whitespace() { '_' } else { c })
            .collect();
        let junk = value.chars().all(|c| matches!(c, '0' | '.' | 'x' | '-' | '_'));
        if junk {
            None
        } else {
            format!("{scheme}:{value}").parse().ok()
        }
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DiskId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why| ParseError::new("a disk id", text, why);
        let (scheme, value) = text
            .split_once(':')
            .ok_or_else(|| error("it is scheme:value such as wwn:0x5002538f"))?;
        if !SCHEMES.contains(&scheme) {
            return Err(error("its scheme is none of nguid, eui64, wwn, serial"));
        }
        if value.is_empty() || text.len() > 200 || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(error("its value is 1 to 190 printable characters without blanks"));
        }
        Ok(Self(text.into()))
    }
}

serde_as_text!(DiskId);
