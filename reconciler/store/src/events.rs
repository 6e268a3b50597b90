//! What is stored of a commit's carrying out, in an order that only grows at its end: what [`reconciler_core::event`]
//! makes events of.
//!
//! A row's key is drawn before its transaction commits, so that a lower key may be seen later than a higher one.
//! Read are therefore only rows of transactions that are below every one that still writes, in the order of the
//! transactions' numbers. A number that is beyond the newest was given by another cluster, from which this database was
//! restored: its transaction is over too.

use crate::column::{count, held, read, time};
use crate::orders::issued;
use crate::revision::Row as RevisionRow;
use crate::start::StartRow;
use crate::store::Fault;
use crate::stored::whole;
use crate::{Store, StoreError};
use reconciler_core::event::{Happened, Happenings, What};
use schema_ids::{MachineId, Name};
use serde_json::Value;
use sqlx::{PgConnection, query, query_scalar};
use std::collections::{BTreeMap, BTreeSet};

/// Rows read of each source at once, and the rest of the last one's transaction.
const ROWS_MAX: i64 = 2000;

/// Plans of one commit at most: it is planned again with each inventory, and a fleet of thousands is inspected in
/// batches.
const ADOPTIONS_MAX: i64 = 10_000;

/// A plan of a commit that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its id.
    pub plan: String,
    /// The transaction that adopted it.
    pub transaction: u64,
}

/// The adoptions of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adoptions {
    /// Its plans, in the order of their adoption.
    pub plans: Vec<Adopted>,
    /// The transaction that adopted a plan of another commit after it.
    pub superseded: Option<u64>,
    /// Transactions from this one on may not be over yet where these were read.
    pub settled: u64,
}

/// What of a commit is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Which, 40 digits.
    pub commit: &'a str,
    /// Its adoptions.
    pub adoptions: &'a Adoptions,
    /// The machines that it changes, each with the first transaction that adopted a plan which does.
    pub machines: &'a BTreeMap<MachineId, u64>,
    /// The first transaction of interest.
    pub from: u64,
}

/// Transactions that are read now: those from the first to below the last, that are over.
struct Window {
    from: i64,
    below: i64,
    settled: i64,
    begun: i64,
}

/// Rows of one source, and the last transaction that was read to its end if there may be more.
type Rows = (Vec<Happened>, Option<u64>);

impl Store {
    /// The adoptions of a commit.
    pub async fn adoptions(&self, commit: &str) -> Result<Adoptions, StoreError> {
        self.run("reading a commit's adoptions", async {
            let mut snapshot = self.begin_reading().await?;
            let now = query!(
                r#"SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "settled!",
                          base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS "begun!" FROM transaction_base"#
            )
            .fetch_one(&mut *snapshot)
            .await?;
            let rows = query!(
                "SELECT audit.xact, plan.id FROM audit JOIN plan ON plan.id = audit.subject
                 WHERE what = 'plan-adopted' AND plan.commit_id = $1 ORDER BY audit.number LIMIT $2",
                commit,
                ADOPTIONS_MAX
            )
            .fetch_all(&mut *snapshot)
            .await?;
            let plans: Vec<Adopted> = rows
                .into_iter()
                .map(|row| {
                    let transaction = count("audit", "xact", row.xact)?;
                    Ok(Adopted { plan: row.id, transaction })
                })
                .collect::<Result<_, StoreError>>()?;
            let superseded = match plans.first() {
                None => None,
                Some(first) => query_scalar!(
                    r#"SELECT min(audit.xact) FROM audit JOIN plan ON plan.id = audit.subject
                       WHERE what = 'plan-adopted' AND audit.xact > $2 AND plan.commit_id IS DISTINCT FROM $1"#,
                    commit,
                    held(first.transaction)
                )
                .fetch_one(&mut *snapshot)
                .await?,
            };
            snapshot.commit().await?;
            let superseded = superseded.map(|xact| count("audit", "xact", xact)).transpose()?;
            let settled = count("audit", "xact", now.settled)?;
            Ok(Adoptions { plans, superseded, settled })
        })
        .await
    }

