//! Brings the schema up to date, and refuses one that is newer than this build.

use crate::reader::{self, READER};
use sqlx::{PgConnection, migrate::Migrator};
use std::time::Duration;

/// The migrations of this build. They only expand the schema; one is never edited.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// `deadlock_detected` (PostgreSQL, appendix A).
const DEADLOCK_DETECTED: &str = "40P01";

/// A migration is tried so often. Postgres ends either side, and a daemon reads about once a second: losing five times in a row is no
/// chance any more.
const DEADLOCKS_MAX: u32 = 5;

/// Between two tries: long enough for the reading that won to be over, which takes milliseconds.
const DEADLOCK_PAUSE: Duration = Duration::from_millis(200);

/// Why the schema does not fit.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer muster has migrated this database; an older one may not write to it.
    #[error("the schema is at version {found}, this muster knows it up to {known}; upgrade muster")]
    Newer {
        /// The database's.
        found: i64,
        /// This build's.
        known: i64,
    },
    /// A migration failed; Postgres has rolled it back.
    #[error("a migration failed")]
    Failed(#[source] sqlx::migrate::MigrateError),
    /// The role that reads could not be made.
    #[error(
        "the role {READER}, under which planning reads, cannot be made or used; let an administrator of the server \
         run: CREATE ROLE {READER} NOLOGIN; GRANT {READER} TO the user of muster"
    )]
    Reader(#[source] sqlx::Error),
    /// The version could not be read.
    #[error("the schema's version cannot be read")]
    Version(#[source] sqlx::Error),
}

/// Applies what is missing. Safe to run twice and by several daemons at once: the migrator holds an
/// advisory lock. Refuses a newer schema before it changes anything. Where a daemon of before reads meanwhile, and takes tables
/// in another order, Postgres ends one of the two; what it ends here is tried again.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let known = MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    if let Some(found) = version(connection).await.map_err(MigrateError::Version)?
        && found > known
    {
        return Err(MigrateError::Newer { found, known });
    }
    apply(connection).await.map_err(MigrateError::Failed)?;
    reader::ensure(connection).await.map_err(MigrateError::Reader)
}

/// Applies what is missing, again where it was the one that Postgres ended for a deadlock. Each migration is a transaction: one that
/// was ended has changed nothing, and those before it stay.
async fn apply(connection: &mut PgConnection) -> Result<(), sqlx::migrate::MigrateError> {
    let mut tries = 1;
    loop {
        match MIGRATOR.run(&mut *connection).await {
            Err(error) if tries < DEADLOCKS_MAX && is_deadlock(&error) => {
                tracing::warn!(tries, error = %error, "a migration met a deadlock, and is tried again");
                // The migrator keeps its lock where it fails, and would take it once more.
                sqlx::query("SELECT pg_advisory_unlock_all()")
                    .execute(&mut *connection)
                    .await?;
                tokio::time::sleep(DEADLOCK_PAUSE).await;
                tries += 1;
            }
            over => return over,
        }
    }
}

fn is_deadlock(error: &sqlx::migrate::MigrateError) -> bool {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
    let (Execute(cause) | ExecuteMigration(cause, _)) = error else {
        return false;
    };
    let code = cause.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(DEADLOCK_DETECTED)
}

/// The newest applied migration; `None` in a fresh database. Not checked at build time, since the
/// table is the migrator's own.
async fn version(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if there {
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&mut *connection)
            .await
    } else {
        Ok(None)
    }
}
