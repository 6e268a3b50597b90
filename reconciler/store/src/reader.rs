//! The role under which planning reads: it may look at every table and write to none.
//!
//! That a plan changes nothing is so because the database refuses it, not because nobody has written a statement that
//! would.

use sqlx::{Connection as _, PgConnection, raw_sql};

/// Of all databases of a server: what it may do is said database by database.
pub(crate) const READER: &str = "muster_reader";

/// One lock for all daemons that come up at once: Postgres does not serialise grants.
const MAKE: &str = "
    SELECT pg_advisory_xact_lock(hashtext('muster_reader'));
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'muster_reader') THEN
            CREATE ROLE muster_reader NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$;
    DO $$ BEGIN
        IF NOT pg_has_role(current_user, 'muster_reader', 'MEMBER') THEN
            GRANT muster_reader TO CURRENT_USER;
        END IF;
    END $$;
    GRANT USAGE ON SCHEMA public TO muster_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO muster_reader;";

/// Makes the role and lets it read what there is; safe to run twice and by several daemons at once.
pub(crate) async fn ensure(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    raw_sql(MAKE).execute(&mut *transaction).await?;
    transaction.commit().await
}
