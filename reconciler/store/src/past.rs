//! What was known at a time that is past: facts, plans, orders, holds and stops are appended and never edited, so that what
//! was there then is what is there now and is not younger.
//!
//! Not kept are the times at which agents were last heard, and the grants that stood.

use crate::column::{count, generation, read, read_document, time};
use crate::orders::issued;
use crate::revision::Row as RevisionRow;
use crate::start::StartRow;
use crate::store::Fault;
use crate::stored::{FactRow, by_machine};
use crate::{Revision, Scope, Store, StoreError, restraint};
use reconciler_core::facts::{AgentSeen, Fenced, IssuedOrder, MachineFacts, WriteStart};
use reconciler_core::hold::Restraints;
use reconciler_core::plan::Plan;
use schema_ids::{Incarnation, MachineId, Timestamp};
use sqlx::{PgConnection, query, query_as};
use std::collections::BTreeMap;

/// Machines read at once, each with all its facts.
const MACHINES_AT_ONCE: usize = 100;

/// What was carried out at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Then {
    /// The plan.
    pub plan: Plan,
    /// The commit that had moved last.
    pub revision: Option<Revision>,
    /// What people held and stopped.
    pub restraints: Restraints,
    /// The life of the control plane.
    pub incarnation: Incarnation,
}

impl Store {
    /// What was carried out at a time; `None` before any plan was adopted.
    pub async fn then(&self, at: Timestamp) -> Result<Option<Then>, StoreError> {
        self.run("reading what was", async {
            let mut snapshot = self.begin_reading().await?;
            let document = query!(
                "SELECT plan.document FROM audit JOIN plan ON plan.id = subject
                 WHERE what = 'plan-adopted' AND at_ms <= $1 ORDER BY audit.number DESC LIMIT 1",
                at.unix_ms()
            )
            .fetch_optional(&mut *snapshot)
            .await?;
            let Some(document) = document else {
                return Ok(None);
            };
            let then = Then {
                plan: read_document("plan", "document", document.document)?,
                revision: revision(&mut snapshot, at).await?,
                restraints: restraint::standing(&mut snapshot, Some(at)).await?,
                incarnation: incarnation(&mut snapshot, at).await?,
            };
            snapshot.commit().await?;
            Ok(Some(then))
        })
        .await
    }

    /// The folded facts of these machines as they were at a time, each machine asked for. Its agents count as heard then.
    pub async fn facts_then(
        &self,
        machines: &BTreeMap<MachineId, Scope>,
        at: Timestamp,
    ) -> Result<BTreeMap<MachineId, MachineFacts>, StoreError> {
        let all: Vec<(&MachineId, &Scope)> = machines.iter().collect();
        let mut folded = BTreeMap::new();
        for some in all.chunks(MACHINES_AT_ONCE) {
            folded.extend(
                self.run("reading what was known of machines", some_facts(self, some, at))
                    .await?,
            );
        }
        Ok(folded)
    }
}

async fn some_facts(
    store: &Store,
    machines: &[(&MachineId, &Scope)],
    at: Timestamp,
) -> Result<BTreeMap<MachineId, MachineFacts>, Fault> {
    let names: Vec<String> = machines.iter().map(|(id, _)| id.to_string()).collect();
    let generations: Vec<i64> = machines
        .iter()
        .map(|(_, scope)| generation(scope.generation))
        .collect::<Result<_, _>>()?;
    let mut snapshot = store.begin_reading().await?;
    let rows = query_as!(
        FactRow,
        r#"SELECT fact.machine AS "machine!", agent, sequence, received_ms, fact.body, inventory.body AS "inventory?"
           FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
           WHERE fact.machine = ANY($1) AND received_ms <= $2 ORDER BY position"#,
        &names,
        at.unix_ms()
    )
    .fetch_all(&mut *snapshot)
    .await?;
    let mut facts = by_machine(rows)?;
    let mut orders = orders(&mut snapshot, &names, &generations, at).await?;
    let mut starts = starts(&mut snapshot, &names, at).await?;
    let mut fenced = fenced(&mut snapshot, &names, &generations, at).await?;
    snapshot.commit().await?;
    let heard = AgentSeen {
        heard: at,
        watermark: at,
        steady: Timestamp::from_unix_ms(0),
    };
    let folded = machines.iter().map(|(id, scope)| {
        let agents = scope.agents.iter().map(|name| (name.clone(), heard.clone()));
        let mut folded = MachineFacts::fold(
            scope.generation,
            orders.remove(*id).unwrap_or_default(),
            starts.remove(*id).unwrap_or_default(),
            &facts.remove(*id).unwrap_or_default(),
            agents.collect(),
        );
        folded.fenced = fenced.remove(*id);
        (**id, folded)
    });
    Ok(folded.collect())
}

async fn orders(
    connection: &mut PgConnection,
    machines: &[String],
    generations: &[i64],
    at: Timestamp,
) -> Result<BTreeMap<MachineId, Vec<IssuedOrder>>, Fault> {
    let rows = query!(
        "SELECT machine, at_ms, body FROM order_issued
         JOIN unnest($1::text[], $2::bigint[]) AS asked (machine, generation) USING (machine, generation)
         WHERE at_ms <= $3 ORDER BY machine, incarnation, number",
        machines,
        generations,
        at.unix_ms()
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
    machines: &[String],
    at: Timestamp,
) -> Result<BTreeMap<MachineId, Vec<WriteStart>>, Fault> {
    let rows = query_as!(
        StartRow,
        "SELECT nonce, machine, generation, attempt, boot_id, at_ms, code, reason FROM write_start
         WHERE machine = ANY($1) AND at_ms <= $2 ORDER BY machine, at_ms, nonce",
        machines,
        at.unix_ms()
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

async fn fenced(
    connection: &mut PgConnection,
    machines: &[String],
    generations: &[i64],
    at: Timestamp,
) -> Result<BTreeMap<MachineId, Fenced>, Fault> {
    let rows = query!(
        "SELECT machine, at_ms, who, why FROM fenced
         JOIN unnest($1::text[], $2::bigint[]) AS asked (machine, generation) USING (machine, generation)
         WHERE at_ms <= $3",
        machines,
        generations,
        at.unix_ms()
    )
    .fetch_all(connection)
    .await?;
    let words = rows.into_iter().map(|row| {
        let word = Fenced {
            at: time(row.at_ms),
            who: row.who,
            why: row.why,
        };
        Ok((read("fenced", "machine", &row.machine)?, word))
    });
    Ok(words.collect::<Result<_, StoreError>>()?)
}

async fn revision(connection: &mut PgConnection, at: Timestamp) -> Result<Option<Revision>, Fault> {
    let row = query_as!(
        RevisionRow,
        "SELECT commit_id, stage, code, reason, since_ms FROM revision
         WHERE since_ms <= $1 ORDER BY position DESC LIMIT 1",
        at.unix_ms()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(RevisionRow::revision).transpose()?)
}

async fn incarnation(connection: &mut PgConnection, at: Timestamp) -> Result<Incarnation, Fault> {
    let row = query!(
        "SELECT number, uuid FROM incarnation WHERE since_ms <= $1 OR number = 1 ORDER BY number DESC LIMIT 1",
        at.unix_ms()
    )
    .fetch_one(connection)
    .await?;
    Ok(Incarnation {
        number: count("incarnation", "number", row.number)?,
        uuid: read("incarnation", "uuid", &row.uuid)?,
    })
}
