//! Holds and stops that people make at run time: appended, ended by another row, never changed.
//!
//! Whoever gives an order or a go hands back the epoch under which it was decided; where a hold or a stop was made or
//! ended since, it is decided anew. So nothing is ordered by a daemon that had not yet heard of a stop.

use crate::column::{clean, count, read, time};
use crate::store::Fault;
use crate::{By, Store, StoreError, audit};
use reconciler_core::hold::{Effect, Hold, Keeper, Restraints, Scope, Stop};
use schema_fleet::Selector;
use schema_ids::Timestamp;
use sqlx::{PgConnection, query, query_scalar};

/// What stands, with the number that changes whenever something is made or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRestraints {
    /// Handed back with orders and goes.
    pub epoch: u64,
    /// What stands; holds whose time is over too, until they are ended.
    pub restraints: Restraints,
}

/// A hold that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Whom it is about; at least one.
    pub targets: Vec<Selector>,
    /// What is kept from them.
    pub effect: Effect,
    /// When its time is over.
    pub until: Timestamp,
    /// The change or incident it belongs to.
    pub ticket: Option<String>,
}

impl Store {
    /// What stands.
    pub async fn restraints(&self) -> Result<HeldRestraints, StoreError> {
        self.run("reading holds and stops", async {
            let mut snapshot = self.begin_reading().await?;
            let epoch = query_scalar!("SELECT epoch FROM restraint_epoch")
                .fetch_one(&mut *snapshot)
                .await?;
            let restraints = standing(&mut snapshot, None).await?;
            snapshot.commit().await?;
            Ok(HeldRestraints {
                epoch: count("restraint_epoch", "epoch", epoch)?,
                restraints,
            })
        })
        .await
    }

    /// Makes a hold, and gives it as it stands.
    pub async fn add_hold(&self, new: &NewHold, by: &By) -> Result<Hold, StoreError> {
        let targets: Vec<String> = new
            .targets
            .iter()
            .map(|target| clean(&target.to_string()))
            .collect();
        let ticket = new.ticket.as_deref().map(clean);
        let hold = self
            .run("making a hold", async {
                let mut transaction = self.begin().await?;
                move_on(&mut transaction).await?;
                let row = query!(
                    "INSERT INTO hold (targets, effect, until_ms, reason, ticket, who)
                     VALUES ($1, $2, $3, $4, $5, $6) RETURNING number, at_ms",
                    &targets,
                    new.effect.as_str(),
                    new.until.unix_ms(),
                    clean(&by.why),
                    ticket,
                    clean(&by.who)
                )
                .fetch_one(&mut *transaction)
                .await?;
                let hold = Hold {
                    id: id(row.number),
                    targets: new.targets.clone(),
                    effect: new.effect,
                    until: Some(new.until),
                    reason: by.why.clone(),
                    ticket,
                    by: by.who.clone(),
                    since: Some(time(row.at_ms)),
                };
                let subject = format!(
                    "{} on {} ({}) until {}",
                    hold.id,
                    hold.targets_text(),
                    hold.effect,
                    new.until
                );
                audit::write(&mut transaction, "hold-made", None, &subject, by).await?;
                transaction.commit().await?;
                Ok(hold)
            })
            .await?;
        self.hint();
        Ok(hold)
    }

