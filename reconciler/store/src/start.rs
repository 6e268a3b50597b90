//! Answers to "may I write?", recorded before they are given.

use crate::column::{clean, count, generation, read, time};
use crate::{Store, StoreError, identity};
use rack_api::job::JobRef;
use reconciler_core::facts::WriteStart;
use schema_ids::Generation;
use sqlx::{query, query_as, query_scalar};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartRecord {
    /// This is the answer on record: the one given now, or the one that this nonce got before. It is
    /// the one to send.
    Recorded(WriteStart),
    /// A go, but another plan is adopted or an agent knows more than this database: decide anew.
    PlanSuperseded,
}

/// A row, as [`crate::world`] reads it too.
pub(crate) struct StartRow {
    pub(crate) nonce: String,
    pub(crate) machine: String,
    pub(crate) generation: i64,
    pub(crate) attempt: i64,
    pub(crate) boot_id: String,
    pub(crate) at_ms: i64,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
}

impl StartRow {
    pub(crate) fn start(self) -> Result<WriteStart, StoreError> {
        Ok(WriteStart {
            job: JobRef {
                machine: read("write_start", "machine", &self.machine)?,
                generation: Generation(count("write_start", "generation", self.generation)?),
                attempt: count("write_start", "attempt", self.attempt)?,
            },
            boot_id: read("write_start", "boot_id", &self.boot_id)?,
            nonce: read("write_start", "nonce", &self.nonce)?,
            at: time(self.at_ms),
            refused: self.code.zip(self.reason),
        })
    }
}

impl Store {
    /// Records the answer to a question. A nonce is answered once: asked again by the same job and boot
    /// it gets the same answer, or a no where a yes is not given any more. `at` is set by the database. A go counts only under the adopted plan.
    pub async fn record_start(&self, plan: &str, start: &WriteStart) -> Result<StartRecord, StoreError> {
        let (code, reason) = start
            .refused
            .as_ref()
            .map(|(code, reason)| (clean(code), clean(reason)))
            .unzip();
        let nonce = start.nonce.to_string();
        let recorded = self
            .run("recording a start", async {
                let mut transaction = self.begin().await?;
                let adopted = query_scalar!("SELECT plan_id FROM target FOR SHARE")
                    .fetch_one(&mut *transaction)
                    .await?;
                let current =
                    adopted.as_deref() == Some(plan) && identity::restored(&mut transaction).await?.is_none();
                if start.refused.is_some() || current {
                    query!(
                        "INSERT INTO write_start
                             (nonce, machine, generation, attempt, boot_id, at_ms, code, reason)
                         VALUES ($1, $2, $3, $4, $5, now_ms(), $6, $7) ON CONFLICT (nonce) DO NOTHING",
                        nonce,
                        start.job.machine.to_string(),
                        generation(start.job.generation)?,
                        i64::from(start.job.attempt),
                        start.boot_id.to_string(),
                        code,
                        reason
                    )
                    .execute(&mut *transaction)
                    .await?;
                }
                let row = query_as!(
                    StartRow,
                    "SELECT nonce, machine, generation, attempt, boot_id, at_ms, code, reason
                     FROM write_start WHERE nonce = $1",
                    nonce
                )
                .fetch_optional(&mut *transaction)
                .await?;
                transaction.commit().await?;
                let Some(row) = row else {
                    return Ok(StartRecord::PlanSuperseded);
                };
                let recorded = row.start()?;
                if (recorded.job, recorded.boot_id) != (start.job, start.boot_id) {
                    return Err(StoreError::NonceReused { nonce: start.nonce }.into());
                }
                // A yes whose answer was lost does not outlive a no: the machine has not begun.
                if recorded.refused.is_none() && start.refused.is_some() {
                    return Ok(StartRecord::Recorded(start.clone()));
                }
                // A yes given under an older plan is not repeated under another: its machine may be held.
                if recorded.refused.is_none() && !current {
                    return Ok(StartRecord::PlanSuperseded);
                }
                Ok(StartRecord::Recorded(recorded))
            })
            .await?;
        self.hint();
        Ok(recorded)
    }
}
