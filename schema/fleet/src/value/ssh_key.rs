//! Public keys of people.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// One line of `authorized_keys` without options: type, base64, comment (RFC 4253 §6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey(String);

impl SshKey {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What OpenSSH still accepts.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A key of 16384 bits in base64 with a long comment.
const LENGTH_MAX: usize = 4096;

impl FromStr for SshKey {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.contains("PRIVATE KEY") {
            return Err(BadValue(
                "this is a private key; withdraw it, git keeps it for ever",
            ));
        }
        if text.len() > LENGTH_MAX || text.contains(char::is_control) {
            return Err(BadValue("it is one line of at most 4096 characters"));
        }
        let mut words = text.split(' ');
        if !words.next().is_some_and(|word| TYPES.contains(&word)) {
            return Err(BadValue("it begins with a key type such as ssh-ed25519"));
        }
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        // Every key blob begins with the length of its type's name, four bytes below 256: `AAAA`.
        let key = words.next().unwrap_or_default();
        if key.len() < 64 || !key.starts_with("AAAA") || !key.bytes().all(base64) {
            return Err(BadValue("after its type comes the key in base64"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    SshKey,
    M0009,
    "an SSH public key",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@example",
    r"^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com) AAAA[A-Za-z0-9+/=]{60,}( [^\x00-\x1f\x7f-\x9f]*)?$"
);
