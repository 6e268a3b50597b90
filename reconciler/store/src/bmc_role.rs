//! Which agent of a rack commands its BMCs: a lease that lives by the agent's syncs.
//!
//! The holder's lease is as old as its last sync. It changes hands by compare-and-set on the epoch, in a
//! transaction that holds the old holder's row: whoever was heard meanwhile keeps it. Adoption and enrolment
//! take it away in their own transactions, so that nobody is told of a new hand while an old one may act.

use crate::column::{count, number, read, time};
use crate::{By, Store, StoreError, audit};
use reconciler_core::roles::{BmcRole, Moved};
use schema_ids::Name;
use sqlx::{PgConnection, query};
use std::collections::BTreeMap;
use std::time::Duration;

/// One change of hands.
#[derive(Debug, Clone)]
pub struct HandOver<'a> {
    /// The rack.
    pub rack: &'a Name,
    /// The role as it was when this was decided; `None` if nobody had it.
    pub from: Option<&'a BmcRole>,
    /// Who gets it; nobody where it is only taken away.
    pub to: Option<&'a Name>,
    /// The former holder must not have been heard for so long before another gets it.
    pub silence: Duration,
}

impl Store {
    /// Who commands the BMCs of each rack.
    pub async fn bmc_roles(&self) -> Result<BTreeMap<Name, BmcRole>, StoreError> {
        self.run("reading BMC roles", async {
            let rows = query!("SELECT rack, agent, epoch, since_ms FROM bmc_role")
                .fetch_all(&self.pool)
                .await?;
            rows.into_iter()
                .map(|row| {
                    let role = BmcRole {
                        agent: row
                            .agent
                            .map(|agent| read("bmc_role", "agent", &agent))
                            .transpose()?,
                        epoch: count("bmc_role", "epoch", row.epoch)?,
                        since: time(row.since_ms),
                    };
                    Ok((read("bmc_role", "rack", &row.rack)?, role))
                })
                .collect()
        })
        .await
    }

    /// Gives a rack's BMCs into other hands; `false` if they were elsewhere already or the former holder
    /// was heard after all.
    pub async fn hand_over_bmcs(&self, wish: &HandOver<'_>, by: &By) -> Result<bool, StoreError> {
        let done = self
            .run("handing BMCs over", async {
                let mut transaction = self.begin().await?;
                let changed = match wish.from {
                    None => {
                        query!(
                            "INSERT INTO bmc_role (rack, agent, epoch) VALUES ($1, $2, 1) ON CONFLICT (rack) DO NOTHING",
                            wish.rack.as_str(),
                            wish.to.map(Name::as_str)
                        )
                        .execute(&mut *transaction)
                        .await?
                    }
                    Some(from) => {
                        if let (Some(holder), Some(_)) = (&from.agent, wish.to)
                            && is_heard(&mut transaction, holder, wish.silence).await?
                        {
                            return Ok(false);
                        }
                        query!(
                            "UPDATE bmc_role SET agent = $3, epoch = epoch + 1, since_ms = now_ms()
                             WHERE rack = $1 AND epoch = $2",
                            wish.rack.as_str(),
                            number("epoch", from.epoch)?,
                            wish.to.map(Name::as_str)
                        )
                        .execute(&mut *transaction)
                        .await?
                    }
                };
                if changed.rows_affected() == 0 {
                    return Ok(false);
                }
                let to = wish.to.map_or("nobody", Name::as_str);
                let subject = format!("{} to {to}", wish.rack);
                audit::write(&mut transaction, "bmcs-handed-over", None, &subject, by).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if done {
            self.hint();
        }
        Ok(done)
    }
}

/// Takes every rack's BMCs from an agent whose name another host may have now: nobody has them until what it
/// was told last is over.
pub(crate) async fn take_from(connection: &mut PgConnection, agent: &str) -> Result<(), sqlx::Error> {
    query!(
        "UPDATE bmc_role SET agent = NULL, epoch = epoch + 1, since_ms = now_ms() WHERE agent = $1",
        agent
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets the BMCs of a rack rest where a plan brings it some of another rack that other hands had, or may have
/// had: whoever had them acts on them until its lease is over.
pub(crate) async fn bring(connection: &mut PgConnection, moved: &Moved) -> Result<(), sqlx::Error> {
    query!(
        "INSERT INTO bmc_role (rack, agent, epoch) SELECT $2, NULL, 1 FROM bmc_role WHERE rack = $1
         ON CONFLICT (rack) DO UPDATE SET agent = NULL, epoch = bmc_role.epoch + 1, since_ms = now_ms()
             WHERE bmc_role.agent IS NULL
                OR bmc_role.agent IS DISTINCT FROM (SELECT former.agent FROM bmc_role AS former WHERE rack = $1)",
        moved.from.as_str(),
        moved.to.as_str()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether an agent was heard within this time. Locks its row, as a sync does: one under way is before this,
/// and heard, or after it, and learns what was decided.
async fn is_heard(
    connection: &mut PgConnection,
    agent: &Name,
    silence: Duration,
) -> Result<bool, sqlx::Error> {
    let row = query!(
        r#"SELECT now_ms() - heard_ms AS "silent!" FROM agent WHERE name = $1 FOR UPDATE"#,
        agent.as_str()
    )
    .fetch_optional(connection)
    .await?;
    let silence = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
    Ok(row.is_some_and(|row| row.silent < silence))
}
