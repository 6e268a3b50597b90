//! What `next` needs to know of machines: facts, orders and starts, folded by the core.
//!
//! Not every fact is read: of those that say the same again, the first and the last suffice for
//! [`MachineFacts::fold`], and of jobs the newest of the wanted generation and the newest before it. `tests/it/fold.rs` holds that against folding everything.

use crate::append::agents;
use crate::column::{generation, read};
use crate::fenced::fenced;
use crate::orders::issued;
use crate::start::StartRow;
use crate::store::Fault;
use crate::stored::{FactRow, by_machine};
use crate::{Store, StoreError};
use reconciler_core::facts::{IssuedOrder, MachineFacts, StoredFact, WriteStart};
use schema_ids::{Generation, MachineId, Name};
use sqlx::{PgConnection, query, query_as};
use std::collections::{BTreeMap, BTreeSet};

/// What of a machine is asked for; both come from the adopted plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The generation whose orders, job and starts count.
    pub generation: Generation,
    /// The rack agents that serve it.
    pub agents: BTreeSet<Name>,
}

/// The asked-for machines as columns.
struct Asked {
    machines: Vec<String>,
    generations: Vec<i64>,
}

impl Store {
    /// The folded facts of these machines, from one snapshot; each machine asked for is in the answer.
    pub async fn facts_of(
        &self,
        machines: &BTreeMap<MachineId, Scope>,
    ) -> Result<BTreeMap<MachineId, MachineFacts>, StoreError> {
        self.run("reading what is known of machines", async {
            let asked = Asked {
                machines: machines.keys().map(MachineId::to_string).collect(),
                generations: machines
                    .values()
                    .map(|scope| generation(scope.generation))
                    .collect::<Result<_, _>>()?,
            };
            let mut snapshot = self.begin_reading().await?;
            let mut facts = facts(&mut snapshot, &asked).await?;
            let mut orders = orders(&mut snapshot, &asked).await?;
            let mut starts = starts(&mut snapshot, &asked).await?;
            let mut fenced = fenced(&mut snapshot, &asked.machines, &asked.generations).await?;
            let agents = agents(&mut snapshot).await?;
            snapshot.commit().await?;
            Ok(machines
                .iter()
                .map(|(id, scope)| {
                    let serving = agents.iter().filter(|(name, _)| scope.agents.contains(*name));
                    let mut folded = MachineFacts::fold(
                        scope.generation,
                        orders.remove(id).unwrap_or_default(),
                        starts.remove(id).unwrap_or_default(),
                        &facts.remove(id).unwrap_or_default(),
                        serving.map(|(name, seen)| (name.clone(), seen.clone())).collect(),
                    );
                    folded.fenced = fenced.remove(id);
                    (*id, folded)
                })
                .collect())
        })
        .await
    }
}

