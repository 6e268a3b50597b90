//! The cluster that a process's tests share: started by the first, stopped and removed by the last.

use reconciler_store::{PrivateCluster, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use testbed_scratch::Scratch;
use tokio::sync::Mutex;

static SHARED: Mutex<Weak<Shared>> = Mutex::const_new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Shared {
    cluster: Option<PrivateCluster>,
    _directory: Scratch,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let cluster = self.cluster.take().unwrap();
        // Stopped before its directory is removed; on a thread of its own, since a test's runtime may
        // be ending around us.
        let stopping = std::thread::spawn(|| runtime().block_on(cluster.stop()));
        stopping.join().unwrap().unwrap();
    }
}

/// A store on a database of its own.
pub(crate) struct Bed {
    pub(crate) store: Store,
    /// For looking and tampering behind the store's back.
    pub(crate) raw: PgPool,
    pub(crate) database: String,
    shared: Arc<Shared>,
}

impl Deref for Bed {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let shared = shared().await;
        let cluster = shared.cluster.as_ref().unwrap();
        let database = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect_with(&cluster.connect_options())
            .await
            .unwrap();
        let create = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
        for statement in create.split("; ") {
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut admin)
                .await
                .unwrap();
        }
        admin.close().await.unwrap();
        let store = Store::connect(cluster.options_for(&database)).await.unwrap();
        let raw = PgPool::connect_with(cluster.options_for(&database))
            .await
            .unwrap();
        Self {
            store,
            raw,
            database,
            shared,
        }
    }

    /// A second daemon on the same database.
    pub(crate) async fn another(&self) -> Store {
        Store::connect(self.options()).await.unwrap()
    }

    pub(crate) fn options(&self) -> sqlx::postgres::PgConnectOptions {
        self.shared.cluster.as_ref().unwrap().options_for(&self.database)
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn sql(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&self.raw)
            .await
            .unwrap();
    }

    /// Until so many statements wait for a row that another has.
    pub(crate) async fn waiting(&self, count: i64) {
        let query = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.number(query).await != count {
            tokio::task::yield_now().await;
        }
    }

    /// One number, asked behind the store's back.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.raw)
            .await
            .unwrap()
    }
}

async fn shared() -> Arc<Shared> {
    let mut slot = SHARED.lock().await;
    if let Some(shared) = slot.upgrade() {
        return shared;
    }
    let directory = Scratch::new();
    let cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    let shared = Arc::new(Shared {
        cluster: Some(cluster),
        _directory: directory,
    });
    *slot = Arc::downgrade(&shared);
    shared
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
