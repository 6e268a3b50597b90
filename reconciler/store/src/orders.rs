//! Orders as issued: the daemon's own record, kept for ever.

use crate::column::{document, generation, read_document, time};
use crate::store::Fault;
use crate::{By, Store, StoreError, audit, identity, permits, restraint, start};
use rack_api::order::{Lane, Order, OrderRef};
use reconciler_core::admit::Leave;
use reconciler_core::facts::IssuedOrder;
use schema_ids::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use std::time::Duration;

/// A daemon takes a moment from the decision to the grant; one that was stopped in between decides anew.
pub(crate) const DECIDED_MAX: Duration = Duration::from_secs(60);

/// An order with the grant that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// The order.
    pub order: Order,
    /// By what leave. The `at` of a grant is set by the database.
    pub leave: Leave,
}

/// Orders that were decided under one plan and one state of the permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue<'a> {
    /// The adopted plan.
    pub plan: &'a str,
    /// The permits' epoch; compared only if grants are to be taken.
    pub permits_epoch: u64,
    /// When it was decided, by the store's clock; grants that were decided more than a minute ago are not taken, since
    /// windows and limits were judged by that time.
    pub decided: Timestamp,
    /// The epoch of holds and stops.
    pub restraints_epoch: u64,
    /// The orders. Many at once cost one commit.
    pub orders: &'a [Intended],
    /// How many goes of its generation were known of the machine whose power is ordered: what begins to write
    /// meanwhile is not cut. `None` where no power is.
    pub goes: Option<usize>,
    /// The budget beyond which a person goes by it, and why: recorded with the orders.
    pub beyond: Option<Beyond<'a>>,
    /// By whom, for the audit; the reason is each order's cause.
    pub who: &'a str,
}

/// That a person goes beyond a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond<'a> {
    /// What is full.
    pub evidence: &'a str,
    /// Why the person does it all the same.
    pub why: &'a str,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuance {
    /// Written, each with its grant.
    Written {
        /// Those written. One left out had its place taken (by this daemon before, or by another), or
        /// is older than an order that was issued; its grant was not taken either.
        orders: Vec<OrderRef>,
        /// The permits' epoch now.
        permits_epoch: u64,
    },
    /// Another plan is adopted: decide anew. Nothing was written.
    PlanSuperseded,
    /// A grant was taken or released meanwhile, or a hold or stop was made or ended: decide anew. Nothing was written.
    PermitsMoved,
    /// Grants were decided too long ago: decide anew, and faster. Nothing was written.
    TooLate {
        /// So long.
        after: Duration,
    },
    /// The machine was told meanwhile that it may write: decide anew. Nothing was written.
    Begun,
    /// An order is of another incarnation, or an agent knows more than this database. Nothing was
    /// written.
    Refused(String),
}

impl Store {
    /// Takes the grants and records the orders, in one transaction. An order's place (machine,
    /// incarnation, generation, number) is taken once.
    pub async fn issue(&self, issue: &Issue<'_>) -> Result<Issuance, StoreError> {
        let issuance = self
            .run("issuing orders", async {
                let mut transaction = self.begin().await?;
                let issuance = write(&mut transaction, issue).await?;
                if matches!(issuance, Issuance::Written { .. }) {
                    transaction.commit().await?;
                }
                Ok(issuance)
            })
            .await?;
        if matches!(issuance, Issuance::Written { .. }) {
            self.hint();
        }
        Ok(issuance)
    }

    /// The newest order of each machine and lane in the current incarnation. The caller leaves out
    /// those of another generation than the adopted plan's.
    pub async fn current_orders(&self) -> Result<Vec<IssuedOrder>, StoreError> {
        self.run("reading current orders", async {
            let rows = query!(
                r#"SELECT newest.at_ms, newest.body
                   FROM machine CROSS JOIN (VALUES ('power'), ('boot')) AS lanes (lane) CROSS JOIN LATERAL (
                       SELECT at_ms, body FROM order_issued
                       WHERE machine = machine.id AND lane = lanes.lane
                         AND incarnation = (SELECT max(number) FROM incarnation)
                       ORDER BY generation DESC, number DESC LIMIT 1) AS newest
                   ORDER BY machine.id, lanes.lane"#
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| Ok(issued(row.at_ms, row.body)?))
                .collect()
        })
        .await
    }
}

