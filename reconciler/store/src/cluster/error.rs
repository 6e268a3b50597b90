//! Why the private cluster does not run.

use std::path::PathBuf;

/// Why the private cluster does not run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The server is not installed.
    #[error("no Postgres server of version {version} is installed; install the Debian package {package}")]
    Missing {
        /// The Debian package.
        package: String,
        /// The version that the data need, or `14 or newer`.
        version: String,
    },
    /// A file or directory of the cluster.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The user that Postgres runs as cannot get at the data.
    #[error("the user {user} cannot enter {}; make it searchable (chmod o+x)", path.display())]
    NotSearchable {
        /// The user.
        user: String,
        /// The directory.
        path: PathBuf,
    },
    /// No such user.
    #[error(
        "there is no user {user} in /etc/passwd; the Debian package postgresql-common makes the user postgres"
    )]
    NoUser {
        /// Its name or number.
        user: String,
    },
    /// The socket's path would not fit its address.
    #[error("the socket path {} is longer than {longest} bytes; choose a shorter runtime directory", path.display())]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// The longest that fits.
        longest: usize,
    },
    /// Another daemon has it.
    #[error("another musterd runs on this state directory: it holds {}", path.display())]
    InUse {
        /// The lock.
        path: PathBuf,
    },
    /// A program could not be run.
    #[error("cannot run {}", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Making the cluster failed.
    #[error("initdb failed: {output}")]
    Initdb {
        /// What it said.
        output: String,
    },
    /// The server ended while it started.
    #[error("Postgres ended while it started ({how}); see {}", log.display())]
    Ended {
        /// How.
        how: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server does not answer.
    #[error("Postgres was not ready within {seconds} s")]
    NotReady {
        /// The limit.
        seconds: u64,
        /// The last try's error.
        #[source]
        source: sqlx::Error,
    },
    /// A process of the cluster does not end.
    #[error("process {pid} of the private Postgres does not end")]
    StaysUp {
        /// Which.
        pid: i32,
    },
}
