//! Answers to "may I write?", recorded before they are given.
//!
//! A go and a plan's adoption meet at the target's row, a go and a person's order for the power at the
//! machine's: whichever comes second sees the first, and is decided anew.

use crate::column::{clean, count, generation, read, time};
use crate::store::Fault;
use crate::{Store, StoreError, identity, permits, restraint, wipes};
use rack_api::job::JobRef;
use reconciler_core::condition::Condition;
use reconciler_core::facts::WriteStart;
use schema_ids::{Generation, MachineId};
use sqlx::{PgConnection, query, query_as, query_scalar};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartRecord {
    /// This is the answer on record: the one given now, or the one that this nonce got before. It is
    /// the one to send.
    Recorded(WriteStart),
    /// A go, but another plan is adopted, an order was issued or an agent knows more than this database:
    /// decide anew.
    Superseded,
}

/// What a go takes of what machines share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GoTakes {
    /// Whether the machine's grant of the job's generation has to stand.
    pub place: bool,
    /// If it erases data in use: how many machines of the fleet may begin to within an hour.
    pub wipes: Option<u32>,
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
    /// it gets the same answer, or a no where a yes is not given any more. `at` is set by the database. A go counts only under the adopted plan, and only if the machine's newest order
    /// of the generation is the one that it was decided by: number `newest`, nought for none; and only if no hold or
    /// stop was made or ended since `restraints`; and only while what it `takes` is there. Where the hour is full, the answer on
    /// record is a no.
    pub async fn record_start(
        &self,
        plan: &str,
        newest: u32,
        restraints: u64,
        takes: GoTakes,
        start: &WriteStart,
    ) -> Result<StartRecord, StoreError> {
        let nonce = start.nonce.to_string();
        let recorded = self
            .run("recording a start", async {
                let mut transaction = self.begin().await?;
                let adopted = query_scalar!("SELECT plan_id FROM target FOR SHARE")
                    .fetch_one(&mut *transaction)
                    .await?;
                let mut current = adopted.as_deref() == Some(plan)
                    && restraint::unmoved(&mut transaction, restraints).await?
                    && identity::restored(&mut transaction).await?.is_none()
                    && newest_order(&mut transaction, start.job).await? == i64::from(newest);
                let mut refused = start.refused.clone();
                if current && refused.is_none() {
                    match take(&mut transaction, takes, start).await? {
                        Taken::All => {}
                        Taken::NoPlace => current = false,
                        Taken::HourIsFull(why) => {
                            refused = Some((Condition::RateLimited.code().to_owned(), why));
                        }
                    }
                }
                if refused.is_some() || current {
                    let (code, reason) = refused
                        .as_ref()
                        .map(|(code, reason)| (clean(code), clean(reason)))
                        .unzip();
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
                    return Ok(StartRecord::Superseded);
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
                    return Ok(StartRecord::Superseded);
                }
                Ok(StartRecord::Recorded(recorded))
            })
            .await?;
        self.hint();
        Ok(recorded)
    }
}

/// What became of what a go takes.
enum Taken {
    All,
    NoPlace,
    HourIsFull(String),
}

/// Takes what a go takes; once for each intent, since data is lost once. The machine's row is locked.
async fn take(connection: &mut PgConnection, takes: GoTakes, start: &WriteStart) -> Result<Taken, Fault> {
    let (machine, of) = (start.job.machine, start.job.generation);
    if takes.wipes.is_some() {
        // As whoever takes or releases a grant: the epoch's row before the permit's.
        permits::move_on(connection).await?;
    }
    if takes.place {
        let need = permits::standing(connection, machine, of).await?;
        if !need.is_some_and(|need| need.boots) {
            return Ok(Taken::NoPlace);
        }
    }
    let Some(most) = takes.wipes else {
        return Ok(Taken::All);
    };
    if goes(connection, machine, of).await? > 0 {
        return Ok(Taken::All);
    }
    Ok(match wipes::begin(connection, machine, of, most).await? {
        None => Taken::All,
        Some(others) => Taken::HourIsFull(format!(
            "{others} machines began to be erased within the last hour, and {most} may (limits.max-wiped-per-hour)"
        )),
    })
}

/// The newest order of the job's generation, by its number. The machine's row stays locked.
async fn newest_order(connection: &mut PgConnection, job: JobRef) -> Result<i64, Fault> {
    lock(connection, job.machine).await?;
    let number = query_scalar!(
        r#"SELECT coalesce(max(number), 0) AS "number!" FROM order_issued WHERE machine = $1 AND generation = $2"#,
        job.machine.to_string(),
        generation(job.generation)?
    )
    .fetch_one(connection)
    .await?;
    Ok(number)
}

/// How often a machine was told in this generation that it may write. Its row stays locked.
pub(crate) async fn goes(
    connection: &mut PgConnection,
    machine: MachineId,
    of: Generation,
) -> Result<usize, Fault> {
    lock(connection, machine).await?;
    let goes = query_scalar!(
        r#"SELECT count(*) AS "count!" FROM write_start
           WHERE machine = $1 AND generation = $2 AND code IS NULL"#,
        machine.to_string(),
        generation(of)?
    )
    .fetch_one(connection)
    .await?;
    Ok(count("write_start", "count", goes)?)
}

/// Until the transaction ends no other go and no other person's order of this machine is recorded. What only
/// refers to the machine is not held up.
async fn lock(connection: &mut PgConnection, machine: MachineId) -> Result<(), sqlx::Error> {
    query!(
        "SELECT FROM machine WHERE id = $1 FOR NO KEY UPDATE",
        machine.to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}
