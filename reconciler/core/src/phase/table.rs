//! The table of phases: what each means, what it may wait on, how it fails and how it is left early.
//!
//! `docs/states.md` is printed from it, and a test holds that page to it. A limit is that of the
//! condition waited on, so it is written once, in the table of conditions.

use crate::condition::{Condition, Limit};
use crate::phase::Phase;
use std::fmt::Write as _;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct PhaseRow {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What a machine in it waits on while something is under way.
    pub waits: &'static [Condition],
    /// Where a limit or a failed step leads.
    pub failure: &'static str,
    /// How a person ends it early, and when that takes effect.
    pub abort: &'static str,
    /// Whether this version has no way into it.
    pub later: bool,
}

/// Shared by all that boots a job.
const NO_ABORT: &str = "nothing is under way";

impl Phase {
    /// One of each, in the order of a machine's life.
    pub fn all() -> [Self; 14] {
        [
            Self::New,
            Self::Observed,
            Self::Commissioning,
            Self::Testing,
            Self::Ready,
            Self::Reserved,
            Self::Allocated,
            Self::Deploying,
            Self::Deployed,
            Self::Releasing,
            Self::Erasing,
            Self::Retired,
            Self::Rescue,
            Self::Failed { step: String::new() },
        ]
    }

    /// Its row.
    pub fn row(&self) -> PhaseRow {
        match self {
            Self::New | Self::Observed | Self::Commissioning | Self::Ready | Self::Allocated => {
                self.row_before_deployment()
            }
            Self::Deploying | Self::Deployed | Self::Failed { .. } => self.row_since_deployment(),
            Self::Releasing | Self::Erasing | Self::Retired => self.row_at_the_end(),
            Self::Testing => later("Testing", "Being tested: memory, disks, network."),
            Self::Reserved => later("Reserved", "Kept for someone."),
            Self::Rescue => later("Rescue", "Booted into a rescue system."),
        }
    }

    fn row_before_deployment(&self) -> PhaseRow {
        match self {
            Self::New => PhaseRow {
                name: "New",
                meaning: "Declared, never inspected, nothing begun.",
                waits: &[
                    Condition::Budget,
                    Condition::Held,
                    Condition::NoImageForJobs,
                    Condition::RackSilent,
                ],
                failure: "stays New",
                abort: NO_ABORT,
                later: false,
            },
            Self::Observed => PhaseRow {
                name: "Observed",
                meaning: "Git says `manage = \"observe\"`: its power is read and it is served, and nothing is done with it. An inspection that `inspect` asks for waits until somebody restarts it.",
                waits: &[
                    Condition::WaitingForRack,
                    Condition::Commissioning,
                    Condition::Held,
                    Condition::NoImageForJobs,
                    Condition::RackSilent,
                ],
                failure: "an inspection that fails is not served again: it boots its own disk",
                abort: NO_ABORT,
                later: false,
            },
            Self::Commissioning => PhaseRow {
                name: "Commissioning",
                meaning: "Being inspected, or on its way to idle.",
                waits: &[
                    Condition::WaitingForRack,
                    Condition::Powering,
                    Condition::PowerByHand,
                    Condition::NoBoot,
                    Condition::Booting,
                    Condition::Commissioning,
                    Condition::RackSilent,
                ],
                failure: "tried again without end, ever less often: it writes nothing",
                abort: "a new intent: the inspection ends first, it takes a minute",
                later: false,
            },
            Self::Ready => PhaseRow {
                name: "Ready",
                meaning: "Inspected and idle.",
                waits: &[Condition::PowerDrift, Condition::PowerOrdered],
                failure: "none",
                abort: NO_ABORT,
                later: false,
            },
            _ => PhaseRow {
                name: "Allocated",
                meaning: "Bound to a slot, installation not begun.",
                waits: &[
                    Condition::Budget,
                    Condition::BudgetHalted,
                    Condition::WindowClosed,
                    Condition::EarlierWave,
                    Condition::Soaking,
                    Condition::Canary,
                    Condition::RateLimited,
                    Condition::Held,
                    Condition::RackSilent,
                    Condition::JobRunning,
                ],
                failure: "stays Allocated",
                abort: "a new intent: at once",
                later: false,
            },
        }
    }

