//! Planning reads under a role that cannot write.

use crate::bed::Bed;
use sqlx::{AssertSqlSafe, Executor as _};

const TABLES: &str = "SELECT relname::text FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_sqlx_migrations' ORDER BY 1";

#[tokio::test]
async fn the_reader_sees_every_table_and_writes_to_none() {
    let bed = Bed::new().await;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&bed.raw).await.unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let mut transaction = bed.raw.begin().await.unwrap();
        transaction.execute("SET LOCAL ROLE muster_reader").await.unwrap();
        let look = format!("SELECT * FROM {table} LIMIT 1");
        transaction.execute(AssertSqlSafe(look)).await.unwrap();
        let wipe = format!("DELETE FROM {table}");
        let refused = transaction
            .execute(AssertSqlSafe(wipe))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("permission denied"), "{table}: {refused}");
    }
}

#[tokio::test]
async fn planning_reads_as_the_reader() {
    let bed = Bed::new().await;
    bed.observed().await.unwrap();
    bed.raw
        .execute("REVOKE SELECT ON machine FROM muster_reader")
        .await
        .unwrap();
    let refused = format!("{:?}", bed.observed().await.unwrap_err());
    assert!(refused.contains("permission denied"), "{refused}");
    // A daemon that comes up sees to it again.
    reconciler_store::migrate(&mut bed.raw.acquire().await.unwrap())
        .await
        .unwrap();
    bed.observed().await.unwrap();
}
