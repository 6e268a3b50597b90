//! What the agent is told at its start: by flags, by a JSON file, or both; a flag wins.
//!
//! Only what it needs to find the daemon and its links; who it is, its state folder says. Everything else
//! comes by the sync.

use crate::{
    daemon,
    enrol::Enrol,
    host_stop::{Resume, Stop},
    identity::{Identity, IdentityError},
};
use clap::{Args, Parser, Subcommand};
use rack_proto::power::READ_EVERY;
use schema_ids::Name;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// A rack's machines in an hour when nothing is said: few enough that somebody sees the first ones before the last.
const WIPES_PER_HOUR: u32 = 4;

/// The rack agent of muster: DHCP, TFTP, HTTP boot and power for one rack, as its daemon says.
#[derive(Debug, Parser)]
#[command(name = "muster-rackd", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Words {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// What to do, if it is not to serve.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this host an agent, with a one-time token; then start it without a command.
    Enrol(Enrol),
    /// Stop this agent: it carries out no power order, boots no job and lets nothing be written, until `resume`. It goes
    /// on to serve DHCP, boots machines into their own disks and reads their BMCs. No daemon is needed.
    Stop(Stop),
    /// End the stop of this host.
    Resume(Resume),
}

/// What it is told for serving.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Flags {
    /// JSON file with any of the settings below, named as the flags with underscores.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The daemon, if it is not where this agent enrolled, such as https://10.0.0.1:7443.
    #[arg(long)]
    daemon: Option<String>,
    /// Where this agent's identity, leases, orders, facts and artefacts are kept [default: /var/lib/muster-rackd].
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// A link that this agent stands on, FABRIC/VLAN=INTERFACE; repeatable.
    #[arg(long = "link", value_name = "NAME=INTERFACE", value_parser = link)]
    #[serde(deserialize_with = "links")]
    links: Vec<(String, String)>,
    /// The in-machine agent's static binary.
    #[arg(long)]
    agent_binary: Option<PathBuf>,
    /// Directory with snponly.efi and undionly.kpxe [default: /usr/lib/ipxe].
    #[arg(long)]
    ipxe_dir: Option<PathBuf>,
    /// Seconds between two readings of a machine's power while nothing is ordered of it, 1 to 3600 [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    power_every: Option<u16>,
    /// Machines whose disks hold data in use and that may be given over to a job which writes them within an hour, 0 to
    /// 10000 [default: 4]. This agent counts for itself: no daemon can raise it.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    wipes_per_hour: Option<u32>,
    /// A word added to the ephemeral kernel's command line; repeatable.
    #[arg(long = "kernel-argument", value_name = "WORD")]
    kernel_arguments: Vec<String>,
}

/// The settings, complete.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Name,
    pub(crate) daemon: reqwest::Url,
    pub(crate) state_dir: PathBuf,
    /// Interfaces by link.
    pub(crate) links: BTreeMap<String, String>,
    pub(crate) agent_binary: PathBuf,
    pub(crate) ipxe_dir: PathBuf,
    pub(crate) power_every: Duration,
    pub(crate) wipes_per_hour: u32,
    pub(crate) kernel_arguments: Vec<String>,
}

/// Why the agent cannot start with what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a settings file")]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("--{0} is missing, and the settings file does not have it")]
    Missing(&'static str),
    #[error("this agent does not know who it is")]
    Identity(#[source] IdentityError),
    #[error("--daemon {0} is not a URL such as https://10.0.0.1:7443")]
    Daemon(String),
}

impl Flags {
    /// Reads the file, if there is one, lays the flags over it, and reads who this agent is.
    pub(crate) fn complete(self) -> Result<(Settings, Identity), SettingsError> {
        let file = match &self.config {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read(path).map_err(|source| SettingsError::Read {
                    path: path.clone(),
                    source,
                })?;
                serde_json::from_slice(&text).map_err(|source| SettingsError::Parse {
                    path: path.clone(),
                    source,
                })?
            }
        };
        let state_dir = self
            .state_dir
            .or(file.state_dir)
            .unwrap_or_else(|| "/var/lib/muster-rackd".into());
        let identity = Identity::open(&state_dir).map_err(SettingsError::Identity)?;
        let enrolled = identity.standing.daemon.clone();
        let daemon = self.daemon.or(file.daemon).unwrap_or(enrolled);
        let url = daemon::url(&daemon).ok_or(SettingsError::Daemon(daemon))?;
        let mut kernel_arguments = file.kernel_arguments;
        kernel_arguments.extend(self.kernel_arguments);
        let settings = Settings {
            name: identity.standing.name.clone(),
            daemon: url,
            state_dir,
            links: file.links.into_iter().chain(self.links).collect(),
            agent_binary: required("agent-binary", self.agent_binary.or(file.agent_binary))?,
            ipxe_dir: self
                .ipxe_dir
                .or(file.ipxe_dir)
                .unwrap_or_else(|| "/usr/lib/ipxe".into()),
            power_every: self
                .power_every
                .or(file.power_every)
                .filter(|seconds| *seconds > 0)
                .map_or(READ_EVERY, |seconds| Duration::from_secs(seconds.into())),
            wipes_per_hour: self
                .wipes_per_hour
                .or(file.wipes_per_hour)
                .unwrap_or(WIPES_PER_HOUR),
            kernel_arguments,
        };
        Ok((settings, identity))
    }
}

fn required<T>(flag: &'static str, value: Option<T>) -> Result<T, SettingsError> {
    value.ok_or(SettingsError::Missing(flag))
}

fn link(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, interface)) if !name.is_empty() && !interface.is_empty() => {
            Ok((name.to_owned(), interface.to_owned()))
        }
        _ => Err("it is NAME=INTERFACE such as lab/boot=eth1".to_owned()),
    }
}

/// In the file: `"links": { "lab/boot": "eth1" }`.
fn links<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    BTreeMap::deserialize(deserializer).map(|map| map.into_iter().collect())
}
