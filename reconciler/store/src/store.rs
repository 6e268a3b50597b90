//! The connection: one pool, migrated, with deadlines on everything.

use crate::migrate::migrate;
use crate::wake::Hints;
use crate::{MigrateError, StoreError, transaction};
use schema_ids::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Postgres, Transaction, query, query_scalar};
use std::sync::Arc;
use std::time::Duration;

/// The oldest major version of Postgres that muster is tested with.
const OLDEST_SERVER: i32 = 14;

/// Connections per daemon: its loop, its agents' syncs and people's questions rarely overlap more, and
/// Postgres counts 100 for all daemons together by default.
const CONNECTIONS_MAX: u32 = 12;

/// How long a caller waits for a connection: a restart of Postgres takes a few seconds.
const ACQUIRE_MAX: Duration = Duration::from_secs(20);

/// The server gives up a statement after this; the largest (adopting ten thousand machines) takes 2 s.
const STATEMENT_MAX: &str = "30s";

/// One whole function, waiting for a connection and its statements included; above both limits, so
/// that theirs, which say more, come first.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Migrations may rewrite tables; a fleet's whole history in an hour.
const MIGRATE_MAX: Duration = Duration::from_secs(3600);

/// The shared store. Cloning it shares the pool.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) hints: Arc<Hints>,
}

/// How the inside of a function fails; [`Store::run`] says what was being done.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(sqlx::Error),
    Known(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl Store {
    /// Connects to `postgres://…`, migrates, and makes the fleet's identity at the first time.
    pub async fn connect_url(url: &str) -> Result<Self, StoreError> {
        Self::connect(url.parse().map_err(StoreError::Url)?).await
    }

    /// The same with options, such as the private cluster's.
    pub async fn connect(options: PgConnectOptions) -> Result<Self, StoreError> {
        let options = options.application_name("musterd");
        let upgraded = tokio::time::timeout(MIGRATE_MAX, Box::pin(upgrade(&options))).await;
        upgraded.map_err(|_| late("migrating", MIGRATE_MAX))??;
        let timed = options.options([
            ("statement_timeout", STATEMENT_MAX),
            // A daemon that hangs inside a transaction must not hold the others' rows.
            ("idle_in_transaction_session_timeout", STATEMENT_MAX),
            // Our statements are many and short; compiling one costs more than running it.
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(timed);
        let store = Self {
            hints: Arc::new(Hints::new(pool.clone())),
            pool,
        };
        store
            .run("numbering transactions", async {
                let mut connection = store.pool.acquire().await?;
                Ok(transaction::ensure(&mut connection).await?)
            })
            .await?;
        store.ensure_identity().await?;
        Ok(store)
    }

    /// Closes the pool; returns when every connection is closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The database's clock, the only one that is compared.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.run("asking for the time", async {
            Ok(Timestamp::from_unix_ms(
                query_scalar!(r#"SELECT now_ms() AS "now!""#)
                    .fetch_one(&self.pool)
                    .await?,
            ))
        })
        .await
    }

    /// Begins a transaction, which ends with its holder: in a task of its own, because a `BEGIN` that is
    /// given up half-way leaves its connection inside a transaction that nobody ends, and the next holder's
    /// words in it (sqlx 0.9.0, issue 4393).
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool.clone();
        match tokio::spawn(async move { pool.begin().await }).await {
            Ok(begun) => begun,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down.
                Err(_) => Err(sqlx::Error::PoolClosed),
            },
        }
    }

    /// Begins a snapshot in which nothing can be written, under the role of whoever plans.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut snapshot = self.begin().await?;
        query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut *snapshot)
            .await?;
        query!("SET LOCAL ROLE muster_reader")
            .execute(&mut *snapshot)
            .await?;
        Ok(snapshot)
    }

    /// Runs the inside of a function under the deadline and names it in its error.
    pub(crate) async fn run<T>(
        &self,
        doing: &'static str,
        inside: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(RUN_MAX, Box::pin(inside)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Fault::Known(error))) => Err(error),
            Ok(Err(Fault::Sql(source))) => Err(StoreError::Query { doing, source }),
            Err(_) => Err(late(doing, RUN_MAX)),
        }
    }
}

fn late(doing: &'static str, after: Duration) -> StoreError {
    StoreError::TimedOut {
        doing,
        seconds: after.as_secs(),
    }
}

/// Checks the server and migrates, on a connection of its own without the pool's statement limit.
async fn upgrade(options: &PgConnectOptions) -> Result<(), StoreError> {
    let failed = |source| StoreError::Query {
        doing: "connecting",
        source,
    };
    let mut connection = PgConnection::connect_with(options).await.map_err(failed)?;
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if version / 10_000 < OLDEST_SERVER {
        return Err(StoreError::ServerTooOld {
            found: version / 10_000,
            oldest: OLDEST_SERVER,
        });
    }
    migrate(&mut connection).await.map_err(StoreError::Schema)?;
    connection
        .close()
        .await
        .map_err(|source| StoreError::Schema(MigrateError::Version(source)))
}
