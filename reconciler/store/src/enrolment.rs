//! Who rack agents are: one-time tokens, and the public key that each agent's name is bound to.
//!
//! A key counts until another is enrolled under the same name or a person revokes it; it never counts
//! again. Tokens are here as digests, keys as digests too: nothing in these tables opens a door.

use crate::column::{read, time};
use crate::{By, Store, StoreError, audit, bmc_role, identity};
use schema_ids::{Digest, Name, Timestamp};
use sqlx::{query, query_scalar};
use std::time::Duration;

/// A token as it is minted.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// Whom it enrols.
    pub agent: &'a Name,
    /// How long it may be used.
    pub lasts: Duration,
}

/// A key with the certificate that it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentKey {
    /// SHA-256 of the public key (RFC 5280 §4.1.2.7, `SubjectPublicKeyInfo`, in DER).
    pub key: Digest,
    /// SHA-256 of the authority that signed its newest certificate.
    pub root: Digest,
    /// When that certificate ends, by musterd's clock.
    pub ends: Timestamp,
    /// The agent's age recipient, `age1…`: its credentials are sealed to it.
    pub recipient: String,
}

/// A token that opens nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Never minted by this control plane.
    Unknown,
    /// Another key was enrolled with it.
    Used {
        /// When.
        at: Timestamp,
    },
    /// Nobody came in time.
    Expired {
        /// When it ended.
        at: Timestamp,
    },
    /// The key that it enrolled was replaced or revoked since.
    KeyEnded,
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner {
    /// The agent.
    pub agent: Name,
    /// Its age recipient.
    pub recipient: String,
    /// When and how the key stopped counting: `replaced` or `revoked`.
    pub ended: Option<(Timestamp, String)>,
}

/// An agent for `muster agent list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledAgent {
    /// Its name.
    pub agent: Name,
    /// Its newest key.
    pub key: AgentKey,
    /// Since when the name is bound to it.
    pub since: Timestamp,
    /// When the key was revoked.
    pub revoked: Option<Timestamp>,
    /// When its last sync came.
    pub heard: Option<Timestamp>,
}

impl Store {
    /// Keeps a token's digest; tells when the token ends.
    pub async fn mint_token(&self, token: NewToken<'_>, by: &By) -> Result<Timestamp, StoreError> {
        self.run("minting a token", async {
            let mut transaction = self.begin().await?;
            let row = query!(
                "INSERT INTO agent_token (digest, agent, ends_ms) VALUES ($1, $2, now_ms() + $3) RETURNING ends_ms",
                token.digest.to_string(),
                token.agent.as_str(),
                i64::try_from(token.lasts.as_millis()).unwrap_or(i64::MAX >> 2)
            )
            .fetch_one(&mut *transaction)
            .await?;
            audit::write(&mut transaction, "token-minted", None, token.agent.as_str(), by).await?;
            transaction.commit().await?;
            Ok(time(row.ends_ms))
        })
        .await
    }

    /// Whom a token enrols, if this key may use it: nobody has yet, or this very key has and its answer
    /// was lost. Changes nothing.
    pub async fn token(&self, digest: Digest, key: Digest) -> Result<Result<Name, TokenFault>, StoreError> {
        self.run("looking at a token", async {
            let row = query!(
                r#"SELECT token.agent, token.ends_ms, used_by, used_ms, now_ms() AS "now!", ended AS "ended?"
                   FROM agent_token token LEFT JOIN agent_key ON agent_key.key = used_by
                   WHERE digest = $1"#,
                digest.to_string()
            )
            .fetch_optional(&self.pool)
            .await?;
            let Some(row) = row else {
                return Ok(Err(TokenFault::Unknown));
            };
            let fault = match (&row.used_by, row.used_ms) {
                (Some(used), _) if *used == key.to_string() => {
                    row.ended.is_some().then_some(TokenFault::KeyEnded)
                }
                (Some(_), at) => Some(TokenFault::Used {
                    at: time(at.unwrap_or(row.now)),
                }),
                (None, _) => (row.now >= row.ends_ms).then(|| TokenFault::Expired {
                    at: time(row.ends_ms),
                }),
            };
            Ok(match fault {
                Some(fault) => Err(fault),
                None => Ok(read("agent_token", "agent", &row.agent)?),
            })
        })
        .await
    }

