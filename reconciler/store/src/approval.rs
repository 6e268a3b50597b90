//! A person's word for a plan and what it erases.

use crate::column::{clean, read_document, time};
use crate::{By, Store, StoreError, audit};
use reconciler_core::plan::Plan;
use schema_ids::{MachineId, Timestamp};
use sqlx::{query, query_scalar};
use std::collections::{BTreeMap, BTreeSet};

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

    /// Takes a person's word for a wipe-set back, by whichever plans it was given: it counts no more until they give it again.
    /// Says whether there was one. The audit keeps both.
    pub async fn withdraw_approval(&self, wipe_set: &str, by: &By) -> Result<bool, StoreError> {
        let stood = self
            .run("taking an approval back", async {
                let mut transaction = self.begin().await?;
                let plans = query_scalar!(
                    "DELETE FROM approval WHERE wipe_set = $1 AND who = $2 RETURNING plan_id",
                    wipe_set,
                    clean(&by.who)
                )
                .fetch_all(&mut *transaction)
                .await?;
                for plan in &plans {
                    let subject = format!("{plan} {wipe_set}");
                    audit::write(&mut transaction, "approval-withdrawn", None, &subject, by).await?;
                }
                transaction.commit().await?;
                Ok(!plans.is_empty())
            })
            .await?;
        self.hint();
        Ok(stood)
    }

    /// People who agreed to what this plan erases and releases, by a plan that [speaks for](Plan::speaks_for) it.
    /// What they said before one of the `machines` was last destroyed is used up.
    pub async fn approvers(
        &self,
        plan: &Plan,
        machines: &BTreeSet<MachineId>,
    ) -> Result<BTreeSet<String>, StoreError> {
        self.run("reading who agreed", async {
            let machines: Vec<String> = machines.iter().map(ToString::to_string).collect();
            let said = query!(
                "SELECT plan_id, who FROM approval
                 WHERE wipe_set = $1
                   AND at_ms > coalesce((SELECT max(at_ms) FROM destroyed WHERE machine = ANY ($2)), 0)
                 ORDER BY plan_id, who",
                plan.wipe_set.digest,
                &machines
            )
            .fetch_all(&self.pool)
            .await?;
            let mut people: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for row in said {
                people.entry(row.plan_id).or_default().insert(row.who);
            }
            let mut counted = BTreeSet::new();
            for (id, people) in people {
                // Compared here: a plan may hold text that `jsonb` refuses.
                let document = query_scalar!("SELECT document FROM plan WHERE id = $1", id)
                    .fetch_one(&self.pool)
                    .await?;
                let agreed: Plan = read_document("plan", "document", document)?;
                if agreed.speaks_for(plan) {
                    counted.extend(people);
                }
            }
            Ok(counted)
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
