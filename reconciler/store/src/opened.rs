//! Guards that people have opened for one plan.

use crate::column::{clean, time};
use crate::{By, Store, StoreError, audit};
use reconciler_core::plan::opened::Opened;
use sqlx::query;

impl Store {
    /// Records that a person opens a guard for a plan; saying it again renews it. The plan must be stored.
    pub async fn open_guard(&self, plan: &str, guard: &str, by: &By) -> Result<(), StoreError> {
        self.run("recording that a guard is opened", async {
            let mut transaction = self.begin().await?;
            query!(
                "INSERT INTO guard_opened (plan_id, guard, who, why) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (plan_id, guard, who) DO UPDATE SET why = excluded.why, at_ms = now_ms()",
                plan,
                clean(guard),
                clean(&by.who),
                clean(&by.why)
            )
            .execute(&mut *transaction)
            .await?;
            let subject = format!("{plan} {guard}");
            audit::write(&mut transaction, "guard-opened", None, &subject, by).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await?;
        self.hint();
        Ok(())
    }

    /// Who opened which guard for a plan, oldest first; those whose time is over as well.
    pub async fn opened(&self, plan: &str) -> Result<Vec<Opened>, StoreError> {
        self.run("reading which guards are open", async {
            let rows = query!(
                "SELECT guard, who, why, at_ms FROM guard_opened WHERE plan_id = $1 ORDER BY at_ms, who",
                plan
            )
            .fetch_all(&self.pool)
            .await?;
            let opened = rows.into_iter().map(|row| Opened {
                guard: row.guard,
                who: row.who,
                why: row.why,
                at: time(row.at_ms),
            });
            Ok(opened.collect())
        })
        .await
    }
}
