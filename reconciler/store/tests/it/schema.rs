//! Migrations: idempotent, refused when newer, and their outcome as a snapshot.

use crate::bed::Bed;
use reconciler_store::{MIGRATOR, MigrateError, Store, StoreError, migrate};
use std::fmt::Write;
use std::path::Path;

/// Everything that tells schemas apart, as text that is the same on every supported Postgres.
const CATALOGUE: &str = "
    SELECT format(E'TABLE %s\\n%s', c.relname, string_agg(line, E'\\n' ORDER BY place, line)) FROM pg_class c
    JOIN LATERAL (
        SELECT attnum::int AS place, format('    %s %s%s%s', attname, format_type(atttypid, atttypmod),
               CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END,
               CASE WHEN attidentity <> '' THEN ' IDENTITY'
                    WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END) AS line
        FROM pg_attribute LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT 1000, format('    %s', pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid = c.oid AND contype <> 'n'
        UNION ALL SELECT 1001, format('    %s', pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = c.oid
    ) AS described ON true
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> '_sqlx_migrations'
    GROUP BY c.relname ORDER BY c.relname";

#[tokio::test]
async fn the_schema_is_the_snapshot() {
    let bed = Bed::new().await;
    let tables: Vec<String> = sqlx::query_scalar(CATALOGUE).fetch_all(&bed.raw).await.unwrap();
    let mut found = String::from("-- What the migrations add up to; written by tests/it/schema.rs.\n");
    for table in tables {
        writeln!(found, "\n{table}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
    if std::fs::read_to_string(&path).unwrap_or_default() != found {
        let new = path.with_extension("sql.new");
        std::fs::write(&new, found).unwrap();
        panic!(
            "the schema has changed: read {} and rename it to schema.sql if it is right",
            new.display()
        );
    }
}

#[tokio::test]
async fn no_column_holds_a_phase() {
    let bed = Bed::new().await;
    let phases = "SELECT count(*) FROM information_schema.columns
                  WHERE table_schema = 'public' AND column_name LIKE '%phase%'";
    assert_eq!(bed.number(phases).await, 0);
}

#[tokio::test]
async fn migrating_again_and_at_once_changes_nothing() {
    let bed = Bed::new().await;
    let (mut one, mut two) = (bed.raw.acquire().await.unwrap(), bed.raw.acquire().await.unwrap());
    let (first, second) = tokio::join!(migrate(&mut one), migrate(&mut two));
    first.unwrap();
    second.unwrap();
    let applied = bed.number("SELECT count(*) FROM _sqlx_migrations").await;
    assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
}

/// A fresh database in which Postgres ends so many commands that change the schema, as it ends one of two that wait for each other.
/// A sequence counts them, since it forgets nothing that is rolled back.
async fn deadlocked(bed: &Bed, times: u32) {
    let function = format!(
        "CREATE FUNCTION trip.over() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('trip.met') <= {times} THEN
                 RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
             END IF;
         END $$"
    );
    for statement in [
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE SCHEMA trip",
        "CREATE SEQUENCE trip.met",
        &function,
        "CREATE EVENT TRIGGER trip ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION trip.over()",
    ] {
        bed.sql(statement).await;
    }
}

#[tokio::test]
async fn a_migration_that_postgres_ends_for_a_deadlock_is_tried_again() {
    let bed = Bed::new().await;
    deadlocked(&bed, 3).await;
    let mut connection = bed.raw.acquire().await.unwrap();
    migrate(&mut connection).await.unwrap();
    let applied = bed
        .number("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .await;
    assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
    assert!(bed.number("SELECT last_value FROM trip.met").await > 3);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
                 (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(bed.number(locks).await, 0, "nobody waits for it any more");
}

#[tokio::test]
async fn a_deadlock_without_end_is_told() {
    let bed = Bed::new().await;
    deadlocked(&bed, u32::MAX).await;
    let mut connection = bed.raw.acquire().await.unwrap();
    match migrate(&mut connection).await {
        Err(MigrateError::Failed(error)) => assert!(error.to_string().contains("deadlock"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bed.number("SELECT last_value FROM trip.met").await, 5);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let bed = Bed::new().await;
    bed.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', true, '', 0)",
    )
    .await;
    match Store::connect(bed.options()).await {
        Err(StoreError::Schema(MigrateError::Newer { found: 9999, known })) => assert!(known < 9999),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_table_has_a_named_writer() {
    for migration in MIGRATOR.iter() {
        let lines: Vec<_> = migration.sql.as_str().lines().collect();
        for (at, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("CREATE TABLE"))
        {
            let comment = lines[..at].iter().rev().take_while(|line| !line.is_empty());
            let writer = comment
                .into_iter()
                .find_map(|line| line.strip_prefix("-- Writer: "));
            let module = writer
                .and_then(|text| text.split('.').next())
                .unwrap_or_else(|| panic!("{line}: no writer"));
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{module}.rs"));
            assert!(file.is_file(), "{line}: its writer {module} is no module");
        }
    }
}
