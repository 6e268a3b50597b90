//! What is to be looked at: a coalescing queue with leases. Derived, see [`crate::DERIVED_TABLES`].
//!
//! An item is one row however often it is marked. A mark during the work is not lost: finishing sees
//! that the marks have moved. A worker that lost its lease finds another epoch and changes nothing.

use crate::column::{count, read, unreadable};
use crate::store::Fault;
use crate::{Store, StoreError};
use schema_ids::MachineId;
use sqlx::{PgConnection, query, query_scalar};
use std::time::Duration;

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkItem {
    /// The fleet: a new plan may be due.
    Fleet,
    /// One machine: an order may be due.
    Machine(MachineId),
}

/// An item with the lease under which it is worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What.
    pub item: WorkItem,
    /// How often it was claimed since it was last finished, this time included.
    pub attempts: u32,
    epoch: i64,
    marks: i64,
}

impl WorkItem {
    fn kind(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Machine(_) => "machine",
        }
    }

    fn key(self) -> String {
        match self {
            Self::Fleet => String::new(),
            Self::Machine(machine) => machine.to_string(),
        }
    }

    fn read(kind: &str, key: &str) -> Result<Self, StoreError> {
        match kind {
            "fleet" => Ok(Self::Fleet),
            "machine" => Ok(Self::Machine(read("work", "key", key)?)),
            other => Err(unreadable("work", "kind", &other)),
        }
    }
}

impl Store {
    /// Marks items as due in `delay`; one that is due earlier stays so, one that is being worked on will
    /// be worked on again.
    pub async fn enqueue(&self, items: &[WorkItem], delay: Duration) -> Result<(), StoreError> {
        self.run("marking work", async {
            let mut transaction = self.begin().await?;
            mark(&mut transaction, items, delay).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await?;
        self.hint();
        Ok(())
    }

    /// Claims up to `limit` due items for `lease`; no two callers get the same one. An item whose lease
    /// has run out is due again.
    pub async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Claimed>, StoreError> {
        self.run("claiming work", async {
            let rows = query!(
                r#"WITH due AS (
                       SELECT kind, key FROM work
                       WHERE due_ms <= now_ms() AND (lease_until_ms IS NULL OR lease_until_ms <= now_ms())
                       ORDER BY due_ms LIMIT $1 FOR UPDATE SKIP LOCKED)
                   UPDATE work SET epoch = nextval('work_epoch'), lease_until_ms = now_ms() + $2,
                       attempts = attempts + 1
                   FROM due WHERE work.kind = due.kind AND work.key = due.key
                   RETURNING work.kind, work.key, attempts, epoch AS "epoch!", marks"#,
                i64::from(limit),
                milliseconds(lease)
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| {
                    Ok(Claimed {
                        item: WorkItem::read(&row.kind, &row.key)?,
                        attempts: count("work", "attempts", row.attempts)?,
                        epoch: row.epoch,
                        marks: row.marks,
                    })
                })
                .collect()
        })
        .await
    }

    /// Prolongs leases; returns those items that are still ours.
    pub async fn renew(&self, claimed: &[Claimed], lease: Duration) -> Result<Vec<WorkItem>, StoreError> {
        let epochs: Vec<i64> = claimed.iter().map(|claimed| claimed.epoch).collect();
        self.run("renewing leases", async {
            let rows = query!(
                "UPDATE work SET lease_until_ms = now_ms() + $2 WHERE epoch = ANY($1) RETURNING kind, key",
                &epochs,
                milliseconds(lease)
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| Ok(WorkItem::read(&row.kind, &row.key)?))
                .collect()
        })
        .await
    }

    /// Ends the work on an item, to be looked at again after `again` if given. `false` if the lease was
    /// lost, and then nothing is changed. An item that was marked meanwhile stays due.
    pub async fn finish(&self, claimed: &Claimed, again: Option<Duration>) -> Result<bool, StoreError> {
        self.run("finishing work", async {
            let mut transaction = self.begin().await?;
            let Some(marks) = query_scalar!(
                "SELECT marks FROM work WHERE kind = $1 AND key = $2 AND epoch = $3 FOR UPDATE",
                claimed.item.kind(),
                claimed.item.key(),
                claimed.epoch
            )
            .fetch_optional(&mut *transaction)
            .await?
            else {
                return Ok(false);
            };
            let again = if marks == claimed.marks { again.map(milliseconds) } else { Some(0) };
            match again {
                None => {
                    query!("DELETE FROM work WHERE epoch = $1", claimed.epoch).execute(&mut *transaction).await?;
                }
                Some(after) => {
                    query!(
                        "UPDATE work SET epoch = NULL, lease_until_ms = NULL, attempts = 0, due_ms = now_ms() + $2
                         WHERE epoch = $1",
                        claimed.epoch,
                        after
                    )
                    .execute(&mut *transaction)
                    .await?;
                }
            }
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// Marks items in the caller's transaction, in one order for all callers, so that they cannot lock each
/// other out.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    items: &[WorkItem],
    delay: Duration,
) -> Result<(), Fault> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items.dedup();
    let kinds: Vec<String> = items.iter().map(|item| item.kind().to_owned()).collect();
    let keys: Vec<String> = items.iter().map(|item| item.key()).collect();
    query!(
        "INSERT INTO work (kind, key, due_ms)
         SELECT kind, key, now_ms() + $3 FROM unnest($1::text[], $2::text[]) AS marked (kind, key)
         ORDER BY kind, key
         ON CONFLICT (kind, key) DO UPDATE
             SET due_ms = least(work.due_ms, excluded.due_ms), marks = work.marks + 1",
        &kinds,
        &keys,
        milliseconds(delay)
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
