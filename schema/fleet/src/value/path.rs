//! Paths: of files in the repository, of files on the daemon's host, and of mount points.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// A file of the repository, from its root: no `..`, no leading `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryPath(String);

/// An absolute path on a host, without `.`, `..` or doubled slashes; `/` itself is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbsolutePath(String);

/// Linux takes paths of 4096 bytes with their ending zero.
const LENGTH_MAX: usize = 4095;

impl RepositoryPath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AbsolutePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn clean(parts: &str) -> bool {
    let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    parts.len() <= LENGTH_MAX && parts.split('/').all(fits)
}

impl FromStr for RepositoryPath {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if clean(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadValue(
                "it counts from the root of the repository and has no . or .. in it",
            ))
        }
    }
}

impl FromStr for AbsolutePath {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let rest = text.strip_prefix('/').ok_or(BadValue("it begins with /"))?;
        if rest.is_empty() || clean(rest) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadValue("it has no . or .. in it, and no slash too many"))
        }
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    RepositoryPath,
    M0009,
    "a path in the repository",
    "userdata/web.yaml",
    r"^([^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.][^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.]{2}[^/\x00-\x1f\x7f-\x9f]+)(/([^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.][^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.]{2}[^/\x00-\x1f\x7f-\x9f]+))*$"
);
text_value!(
    AbsolutePath,
    M0009,
    "an absolute path",
    "/var/lib",
    r"^/(([^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.][^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.]{2}[^/\x00-\x1f\x7f-\x9f]+)(/([^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.][^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|[.]{2}[^/\x00-\x1f\x7f-\x9f]+))*)?$"
);
