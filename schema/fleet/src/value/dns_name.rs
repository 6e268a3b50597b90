//! Names of the domain name system.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// Labels with dots between (RFC 1035 §2.3.1, RFC 1123 §2.1), in lower case; `_` may begin a label (RFC 2782),
/// and the first may be `*` (RFC 4592). With a dot at its end it is whole, else within a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Octets of a name on the wire without its root (RFC 1035 §2.3.4).
const LENGTH_MAX: usize = 253;

fn is_label(label: &str) -> bool {
    let inner = label.strip_prefix('_').unwrap_or(label);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && !inner.is_empty()
        && inner.bytes().all(plain)
        && !inner.starts_with('-')
        && !inner.ends_with('-')
}

impl FromStr for DnsName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let labels = text.strip_suffix('.').unwrap_or(text);
        let rest = labels.strip_prefix("*.").unwrap_or(labels);
        if labels.len() <= LENGTH_MAX && rest.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadValue("it is labels of a-z, 0-9 and hyphens with dots between"))
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    DnsName,
    M0009,
    "a domain name",
    "www.infra.acme.example.",
    r"^([*][.])?(_[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)([.](_[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?))*[.]?$"
);