    /// What is stored of a commit from a transaction on, until another one is adopted.
    pub async fn happenings(&self, asked: &Asked<'_>) -> Result<Happenings, StoreError> {
        self.run("reading a commit's events", async {
            let mut snapshot = self.begin_reading().await?;
            let now = query!(
                r#"SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "settled!",
                          base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS "begun!" FROM transaction_base"#
            )
            .fetch_one(&mut *snapshot)
            .await?;
            let window = Window {
                // Rows of before there were numbers have nought.
                from: held(asked.from.max(1)),
                below: asked.adoptions.superseded.map_or(i64::MAX, held),
                // What was adopted since the adoptions were read is told with those that are read next.
                settled: now.settled.min(held(asked.adoptions.settled)),
                begun: now.begun,
            };
            let sources = [
                stands(&mut snapshot, &window, asked.commit).await?,
                adopted(&mut snapshot, &window, asked.adoptions).await?,
                opened(&mut snapshot, &window, asked.commit).await?,
                orders(&mut snapshot, &window, asked.machines).await?,
                starts(&mut snapshot, &window, asked.machines).await?,
                facts(&mut snapshot, &window, asked.machines).await?,
            ];
            let names = names(&mut snapshot, asked.machines.keys()).await?;
            snapshot.commit().await?;
            // What one source was read to, the others are read to.
            let last = sources.iter().filter_map(|(_, last)| *last).min();
            let mut records: Vec<Happened> = sources.into_iter().flat_map(|(rows, _)| rows).collect();
            records.retain(|record| last.is_none_or(|last| record.transaction <= last));
            // Stable: within a transaction the sources follow each other, each in the order of its keys.
            records.sort_by_key(|record| record.transaction);
            let settled = count("fact", "xact", window.settled)?;
            Ok(Happenings {
                records,
                settled: last.map_or(settled, |last| settled.min(last + 1)),
                begun: count("fact", "xact", now.begun)?,
                names,
            })
        })
        .await
    }
}

/// Machines and the transactions from which they count, as columns.
fn columns(machines: &BTreeMap<MachineId, u64>) -> (Vec<String>, Vec<i64>) {
    machines
        .iter()
        .map(|(id, since)| (id.to_string(), held(*since)))
        .unzip()
}

fn happened(table: &'static str, xact: i64, at_ms: i64, what: What) -> Result<Happened, StoreError> {
    Ok(Happened {
        transaction: count(table, "xact", xact)?,
        at: time(at_ms),
        what,
    })
}

/// The rows, with the last transaction if as many were read as are at once.
fn rows(rows: impl Iterator<Item = Result<Happened, StoreError>>) -> Result<Rows, Fault> {
    let rows: Vec<Happened> = rows.collect::<Result<_, _>>()?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|read| read >= ROWS_MAX);
    let last = rows.last().map(|row| row.transaction).filter(|_| is_full);
    Ok((rows, last))
}

async fn stands(connection: &mut PgConnection, window: &Window, commit: &str) -> Result<Rows, Fault> {
    let found = query!(
        "SELECT xact, commit_id, stage, code, reason, since_ms FROM revision
         WHERE commit_id = $1 AND xact >= $2 AND (xact < $3 OR xact >= $4) ORDER BY xact, position",
        commit,
        window.from,
        window.settled,
        window.begun
    )
    .fetch_all(connection)
    .await?;
    let found = found.into_iter().map(|row| {
        let stand = RevisionRow {
            commit_id: row.commit_id,
            stage: row.stage,
            code: row.code,
            reason: row.reason,
            since_ms: row.since_ms,
        };
        let stand = stand.revision()?;
        happened(
            "revision",
            row.xact,
            row.since_ms,
            What::Stand(stand.stage, stand.condition),
        )
    });
    // A commit has a few stands.
    Ok((found.collect::<Result<_, _>>()?, None))
}

async fn adopted(
    connection: &mut PgConnection,
    window: &Window,
    adoptions: &Adoptions,
) -> Result<Rows, Fault> {
    let plans: Vec<String> = adoptions
        .plans
        .iter()
        .map(|adopted| adopted.plan.clone())
        .collect();
    let found = query!(
        "SELECT xact, at_ms, subject FROM audit
         WHERE what = 'plan-adopted' AND subject = ANY($1) AND xact >= $2 AND (xact < $3 OR xact >= $4) AND xact < $5
         ORDER BY xact, number",
        &plans,
        window.from,
        window.settled,
        window.begun,
        window.below
    )
    .fetch_all(connection)
    .await?;
    let found = found
        .into_iter()
        .map(|row| happened("audit", row.xact, row.at_ms, What::Adopted(row.subject)));
    Ok((found.collect::<Result<_, _>>()?, None))
}

async fn opened(connection: &mut PgConnection, window: &Window, commit: &str) -> Result<Rows, Fault> {
    let found = query!(
        "SELECT xact, at_ms, subject, who, why FROM audit JOIN plan ON plan.id = split_part(subject, ' ', 1)
         WHERE what = 'guard-opened' AND commit_id = $1 AND xact >= $2 AND (xact < $3 OR xact >= $4)
         ORDER BY xact, number",
        commit,
        window.from,
        window.settled,
        window.begun
    )
    .fetch_all(connection)
    .await?;
    let found = found.into_iter().map(|row| {
        let (plan, guard) = row.subject.split_once(' ').unwrap_or((&row.subject, ""));
        let what = What::Opened {
            plan: plan.to_owned(),
            guard: guard.to_owned(),
            by: format!("{}: {}", row.who, row.why),
        };
        happened("audit", row.xact, row.at_ms, what)
    });
    Ok((found.collect::<Result<_, _>>()?, None))
}

