//! Who did what, when and why; kept for ever.

use crate::column::{clean, count, read, time};
use crate::{Store, StoreError};
use schema_ids::{MachineId, Timestamp};
use sqlx::{PgConnection, query};

/// Entries read at once.
const ENTRIES_MAX: i64 = 500;

/// Who and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The account, commit author or `musterd`.
    pub who: String,
    /// The reason, in words.
    pub why: String,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, rising.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What: `plan-adopted`, `order-issued`, `grant-taken`, `grant-released`, `approval`, `guard-opened`, `recovered`,
    /// `machine-fenced`, `token-minted`, `agent-enrolled`, `agent-revoked`, `bmcs-handed-over`, `authority-changed`,
    /// `hold-made`, `hold-ended`, `stopped`, `resumed`, `budget-failure`, `budget-resumed`, `budget-exceeded`.
    pub what: String,
    /// The machine concerned.
    pub machine: Option<MachineId>,
    /// The object concerned: a plan's id, an order's place.
    pub subject: String,
    /// Who and why.
    pub by: By,
}

impl Store {
    /// Writes an entry for something that no other function of the store records.
    pub async fn record_audit(
        &self,
        what: &str,
        machine: Option<MachineId>,
        subject: &str,
        by: &By,
    ) -> Result<(), StoreError> {
        self.run("writing the audit", async {
            Ok(write(&mut *self.pool.acquire().await?, what, machine, subject, by).await?)
        })
        .await
    }

    /// At most 500 entries, newest first, older than number `before` if given.
    pub async fn audit(&self, before: Option<u64>) -> Result<Vec<AuditEntry>, StoreError> {
        self.run("reading the audit", async {
            let rows = query!(
                "SELECT number, at_ms, what, machine, subject, who, why FROM audit
                 WHERE number < $1 ORDER BY number DESC LIMIT $2",
                crate::column::held(before.unwrap_or(u64::MAX)),
                ENTRIES_MAX
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| {
                    Ok(AuditEntry {
                        number: count("audit", "number", row.number)?,
                        at: time(row.at_ms),
                        what: row.what,
                        machine: row.machine.map(|id| read("audit", "machine", &id)).transpose()?,
                        subject: row.subject,
                        by: By {
                            who: row.who,
                            why: row.why,
                        },
                    })
                })
                .collect()
        })
        .await
    }
}

/// Writes an entry in the caller's transaction.
pub(crate) async fn write(
    connection: &mut PgConnection,
    what: &str,
    machine: Option<MachineId>,
    subject: &str,
    by: &By,
) -> Result<(), sqlx::Error> {
    query!(
        "INSERT INTO audit (what, machine, subject, who, why) VALUES ($1, $2, $3, $4, $5)",
        clean(what),
        machine.map(|id| id.to_string()),
        clean(subject),
        clean(&by.who),
        clean(&by.why)
    )
    .execute(connection)
    .await?;
    Ok(())
}
