//! Failures that budgets count, and people's "go on": appended, never changed.
//!
//! Each moves the epoch of permits, so that whoever decided without knowing of it decides anew.

use crate::column::{clean, count, generation, held, read, time};
use crate::store::Fault;
use crate::{By, Store, StoreError, audit, permits, wipes};
use reconciler_core::admit::{BudgetFailure, Records, Resumed};
use schema_ids::{Generation, MachineId, Name};
use sqlx::{PgConnection, query};
use std::collections::BTreeSet;

impl Store {
    /// Records that a machine failed at an intent while a budget was about it; the permits' epoch since, or `None` if that is on
    /// record.
    pub async fn record_failure(
        &self,
        budget: &Name,
        machine: MachineId,
        of: Generation,
        by: &By,
    ) -> Result<Option<u64>, StoreError> {
        let of = generation(of)?;
        let recorded = self
            .run("recording a failure", async {
                let mut transaction = self.begin().await?;
                // Numbers are drawn under its row, so that a later one is not seen before an earlier one.
                let epoch = permits::move_on(&mut transaction).await?;
                let rows = query!(
                    "INSERT INTO budget_failure (budget, machine, generation, why) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                    budget.as_str(),
                    machine.to_string(),
                    of,
                    clean(&by.why)
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if rows == 0 {
                    return Ok(None);
                }
                let subject = format!("budget.{budget} generation {of}");
                audit::write(&mut transaction, "budget-failure", Some(machine), &subject, by).await?;
                transaction.commit().await?;
                Ok(Some(epoch))
            })
            .await?;
        if recorded.is_some() {
            self.hint();
        }
        Ok(recorded)
    }

    /// Records that a person has looked at the failures that count against a budget, up to the one of this number; how many
    /// those were. They count under its names: its own, and those of budgets that it follows.
    pub async fn resume_budget(
        &self,
        budget: &Name,
        names: &BTreeSet<Name>,
        seen: u64,
        by: &By,
    ) -> Result<u64, StoreError> {
        let names: Vec<String> = names.iter().map(Name::to_string).collect();
        let resumed = self
            .run("resuming a budget", async {
                let mut transaction = self.begin().await?;
                permits::move_on(&mut transaction).await?;
                let rows = query!(
                    "INSERT INTO budget_resumed (failure, who, why)
                     SELECT number, $2, $3 FROM budget_failure WHERE budget = ANY($1) AND number <= $4
                         AND NOT EXISTS (SELECT FROM budget_resumed WHERE failure = budget_failure.number)",
                    &names,
                    clean(&by.who),
                    clean(&by.why),
                    held(seen)
                )
                .execute(&mut *transaction)
                .await?
                .rows_affected();
                if rows == 0 {
                    return Ok(0);
                }
                let subject = format!("budget.{budget} up to failure {seen}");
                audit::write(&mut transaction, "budget-resumed", None, &subject, by).await?;
                transaction.commit().await?;
                Ok(rows)
            })
            .await?;
        if resumed > 0 {
            self.hint();
        }
        Ok(resumed)
    }
}

/// Failures that count, those of today's intents that people have looked at, and what was begun within an hour.
pub(crate) async fn records(connection: &mut PgConnection) -> Result<Records, Fault> {
    let rows = query!(
        r#"SELECT failure.number, failure.budget, failure.machine, failure.generation, failure.why, failure.at_ms,
                  resumed.who AS "who?", resumed.why AS "resumed_why?", resumed.at_ms AS "resumed_ms?"
           FROM budget_failure AS failure
           JOIN machine ON machine.id = failure.machine
           LEFT JOIN budget_resumed AS resumed ON resumed.failure = failure.number
           WHERE resumed.failure IS NULL OR failure.generation = machine.generation
           ORDER BY failure.number"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let failures = rows.into_iter().map(|row| {
        let resumed = row.who.zip(row.resumed_why).zip(row.resumed_ms);
        Ok(BudgetFailure {
            number: count("budget_failure", "number", row.number)?,
            budget: read("budget_failure", "budget", &row.budget)?,
            machine: read("budget_failure", "machine", &row.machine)?,
            generation: Generation(count("budget_failure", "generation", row.generation)?),
            why: row.why,
            at: time(row.at_ms),
            resumed: resumed.map(|((who, why), at_ms)| Resumed {
                who,
                why,
                at: time(at_ms),
            }),
        })
    });
    let failures = failures.collect::<Result<_, StoreError>>()?;
    let wiped = wipes::within_the_hour(connection).await?;
    Ok(Records { failures, wiped })
}
