//! Of plans: asking for them, showing them, carrying them out.

use clap::{Args, ValueEnum};
use schema_fleet::Interval;
use std::path::PathBuf;

/// Show what a revision would do.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A branch, tag or commit of the fleet repository; by default the branch that is carried out.
    #[arg(long, value_name = "REF")]
    pub(crate) head: Option<String>,
    /// Compare with this branch, tag or commit: what it asks for too is shown as not caused by this change. By
    /// default the commit that is carried out.
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
    /// Show only what concerns these machines: `machine:NAME`, `rack:`, `zone:`, `pool:`, `tag:`, `deployment:`, with
    /// `*` and `?` in names. A part is not kept, and nobody can agree to it.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) only: Option<String>,
    /// Plan the commit of this stale plan anew, and say what made it stale.
    #[arg(long, value_name = "PLAN", conflicts_with = "head")]
    pub(crate) replace: Option<String>,
    /// Make the plan here, without musterd, from a snapshot that it signed (`muster snapshot`, `musterd run
    /// --publish-snapshot`): a file, or a ref of the repository around this folder, which the commits come from too.
    /// By default the head is HEAD. Exits with 6 if the snapshot is older than `--max-age`, or an hour.
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "replace")]
    pub(crate) offline: Option<String>,
    /// With `--offline`: who may sign the snapshot, by this file outside of the work tree. By default
    /// `.muster/allowed-snapshots` as `--base` has it.
    #[arg(long, value_name = "FILE", requires = "offline")]
    pub(crate) trust: Option<PathBuf>,
    /// The form: text for people, Markdown for a comment on a pull request, or the document `muster.plan/1.0`.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PlanFormat,
    /// How much of the text: headings and counts; everything that is lost, and samples of the rest; everything.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) detail: PlanDetail,
    /// Write the plan in its form to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the document `muster.plan/1.0` to this file as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) json_out: Option<PathBuf>,
    /// Fail with 2, or 3 if something would be erased, unless the plan changes nothing; names and labels count as
    /// nothing, and so does what was asked for before and is still under way. Of the whole fleet: not with `--only`.
    #[arg(long)]
    pub(crate) expect_empty: bool,
    /// Exit with 0 for no changes, 2 for changes, 3 for destructive ones; what is only a name or a label
    /// counts as none.
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) ci: Ci,
}

/// Print what planning reads.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    /// Write it to this file, whose folder is made if need be, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the line by which musterd's key may sign snapshots instead, for `.muster/allowed-snapshots`.
    #[arg(long)]
    pub(crate) key: bool,
}

/// Write a comment.
#[derive(Debug, Args)]
pub(crate) struct Comment {
    /// What `muster plan --format md --out FILE` wrote.
    pub(crate) file: PathBuf,
}

/// The form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// For a comment on a pull request.
    Md,
    /// For programs.
    Json,
}

/// How much of a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum PlanDetail {
    /// Headings and counts.
    Summary,
    /// Everything that is lost, and samples of the rest.
    #[default]
    Normal,
    /// Everything.
    Full,
}

/// What CI asks of a plan and of carrying it out.
#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// Append `outcome`, `destructive`, `blocked`, `plan-id` and `wipe-set` as key=value lines to this file,
    /// for CI systems that cannot branch on exit codes: `--output-file "$GITHUB_OUTPUT"`, for one.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Exit with 6 if a rack agent that the plan names was not heard for so long (`10m`), or never: what it
    /// serves is not observed. Without it, a plan is made of what was last known. With `--offline` it is also how old the
    /// snapshot may be, which of a quiet fleet is up to 15 minutes and `--publish-seconds` old: less than `20m` fails at times.
    #[arg(long, value_name = "AGE")]
    pub(crate) max_age: Option<Interval>,
}

/// Carry out the branch now.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The plan that was shown; refused if it is stale. Without one, plans, shows and asks.
    pub(crate) plan: Option<String>,
    /// Stay until the machines that the commit changes are as wanted, or cannot be without a person, and show how
    /// far they are. Ctrl-C ends the waiting only; the same command stays with it again.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Do not stay, and say so from the beginning.
    #[arg(long, conflicts_with_all = ["wait", "events"])]
    pub(crate) detach: bool,
    /// Stay, and print what becomes of it as documents `muster.event/1.0`, one on each line of standard output
    /// (`muster schema --of events`).
    #[arg(long)]
    pub(crate) events: bool,
    /// Print only events behind this number: the last `seq` that was read, by whichever run.
    #[arg(long, value_name = "SEQ", requires = "events")]
    pub(crate) after: Option<u64>,
    /// Do not ask; refused for a plan that erases something, which is named by its id instead.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) ci: Ci,
}