async fn facts(
    connection: &mut PgConnection,
    asked: &Asked,
) -> Result<BTreeMap<MachineId, Vec<StoredFact>>, Fault> {
    let rows = query_as!(
        FactRow,
        r#"WITH asked AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS asked (machine, generation)),
        -- The newest job of the wanted generation, and the newest before it.
        job AS (
            SELECT asked.machine, newest.generation, newest.attempt FROM asked CROSS JOIN LATERAL (
                (SELECT generation, attempt FROM fact
                 WHERE machine = asked.machine AND generation = asked.generation
                   AND kind IN ('job-started', 'step', 'job-done')
                 ORDER BY attempt DESC LIMIT 1)
                UNION ALL
                (SELECT generation, attempt FROM fact
                 WHERE machine = asked.machine AND generation < asked.generation
                   AND kind IN ('job-started', 'step', 'job-done')
                 ORDER BY generation DESC, attempt DESC LIMIT 1)) AS newest),
        -- What a job said, but for the middle of a row of equal words: progress, mostly.
        words AS (
            SELECT position,
                   (kind, slot) IS NOT DISTINCT FROM (lag(kind) OVER job, lag(slot) OVER job)
                   AND (kind, slot) IS NOT DISTINCT FROM (lead(kind) OVER job, lead(slot) OVER job) AS middle
            FROM fact JOIN job USING (machine, generation, attempt)
            WHERE kind IN ('job-started', 'step', 'job-done')
            WINDOW job AS (PARTITION BY machine, generation, attempt ORDER BY position)),
        said AS (
            SELECT position AS first, position AS last FROM words WHERE NOT middle
            UNION ALL
            -- What became of an order: each agent's first and last word of each kind.
            SELECT min(position), max(position) FROM fact JOIN asked USING (machine, generation)
            WHERE kind IN ('order-taken', 'order-refused', 'order-done', 'order-failed')
            GROUP BY machine, kind, agent, slot
            UNION ALL
            -- The newest erasure of each disk.
            SELECT max(position), max(position) FROM fact JOIN asked USING (machine)
            WHERE kind = 'erased' GROUP BY machine, slot
            UNION ALL
            -- When it was last off.
            SELECT max(position), max(position) FROM fact JOIN asked USING (machine)
            WHERE kind = 'power' AND slot = 'off' GROUP BY machine
            UNION ALL
            -- What holds now, since when: the newest of a kind, and the first after something else.
            SELECT began.position, newest.position
            FROM asked CROSS JOIN unnest('{boot,power,bmc-fault,inventory,boot-order,installed,phoned-home}'::text[]) AS kinds (kind)
            CROSS JOIN LATERAL (
                SELECT position, slot FROM fact WHERE machine = asked.machine AND kind = kinds.kind
                ORDER BY position DESC LIMIT 1) AS newest
            CROSS JOIN LATERAL (
                SELECT greatest(
                    (SELECT position FROM fact
                     WHERE machine = asked.machine AND kind = kinds.kind AND slot <> newest.slot
                     ORDER BY position DESC LIMIT 1),
                    -- A power state clears the BMC's fault.
                    (SELECT position FROM fact
                     WHERE machine = asked.machine AND kind = 'power' AND kinds.kind = 'bmc-fault'
                     ORDER BY position DESC LIMIT 1),
                    -- What is found again after disks were written is news.
                    (SELECT position FROM fact
                     WHERE machine = asked.machine AND kind IN ('installed', 'erased')
                       AND kinds.kind = 'inventory' AND position < newest.position
                     ORDER BY position DESC LIMIT 1), 0) AS position) AS other
            LEFT JOIN LATERAL (
                SELECT position FROM fact
                WHERE machine = asked.machine AND kind = kinds.kind AND position > other.position
                ORDER BY position LIMIT 1) AS began ON kinds.kind <> 'boot')
        SELECT fact.machine AS "machine!", agent, sequence, received_ms, fact.body, inventory.body AS "inventory?"
        FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
        WHERE position IN (SELECT first FROM said UNION SELECT last FROM said)
        ORDER BY position"#,
        &asked.machines,
        &asked.generations
    )
    .fetch_all(connection)
    .await?;
    Ok(by_machine(rows)?)
}

async fn orders(
    connection: &mut PgConnection,
    asked: &Asked,
) -> Result<BTreeMap<MachineId, Vec<IssuedOrder>>, Fault> {
    let rows = query!(
        "SELECT machine, at_ms, body FROM order_issued
         JOIN unnest($1::text[], $2::bigint[]) AS asked (machine, generation) USING (machine, generation)
         ORDER BY machine, incarnation, number",
        &asked.machines,
        &asked.generations
    )
    .fetch_all(connection)
    .await?;
    let mut orders: BTreeMap<MachineId, Vec<IssuedOrder>> = BTreeMap::new();
    for row in rows {
        let id = read("order_issued", "machine", &row.machine)?;
        orders.entry(id).or_default().push(issued(row.at_ms, row.body)?);
    }
    Ok(orders)
}

async fn starts(
    connection: &mut PgConnection,
    asked: &Asked,
) -> Result<BTreeMap<MachineId, Vec<WriteStart>>, Fault> {
    let rows = query_as!(
        StartRow,
        "SELECT nonce, machine, generation, attempt, boot_id, at_ms, code, reason FROM write_start
         JOIN unnest($1::text[], $2::bigint[]) AS asked (machine, wanted) USING (machine)
         WHERE generation = wanted OR code IS NULL AND generation = (
             SELECT max(going.generation) FROM write_start AS going
             WHERE going.machine = write_start.machine AND going.code IS NULL)
         ORDER BY machine, at_ms, nonce",
        &asked.machines,
        &asked.generations
    )
    .fetch_all(connection)
    .await?;
    let mut starts: BTreeMap<MachineId, Vec<WriteStart>> = BTreeMap::new();
    for row in rows {
        let start = row.start()?;
        starts.entry(start.job.machine).or_default().push(start);
    }
    Ok(starts)
}
