//! The words of the day after: drift, pins, new names.

use super::{RemovedKind, Syntax};
use clap::Args;
use schema_ids::Name;
use std::path::PathBuf;

/// Show where reality is otherwise than wanted.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// Print the patch by which git accepts what it can; the rest is told, and it ends with 2.
    #[arg(long)]
    pub(crate) accept: bool,
    /// With `--accept`: the repository's folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Name the machines of a deployment, or count them again.
#[derive(Debug, Args)]
pub(crate) struct Pin {
    /// `deployment.NAME`.
    pub(crate) deployment: String,
    /// The repository's folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Take a machine under management as it is.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("how").required(true).args(["deployment", "observe_only"])))]
pub(crate) struct Adopt {
    /// The machine, as the fleet files name it.
    pub(crate) machine: Name,
    /// The deployment whose slot it gets.
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<Name>,
    /// The slot, from 1; the lowest free one if it is not given.
    #[arg(long, value_name = "N", requires = "deployment")]
    pub(crate) slot: Option<u32>,
    /// Have it only observed: never switched, never written. Needs no daemon.
    #[arg(long)]
    pub(crate) observe_only: bool,
    /// The repository's folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Write the fleet lines that give something another name.
#[derive(Debug, Args)]
pub(crate) struct Moved {
    /// `machine` or `deployment`.
    #[arg(value_enum)]
    pub(crate) kind: RemovedKind,
    /// Its name until now.
    pub(crate) from: Name,
    /// Its name from now on.
    pub(crate) to: Name,
    /// The syntax of the lines.
    #[arg(long, value_enum, default_value = "toml")]
    pub(crate) format: Syntax,
}
