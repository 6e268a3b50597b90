//! A Postgres of the test's own, which outlives every musterd that is killed on it.

use crate::bed::psql;
use reconciler_store::PrivateCluster;
use testbed_scratch::Scratch;

pub(crate) struct Cluster {
    postgres: Option<PrivateCluster>,
    _dir: Scratch,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let dir = Scratch::new();
        let postgres = PrivateCluster::start(dir.path(), dir.path()).await.unwrap();
        Self {
            postgres: Some(postgres),
            _dir: dir,
        }
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.postgres.as_ref().unwrap().url_for(database)
    }

    /// Makes a database that holds what another one does, to which nobody is connected.
    pub(crate) fn copy(&self, from: &str, to: &str) -> String {
        let make = format!("CREATE DATABASE {to} TEMPLATE {from}");
        psql(&self.url("postgres"), &make).unwrap();
        self.url(to)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let postgres = self.postgres.take().unwrap();
        // On a thread of its own, since the test's runtime may be ending around us.
        let stopping = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(postgres.stop())
        });
        stopping.join().unwrap().unwrap();
    }
}
