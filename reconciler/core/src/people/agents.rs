//! Rack agents in the people's API: their tokens, keys and certificates, and the authorities behind them.

use schema_ids::{Digest, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// `GET` a list of [`Agent`].
pub const AGENTS: &str = "/v1/agents";
/// `POST` [`TokenRequest`], answered by [`TokenAnswer`].
pub const TOKEN: &str = "/v1/agents/token";
/// `POST` [`RevokeRequest`], answered by an empty object.
pub const REVOKE: &str = "/v1/agents/revoke";
/// `POST` [`AuthorityRequest`], answered by [`AuthorityAnswer`].
pub const AUTHORITY: &str = "/v1/agents/authority";

/// A rack agent that was ever enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: Name,
    /// SHA-256 of its public key.
    pub key: Digest,
    /// Since when the name is bound to that key.
    pub since: Timestamp,
    /// When it was last heard.
    pub heard: Option<Timestamp>,
    /// When its newest certificate ends.
    pub ends: Timestamp,
    /// Whether the newest authority signed that certificate.
    pub newest_authority: bool,
    /// When its key was revoked.
    pub revoked: Option<Timestamp>,
}

/// "Mint a token."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Whom it enrols.
    pub agent: Name,
    /// For how many seconds it may be used.
    pub seconds: u64,
}

/// The token, told once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// `muster1.…`, as [`Token`](rack_api::enrol::Token) writes it.
    pub token: String,
    /// When it ends.
    pub ends: Timestamp,
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// "This agent counts no more."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// Which.
    pub agent: Name,
}

/// What is to become of the authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityRequest {
    /// Make a new one; the old stays trusted.
    Roll,
    /// Trust the newest alone; refused while an agent's certificate is of an older one.
    Finish,
}

/// The authority that signs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityAnswer {
    /// SHA-256 of its certificate, as tokens carry it.
    pub pin: Digest,
    /// How many are trusted.
    pub trusted: usize,
}
