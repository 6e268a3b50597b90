//! The command line.

mod day_two;
mod hold;
mod past;
mod plan;

pub(crate) use day_two::{Adopt, Drift, Moved, Pin};
pub(crate) use hold::{HoldAdd, HoldCommand, HoldLs, HoldRm, Resume, Stop};
pub(crate) use past::Past;
pub(crate) use plan::{Apply, Ci, Comment, Plan, PlanDetail, PlanFormat, Snapshot};

use clap::{Args, Parser, Subcommand, ValueEnum};
use schema_fleet::{Interval, Quarantine};
use schema_ids::{DiskId, Name};
use std::path::PathBuf;

/// Bare metal as a fleet that a git repository describes.
#[derive(Debug, Parser)]
#[command(name = "muster", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// musterd's socket.
    #[arg(
        long,
        global = true,
        env = "MUSTER_SOCKET",
        default_value = "/run/muster/musterd.sock"
    )]
    pub(crate) socket: PathBuf,
    /// One JSON document on standard output instead of text; `log` and `status --watch` print one on each
    /// line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no character beyond ASCII. Colours are for terminals only, and not where NO_COLOR is set.
    #[arg(long, global = true)]
    pub(crate) ascii: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin a fleet: write a commented one into a folder; needs no daemon.
    Init(Init),
    /// Check the fleet files of a folder; needs no daemon.
    Check(Check),
    /// Write fleet files as they shall look, or in the other syntax; needs no daemon.
    Fmt(Fmt),
    /// Show what a revision would do to machines and disks; changes nothing.
    Plan(Plan),
    /// Print what planning reads, signed by musterd, for `muster plan --offline`: no secrets, no user-data, no BMCs.
    Snapshot(Snapshot),
    /// Write the plan as the one comment on a pull request, in CI: over the one that is there. Where that is, GitHub,
    /// GitLab, Forgejo and Gitea tell their jobs; the token is in MUSTER_FORGE_TOKEN.
    Comment(Comment),
    /// Carry out the branch now.
    Apply(Apply),
    /// Show where every machine stands.
    Status {
        /// Stay and show every change: a live table on a terminal, lines elsewhere.
        #[arg(long, conflicts_with_all = ["stuck", "at"])]
        watch: bool,
        /// Only machines that need a person or exceeded a limit, worst first, each with what to do; ends with 2 if there
        /// are any.
        #[arg(long)]
        stuck: bool,
        /// As it was at this time (`2026-12-01T18:00:00Z`), or so long ago (`2h`): the plan that was carried out then, and
        /// where its machines stood by what was known.
        #[arg(long, value_name = "TIME")]
        at: Option<Past>,
    },
    /// Show where reality is otherwise than wanted and left so; ends with 2 if it is anywhere.
    Drift(Drift),
    /// Have a deployment that counts name the machines that it has, as a patch for `git apply`.
    Pin(Pin),
    /// Have a deployment that was pinned count again, as a patch for `git apply`; needs no daemon.
    Unpin(Pin),
    /// Take a machine under management that runs what muster did not install, as it is, as a patch for `git apply`.
    Adopt(Adopt),
    /// Show a machine or a plan (`p-...`) in full, as musterd knows it; or, by kind and name, what the fleet files
    /// of a folder say of an object, with everything that profiles, defaults and the language add.
    Show(Show),
    /// Say why a machine is where it is, and what to do about it.
    Why {
        /// Its name or id, or `deployment.NAME[SLOT]`; or `deployment.NAME`: how many machines are left after each thing that it
        /// asks.
        machine: String,
        /// Why it was chosen for this deployment, or not: each thing that is asked, with what was wanted and found.
        #[arg(long, value_name = "deployment.NAME")]
        against: Option<String>,
    },
    /// Show what happened, newest last: what agents saw and did, orders, answers to "may I write?", plans,
    /// approvals, commits.
    Log(Log),
    /// Leave machines alone for now: make, end and list holds.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Stop everything, at once: nothing is ordered, no job is booted, nothing begins to be written. Machines go on to
    /// run, to get their addresses and to boot their own disks.
    Stop(Stop),
    /// End a stop.
    Resume(Resume),
    /// Machines as they are found.
    #[command(subcommand)]
    Machine(MachineCommand),
    /// Rack agents: enrol, list and revoke them.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Write the fleet lines that remove something on purpose, to be committed.
    Removed(Removed),
    /// Write the fleet lines that give something another name, to be committed with the new name.
    Moved(Moved),
    /// Operating system images.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Agree to what a plan erases, or take that back.
    Approve {
        /// The plan's id, `p-...`.
        plan: String,
        /// Its wipe-set's digest, `w-...`, as the plan shows it.
        #[arg(long)]
        wipe_set: String,
        /// Take your own word for it back: it counts no more until you give it again.
        #[arg(long, requires = "reason")]
        withdraw: bool,
        /// Why you take it back: it is kept for ever.
        #[arg(long, requires = "withdraw")]
        reason: Option<String>,
    },
    /// Let one plan pass one guard that stops it. It ends by itself within an hour; two people must say it, but for a
    /// fleet that says `unreviewed = "allow"`, and said it before this commit.
    Override {
        /// The guard, as the plan names it: `limits`, `protection` ...
        #[arg(long)]
        guard: String,
        /// The plan's id, `p-...`.
        #[arg(long)]
        plan: String,
        /// Why: it is kept for ever.
        #[arg(long)]
        reason: String,
    },
    /// After a restored backup: raise the incarnation, so that orders are sent again.
    Recover,
    /// Say what a code means and what to do about it; needs no daemon.
    Explain(Explain),
    /// Print the JSON Schema of fleet files, from which editors complete TOML; needs no daemon.
    Schema(Schema),
    /// Write a shell's completions to standard output.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one for each command, into a folder.
    Man {
        /// It is made if need be.
        folder: PathBuf,
    },
}

