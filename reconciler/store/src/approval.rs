//! A person's word for a plan and what it erases.

use crate::column::{clean, time};
use crate::{By, Store, StoreError, audit};
use reconciler_core::plan::Plan;
use schema_ids::{MachineId, Timestamp};
use sqlx::{query, query_scalar};
use std::collections::BTreeSet;

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The plan.
    pub plan: String,
    /// The digest of the wipe-set that was agreed to.
    pub wipe_set: String,
    /// Who, and why.
    pub by: By,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Records an approval; the same person approving the same again changes nothing. The plan must be
    /// stored.
    pub async fn approve(&self, plan: &str, wipe_set: &str, by: &By) -> Result<(), StoreError> {
        self.run("recording an approval", async {
            let mut transaction = self.begin().await?;
            let new = query!(
                "INSERT INTO approval (plan_id, wipe_set, who, why) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (plan_id, wipe_set, who) DO NOTHING",
                plan,
                wipe_set,
                clean(&by.who),
                clean(&by.why)
            )
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if new > 0 {
                audit::write(
                    &mut transaction,
                    "approval",
                    None,
                    &format!("{plan} {wipe_set}"),
                    by,
                )
                .await?;
            }
            transaction.commit().await?;
            Ok(())
        })
        .await?;
        self.hint();
        Ok(())
    }

    /// People who agreed to what this plan erases and releases, by a plan with the same wipe-set that destroys no less.
    /// What they said before one of the `machines` was last destroyed is used up.
    pub async fn approvers(
        &self,
        plan: &Plan,
        machines: &BTreeSet<MachineId>,
    ) -> Result<BTreeSet<String>, StoreError> {
        self.run("reading who agreed", async {
            let destroys: Vec<String> = plan.destroys.iter().map(ToString::to_string).collect();
            let machines: Vec<String> = machines.iter().map(ToString::to_string).collect();
            let who = query_scalar!(
                "SELECT DISTINCT who FROM approval JOIN plan ON plan.id = plan_id
                 WHERE wipe_set = $1
                   AND coalesce(document::jsonb -> 'destroys', '[]') @> to_jsonb($2::text[])
                   AND at_ms > coalesce((SELECT max(at_ms) FROM destroyed WHERE machine = ANY ($3)), 0)
                 ORDER BY who",
                plan.wipe_set.digest,
                &destroys,
                &machines
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(who.into_iter().collect())
        })
        .await
    }

    /// Approvals of a plan, oldest first.
    pub async fn approvals(&self, plan: &str) -> Result<Vec<Approval>, StoreError> {
        self.run("reading approvals", async {
            let rows = query!(
                "SELECT wipe_set, who, why, at_ms FROM approval WHERE plan_id = $1 ORDER BY at_ms, who",
                plan
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| Approval {
                    plan: plan.to_owned(),
                    wipe_set: row.wipe_set,
                    by: By {
                        who: row.who,
                        why: row.why,
                    },
                    at: time(row.at_ms),
                })
                .collect())
        })
        .await
    }
}