async fn orders(
    connection: &mut PgConnection,
    window: &Window,
    machines: &BTreeMap<MachineId, u64>,
) -> Result<Rows, Fault> {
    let (machines, since) = columns(machines);
    let found = query!(
        "SELECT xact, at_ms, body FROM order_issued
         JOIN unnest($1::text[], $2::bigint[]) AS ours (machine, since) USING (machine)
         WHERE lane = 'power' AND xact >= $3 AND xact >= since AND (xact < $4 OR xact >= $5) AND xact < $6
         ORDER BY xact FETCH FIRST $7 ROWS WITH TIES",
        &machines,
        &since,
        window.from,
        window.settled,
        window.begun,
        window.below,
        ROWS_MAX
    )
    .fetch_all(connection)
    .await?;
    let (mut found, last) = rows(found.into_iter().map(|row| {
        let what = What::Ordered(Box::new(issued(row.at_ms, row.body)?));
        happened("order_issued", row.xact, row.at_ms, what)
    }))?;
    found.sort_by_key(|row| {
        let What::Ordered(issued) = &row.what else {
            unreachable!("orders were read")
        };
        let order = &issued.order;
        (row.transaction, order.machine, order.generation, order.number)
    });
    Ok((found, last))
}

async fn starts(
    connection: &mut PgConnection,
    window: &Window,
    machines: &BTreeMap<MachineId, u64>,
) -> Result<Rows, Fault> {
    let (machines, since) = columns(machines);
    let found = query!(
        "SELECT xact, nonce, machine, generation, attempt, boot_id, at_ms, code, reason FROM write_start
         JOIN unnest($1::text[], $2::bigint[]) AS ours (machine, since) USING (machine)
         WHERE code IS NOT NULL AND xact >= $3 AND xact >= since AND (xact < $4 OR xact >= $5) AND xact < $6
         ORDER BY xact, nonce",
        &machines,
        &since,
        window.from,
        window.settled,
        window.begun,
        window.below
    )
    .fetch_all(connection)
    .await?;
    let found = found.into_iter().map(|row| {
        let (xact, at_ms) = (row.xact, row.at_ms);
        let start = StartRow {
            nonce: row.nonce,
            machine: row.machine,
            generation: row.generation,
            attempt: row.attempt,
            boot_id: row.boot_id,
            at_ms: row.at_ms,
            code: row.code,
            reason: row.reason,
        };
        happened("write_start", xact, at_ms, What::Start(start.start()?))
    });
    // A machine is refused a few times.
    Ok((found.collect::<Result<_, _>>()?, None))
}

async fn facts(
    connection: &mut PgConnection,
    window: &Window,
    machines: &BTreeMap<MachineId, u64>,
) -> Result<Rows, Fault> {
    struct Row {
        xact: i64,
        position: i64,
        received_ms: i64,
        machine: String,
        body: Value,
    }
    let (machines, since) = columns(machines);
    let mut found = sqlx::query_as!(
        Row,
        r#"SELECT xact, position, received_ms, fact.machine AS "machine!", body FROM fact
           JOIN unnest($1::text[], $2::bigint[]) AS ours (machine, since) ON ours.machine = fact.machine
           WHERE kind IN ('job-started', 'step', 'job-done', 'order-done', 'order-failed', 'order-refused', 'bmc-fault',
                          'phoned-home')
             AND xact >= $3 AND xact >= since AND (xact < $4 OR xact >= $5) AND xact < $6
           ORDER BY xact FETCH FIRST $7 ROWS WITH TIES"#,
        &machines,
        &since,
        window.from,
        window.settled,
        window.begun,
        window.below,
        ROWS_MAX
    )
    .fetch_all(connection)
    .await?;
    found.sort_by_key(|row| (row.xact, row.position));
    rows(found.into_iter().map(|row| {
        let machine = read("fact", "machine", &row.machine)?;
        let what = What::Seen(machine, Box::new(whole(row.body, None)?.body));
        happened("fact", row.xact, row.received_ms, what)
    }))
}

/// The machines' newest names.
async fn names(
    connection: &mut PgConnection,
    machines: impl Iterator<Item = &MachineId>,
) -> Result<BTreeMap<MachineId, Name>, Fault> {
    let ids: BTreeSet<String> = machines.map(MachineId::to_string).collect();
    let rows = query!(
        "SELECT id, name FROM machine WHERE id = ANY($1)",
        &ids.into_iter().collect::<Vec<_>>()
    )
    .fetch_all(connection)
    .await?;
    let named = rows.into_iter().map(|row| {
        Ok((
            read("machine", "id", &row.id)?,
            read("machine", "name", &row.name)?,
        ))
    });
    Ok(named.collect::<Result<_, StoreError>>()?)
}
