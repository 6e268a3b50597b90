//! The command line of `musterd`.

use crate::forge::{Forge, Kind};
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
    /// Take webhooks of GitHub, GitLab, Forgejo and Gitea here, at the path `/v1/webhook`, by plain HTTP: a push to the branch
    /// is fetched at once.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "webhook_secret_file")]
    pub(crate) webhook: Option<SocketAddr>,
    /// The secret that webhooks are signed with; several stand on a line each.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub(crate) webhook_secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) forge: ForgeWords,
    /// Logs as JSON lines.
    #[arg(long)]
    pub(crate) log_json: bool,
}

/// The forge that is told how far commits have come.
#[derive(Debug, Args)]
pub(crate) struct ForgeWords {
    /// Post the statuses `muster/plan` and `muster/apply` of commits to this forge.
    #[arg(
        long,
        value_enum,
        requires = "forge_repository",
        requires = "forge_token_file"
    )]
    pub(crate) forge: Option<Kind>,
    /// The root of its API: `https://gitlab.example/api/v4`, `https://forge.example/api/v1`. By default that of github.com or
    /// gitlab.com.
    #[arg(long, value_name = "URL", requires = "forge")]
    pub(crate) forge_url: Option<String>,
    /// The fleet repository there.
    #[arg(long, value_name = "OWNER/NAME", requires = "forge")]
    pub(crate) forge_repository: Option<String>,
    /// A token that may set commit statuses, and should have no other right; read anew each time.
    #[arg(long, value_name = "FILE", requires = "forge")]
    pub(crate) forge_token_file: Option<PathBuf>,
}

impl ForgeWords {
    /// The forge, if there shall be one.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub(crate) fn forge(&self) -> Result<Option<Forge>, String> {
        let (Some(kind), Some(repository), Some(token)) =
            (self.forge, &self.forge_repository, &self.forge_token_file)
        else {
            return Ok(None);
        };
        let url = match (&self.forge_url, kind) {
            (Some(url), _) => url,
            (None, Kind::Github) => "https://api.github.com",
            (None, Kind::Gitlab) => "https://gitlab.com/api/v4",
            (None, Kind::Forgejo) => return Err("name the forge's API with --forge-url".to_owned()),
        };
        Forge::new(kind, url, repository, token.clone()).map(Some)
    }
}

/// A whole commit id: a branch's name would move.
fn commit(text: &str) -> Result<String, String> {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    match text.len() == 40 && text.bytes().all(is_digit) {
        true => Ok(text.to_owned()),
        false => Err("it is a commit's whole id: 40 hexadecimal digits, in lower case".to_owned()),
    }
}
