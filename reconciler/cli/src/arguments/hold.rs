//! The words of holds and stops.

use crate::hold::Until;
use clap::{Args, Subcommand};
use reconciler_core::hold::{Effect, Scope};
use reconciler_core::people::restraints::Resumed;
use schema_fleet::Interval;
use std::path::PathBuf;

/// Holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Make a hold. It acts at once, and stands until its time is over or it is taken away.
    Add(HoldAdd),
    /// Take a hold away.
    Rm(HoldRm),
    /// List holds, those that git declares too.
    Ls(HoldLs),
}

/// Make a hold.
#[derive(Debug, Args)]
pub(crate) struct HoldAdd {
    /// Whom: `machine:`, `rack:`, `zone:`, `pool:`, `tag:` or `deployment:` and a name, in which `*` stands for
    /// anything; or `fleet:` and the fleet's name for all. Any of several.
    #[arg(required = true, value_name = "SELECTOR")]
    pub(crate) targets: Vec<String>,
    /// What is kept from them: `no-allocate`, `no-destructive`, `no-disruption` or `freeze`.
    #[arg(long)]
    pub(crate) effect: Effect,
    /// When its time is over: a time (`2026-12-01T18:00:00Z`), a time of day in UTC (`18:00Z`), or so long from now
    /// (`2h`).
    #[arg(long)]
    pub(crate) until: Until,
    /// Why, for those who wait.
    #[arg(long)]
    pub(crate) reason: String,
    /// The change or incident it belongs to.
    #[arg(long)]
    pub(crate) ticket: Option<String>,
    /// Make nothing: print the fleet lines that declare it, to be committed.
    #[arg(long)]
    pub(crate) as_patch: bool,
    /// With `--as-patch`: the repository's folder, whose syntax is taken.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Take a hold away.
#[derive(Debug, Args)]
pub(crate) struct HoldRm {
    /// Its id, `h-7`. A hold that git declares is taken away in git.
    pub(crate) id: String,
    /// Why, for the audit.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

/// List holds.
#[derive(Debug, Args)]
pub(crate) struct HoldLs {
    /// Only those whose time is over within this time (`24h`), or already.
    #[arg(long, value_name = "AGE")]
    pub(crate) expiring: Option<Interval>,
    /// Print those of run time as the fleet lines that declare them, to be committed.
    #[arg(long)]
    pub(crate) as_patch: bool,
    /// With `--as-patch`: the repository's folder, whose syntax is taken.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Stop everything in a scope.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// `fleet`, or a part of it: `zone:NAME`, `pool:NAME`.
    #[arg(long)]
    pub(crate) scope: Scope,
    /// Why, for those who wait.
    #[arg(long)]
    pub(crate) reason: String,
}

/// End a stop, or let a budget go on that failures have halted.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// What was stopped, as it was said; may be left out where one thing is stopped. Or `budget:NAME`: you have looked at
    /// the machines that failed, and they count no more.
    #[arg(long)]
    pub(crate) scope: Option<Resumed>,
    /// Of a budget: the number of the last failure that you have looked at, as `muster status` gives it. What failed since goes
    /// on counting.
    #[arg(long, value_name = "N")]
    pub(crate) seen: Option<u64>,
    /// Why, for the audit; needed for a budget.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}