    /// Binds a name to a key with its one-time token; the name's former key stops counting. The same key
    /// with the same token again changes nothing but the certificate's end.
    pub async fn enrol(&self, token: Digest, key: &AgentKey) -> Result<Result<Name, TokenFault>, StoreError> {
        let digest = key.key.to_string();
        let done = self
            .run("enrolling an agent", async {
                let mut transaction = self.begin().await?;
                // Locked first: of two keys with one token, one waits here and finds it used.
                let used = query!(
                    "UPDATE agent_token SET used_by = $2, used_ms = now_ms()
                     WHERE digest = $1 AND used_by IS NULL AND now_ms() < ends_ms RETURNING agent",
                    token.to_string(),
                    digest
                )
                .fetch_optional(&mut *transaction)
                .await?;
                let Some(used) = used else {
                    drop(transaction);
                    let again = self.token(token, key.key).await?;
                    if again.is_ok() {
                        self.renewed(key).await?;
                    }
                    return Ok(again);
                };
                query!(
                    "UPDATE agent_key SET ended = 'replaced', ended_ms = now_ms() WHERE agent = $1 AND ended IS NULL",
                    used.agent
                )
                .execute(&mut *transaction)
                .await?;
                let taken = query!(
                    "INSERT INTO agent_key (key, agent, recipient, root, ends_ms) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (key) DO NOTHING",
                    digest,
                    used.agent,
                    key.recipient,
                    key.root.to_string(),
                    key.ends.unix_ms()
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if taken == 0 {
                    // A key enrols once; whoever comes back makes a new one.
                    return Ok(Err(TokenFault::KeyEnded));
                }
                // Who had the name may be another host, and hold them until its lease is over.
                let former = query_scalar!(
                    r#"SELECT EXISTS (SELECT FROM agent_key WHERE agent = $1 AND key <> $2) AS "former!""#,
                    used.agent,
                    digest
                )
                .fetch_one(&mut *transaction)
                .await?;
                if former {
                    bmc_role::take_from(&mut transaction, &used.agent).await?;
                }
                let by = By {
                    who: used.agent.clone(),
                    why: format!("enrolled with the key {}", key.key.short()),
                };
                audit::write(&mut transaction, "agent-enrolled", None, &used.agent, &by).await?;
                transaction.commit().await?;
                Ok(Ok(read("agent_token", "agent", &used.agent)?))
            })
            .await?;
        self.hint();
        Ok(done)
    }

    /// Whose a key is; `None` if it was never enrolled.
    pub async fn key_owner(&self, key: Digest) -> Result<Option<KeyOwner>, StoreError> {
        self.run("looking for an agent's key", async {
            let row = query!(
                "SELECT agent, recipient, ended, ended_ms FROM agent_key WHERE key = $1",
                key.to_string()
            )
            .fetch_optional(&self.pool)
            .await?;
            row.map(|row| {
                Ok(KeyOwner {
                    agent: read("agent_key", "agent", &row.agent)?,
                    recipient: row.recipient,
                    ended: row.ended_ms.map(time).zip(row.ended),
                })
            })
            .transpose()
        })
        .await
    }

    /// Notes the newest certificate of a key that counts.
    pub async fn renewed(&self, key: &AgentKey) -> Result<(), StoreError> {
        self.run("noting a renewed certificate", async {
            query!(
                "UPDATE agent_key SET root = $2, ends_ms = $3 WHERE key = $1 AND ended IS NULL",
                key.key.to_string(),
                key.root.to_string(),
                key.ends.unix_ms()
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// The key of this agent stops counting, and all tokens with the key of tokens that it had; `false` if it has none that does.
    pub async fn revoke_agent(&self, agent: &Name, by: &By) -> Result<bool, StoreError> {
        let revoked = self
            .run("revoking an agent", async {
                let mut transaction = self.begin().await?;
                // A token that is still out would let it in again. Tokens before keys, as in enrolling: with one
                // that is being used this waits, and then sees the key that it brought in.
                let withdrawn = query!(
                    "UPDATE agent_token SET ends_ms = now_ms() WHERE agent = $1 AND used_by IS NULL AND ends_ms > now_ms()",
                    agent.as_str()
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                let revoked = query!(
                    "UPDATE agent_key SET ended = 'revoked', ended_ms = now_ms() WHERE agent = $1 AND ended IS NULL",
                    agent.as_str()
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if revoked + withdrawn == 0 {
                    return Ok(false);
                }
                if revoked > 0 {
                    // It knows the key, and could speak for any machine.
                    identity::renew_token_key(&mut transaction).await?;
                }
                audit::write(&mut transaction, "agent-revoked", None, agent.as_str(), by).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if revoked {
            self.hint();
        }
        Ok(revoked)
    }

    /// Every name that was ever enrolled, with its newest key.
    pub async fn enrolled(&self) -> Result<Vec<EnrolledAgent>, StoreError> {
        self.run("reading enrolled agents", async {
            let rows = query!(
                r#"SELECT DISTINCT ON (agent_key.agent) agent_key.agent, key, recipient, enrolled_ms, root, ends_ms,
                          ended_ms, agent.heard_ms AS "heard_ms?"
                   FROM agent_key LEFT JOIN agent ON agent.name = agent_key.agent
                   ORDER BY agent_key.agent, ended_ms DESC NULLS FIRST"#
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| {
                    Ok(EnrolledAgent {
                        agent: read("agent_key", "agent", &row.agent)?,
                        key: AgentKey {
                            key: read("agent_key", "key", &row.key)?,
                            root: read("agent_key", "root", &row.root)?,
                            ends: time(row.ends_ms),
                            recipient: row.recipient,
                        },
                        since: time(row.enrolled_ms),
                        revoked: row.ended_ms.map(time),
                        // Its row is made with its first sync.
                        heard: row.heard_ms.map(time),
                    })
                })
                .collect()
        })
        .await
    }
}
