//! Grants: nothing disruptive runs without one.
//!
//! [`reconciler_core::admit`] counts; here its answer counts only if no grant was taken or released
//! since it counted. One epoch for all makes a budget over many machines safe without knowing it.

use crate::column::{count, document, generation, read, read_document, time};
use crate::store::Fault;
use crate::{By, Store, StoreError, audit, budget, wipes};
use reconciler_core::admit::{Grant, Permits, Records};
use reconciler_core::next::Need;
use schema_ids::{Generation, MachineId, Timestamp};
use sqlx::{PgConnection, query, query_scalar};

/// Grants held, with the number that changes whenever one is taken or released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPermits {
    /// Handed back when grants are taken: they are taken only if nobody did so since.
    pub epoch: u64,
    /// Held now.
    pub permits: Permits,
    /// What is on record beside them, under the same epoch.
    pub records: Records,
}

impl Store {
    /// The grants held.
    pub async fn permits(&self) -> Result<HeldPermits, StoreError> {
        self.run("reading grants", async {
            let mut snapshot = self.begin_reading().await?;
            let epoch = query_scalar!("SELECT epoch FROM permit_epoch")
                .fetch_one(&mut *snapshot)
                .await?;
            let rows = query!("SELECT machine, generation, need, at_ms FROM permit")
                .fetch_all(&mut *snapshot)
                .await?;
            let mut permits = Permits::default();
            for row in rows {
                let machine: MachineId = read("permit", "machine", &row.machine)?;
                let grant = Grant {
                    machine,
                    generation: Generation(count("permit", "generation", row.generation)?),
                    need: read_document("permit", "need", row.need)?,
                    at: time(row.at_ms),
                };
                permits.grants.insert(machine, grant);
            }
            let records = budget::records(&mut snapshot).await?;
            Ok(HeldPermits {
                epoch: count("permit_epoch", "epoch", epoch)?,
                permits,
                records,
            })
        })
        .await
    }

    /// Releases the grant of this machine and generation that was taken then; `false` if it is not held, another plan is adopted
    /// than the one by which that was decided, or an order of that generation was given beyond the `newest` that the caller
    /// has looked at, if it names one.
    pub async fn release_grant(
        &self,
        plan: &str,
        machine: MachineId,
        generation: Generation,
        taken: Timestamp,
        newest: Option<u32>,
        by: &By,
    ) -> Result<bool, StoreError> {
        let generation = self::generation(generation)?;
        let released = self
            .run("releasing a grant", async {
                let mut transaction = self.begin().await?;
                // As for an order: a plan adopted meanwhile may have its machine's grant for what it wants.
                let adopted = query_scalar!("SELECT plan_id FROM target FOR SHARE")
                    .fetch_one(&mut *transaction)
                    .await?;
                if adopted.as_deref() != Some(plan) {
                    return Ok(false);
                }
                // The epoch's row is locked before the permit's, as in `take`.
                move_on(&mut transaction).await?;
                let id = machine.to_string();
                // Whoever orders by it has its row locked to the end: what is ordered is seen by the next statement.
                query!("SELECT generation FROM permit WHERE machine = $1 FOR UPDATE", id)
                    .fetch_optional(&mut *transaction)
                    .await?;
                let released = query!(
                    "DELETE FROM permit WHERE machine = $1 AND generation = $2 AND at_ms = $4
                     AND NOT EXISTS (SELECT FROM order_issued
                         WHERE machine = $1 AND generation = $2 AND number > $3)",
                    id,
                    generation,
                    newest.map(i64::from),
                    taken.unix_ms()
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if released == 0 {
                    return Ok(false);
                }
                let subject = format!("generation {generation}");
                audit::write(&mut transaction, "grant-released", Some(machine), &subject, by).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if released {
            self.hint();
        }
        Ok(released)
    }
}

/// Whatever was decided before is decided anew; gives the new epoch, whose row is locked to the end of the transaction.
pub(crate) async fn move_on(connection: &mut PgConnection) -> Result<u64, Fault> {
    let epoch = query_scalar!("UPDATE permit_epoch SET epoch = epoch + 1 RETURNING epoch")
        .fetch_one(connection)
        .await?;
    Ok(count("permit_epoch", "epoch", epoch)?)
}

/// The need of the grant of this machine and generation, if it stands; it will to the end of the caller's transaction.
pub(crate) async fn standing(
    connection: &mut PgConnection,
    machine: MachineId,
    of: Generation,
) -> Result<Option<Need>, Fault> {
    let need = query_scalar!(
        "SELECT need FROM permit WHERE machine = $1 AND generation = $2 FOR SHARE",
        machine.to_string(),
        generation(of)?
    );
    let need = need.fetch_optional(connection).await?;
    Ok(need
        .map(|need| read_document("permit", "need", need))
        .transpose()?)
}

/// Whether this machine's grant stands, and will to the end of the caller's transaction.
pub(crate) async fn stands(connection: &mut PgConnection, machine: MachineId) -> Result<bool, sqlx::Error> {
    let found = query_scalar!(
        "SELECT generation FROM permit WHERE machine = $1 FOR SHARE",
        machine.to_string()
    );
    Ok(found.fetch_optional(connection).await?.is_some())
}

/// Locks the permits for the rest of the caller's transaction; `None` if they have moved since `epoch`.
pub(crate) async fn lock(connection: &mut PgConnection, epoch: u64) -> Result<Option<()>, Fault> {
    let now = query_scalar!("SELECT epoch FROM permit_epoch FOR UPDATE")
        .fetch_one(connection)
        .await?;
    Ok((u64::try_from(now) == Ok(epoch)).then_some(()))
}

/// Takes grants in the caller's transaction, after [`lock`]; each replaces the one that its machine
/// held. Returns the new epoch.
pub(crate) async fn take(
    connection: &mut PgConnection,
    grants: &[&Grant],
    now_ms: i64,
    who: &str,
) -> Result<u64, Fault> {
    for grant in grants {
        query!(
            "INSERT INTO permit (machine, generation, need, at_ms) VALUES ($1, $2, $3::text::json, $4)
             ON CONFLICT (machine) DO UPDATE
                 SET generation = excluded.generation, need = excluded.need, at_ms = excluded.at_ms",
            grant.machine.to_string(),
            generation(grant.generation)?,
            document("a grant's need", &grant.need)?.to_string(),
            now_ms
        )
        .execute(&mut *connection)
        .await?;
        if grant.need.wipes {
            wipes::reserve(connection, grant.machine, grant.generation, now_ms).await?;
        }
        let by = By {
            who: who.to_owned(),
            why: "admitted".to_owned(),
        };
        let subject = format!("generation {}", grant.generation);
        audit::write(connection, "grant-taken", Some(grant.machine), &subject, &by).await?;
    }
    move_on(connection).await
}
