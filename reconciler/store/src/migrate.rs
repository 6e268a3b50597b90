//! Brings the schema up to date, and refuses one that is newer than this build.

use crate::reader::{self, READER};
use sqlx::{PgConnection, migrate::Migrator};

/// The migrations of this build. They only expand the schema; one is never edited.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

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
/// advisory lock. Refuses a newer schema before it changes anything.
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
    MIGRATOR
        .run(&mut *connection)
        .await
        .map_err(MigrateError::Failed)?;
    reader::ensure(connection).await.map_err(MigrateError::Reader)
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
