//! Facts come in: one transaction per sync, serialised per agent by its row.
//!
//! Sending twice changes nothing: a number that is stored is skipped, if it says the same. An agent
//! that knows what this database never heard is the sign of a restored backup; the sign is stored
//! beside the facts and stands until a person raises the incarnation.

use crate::column::{count, document, held, number, time};
use crate::place::{Place, digest};
use crate::store::Fault;
use crate::work::{self, WorkItem};
use crate::{Store, StoreError, identity, marker};
use rack_api::fact::FactBody;
use rack_api::sync::{FACTS_MAX, Spooled, SyncRequest};
use reconciler_core::facts::AgentSeen;
use schema_ids::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, query, query_scalar};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an agent is told about its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The database's clock.
    pub now: Timestamp,
    /// Everything up to here is stored.
    pub acknowledged: u64,
    /// How many of the facts were new.
    pub stored: usize,
    /// Set when any agent has shown that it knows more than this database: no order may be sent.
    pub restored: Option<String>,
}

/// A fact as it is stored: the inventory apart.
struct Row {
    sequence: i64,
    place: Place,
    body: Value,
    inventory: Option<(String, Value)>,
}

/// The agent's row before this sync.
struct Known {
    acknowledged: u64,
    seen: Option<AgentSeen>,
}

