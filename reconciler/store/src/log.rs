//! What happened, newest first, read page by page from what is stored: facts, the audit, answers to
//! "may I write?", and stands of commits.
//!
//! Nothing is kept for it: each source is walked backwards along its own key and the four are merged by
//! time, so that a page costs the same however much lies behind it. A page ends at a [`LogPlace`], one key
//! for each source, and the next begins there: nothing is left out or said twice, whatever is written
//! meanwhile.
//!
//! Left out are progress within a step, which is old when the next comes, and grants, which say nothing that
//! the orders they are taken for do not.

use crate::column::{count, held, read, time};
use crate::revision::Row as RevisionRow;
use crate::start::StartRow;
use crate::store::Fault;
use crate::stored::whole;
use crate::{By, Revision, Store, StoreError};
use rack_api::fact::Fact;
use reconciler_core::facts::WriteStart;
use reconciler_core::people::LogPlace;
use schema_ids::{MachineId, Name, Timestamp};
use serde_json::Value;
use sqlx::{PgPool, query, query_as, query_scalar};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;

/// Entries of one page, and rows read of each source for it.
const PAGE_MAX: usize = 500;

/// Machines that have had one name, over time.
const NAMESAKES_MAX: i64 = 100;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// Its name: the source and its key there.
    pub key: String,
    /// When it was stored, by the store's clock.
    pub at: Timestamp,
    /// The machine concerned.
    pub machine: Option<MachineId>,
    /// That machine's newest name.
    pub name: Option<Name>,
    /// What.
    pub what: Logged,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Logged {
    /// An agent saw or did something.
    Fact {
        /// Which agent.
        agent: Name,
        /// What.
        fact: Box<Fact>,
    },
    /// Someone did something: as in [`AuditEntry`](crate::AuditEntry).
    Done {
        /// What.
        what: String,
        /// To what.
        subject: String,
        /// By whom and why.
        by: By,
    },
    /// A machine asked whether it may write.
    Start(WriteStart),
    /// A commit came further, or no further.
    Revision(Revision),
}

/// Records, newest first, and where the older ones begin.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecords {
    /// At most 500.
    pub records: Vec<LogRecord>,
    /// Where to read on; `None` if nothing is older.
    pub before: Option<LogPlace>,
}

/// A record with the place behind it, in its own source.
struct Placed {
    record: LogRecord,
    step: Step,
}

/// A source's key.
enum Step {
    Fact(u64),
    Done(u64),
    Start(Timestamp, String),
    Revision(u64),
}

struct FactRow {
    position: i64,
    agent: String,
    received_ms: i64,
    machine: Option<String>,
    body: Value,
    inventory: Option<Value>,
}

struct DoneRow {
    number: i64,
    at_ms: i64,
    what: String,
    machine: Option<String>,
    subject: String,
    who: String,
    why: String,
}

impl Store {
    /// Machines that have this name or this id, gone ones too.
    pub async fn machines_called(&self, name: &str) -> Result<Vec<MachineId>, StoreError> {
        self.run("looking for a machine", async {
            let ids = query_scalar!(
                "SELECT id FROM machine WHERE id = $1 OR name = $1 ORDER BY claimed_ms DESC, id LIMIT $2",
                name,
                NAMESAKES_MAX
            )
            .fetch_all(&self.pool)
            .await?;
            ids.iter().map(|id| Ok(read("machine", "id", id)?)).collect()
        })
        .await
    }

    /// What happened before this place, newest first. Of these machines only, if any are given: with the
    /// plans that their orders come from, without stands of commits.
    pub async fn log(
        &self,
        machines: Option<&[MachineId]>,
        before: &LogPlace,
    ) -> Result<LogRecords, StoreError> {
        let machines: Option<Vec<String>> =
            machines.map(|machines| machines.iter().map(MachineId::to_string).collect());
        let machines = machines.as_deref();
        self.run("reading the log", async {
            let sources = [
                facts(&self.pool, machines, before).await?,
                done(&self.pool, machines, before).await?,
                starts(&self.pool, machines, before).await?,
                match machines {
                    Some(_) => VecDeque::new(),
                    None => revisions(&self.pool, before).await?,
                },
            ];
            let mut page = merge(sources, before);
            name(&self.pool, &mut page.records).await?;
            Ok(page)
        })
        .await
    }
}