/// Show one thing in full.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A machine's name or id, or a plan's id; or a kind and a name (`machine node-01`, `removed machine node-02`),
    /// or a kind alone for the names there are. By kind and name no daemon is needed.
    #[arg(required = true, num_args = 1..=3, value_name = "WHAT")]
    pub(crate) words: Vec<String>,
    /// By kind and name: say of each value where it stands, and which layer gives it.
    #[arg(long)]
    pub(crate) blame: bool,
    /// By kind and name: the repository's folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Print the JSON Schema of fleet files.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of what: the fleet's files, or the documents `muster.plan/1.0` and `muster.event/1.0`.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) of: SchemaOf,
    /// Write it into a file instead, `.muster/schema.json` where none is named: a first line
    /// `#:schema ./.muster/schema.json` of a TOML file beside that folder leads editors there.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = crate::schema::PLACE, conflicts_with = "of")]
    pub(crate) write: Option<PathBuf>,
    /// Print the values that the language itself gives where nothing is written.
    #[arg(long, conflicts_with_all = ["write", "of"])]
    pub(crate) defaults: bool,
}

/// What a JSON Schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Fleet files.
    #[default]
    Fleet,
    /// Plans.
    Plan,
    /// Events of `muster apply --events`.
    Events,
}

/// Say what a code means.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// As a message shows it: `M0101`, `NO_BOOT`.
    #[arg(required_unless_present = "list")]
    pub(crate) code: Option<String>,
    /// All codes, a line each.
    #[arg(long, conflicts_with = "code")]
    pub(crate) list: bool,
}

/// Begin a fleet.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; it is made if need be. No file in it is written over.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Which of the two syntaxes; both say the same, and a fleet may use both [default: toml].
    #[arg(long, value_enum)]
    pub(crate) format: Option<Syntax>,
    /// The fleet's name [default: lab].
    #[arg(long)]
    pub(crate) name: Option<Name>,
    /// The forge that shall check pull requests [default: none].
    #[arg(long, value_enum)]
    pub(crate) ci: Option<Forge>,
    /// Who must agree to changes: names as the forge knows them, with blanks between.
    #[arg(long)]
    pub(crate) owners: Option<String>,
    /// Write no git hook.
    #[arg(long)]
    pub(crate) no_hook: bool,
    /// Ask nothing, also at a terminal; a flag above says the same.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Forges, and what they call their pull requests' checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forge {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Forgejo or Gitea Actions.
    Forgejo,
    /// None of these.
    None,
}

