//! A password or key in memory, which nothing prints.

use std::fmt;

/// Secret bytes. `Debug` shows a fixed text, and there is no `Display`, no comparison and no serialization.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the secret in.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the drivers' key derivation only.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
