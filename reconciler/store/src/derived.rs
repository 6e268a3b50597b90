//! What may be deleted at any time without losing anything.

use crate::{Store, StoreError};
use sqlx::query;

/// Tables whose rows are made anew from the others: the queue, by enqueueing the fleet and every
/// machine of the adopted plan.
pub const DERIVED_TABLES: [&str; 1] = ["work"];

impl Store {
    /// Empties the derived tables. The caller marks everything as due afterwards, as at a start.
    pub async fn delete_derived(&self) -> Result<(), StoreError> {
        self.run("emptying the derived tables", async {
            query!("DELETE FROM work").execute(&self.pool).await?;
            Ok(())
        })
        .await
    }
}