/// The syntaxes of fleet files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syntax {
    /// `fleet.toml`.
    Toml,
    /// `fleet.kdl`.
    Kdl,
}

/// Show what happened.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// A machine's name or id, one that is gone too; by default the whole fleet.
    pub(crate) machine: Option<String>,
    /// So far back (`2h`, `7d`); by default the newest 500 entries.
    #[arg(long, value_name = "AGE")]
    pub(crate) since: Option<Interval>,
    /// Stay and show what happens, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Up to this time (`2026-12-01T18:00:00Z`), or up to so long ago.
    #[arg(long, value_name = "TIME", requires = "since", conflicts_with = "follow")]
    pub(crate) until: Option<Past>,
    /// Show what was at this time, or so long ago, instead of what happened: as `muster status --at`.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["machine", "since", "follow"])]
    pub(crate) at: Option<Past>,
}

/// Check the fleet files of a folder.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The repository's folder.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// How mistakes are drawn; by default `human` on a terminal and `plain` elsewhere.
    #[arg(long, value_enum)]
    pub(crate) format: Option<CheckFormat>,
    /// `--deny warnings`: exit with 2 if there are warnings.
    #[arg(long, value_enum)]
    pub(crate) deny: Option<Deny>,
    /// Put right what can have meant one thing only, and check again.
    #[arg(long)]
    pub(crate) fix: bool,
    /// With `--fix`: write nothing, and print what would change as a unified diff.
    #[arg(long, visible_alias = "dry-run", requires = "fix")]
    pub(crate) diff: bool,
    /// Show and count only what the work tree brought about since it left this branch, tag or commit: what stands
    /// on a changed line or in a changed object, and what was not there before.
    #[arg(long, value_name = "REF", conflicts_with = "fix")]
    pub(crate) changed_since: Option<String>,
    /// Solve storage layouts on the disks that inspections found: a file of what `muster --json show NAME` printed
    /// of machines, one behind the other.
    #[arg(long, value_name = "FILE", conflicts_with = "fix")]
    pub(crate) observed: Option<PathBuf>,
    /// Write what is found as SARIF into this file as well, whatever is printed.
    #[arg(long, value_name = "FILE", conflicts_with = "diff")]
    pub(crate) sarif: Option<PathBuf>,
}

/// Write fleet files as they shall look. What cannot be read is told and left as it is; no comment is lost.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Files, and folders with all below them that is not hidden; `-` reads standard input and writes standard output.
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Write nothing, name the files that are not as they shall be, and exit with 1 if there are any.
    #[arg(long)]
    pub(crate) check: bool,
    /// Write nothing, and show what would change.
    #[arg(long)]
    pub(crate) diff: bool,
    /// Convert to this syntax: the new files take the place of the old ones, and say the same.
    #[arg(long, value_enum)]
    pub(crate) to: Option<Syntax>,
    /// The syntax of standard input.
    #[arg(long, value_enum)]
    pub(crate) syntax: Option<Syntax>,
}

/// How mistakes are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// With frames and colours.
    Human,
    /// As plain text.
    Plain,
    /// As JSON, with everything.
    Json,
    /// As SARIF 2.1.0, for code scanning.
    Sarif,
    /// As workflow commands of GitHub Actions, which become annotations.
    Github,
    /// As a report of GitLab's Code Quality.
    Gitlab,
    /// As JUnit's XML.
    Junit,
}

/// What is not tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    /// Warnings.
    Warnings,
}