/// Takes the newest of all heads until the page is full. A source that was read to its limit fills the page
/// alone, so that none is taken for read dry that is not.
fn merge(mut sources: [VecDeque<Placed>; 4], before: &LogPlace) -> LogRecords {
    let mut place = before.clone();
    let mut records = Vec::new();
    let is_last = sources.iter().map(VecDeque::len).sum::<usize>() < PAGE_MAX;
    while records.len() < PAGE_MAX {
        let newest = sources
            .iter_mut()
            .filter(|source| !source.is_empty())
            .max_by_key(|source| source.front().map(|head| head.record.at));
        let Some(Placed { record, step }) = newest.and_then(VecDeque::pop_front) else {
            break;
        };
        match step {
            Step::Fact(position) => place.fact = position,
            Step::Done(number) => place.audit = number,
            Step::Start(at, nonce) => place.start = (at, nonce),
            Step::Revision(position) => place.revision = position,
        }
        records.push(record);
    }
    LogRecords {
        records,
        before: (!is_last).then_some(place),
    }
}

fn limit() -> i64 {
    i64::try_from(PAGE_MAX).unwrap_or(i64::MAX)
}

async fn facts(
    pool: &PgPool,
    machines: Option<&[String]>,
    before: &LogPlace,
) -> Result<VecDeque<Placed>, Fault> {
    let place = held(before.fact);
    // Two statements: one for both cases would be planned for neither. Progress is told by the slot, which
    // begins with a boot's 36 digits: JSON functions of Postgres fail on a NUL, which broken firmware says.
    let rows = match machines {
        None => {
            query_as!(
                FactRow,
                r#"SELECT position, agent, received_ms, machine, fact.body, inventory.body AS "inventory?"
               FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
               WHERE position < $1 AND NOT (kind = 'step' AND substr(slot, 37, 10) = '/progress/')
               ORDER BY position DESC LIMIT $2"#,
                place,
                limit()
            )
            .fetch_all(pool)
            .await?
        }
        Some(machines) => {
            query_as!(
                FactRow,
                r#"SELECT position, agent, received_ms, machine, fact.body, inventory.body AS "inventory?"
               FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
               WHERE machine = ANY($3) AND position < $1 AND NOT (kind = 'step' AND substr(slot, 37, 10) = '/progress/')
               ORDER BY position DESC LIMIT $2"#,
                place,
                limit(),
                machines
            )
            .fetch_all(pool)
            .await?
        }
    };
    let placed = rows.into_iter().map(|row| {
        let position = count("fact", "position", row.position)?;
        let what = Logged::Fact {
            agent: read("fact", "agent", &row.agent)?,
            fact: Box::new(whole(row.body, row.inventory)?),
        };
        Ok(Placed {
            record: record(
                "fact",
                row.position,
                row.received_ms,
                row.machine.as_deref(),
                what,
            )?,
            step: Step::Fact(position),
        })
    });
    placed.collect()
}

