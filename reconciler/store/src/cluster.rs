//! The embedded default: a private cluster of the distribution's Postgres.
//!
//! Where no URL is given, the daemon owns a cluster: data in its state directory, a unix socket in its
//! runtime directory, no network, root dropped, peer authentication. It never touches another cluster,
//! such as the distribution's `main`.
//!
//! Postgres must not outlive its daemon, not even a killed one, and must outlive any single thread of
//! it. So a keeper thread starts Postgres through `setpriv --pdeathsig` (the signal is bound to the
//! thread that forks) and waits for it; if the daemon dies, the kernel asks Postgres to stop. A lock on
//! a file beside the data keeps two daemons apart, and what is left of an earlier life is stopped first.

mod error;
mod initialise;
mod leftover;
mod owner;
mod program;

pub use error::ClusterError;

use owner::Owner;
use program::Programs;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// The superuser, the only role, and the database.
const NAME: &str = "muster";

/// Part of the socket's name; nothing listens on it.
const PORT: u16 = 5432;

/// `sun_path` is 108 bytes with its NUL (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Replaying the log after a crash: at most `max_wal_size`, 1 GiB by default, on a slow disk.
const START_MAX: Duration = Duration::from_secs(300);

/// How often a starting server is asked whether it is ready.
const START_POLL: Duration = Duration::from_millis(50);

/// A fast shutdown ends sessions and writes one checkpoint; a loaded disk takes tens of seconds.
const STOP_MAX: Duration = Duration::from_secs(60);

/// An immediate shutdown writes nothing.
const STOP_NOW_MAX: Duration = Duration::from_secs(10);

/// The log is begun anew at a start when it is longer.
const LOG_MAX_BYTES: u64 = 16 << 20;

/// A running private cluster. Dropping it asks Postgres to stop; [`PrivateCluster::stop`] waits for it.
#[derive(Debug)]
pub struct PrivateCluster {
    sockets: PathBuf,
    pid: Pid,
    /// `None` while Postgres runs; told by the keeper.
    ended: watch::Receiver<Option<String>>,
    /// Held while this cluster is ours.
    _lock: File,
}

impl PrivateCluster {
    /// Starts the cluster whose data stand in `state_dir/postgres`, making it at the first time; its
    /// socket stands in `runtime_dir/postgres`. Waits until it answers. Both directories exist and are
    /// the caller's; started by root, they are made searchable for the user `postgres`, who may see
    /// only what lies open in them.
    pub async fn start(state_dir: &Path, runtime_dir: &Path) -> Result<Self, ClusterError> {
        let state = absolute(state_dir)?;
        let sockets = absolute(runtime_dir)?.join("postgres");
        let socket = sockets.join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(ClusterError::SocketPathTooLong {
                path: socket,
                longest: SOCKET_PATH_MAX,
            });
        }
        let owner = Owner::find()?;
        let lock = take_lock(&state)?;
        for directory in [state_dir, runtime_dir] {
            owner.let_in(directory)?;
        }
        owner.own_directory(&sockets)?;
        let data = state.join("postgres");
        let programs = Programs::find(&data)?;
        leftover::end(&data, &sockets).await?;
        initialise::ensure(&programs, &owner, &state, &data).await?;
        let log = open_log(&state.join("postgres.log"))?;
        let (pid, ended) = keep(&programs, &owner, &data, &sockets, &log)?;
        let mut cluster = Self {
            sockets,
            pid,
            ended,
            _lock: lock,
        };
        cluster.wait_until_ready(&state.join("postgres.log")).await?;
        Ok(cluster)
    }

    /// How to connect to its database.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options_for(NAME)
    }

    /// The same for another database of the cluster, which must exist.
    pub fn options_for(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.sockets)
            .port(PORT)
            .username(NAME)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// How to connect to its database, as a URL.
    pub fn url(&self) -> String {
        self.url_for(NAME)
    }

    /// The same for another database of the cluster.
    pub fn url_for(&self, database: &str) -> String {
        let host: String = self
            .sockets
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(*byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        format!("postgres://{NAME}@{host}:{PORT}/{database}?sslmode=disable")
    }

    /// Returns when Postgres has ended without being asked to, with how. Cancel safety: may be dropped
    /// and called again.
    pub async fn exited(&mut self) -> String {
        ended(&mut self.ended).await
    }

    /// Stops Postgres (fast shutdown) and returns when it has ended; pulls harder if that takes long.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        for (signal, patience) in [
            (Signal::INT, STOP_MAX),
            (Signal::QUIT, STOP_NOW_MAX),
            (Signal::KILL, STOP_NOW_MAX),
        ] {
            self.signal(signal);
            if timeout(patience, ended(&mut self.ended)).await.is_ok() {
                return Ok(());
            }
        }
        Err(ClusterError::StaysUp {
            pid: self.pid.as_raw_nonzero().get(),
        })
    }

    /// Kills Postgres as a power cut would and returns when it has ended: for tests of what survives.
    pub async fn crash(mut self) -> Result<(), ClusterError> {
        self.signal(Signal::QUIT);
        let gone = timeout(STOP_NOW_MAX, ended(&mut self.ended)).await;
        gone.map(|_| ()).map_err(|_| ClusterError::StaysUp {
            pid: self.pid.as_raw_nonzero().get(),
        })
    }

    /// Sends a signal while Postgres runs; its pid is not another's before the keeper has seen it end.
    fn signal(&self, signal: Signal) {
        if self.ended.borrow().is_none()
            && let Err(error) = kill_process(self.pid, signal)
        {
            tracing::debug!(pid = self.pid.as_raw_nonzero().get(), %error, "Postgres was gone before the signal");
        }
    }

    /// Waits until the server answers, and makes its database at the first time.
    async fn wait_until_ready(&mut self, log: &Path) -> Result<(), ClusterError> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(how) = self.ended.borrow().clone() {
                return Err(ClusterError::Ended {
                    how,
                    log: log.to_owned(),
                });
            }
            match self.try_database().await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(ClusterError::NotReady {
                        seconds: START_MAX.as_secs(),
                        source: error,
                    });
                }
                Err(_) => sleep(START_POLL).await,
            }
        }
    }

    async fn try_database(&self) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options_for("postgres")).await?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(NAME)
            .fetch_one(&mut connection)
            .await?;
        if !there {
            sqlx::query("CREATE DATABASE muster")
                .execute(&mut connection)
                .await?;
        }
        connection.close().await
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