impl Store {
    /// Stores a sync's facts and what it says of its agent, in one transaction; marks the work that the
    /// new facts make. The agent's name must have been checked against its key. Facts that are stored
    /// already are ignored.
    pub async fn append_facts(&self, sync: &SyncRequest) -> Result<Receipt, StoreError> {
        if sync.facts.len() > FACTS_MAX {
            return Err(StoreError::OutOfRange {
                what: "facts in one sync",
                value: sync.facts.len() as u64,
            });
        }
        let rows = sync.facts.iter().map(Row::new).collect::<Result<Vec<_>, _>>()?;
        let receipt = self
            .run("storing facts", async {
                let mut transaction = self.begin().await?;
                let known = lock_agent(&mut transaction, sync).await?;
                let now_ms = query_scalar!(r#"SELECT now_ms() AS "now!""#)
                    .fetch_one(&mut *transaction)
                    .await?;
                refuse_reuse(&mut transaction, sync, &rows, known.acknowledged).await?;
                note_restore(&mut transaction, sync, known.acknowledged).await?;
                let new: Vec<&Row> = rows
                    .iter()
                    .filter(|row| row.sequence > held(known.acknowledged))
                    .collect();
                insert(&mut transaction, sync, &new, now_ms).await?;
                let items: Vec<WorkItem> = new.iter().flat_map(|row| row.place.work()).collect();
                work::mark(&mut transaction, &items, Duration::ZERO).await?;
                let last = sync.facts.iter().map(|fact| fact.sequence).max().unwrap_or(0);
                let acknowledged = known.acknowledged.max(sync.acknowledged).max(last);
                let delivered = acknowledged >= sync.watermark;
                let seen = AgentSeen::after_sync(known.seen.as_ref(), time(now_ms), delivered);
                update_agent(&mut transaction, sync, acknowledged, &seen).await?;
                let restored = identity::restored(&mut transaction).await?;
                transaction.commit().await?;
                Ok(Receipt {
                    now: time(now_ms),
                    acknowledged,
                    stored: new.len(),
                    restored,
                })
            })
            .await?;
        if receipt.stored > 0 {
            self.hint();
        }
        Ok(receipt)
    }

    /// Every rack agent ever heard.
    pub async fn agents(&self) -> Result<BTreeMap<schema_ids::Name, AgentSeen>, StoreError> {
        self.run("reading agents", async {
            agents(&mut *self.pool.acquire().await?).await
        })
        .await
    }
}

/// Every rack agent ever heard, within the caller's snapshot.
pub(crate) async fn agents(
    connection: &mut PgConnection,
) -> Result<BTreeMap<schema_ids::Name, AgentSeen>, Fault> {
    query!("SELECT name, heard_ms, watermark_ms, steady_ms FROM agent")
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(|row| {
            let seen = AgentSeen {
                heard: time(row.heard_ms),
                watermark: time(row.watermark_ms),
                steady: time(row.steady_ms),
            };
            Ok((crate::column::read("agent", "name", &row.name)?, seen))
        })
        .collect()
}

impl Row {
    fn new(spooled: &Spooled) -> Result<Self, StoreError> {
        let mut body = document("a fact", &spooled.fact)?;
        let inventory = match &spooled.fact.body {
            FactBody::Inventory { inventory, .. } | FactBody::Enlisted { inventory, .. } => {
                // Written as null here and filled in again by `stored`.
                body.pointer_mut("/body/inventory")
                    .map(Value::take)
                    .map(|apart| (digest(inventory), apart))
            }
            _ => None,
        };
        Ok(Self {
            sequence: number("sequence", spooled.sequence)?,
            place: Place::of(
                &spooled.fact.body,
                inventory.as_ref().map(|(digest, _)| digest.as_str()),
            ),
            body,
            inventory,
        })
    }
}

async fn lock_agent(connection: &mut PgConnection, sync: &SyncRequest) -> Result<Known, Fault> {
    let name = sync.agent.to_string();
    // Two first syncs at once: one makes the row, the other waits for it here.
    let made = query!(
        "INSERT INTO agent (name, boot, acknowledged, heard_ms, watermark_ms, steady_ms)
         VALUES ($1, $2, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING",
        name,
        sync.boot.to_string()
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let row = query!(
        "SELECT acknowledged, heard_ms, watermark_ms, steady_ms FROM agent WHERE name = $1 FOR UPDATE",
        name
    )
    .fetch_one(connection)
    .await?;
    Ok(Known {
        acknowledged: count("agent", "acknowledged", row.acknowledged)?,
        seen: (made == 0).then(|| AgentSeen {
            heard: time(row.heard_ms),
            watermark: time(row.watermark_ms),
            steady: time(row.steady_ms),
        }),
    })
}

/// A number up to the highest must be stored and say the same, or the agent counts from an older spool and
/// its fact would be taken for one that is here. Tells the lowest such number: those below are here.
async fn refuse_reuse(
    connection: &mut PgConnection,
    sync: &SyncRequest,
    rows: &[Row],
    acknowledged: u64,
) -> Result<(), Fault> {
    let again: BTreeMap<i64, &Row> = rows
        .iter()
        .map(|row| (row.sequence, row))
        .filter(|(sequence, _)| *sequence <= held(acknowledged))
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let stored: BTreeMap<i64, _> = query!(
        "SELECT sequence, body, inventory FROM fact WHERE agent = $1 AND sequence = ANY($2)",
        sync.agent.as_str(),
        &again.keys().copied().collect::<Vec<_>>()
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(|stored| (stored.sequence, (stored.body, stored.inventory)))
    .collect();
    let is_here = |row: &Row| {
        let apart = row.inventory.as_ref().map(|(digest, _)| digest);
        stored
            .get(&row.sequence)
            .is_some_and(|(body, inventory)| *body == row.body && inventory.as_ref() == apart)
    };
    match again.values().find(|row| !is_here(row)) {
        Some(other) => Err(StoreError::SequenceReused {
            agent: sync.agent.clone(),
            sequence: count("fact", "sequence", other.sequence)?,
            acknowledged,
        }
        .into()),
        None => Ok(()),
    }
}

/// Records it if the agent, or a disk that it tells of, knows what this database never heard.
async fn note_restore(
    connection: &mut PgConnection,
    sync: &SyncRequest,
    acknowledged: u64,
) -> Result<(), Fault> {
    let of_agent = restore_evidence(connection, sync, acknowledged).await?;
    let evidence = match of_agent {
        Some(evidence) => Some(evidence),
        None => marker::ahead(connection, sync).await?,
    };
    let Some(evidence) = evidence else {
        return Ok(());
    };
    query!(
        "INSERT INTO restored (incarnation, agent, evidence)
         SELECT max(number), $1, $2 FROM incarnation ON CONFLICT (incarnation, agent) DO NOTHING",
        sync.agent.as_str(),
        evidence
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn restore_evidence(
    connection: &mut PgConnection,
    sync: &SyncRequest,
    acknowledged: u64,
) -> Result<Option<String>, Fault> {
    let agent = &sync.agent;
    let Some(obeyed) = sync.incarnation else {
        return Ok(None);
    };
    let lived = query_scalar!(
        r#"SELECT EXISTS (SELECT FROM incarnation WHERE number = $1 AND uuid = $2) AS "lived!""#,
        held(obeyed.number),
        obeyed.uuid.to_string()
    )
    .fetch_one(&mut *connection)
    .await?;
    if !lived {
        let text = format!(
            "{agent} obeys incarnation {} ({}), which this database never had",
            obeyed.number, obeyed.uuid
        );
        return Ok(Some(text));
    }
    if sync.acknowledged > acknowledged {
        let told = sync.acknowledged;
        return Ok(Some(format!(
            "{agent} was acknowledged facts up to {told}; this database has {acknowledged}"
        )));
    }
    // After a recovery an agent may still count in the old incarnation; its generations are of then.
    if obeyed != identity::incarnation(connection).await? {
        return Ok(None);
    }
    let (machines, generations): (Vec<String>, Vec<i64>) = sync
        .generations
        .iter()
        .map(|(machine, generation)| (machine.to_string(), held(generation.0)))
        .unzip();
    let ahead = query!(
        r#"SELECT told.id AS "id!", told.generation AS "told!", machine.generation AS "known?"
           FROM unnest($1::text[], $2::bigint[]) AS told (id, generation)
           LEFT JOIN machine ON machine.id = told.id
           WHERE machine.generation IS NULL OR told.generation > machine.generation
           ORDER BY told.id LIMIT 1"#,
        &machines,
        &generations
    )
    .fetch_optional(connection)
    .await?;
    Ok(ahead.map(|row| match row.known {
        Some(known) => format!(
            "{agent} has generation {} of {}; this database has {known}",
            row.told, row.id
        ),
        None => format!(
            "{agent} has generation {} of {}, which this database does not know",
            row.told, row.id
        ),
    }))
}

async fn insert(
    connection: &mut PgConnection,
    sync: &SyncRequest,
    rows: &[&Row],
    now_ms: i64,
) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let apart: BTreeMap<&str, &Value> = rows
        .iter()
        .filter_map(|row| row.inventory.as_ref())
        .map(|(digest, body)| (digest.as_str(), body))
        .collect();
    let digests: Vec<String> = apart.keys().map(|digest| (*digest).to_owned()).collect();
    let bodies: Vec<String> = apart.values().map(|body| body.to_string()).collect();
    query!(
        "INSERT INTO inventory (digest, body) SELECT digest, body FROM unnest($1::text[], $2::text[]::json[])
             AS apart (digest, body) ORDER BY digest
         ON CONFLICT (digest) DO NOTHING",
        &digests,
        &bodies
    )
    .execute(&mut *connection)
    .await?;
    let column = |pick: fn(&Row) -> String| -> Vec<String> { rows.iter().map(|row| pick(row)).collect() };
    let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    let machines: Vec<Option<String>> = rows
        .iter()
        .map(|row| row.place.machine.map(|id| id.to_string()))
        .collect();
    let generations: Vec<Option<i64>> = rows.iter().map(|row| row.place.generation).collect();
    let attempts: Vec<Option<i64>> = rows.iter().map(|row| row.place.attempt).collect();
    let bodies: Vec<String> = rows.iter().map(|row| row.body.to_string()).collect();
    let inventories: Vec<Option<String>> = rows
        .iter()
        .map(|row| row.inventory.as_ref().map(|(digest, _)| digest.clone()))
        .collect();
    query!(
        "INSERT INTO fact (agent, agent_boot, received_ms, sequence, machine, kind, slot, generation, attempt,
                           body, inventory)
         SELECT $1, $2, $3, f.* FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
                                            $9::bigint[], $10::text[]::json[], $11::text[])
             AS f (sequence, machine, kind, slot, generation, attempt, body, inventory)
         ORDER BY f.sequence
         ON CONFLICT (agent, sequence) DO NOTHING",
        sync.agent.as_str(),
        sync.boot.to_string(),
        now_ms,
        &sequences,
        &machines as &[Option<String>],
        &column(|row| row.place.kind.to_owned()),
        &column(|row| row.place.slot.clone()),
        &generations as &[Option<i64>],
        &attempts as &[Option<i64>],
        &bodies,
        &inventories as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_agent(
    connection: &mut PgConnection,
    sync: &SyncRequest,
    acknowledged: u64,
    seen: &AgentSeen,
) -> Result<(), Fault> {
    query!(
        "UPDATE agent SET boot = $2, acknowledged = $3, heard_ms = $4, watermark_ms = $5, steady_ms = $6
         WHERE name = $1",
        sync.agent.as_str(),
        sync.boot.to_string(),
        number("sequence", acknowledged)?,
        seen.heard.unix_ms(),
        seen.watermark.unix_ms(),
        seen.steady.unix_ms()
    )
    .execute(connection)
    .await?;
    Ok(())
}