async fn done(
    pool: &PgPool,
    machines: Option<&[String]>,
    before: &LogPlace,
) -> Result<VecDeque<Placed>, Fault> {
    let place = held(before.audit);
    let rows = match machines {
        None => {
            query_as!(
                DoneRow,
                "SELECT number, at_ms, what, machine, subject, who, why FROM audit
             WHERE number < $1 AND what NOT LIKE 'grant-%' ORDER BY number DESC LIMIT $2",
                place,
                limit()
            )
            .fetch_all(pool)
            .await?
        }
        Some(machines) => {
            query_as!(
                DoneRow,
                "WITH ours AS (SELECT DISTINCT plan_id FROM order_issued WHERE machine = ANY($3))
             SELECT number, at_ms, what, machine, subject, who, why FROM audit
             WHERE number < $1 AND what NOT LIKE 'grant-%'
               AND (machine = ANY($3)
                    OR machine IS NULL AND split_part(subject, ' ', 1) IN (SELECT plan_id FROM ours))
             ORDER BY number DESC LIMIT $2",
                place,
                limit(),
                machines
            )
            .fetch_all(pool)
            .await?
        }
    };
    let placed = rows.into_iter().map(|row| {
        let number = count("audit", "number", row.number)?;
        let what = Logged::Done {
            what: row.what,
            subject: row.subject,
            by: By {
                who: row.who,
                why: row.why,
            },
        };
        Ok(Placed {
            record: record("audit", row.number, row.at_ms, row.machine.as_deref(), what)?,
            step: Step::Done(number),
        })
    });
    placed.collect()
}

/// A few for each machine: no index by time is worth its upkeep.
async fn starts(
    pool: &PgPool,
    machines: Option<&[String]>,
    before: &LogPlace,
) -> Result<VecDeque<Placed>, Fault> {
    let (at, nonce) = &before.start;
    let rows = query_as!(
        StartRow,
        "SELECT nonce, machine, generation, attempt, boot_id, at_ms, code, reason FROM write_start
         WHERE (at_ms, nonce) < ($1, $2) AND ($4::text[] IS NULL OR machine = ANY($4))
         ORDER BY at_ms DESC, nonce DESC LIMIT $3",
        at.unix_ms(),
        nonce,
        limit(),
        machines
    )
    .fetch_all(pool)
    .await?;
    let placed = rows.into_iter().map(|row| {
        let (nonce, machine, at_ms) = (row.nonce.clone(), row.machine.clone(), row.at_ms);
        let what = Logged::Start(row.start()?);
        Ok(Placed {
            record: record("start", &nonce, at_ms, Some(&machine), what)?,
            step: Step::Start(time(at_ms), nonce),
        })
    });
    placed.collect()
}

async fn revisions(pool: &PgPool, before: &LogPlace) -> Result<VecDeque<Placed>, Fault> {
    let rows = query!(
        "SELECT position, commit_id, stage, code, reason, since_ms FROM revision
         WHERE position < $1 ORDER BY position DESC LIMIT $2",
        held(before.revision),
        limit()
    )
    .fetch_all(pool)
    .await?;
    let placed = rows.into_iter().map(|row| {
        let revision = RevisionRow {
            commit_id: row.commit_id,
            stage: row.stage,
            code: row.code,
            reason: row.reason,
            since_ms: row.since_ms,
        };
        let what = Logged::Revision(revision.revision()?);
        Ok(Placed {
            record: record("revision", row.position, row.since_ms, None, what)?,
            step: Step::Revision(count("revision", "position", row.position)?),
        })
    });
    placed.collect()
}

fn record(
    source: &'static str,
    key: impl Display,
    at_ms: i64,
    machine: Option<&str>,
    what: Logged,
) -> Result<LogRecord, Fault> {
    Ok(LogRecord {
        key: format!("{source}/{key}"),
        at: time(at_ms),
        machine: machine.map(|id| read(source, "machine", id)).transpose()?,
        name: None,
        what,
    })
}

/// Adds the machines' names.
async fn name(pool: &PgPool, records: &mut [LogRecord]) -> Result<(), Fault> {
    let ids: BTreeSet<String> = records
        .iter()
        .filter_map(|record| Some(record.machine?.to_string()))
        .collect();
    let rows = query!(
        "SELECT id, name FROM machine WHERE id = ANY($1)",
        &ids.into_iter().collect::<Vec<_>>()
    )
    .fetch_all(pool)
    .await?;
    let mut names: BTreeMap<MachineId, Name> = BTreeMap::new();
    for row in rows {
        names.insert(
            read("machine", "id", &row.id)?,
            read("machine", "name", &row.name)?,
        );
    }
    for record in records {
        record.name = record.machine.and_then(|id| names.get(&id).cloned());
    }
    Ok(())
}