async fn write(connection: &mut PgConnection, issue: &Issue<'_>) -> Result<Issuance, Fault> {
    // Held to the end of the transaction: a plan adopted meanwhile waits, and its daemon then sees
    // these orders.
    let adopted = query_scalar!("SELECT plan_id FROM target FOR SHARE")
        .fetch_one(&mut *connection)
        .await?;
    if adopted.as_deref() != Some(issue.plan) {
        return Ok(Issuance::PlanSuperseded);
    }
    if !restraint::unmoved(connection, issue.restraints_epoch).await? {
        return Ok(Issuance::PermitsMoved);
    }
    if let Some(evidence) = identity::restored(connection).await? {
        return Ok(Issuance::Refused(evidence));
    }
    let incarnation = identity::incarnation(connection).await?;
    if let Some(other) = issue
        .orders
        .iter()
        .find(|intended| intended.order.incarnation != incarnation)
    {
        let found = other.order.incarnation.number;
        return Ok(Issuance::Refused(format!(
            "incarnation {found} has ended, {} lives",
            incarnation.number
        )));
    }
    if let Some(known) = issue.goes {
        for Intended { order, .. } in issue.orders {
            if start::goes(connection, order.machine, order.generation).await? != known {
                return Ok(Issuance::Begun);
            }
        }
    }
    let wants_grants = issue
        .orders
        .iter()
        .any(|intended| intended.leave.taken().is_some());
    let mut permits_epoch = issue.permits_epoch;
    if wants_grants && permits::lock(connection, permits_epoch).await?.is_none() {
        return Ok(Issuance::PermitsMoved);
    }
    let now_ms = query_scalar!(r#"SELECT now_ms() AS "now!""#)
        .fetch_one(&mut *connection)
        .await?;
    let after = time(now_ms).since(issue.decided);
    if wants_grants && after > DECIDED_MAX {
        return Ok(Issuance::TooLate { after });
    }
    for Intended { order, leave } in issue.orders {
        // Whoever gave it back gave its places to others.
        if *leave == Leave::Held && !permits::stands(connection, order.machine).await? {
            return Ok(Issuance::PermitsMoved);
        }
    }
    let (mut orders, mut grants) = (Vec::new(), Vec::new());
    for Intended { order, leave } in issue.orders {
        if write_order(connection, order, issue.plan, now_ms).await? {
            record(connection, issue, order).await?;
            orders.push(order.reference());
            grants.extend(leave.taken());
        }
    }
    if !grants.is_empty() {
        permits_epoch = permits::take(connection, &grants, now_ms, issue.who).await?;
    }
    Ok(Issuance::Written {
        orders,
        permits_epoch,
    })
}

/// Who gave an order, and why; and that a person went beyond a budget by it.
async fn record(connection: &mut PgConnection, issue: &Issue<'_>, order: &Order) -> Result<(), Fault> {
    let by = |why: &str| By {
        who: issue.who.to_owned(),
        why: why.to_owned(),
    };
    let machine = Some(order.machine);
    let subject = format!("generation {} order {}", order.generation, order.number);
    audit::write(connection, "order-issued", machine, &subject, &by(&order.cause)).await?;
    if let Some(Beyond { evidence, why }) = issue.beyond {
        audit::write(connection, "budget-exceeded", machine, evidence, &by(why)).await?;
    }
    Ok(())
}

/// Whether the order's place was free and nothing newer was issued.
async fn write_order(
    connection: &mut PgConnection,
    order: &Order,
    plan: &str,
    now_ms: i64,
) -> Result<bool, Fault> {
    let written = query!(
        "INSERT INTO order_issued (machine, incarnation, generation, number, lane, plan_id, at_ms, body)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8::text::json
         WHERE NOT EXISTS (SELECT FROM order_issued
                           WHERE machine = $1 AND incarnation = $2 AND (generation, number) > ($3, $4))
         ON CONFLICT (machine, incarnation, generation, number) DO NOTHING",
        order.machine.to_string(),
        crate::column::number("incarnation", order.incarnation.number)?,
        generation(order.generation)?,
        i64::from(order.number),
        lane(order.lane()),
        plan,
        now_ms,
        document("an order", order)?.to_string()
    )
    .execute(connection)
    .await?;
    Ok(written.rows_affected() == 1)
}

fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Power => "power",
        Lane::Boot => "boot",
    }
}

/// Reads a record.
pub(crate) fn issued(at_ms: i64, body: serde_json::Value) -> Result<IssuedOrder, StoreError> {
    Ok(IssuedOrder {
        order: read_document("order_issued", "body", body)?,
        at: time(at_ms),
    })
}
