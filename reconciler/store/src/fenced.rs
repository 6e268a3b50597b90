//! Machines that nobody meets any more as they were: seen off by order, or vouched for by a person.

use crate::column::{clean, count, generation as column, read, time};
use crate::orders::issued;
use crate::store::Fault;
use crate::{By, Store, StoreError, audit};
use rack_api::order::{Action, PowerWanted};
use reconciler_core::facts::Fenced;
use schema_ids::{Generation, MachineId, Timestamp};
use sqlx::{PgConnection, query, query_scalar};
use std::collections::BTreeMap;

/// What became of a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fencing {
    /// It is kept, by this call or by an earlier one.
    Written,
    /// Another plan is adopted: look anew at what is wanted of the machine. Nothing was written.
    PlanSuperseded,
}

impl Store {
    /// Keeps a person's word that a machine is gone, for the intent of this generation of the adopted plan. The
    /// first word stands.
    pub async fn fence(
        &self,
        plan: &str,
        machine: MachineId,
        generation: Generation,
        by: &By,
    ) -> Result<Fencing, StoreError> {
        let fencing = self
            .run("keeping a person's word that a machine is gone", async {
                let mut transaction = self.begin().await?;
                // Held to the end of the transaction, as for orders.
                let adopted = query_scalar!("SELECT plan_id FROM target FOR SHARE")
                    .fetch_one(&mut *transaction)
                    .await?;
                if adopted.as_deref() != Some(plan) {
                    return Ok(Fencing::PlanSuperseded);
                }
                let new = query!(
                    "INSERT INTO fenced (machine, generation, who, why) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (machine, generation) DO NOTHING",
                    machine.to_string(),
                    column(generation)?,
                    clean(&by.who),
                    clean(&by.why)
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if new > 0 {
                    let subject = format!("generation {generation}");
                    audit::write(&mut transaction, "machine-fenced", Some(machine), &subject, by).await?;
                }
                transaction.commit().await?;
                Ok(Fencing::Written)
            })
            .await?;
        self.hint();
        Ok(fencing)
    }
}

/// The words on these machines for these generations.
pub(crate) async fn fenced(
    connection: &mut PgConnection,
    machines: &[String],
    generations: &[i64],
) -> Result<BTreeMap<MachineId, Fenced>, Fault> {
    let rows = query!(
        "SELECT machine, at_ms, who, why FROM fenced
         JOIN unnest($1::text[], $2::bigint[]) AS asked (machine, generation) USING (machine, generation)",
        machines,
        generations
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let fenced = Fenced {
                at: time(row.at_ms),
                who: row.who,
                why: row.why,
            };
            Ok((read("fenced", "machine", &row.machine)?, fenced))
        })
        .collect()
}

/// For each machine with a binding that leaves, the latest generation in which it was seen off as its newest power
/// order wanted, or for which a person vouches, and since when.
pub(crate) async fn gone(
    connection: &mut PgConnection,
) -> Result<BTreeMap<MachineId, (Generation, Timestamp)>, Fault> {
    let rows = query!(
        r#"SELECT binding.machine, newest.at_ms AS "at_ms?", body AS "body?",
                  vouched.generation AS "fenced?", vouched.at_ms AS "fenced_ms?",
                  (SELECT min(received_ms) FROM fact
                   WHERE fact.machine = binding.machine AND fact.generation = newest.generation
                     AND kind = 'order-done'
                     AND slot = format('%s/%s/%s', newest.incarnation, newest.generation, newest.number)
                  ) AS "done_ms?"
           FROM binding LEFT JOIN LATERAL (
               SELECT incarnation, generation, number, at_ms, body FROM order_issued
               WHERE machine = binding.machine AND lane = 'power'
               ORDER BY generation DESC, number DESC LIMIT 1) AS newest ON true
           LEFT JOIN LATERAL (
               SELECT generation, at_ms FROM fenced
               WHERE machine = binding.machine ORDER BY generation DESC LIMIT 1) AS vouched ON true
           WHERE binding.state = 'leaving'"#
    )
    .fetch_all(connection)
    .await?;
    let mut gone = BTreeMap::new();
    for row in rows {
        let order = row.at_ms.zip(row.body).zip(row.done_ms);
        let order = order
            .map(|((at_ms, body), done_ms)| Ok::<_, Fault>((issued(at_ms, body)?, time(done_ms))))
            .transpose()?;
        let off = order.filter(|(seen, _)| {
            matches!(
                seen.order.action,
                Action::Power(PowerWanted::Off | PowerWanted::SoftOff)
            )
        });
        let off = off.map(|(seen, done)| (seen.order.generation, done));
        let fenced = row.fenced.zip(row.fenced_ms);
        let fenced = fenced
            .map(|(number, at_ms)| {
                Ok::<_, Fault>((Generation(count("fenced", "generation", number)?), time(at_ms)))
            })
            .transpose()?;
        if let Some(seen) = off.max(fenced) {
            gone.insert(read("binding", "machine", &row.machine)?, seen);
        }
    }
    Ok(gone)
}