/// Waits until the keeper says that Postgres has ended.
async fn ended(told: &mut watch::Receiver<Option<String>>) -> String {
    match told.wait_for(Option::is_some).await {
        Ok(how) => how.clone().unwrap_or_default(),
        Err(_) => "its keeper is gone".to_owned(),
    }
}

fn absolute(directory: &Path) -> Result<PathBuf, ClusterError> {
    directory
        .canonicalize()
        .map_err(|source| ClusterError::Directory {
            path: directory.to_owned(),
            source,
        })
}

/// One daemon per cluster. The kernel releases the lock when its holder dies.
fn take_lock(state: &Path) -> Result<File, ClusterError> {
    let path = state.join("postgres.lock");
    let failed = |source| ClusterError::Directory {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ClusterError::InUse { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn open_log(path: &Path) -> Result<File, ClusterError> {
    let failed = |source| ClusterError::Directory {
        path: path.to_owned(),
        source,
    };
    if path
        .metadata()
        .is_ok_and(|metadata| metadata.len() > LOG_MAX_BYTES)
    {
        std::fs::rename(path, path.with_extension("log.old")).map_err(failed)?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed)
}

/// Starts Postgres from a thread that lives exactly as long as it.
fn keep(
    programs: &Programs,
    owner: &Owner,
    data: &Path,
    sockets: &Path,
    log: &File,
) -> Result<(Pid, watch::Receiver<Option<String>>), ClusterError> {
    let cannot = |source| ClusterError::Program {
        program: programs.postgres.clone(),
        source,
    };
    let mut command = owner.command(&programs.postgres, true);
    command
        .arg("-D")
        .arg(data)
        .args(settings(sockets))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot)?)
        .stderr(log.try_clone().map_err(cannot)?)
        // Its own group: a Ctrl-C at the terminal is the daemon's to handle.
        .process_group(0);
    let (tell_ended, ended) = watch::channel(None);
    let (tell_started, started) = std::sync::mpsc::sync_channel(1);
    let keeper = move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = tell_started.send(Err(error));
                return;
            }
        };
        let _ = tell_started.send(Ok(child.id()));
        let how = child
            .wait()
            .map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string());
        tell_ended.send_replace(Some(how));
    };
    std::thread::Builder::new()
        .name("postgres-keeper".to_owned())
        .spawn(keeper)
        .map_err(cannot)?;
    let id = started
        .recv()
        .expect("the keeper answers before it ends")
        .map_err(cannot)?;
    let pid = i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .expect("the kernel gives positive pids");
    Ok((pid, ended))
}

/// Settings that hold whatever the files in the data directory say.
fn settings(sockets: &Path) -> Vec<String> {
    let sockets = sockets.display();
    [
        format!("unix_socket_directories={sockets}"),
        "unix_socket_permissions=0700".to_owned(),
        "listen_addresses=".to_owned(),
        format!("port={PORT}"),
        "fsync=on".to_owned(),
        "full_page_writes=on".to_owned(),
        "synchronous_commit=on".to_owned(),
        // Several daemons on one host, a person, and a backup.
        "max_connections=60".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_checkpoints=off".to_owned(),
    ]
    .into_iter()
    .flat_map(|setting| ["-c".to_owned(), setting])
    .collect()
}
