//! Where the bytes of an image come from.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// `http://…`, `https://…`, or `muster:NAME` for bytes uploaded to the daemon. The bytes are always
/// verified against a digest, so plain http is safe. No `file:`: the daemon's disk is not the fleet's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl(String);

impl SourceUrl {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longer ones are refused by common proxies.
const LENGTH_MAX: usize = 2000;

impl FromStr for SourceUrl {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let rest = ["https://", "http://", "muster:"]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .ok_or(BadValue("it begins with https://, http:// or muster:"))?;
        let clean = text.len() <= LENGTH_MAX && rest.bytes().all(|byte| byte.is_ascii_graphic());
        if !clean || rest.is_empty() || rest.starts_with('/') {
            return Err(BadValue(
                "after the scheme come a host and a path, without blanks",
            ));
        }
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err(BadValue("a user or password in a URL would be in git in clear"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    SourceUrl,
    M0009,
    "an image source",
    "https://images.example/debian-12.tar.zst",
    r"^(https?://|muster:)[!-.0-?A-~]+(/[!-~]*)?$"
);