/// Machines as they are found.
#[derive(Debug, Subcommand)]
pub(crate) enum MachineCommand {
    /// Machines that asked to boot and that no file declares.
    Discovered {
        /// As fleet lines, to be committed.
        #[arg(long)]
        patch: bool,
    },
    /// Switch a machine, or say whether it has power.
    Power(Power),
    /// Vouch that a machine which leaves its slot with its disks as they are is off, or cut off, and will not come
    /// back with the name and the addresses that it had. For machines without a BMC, and for dead ones.
    Fenced {
        /// The machine's name or id.
        machine: String,
        /// Why you can tell, for the audit.
        #[arg(long)]
        reason: String,
    },
}

/// Switch a machine, or say whether it has power. What a person switched is not fought; a commit that wants
/// something else of the machine takes over.
#[derive(Debug, Args)]
pub(crate) struct Power {
    /// The machine's name or id.
    pub(crate) machine: String,
    /// What to do.
    #[arg(value_enum)]
    pub(crate) action: PowerAction,
    /// Why, for whoever reads the log.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Do it though a budget has no room for it; say why with `--reason`.
    #[arg(long)]
    pub(crate) beyond_budget: bool,
    /// Stay until the machine is seen as ordered; exit with 1 if the BMC does not bring it about.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// What can be done to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PowerAction {
    /// On.
    On,
    /// Off at once, as if the plug were pulled.
    Off,
    /// Off by asking the operating system.
    SoftOff,
    /// Off, seen off, then on.
    Cycle,
    /// Say whether it has power, since when, and how fresh that is.
    Status,
}

/// Rack agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Mint a one-time token, with which `muster-rackd enrol` makes a host this agent. An agent of that name
    /// that is enrolled already is replaced when the token is used.
    Token {
        /// The agent's name, as in `rack.*.agents`.
        name: Name,
        /// How long the token may be used (`30m`, `1h`), at most 7 days.
        #[arg(long, value_name = "AGE", default_value = "1h")]
        ttl: Interval,
    },
    /// List every agent that was ever enrolled: its key, since when, last heard, its certificate's end.
    List,
    /// An agent's key counts no more: its next word is refused.
    Revoke {
        /// Its name.
        name: Name,
    },
    /// Change the authority that signs certificates: a new one signs, the old stays trusted until
    /// `--finish`.
    RollCa {
        /// Trust the newest authority alone; refused while an agent has not renewed.
        #[arg(long)]
        finish: bool,
    },
}

/// Write the fleet lines that remove something.
#[derive(Debug, Args)]
pub(crate) struct Removed {
    /// `machine` or `deployment`.
    #[arg(value_enum)]
    pub(crate) kind: RemovedKind,
    /// Its name.
    pub(crate) name: Name,
    /// What becomes of its disks.
    #[arg(long, value_enum)]
    pub(crate) disks: Disks,
    /// A disk that is left out: a broken or a lost one. May be given several times.
    #[arg(long, value_name = "DISK")]
    pub(crate) keep: Vec<DiskId>,
    /// How long a machine is kept off with its data before its disks are erased, `7d` for one; `0s` is not at all.
    /// Without it, what the fleet says.
    #[arg(long, value_name = "LENGTH")]
    pub(crate) quarantine: Option<Quarantine>,
    /// Why, for whoever reads the history.
    #[arg(long)]
    pub(crate) reason: String,
}

/// What can be removed, or get another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RemovedKind {
    /// A machine.
    Machine,
    /// A deployment.
    Deployment,
}

/// What becomes of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Disks {
    /// They keep their contents.
    Retain,
    /// Signatures and partition tables are erased.
    Quick,
}

/// Operating system images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build an image from the host's own package mirror and print its fleet lines.
    Build(ImageBuild),
    /// Hand artefacts to musterd, which serves them to rack agents by their SHA-256.
    Add {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List musterd's artefacts.
    Ls,
}

/// Build an image.
#[derive(Debug, Args)]
pub(crate) struct ImageBuild {
    /// Which.
    #[arg(value_parser = ["ephemeral", "debian-12"])]
    pub(crate) kind: String,
    /// Where its files go.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Where built images are kept; by default `/var/cache/muster/images` for root and the user's cache
    /// folder otherwise.
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,
}
