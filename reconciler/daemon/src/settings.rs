//! The command line of `musterd`.

use crate::host_stop::{Resume, Stop};
use crate::snapshot::Target;
use clap::{Args, Parser, Subcommand};
use reconciler_core::roles::BmcTimes;
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
    Run(Box<Run>),
    /// Stop everything of this host's daemon, without database or network: nothing is ordered, no job is booted and
    /// nothing may be written until `resume`.
    Stop(Stop),
    /// End the stop of this host.
    Resume(Resume),
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
    /// Count this commit as signed, and everything before it: the way back in when nobody who may sign is left. Its own
    /// `verify` and list of signers hold for what comes after it. 40 digits.
    #[arg(long, value_parser = commit)]
    pub(crate) trust_commit: Option<String>,
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
    /// How long a rack agent's certificate lasts, in seconds; it renews it after two thirds. By default 30
    /// days: an agent that is switched off for longer renews it when it is back.
    #[arg(long, default_value_t = 30 * 24 * 3600, value_parser = clap::value_parser!(u64).range(3..=366 * 24 * 3600))]
    pub(crate) agent_certificate_seconds: u64,
    /// A rack agent commands BMCs no longer than so many seconds without an answer of musterd's; another
    /// agent of the rack takes them over after half as many more.
    #[arg(long, default_value_t = BmcTimes::DEFAULT.lease.as_secs(), value_parser = clap::value_parser!(u64).range(3..=3600))]
    pub(crate) bmc_lease_seconds: u64,
    /// Publish what planning reads, signed, for `muster plan --offline`: the absolute path of a file, or a ref of the fleet
    /// repository below `refs/muster/`. May be given more than once.
    #[arg(long, value_name = "WHERE")]
    pub(crate) publish_snapshot: Vec<Target>,
    /// Look every so many seconds whether it changed.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=900))]
    pub(crate) publish_seconds: u64,
    /// The Ed25519 key that signs snapshots, in OpenSSH's form; several daemons of one fleet share one. By default
    /// `snapshot_key` in the state folder, which is made if need be.
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot_key: Option<PathBuf>,
    /// Logs as JSON lines.
    #[arg(long)]
    pub(crate) log_json: bool,
}

/// A whole commit id: a branch's name would move.
fn commit(text: &str) -> Result<String, String> {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    match text.len() == 40 && text.bytes().all(is_digit) {
        true => Ok(text.to_owned()),
        false => Err("it is a commit's whole id: 40 hexadecimal digits, in lower case".to_owned()),
    }
}