    /// Ends a hold; `false` if none of this id stands.
    pub async fn end_hold(&self, hold: &str, by: &By) -> Result<bool, StoreError> {
        let Some(number) = hold
            .strip_prefix("h-")
            .and_then(|number| number.parse::<i64>().ok())
        else {
            return Ok(false);
        };
        let ended = self
            .run("ending a hold", async {
                let mut transaction = self.begin().await?;
                move_on(&mut transaction).await?;
                let ended = query!(
                    "INSERT INTO hold_end (hold, who, why) SELECT number, $2, $3 FROM hold WHERE number = $1
                     ON CONFLICT (hold) DO NOTHING",
                    number,
                    clean(&by.who),
                    clean(&by.why)
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if ended == 0 {
                    return Ok(false);
                }
                audit::write(&mut transaction, "hold-ended", None, hold, by).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if ended {
            self.hint();
        }
        Ok(ended)
    }

    /// Stops a scope. Stopped twice for different reasons is stopped twice, and ended once.
    pub async fn stop(&self, scope: &Scope, by: &By) -> Result<Stop, StoreError> {
        let text = clean(&scope.to_string());
        let stop = self
            .run("stopping", async {
                let mut transaction = self.begin().await?;
                move_on(&mut transaction).await?;
                let at_ms = query_scalar!(
                    "INSERT INTO stop (scope, reason, who) VALUES ($1, $2, $3) RETURNING at_ms",
                    text,
                    clean(&by.why),
                    clean(&by.who)
                )
                .fetch_one(&mut *transaction)
                .await?;
                audit::write(&mut transaction, "stopped", None, &text, by).await?;
                transaction.commit().await?;
                Ok(Stop {
                    scope: scope.clone(),
                    reason: by.why.clone(),
                    by: by.who.clone(),
                    since: time(at_ms),
                    keeper: Keeper::Database,
                })
            })
            .await?;
        self.hint();
        Ok(stop)
    }

    /// Ends every stop of this very scope; `false` if none stands.
    pub async fn resume(&self, scope: &Scope, by: &By) -> Result<bool, StoreError> {
        let text = clean(&scope.to_string());
        let ended = self
            .run("resuming", async {
                let mut transaction = self.begin().await?;
                move_on(&mut transaction).await?;
                let ended = query!(
                    "INSERT INTO stop_end (stop, who, why)
                     SELECT number, $2, $3 FROM stop
                     WHERE scope = $1 AND NOT EXISTS (SELECT FROM stop_end WHERE stop_end.stop = stop.number)",
                    text,
                    clean(&by.who),
                    clean(&by.why)
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if ended == 0 {
                    return Ok(false);
                }
                audit::write(&mut transaction, "resumed", None, &text, by).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if ended {
            self.hint();
        }
        Ok(ended)
    }
}

fn id(number: i64) -> String {
    format!("h-{number}")
}

/// Whatever was decided before is decided anew. Its row is locked to the end of the transaction.
async fn move_on(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("UPDATE restraint_epoch SET epoch = epoch + 1")
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether nothing was made or ended since `epoch`, and will not be before the caller's transaction ends.
pub(crate) async fn unmoved(connection: &mut PgConnection, epoch: u64) -> Result<bool, sqlx::Error> {
    let now = keep(connection).await?;
    Ok(u64::try_from(now) == Ok(epoch))
}

/// The holds that stand, and will until the caller's transaction ends.
pub(crate) async fn holds(connection: &mut PgConnection) -> Result<Vec<Hold>, Fault> {
    keep(connection).await?;
    Ok(standing(connection, None).await?.holds)
}

async fn keep(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    query_scalar!("SELECT epoch FROM restraint_epoch FOR SHARE")
        .fetch_one(connection)
        .await
}

/// What stands, or stood at a time; oldest first. Holds whose time is over too, until they were ended.
pub(crate) async fn standing(
    connection: &mut PgConnection,
    at: Option<Timestamp>,
) -> Result<Restraints, Fault> {
    // What is there now was made, whatever the clock says of it.
    let until = at.map_or(i64::MAX, Timestamp::unix_ms);
    let holds = query!(
        "SELECT number, targets, effect, until_ms, reason, ticket, who, at_ms FROM hold
         WHERE at_ms <= $1
           AND NOT EXISTS (SELECT FROM hold_end WHERE hold_end.hold = hold.number AND hold_end.at_ms <= $1)
         ORDER BY number",
        until
    )
    .fetch_all(&mut *connection)
    .await?;
    let holds = holds.into_iter().map(|row| {
        let targets = row.targets.iter().map(|target| selector(target));
        Ok(Hold {
            id: id(row.number),
            targets: targets.collect::<Result<_, StoreError>>()?,
            effect: read("hold", "effect", &row.effect)?,
            until: Some(time(row.until_ms)),
            reason: row.reason,
            ticket: row.ticket,
            by: row.who,
            since: Some(time(row.at_ms)),
        })
    });
    let holds = holds.collect::<Result<_, StoreError>>()?;
    let stops = query!(
        "SELECT scope, reason, who, at_ms FROM stop
         WHERE at_ms <= $1
           AND NOT EXISTS (SELECT FROM stop_end WHERE stop_end.stop = stop.number AND stop_end.at_ms <= $1)
         ORDER BY number",
        until
    )
    .fetch_all(connection)
    .await?;
    let stops = stops.into_iter().map(|row| {
        Ok(Stop {
            scope: read("stop", "scope", &row.scope)?,
            reason: row.reason,
            by: row.who,
            since: time(row.at_ms),
            keeper: Keeper::Database,
        })
    });
    let stops = stops.collect::<Result<_, StoreError>>()?;
    Ok(Restraints { holds, stops })
}

fn selector(text: &str) -> Result<Selector, StoreError> {
    let unreadable = |_| crate::column::unreadable("hold", "targets", &"it is no selector");
    text.parse().map_err(unreadable)
}
