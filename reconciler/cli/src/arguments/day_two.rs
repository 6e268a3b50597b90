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
