//! How an agent becomes known: a one-time token, and the messages of enrolment and renewal.
//!
//! All of them ride in TLS on which the agent shows a certificate of its own key: made by itself when it
//! enrols, ours afterwards. So the handshake proves the key, and no message carries it.

use schema_ids::{Digest, Name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The first word of every token: another form gets another number.
const PREFIX: &str = "muster1";

/// Random bytes of a secret: 128 bits cannot be guessed over a network.
pub const SECRET_BYTES: usize = 16;

/// The longest recipient that is taken; `age1…` of X25519 has 62 letters.
pub const RECIPIENT_MAX: usize = 128;

/// A one-time token: `muster1.<pin>.<secret>`, digits in hexadecimal.
///
/// The pin is the SHA-256 of the control plane's authority, so that the first contact is with it and nobody
/// in between; the secret is what is spent.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the authority's certificate, in DER.
    pub pin: Digest,
    /// The secret's digits.
    pub secret: String,
}

/// The text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no enrolment token; one looks like muster1.<64 digits>.<{} digits>", SECRET_BYTES * 2)]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let mut parts = text.trim().split('.');
        let (Some(PREFIX), Some(pin), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoToken);
        };
        let is_secret =
            secret.len() == SECRET_BYTES * 2 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_secret {
            return Err(NoToken);
        }
        Ok(Self {
            pin: format!("sha256:{pin}").parse().map_err(|_| NoToken)?,
            secret: secret.to_owned(),
        })
    }
}

/// The whole token, for the person who asked for it; never for a log.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}.{}", self.pin.hex(), self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// "I am the agent that this token is for."
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The token's secret.
    pub secret: String,
    /// The agent's age recipient: credentials are sealed to it.
    pub recipient: String,
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest")
            .field("recipient", &self.recipient)
            .finish_non_exhaustive()
    }
}

/// What an agent is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Its name, which the token is bound to.
    pub agent: Name,
    /// Its certificate, in PEM.
    pub certificate: String,
    /// The authorities that it is to trust, in PEM, the newest first.
    pub roots: String,
    /// How long the certificate lasts from now, in seconds; it is renewed well before.
    pub seconds: u64,
}

/// A BMC account, as it is sealed: this in JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written_and_nothing_else_is() {
        let text = format!("muster1.{}.{}", "ab".repeat(32), "0f".repeat(16));
        let token: Token = text.parse().expect("a token");
        assert_eq!(token.to_string(), text);
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("0f0f"));
        for bad in [
            String::new(),
            text.replace("muster1", "muster2"),
            text.replace("0f", "0g"),
            format!("{text}0"),
            format!("{text}.x"),
            text.replacen("ab", "", 1),
        ] {
            assert_eq!(bad.parse::<Token>(), Err(NoToken), "{bad}");
        }
    }
}
