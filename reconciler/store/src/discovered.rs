//! Machines that asked to boot and that no file declared.

use crate::column::time;
use crate::store::Fault;
use crate::stored::whole;
use crate::{Store, StoreError};
use rack_api::fact::FactBody;
use reconciler_core::observed::Discovered;
use schema_ids::Mac;
use sqlx::{PgConnection, query};
use std::collections::BTreeMap;

/// Machines listed, the newest first: more than a person declares in one go, and a limit on what a
/// link full of strangers can make us read.
const DISCOVERED_MAX: i64 = 4096;

impl Store {
    /// Inspected machines that no file declared when they were seen, newest by boot MAC.
    pub async fn discovered(&self) -> Result<BTreeMap<Mac, Discovered>, StoreError> {
        self.run("reading discovered machines", async {
            discovered(&mut *self.pool.acquire().await?).await
        })
        .await
    }
}

/// The same within the caller's snapshot.
pub(crate) async fn discovered(connection: &mut PgConnection) -> Result<BTreeMap<Mac, Discovered>, Fault> {
    let rows = query!(
        r#"SELECT received_ms, fact.body, inventory.body AS "inventory?"
           FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
           WHERE position IN (
               SELECT max(position) FROM fact WHERE machine IS NULL AND kind = 'enlisted'
               GROUP BY slot ORDER BY max(position) DESC LIMIT $1)"#,
        DISCOVERED_MAX
    )
    .fetch_all(connection)
    .await?;
    let mut machines = BTreeMap::new();
    for row in rows {
        if let FactBody::Enlisted { mac, link, inventory } = whole(row.body, row.inventory)?.body {
            let seen = time(row.received_ms);
            machines.insert(
                mac,
                Discovered {
                    link,
                    seen,
                    inventory: *inventory,
                },
            );
        }
    }
    Ok(machines)
}
