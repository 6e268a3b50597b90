//! Plans: immutable documents. A stored plan is not an adopted one.

use crate::column::{document, read_document};
use crate::store::Fault;
use crate::{Store, StoreError};
use reconciler_core::plan::Plan;
use serde_json::Value;
use sqlx::{PgConnection, query, query_scalar};

impl Store {
    /// Stores a plan; storing the same one again changes nothing, not even when it was made.
    pub async fn save_plan(&self, plan: &Plan) -> Result<(), StoreError> {
        self.run("storing a plan", async {
            let mut transaction = self.begin().await?;
            save(&mut transaction, plan).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Stores a plan and remembers that it was shown to people for this git tree (the tree's object id,
    /// which a merge without conflicts keeps; a commit's id where none is known).
    pub async fn save_shown_plan(&self, plan: &Plan, tree: &str) -> Result<(), StoreError> {
        self.run("storing a shown plan", async {
            let mut transaction = self.begin().await?;
            save(&mut transaction, plan).await?;
            query!(
                "INSERT INTO shown (tree, plan_id) SELECT $1, $2 WHERE $2 IS DISTINCT FROM
                     (SELECT plan_id FROM shown WHERE tree = $1 ORDER BY position DESC LIMIT 1)",
                tree,
                plan.id
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// The plans by which people agreed to what a commit of this tree erases: the one they were last shown
    /// for the tree before the commit arrived, and those for the tree that they approved.
    pub async fn agreed_plans(&self, commit: &str, tree: &str) -> Result<Vec<Plan>, StoreError> {
        self.run("reading the plans that were agreed to", async {
            let documents = query_scalar!(
                "WITH agreed AS (
                     (SELECT plan_id FROM shown
                      WHERE tree = $2 AND shown_ms < (SELECT min(since_ms) FROM revision WHERE commit_id = $1)
                      ORDER BY position DESC LIMIT 1)
                     UNION SELECT plan_id FROM shown JOIN approval USING (plan_id) WHERE tree = $2)
                 SELECT document FROM plan WHERE id IN (SELECT plan_id FROM agreed) ORDER BY id",
                commit,
                tree
            )
            .fetch_all(&self.pool)
            .await?;
            let plans = documents
                .into_iter()
                .map(|value| read_document("plan", "document", value));
            Ok(plans.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A stored plan.
    pub async fn plan(&self, id: &str) -> Result<Option<Plan>, StoreError> {
        self.run("reading a plan", async {
            read_plan(
                query_scalar!("SELECT document FROM plan WHERE id = $1", id)
                    .fetch_optional(&self.pool)
                    .await?,
            )
        })
        .await
    }

    /// The plan that the fleet is driven to.
    pub async fn adopted(&self) -> Result<Option<Plan>, StoreError> {
        self.run("reading the adopted plan", async {
            read_plan(
                query_scalar!("SELECT document FROM target JOIN plan ON plan.id = plan_id")
                    .fetch_optional(&self.pool)
                    .await?,
            )
        })
        .await
    }

    /// The adopted plan's id alone: cheap enough to ask on every step.
    pub async fn adopted_id(&self) -> Result<Option<String>, StoreError> {
        self.run("reading the adopted plan's id", async {
            Ok(query_scalar!("SELECT plan_id FROM target")
                .fetch_one(&self.pool)
                .await?)
        })
        .await
    }
}

fn read_plan(document: Option<Value>) -> Result<Option<Plan>, Fault> {
    Ok(document
        .map(|value| read_document("plan", "document", value))
        .transpose()?)
}

/// Stores a plan in the caller's transaction.
pub(crate) async fn save(connection: &mut PgConnection, plan: &Plan) -> Result<(), Fault> {
    let written = document("the plan", plan)?;
    let new = query!(
        "INSERT INTO plan (id, parent, commit_id, made_ms, document) VALUES ($1, $2, $3, $4, $5::text::json)
         ON CONFLICT (id) DO NOTHING",
        plan.id,
        plan.parent,
        plan.commit,
        plan.made.unix_ms(),
        written.to_string()
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if new == 0 {
        let stored = query_scalar!("SELECT document FROM plan WHERE id = $1", plan.id)
            .fetch_one(connection)
            .await?;
        let stored: Plan = read_document("plan", "document", stored)?;
        if stored.without_moment() != plan.without_moment() {
            return Err(StoreError::PlanTaken { id: plan.id.clone() }.into());
        }
    }
    Ok(())
}
