//! The command line of `musterd`.

use clap::{Args, Parser, Subcommand};
use schema_ids::Name;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// muster's reconciler daemon: compares a fleet repository with what it observes and drives rack agents.
#[derive(Debug, Parser)]
#[command(name = "musterd", version)]
pub(crate) struct Settings {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon.
    Run(Run),
    /// Write a rack agent's certificate: ca.pem, NAME.pem and NAME.key. An earlier one stops counting.
    Certificates(Certificates),
}

/// Where the daemon keeps what outlives it.
#[derive(Debug, Args)]
pub(crate) struct State {
    /// Keys, the mirror, artefacts and the private database.
    #[arg(long, default_value = "/var/lib/muster")]
    pub(crate) state_dir: PathBuf,
}

/// Run the daemon.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) state: State,
    /// Sockets; emptied by a reboot.
    #[arg(long, default_value = "/run/muster")]
    pub(crate) runtime_dir: PathBuf,
    /// The fleet repository: anything `git fetch` takes.
    #[arg(long)]
    pub(crate) repository: String,
    /// The branch that is carried out.
    #[arg(long, default_value = "main")]
    pub(crate) branch: String,
    /// Look for commits every so many seconds, beside hints.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) poll_seconds: u64,
    /// Where rack agents connect, under mutual TLS.
    #[arg(long, default_value = "0.0.0.0:7443")]
    pub(crate) listen: SocketAddr,
    /// An address under which rack agents know this daemon, if it is not the one listened on.
    #[arg(long)]
    pub(crate) advertise: Vec<IpAddr>,
    /// The people's socket; by default `musterd.sock` in the runtime folder.
    #[arg(long)]
    pub(crate) socket: Option<PathBuf>,
    /// The folder of secrets: a fleet's `secret.*.file` must lie below it, links followed, so that a commit
    /// can name no other file of this host.
    #[arg(long, default_value = "/etc/muster/secrets")]
    pub(crate) secrets_dir: PathBuf,
    /// A Postgres of your own (14 or newer); without it a private cluster is started and owned.
    #[arg(long, env = "MUSTER_DATABASE_URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Logs as JSON lines.
    #[arg(long)]
    pub(crate) log_json: bool,
}

/// Write a rack agent's certificate.
#[derive(Debug, Args)]
pub(crate) struct Certificates {
    #[command(flatten)]
    pub(crate) state: State,
    /// The agent's name, as in `rack.*.agents`.
    #[arg(long)]
    pub(crate) agent: Name,
    /// The folder to write to.
    #[arg(long)]
    pub(crate) out: PathBuf,
}
