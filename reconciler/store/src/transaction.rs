//! The numbers of transactions, which rise also when a dump is restored into a cluster that has not come as far.
//!
//! Events are read in the order of these numbers ([`crate::events`]). A cluster counts its own transactions, from the first one it
//! had; what is kept bears the numbers of the cluster it was written in. So there is a base that is added to every number,
//! raised at each start if what is kept has come further than what would be written next.

use sqlx::{PgConnection, query};

/// Rows that are looked at of each table: the newest transaction is among its last rows.
const ROWS: i64 = 1000;

/// What the base is raised beyond the newest number that was found: far more than transactions that could have been
/// missed, and little of the 137,000 million that there are numbers for.
const MARGIN: i64 = 1_000_000;

/// Raises the base if need be. Nothing is written by this daemon before that; what another one writes meanwhile has a number
/// of this cluster already, and raises nothing.
pub(crate) async fn ensure(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!(
        "UPDATE transaction_base SET base = kept.newest + $2 - pg_snapshot_xmax(pg_current_snapshot())::text::bigint
         FROM (SELECT coalesce(max(xact), 0) AS newest FROM (
                   (SELECT xact FROM audit ORDER BY number DESC LIMIT $1)
                   UNION ALL (SELECT xact FROM fact ORDER BY position DESC LIMIT $1)
                   UNION ALL (SELECT xact FROM revision ORDER BY position DESC LIMIT $1)) AS last) AS kept
         WHERE kept.newest >= base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        ROWS,
        MARGIN
    )
    .execute(connection)
    .await?;
    Ok(())
}