    fn row_since_deployment(&self) -> PhaseRow {
        match self {
            Self::Deploying => PhaseRow {
                name: "Deploying",
                meaning: "Being installed, until it is seen to run.",
                waits: &[
                    Condition::WaitingForRack,
                    Condition::Powering,
                    Condition::PowerByHand,
                    Condition::NoBoot,
                    Condition::Booting,
                    Condition::JobRunning,
                    Condition::Commissioning,
                    Condition::FirstBoot,
                    Condition::RackSilent,
                ],
                failure: "before `installed`: tried again up to three times, then Failed; after it: left alone as NOT_SEEN_AFTER_INSTALL",
                abort: "a new intent: at once before the first write, which the fence then refuses; afterwards the job ends first",
                later: false,
            },
            Self::Deployed => PhaseRow {
                name: "Deployed",
                meaning: "Runs what is wanted, by its own word.",
                waits: &[
                    Condition::PowerDrift,
                    Condition::PowerOrdered,
                    Condition::Powering,
                    Condition::RackSilent,
                    Condition::Orphaned,
                ],
                failure: "none: what is switched off or changed by hand is shown, and fought only where git says `power = \"on\"`",
                abort: NO_ABORT,
                later: false,
            },
            _ => PhaseRow {
                name: "Failed",
                meaning: "A step failed and a person is waited for; the machine is left as it is.",
                waits: &[],
                failure: "none: there is no way to fail further",
                abort: "a new intent: at once",
                later: false,
            },
        }
    }
}

impl Phase {
    fn row_at_the_end(&self) -> PhaseRow {
        match self {
            Self::Releasing => PhaseRow {
                name: "Releasing",
                meaning: "Leaving its slot, which it keeps with disks and addresses until they are erased: switched off, then booted for that. A quarantine keeps it off with its data before that. With `disks = \"retain\"`: until it was seen off, or a person vouches for that.",
                waits: &[
                    Condition::Quarantined,
                    Condition::Budget,
                    Condition::RateLimited,
                    Condition::Held,
                    Condition::NoImageForJobs,
                    Condition::WaitingForRack,
                    Condition::Powering,
                    Condition::PowerByHand,
                    Condition::NoBoot,
                    Condition::Booting,
                    Condition::RackSilent,
                ],
                failure: "tried again, ever less often; disks that hold what nobody agreed to erase: left alone as UNEXPECTED_CONTENTS",
                abort: "the `removed` entry taken out of git: at once before the first write; or `disks = \"retain\"` in it, which erases nothing",
                later: false,
            },
            Self::Erasing => PhaseRow {
                name: "Erasing",
                meaning: "Its disks are being erased, disk by disk, each with a record.",
                waits: &[
                    Condition::Erasing,
                    Condition::Commissioning,
                    Condition::WaitingForRack,
                    Condition::Powering,
                    Condition::PowerByHand,
                    Condition::NoBoot,
                    Condition::Booting,
                    Condition::RackSilent,
                ],
                failure: "tried again up to three times, then Failed as ERASE_FAILED: not Ready, still bound",
                abort: "`disks = \"retain\"` in the `removed` entry, or `keep` for single disks: it is switched off, what is erased by then is gone",
                later: false,
            },
            _ => PhaseRow {
                name: "Retired",
                meaning: "No longer ours to manage: switched off, then no order is given any more.",
                waits: &[
                    Condition::Powering,
                    Condition::BmcSilent,
                    Condition::BmcCredentials,
                    Condition::BmcRefused,
                    Condition::RackSilent,
                ],
                failure: "none: switching off is tried again until the `removed` entry is taken out of git, which forgets the machine",
                abort: "a machine of its name in git: at once",
                later: false,
            },
        }
    }
}

const fn later(name: &'static str, meaning: &'static str) -> PhaseRow {
    PhaseRow {
        name,
        meaning,
        waits: &[],
        failure: "",
        abort: "",
        later: true,
    }
}

/// `docs/states.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# The phases of a machine\n\n\
         A phase is derived from plan, facts and decision each time it is printed, and stored nowhere. \
         This page is printed from the table in `reconciler/core/src/phase/table.rs`. Limits count time \
         without news, and only while the agent that would bring the news is heard.\n\n\
         | phase | meaning | waits on (limit) | when that fails | ended early by |\n\
         |---|---|---|---|---|\n",
    );
    for phase in Phase::all() {
        let row = phase.row();
        let cells = if row.later {
            "later | later | later".to_owned()
        } else {
            let waits: Vec<String> = row.waits.iter().map(|condition| wait(*condition)).collect();
            let waits = if waits.is_empty() {
                "nothing".to_owned()
            } else {
                waits.join(", ")
            };
            format!("{waits} | {} | {}", row.failure, row.abort)
        };
        writeln!(page, "| {} | {} | {cells} |", row.name, row.meaning)
            .expect("writing into a String never fails");
    }
    page.push_str(
        "\nBeside the phase stand marks: Held, Outdated, Drifted, Orphaned, Foreign, Misordered, Stalled. \
         A job's own limit grows with its disks: a minute for each TiB.\n",
    );
    page
}

fn wait(condition: Condition) -> String {
    let row = condition.row();
    let link = format!("[{code}](conditions/{code}.md)", code = row.code);
    match row.limit {
        Limit::None => link,
        limit @ (Limit::Minutes(_) | Limit::BootTimeouts(_)) => format!("{link} ({limit})"),
    }
}
