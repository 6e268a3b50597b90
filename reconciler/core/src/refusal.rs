//! Why a request was not carried out, where neither a diagnostic nor a condition says it: the codes that
//! the people's API and `muster` itself use, and their table.
//!
//! `docs/refusals/` is printed from here.

use std::fmt;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct RefusalRow {
    /// The stable code.
    pub code: &'static str,
    /// What it means, in one or two sentences.
    pub meaning: &'static str,
    /// What a person can do.
    pub person: &'static str,
}

macro_rules! refusals {
    ($($variant:ident $code:ident { meaning: $meaning:literal, person: $person:literal, })*) => {
        /// Why a request was not carried out. A code never changes its meaning and is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalCode { $(#[doc = $meaning] $variant,)* }

        impl RefusalCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its row.
            pub fn row(self) -> RefusalRow {
                match self {
                    $(Self::$variant => RefusalRow {
                        code: stringify!($code),
                        meaning: $meaning,
                        person: $person,
                    },)*
                }
            }
        }
    };
}

refusals! {
    NotFound NOT_FOUND {
        meaning: "Nothing is called by that name: no machine, no plan, no revision.",
        person: "`muster status` lists the machines and names the plan that is carried out; a revision must be in the fleet repository.",
    }
    BadRequest BAD_REQUEST {
        meaning: "musterd cannot read what it was asked.",
        person: "Correct what the message names. If you did not write it, `muster` and musterd are of different versions.",
    }
    Source SOURCE {
        meaning: "The fleet repository cannot be read, so that nobody knows what is wanted. The last adopted plan stays in force.",
        person: "Read the message: it is git's own. Check musterd's `--repository` and `--branch`, and the network and the keys that git uses. Then ask again.",
    }
    Database DATABASE {
        meaning: "The database did not do its part. Nothing was changed by halves.",
        person: "Look at musterd's log and at Postgres; `muster status` works again when they do. Then ask again.",
    }
    Contended CONTENDED {
        meaning: "Something else came first, several times in a row: another daemon on the same database adopted a plan, somebody made or ended a hold, a machine began to write. Or the branch went on, and what comes after your commit is carried out.",
        person: "Ask again. If it stays so, look whether two musterds follow different branches.",
    }
    NotMerged NOT_MERGED {
        meaning: "The plan is of a commit that is not on the branch that musterd follows: nothing is carried out of it.",
        person: "Merge it. What it erases can be agreed to before that (`muster approve`); `muster plan` of a commit that is not merged ends with what is next.",
    }
    NotYet NOT_YET {
        meaning: "It would do harm now: something else has to be over first.",
        person: "The message says what is awaited and how it ends.",
    }
    Image IMAGE {
        meaning: "An artefact could not be kept: its bytes are not those of its digest, the transfer broke off, it is too large, or the disk is full.",
        person: "The message says which. Free space below musterd's state folder, or send the file again: what was half sent is gone.",
    }
    Busy BUSY {
        meaning: "The machine is in the middle of something that is not cut: a job that may be writing, a boot, a power order.",
        person: "Wait until it is over (`muster status --watch`), or change what is wanted of the machine in git. A job that hangs is given up by its own limit, and can be cut then.",
    }
    NoBmc NO_BMC {
        meaning: "The machine has no BMC that muster could ask.",
        person: "Switch it at its front, or give it a `bmc` in the fleet.",
    }
    NotLeaving NOT_LEAVING {
        meaning: "Nobody waits for a word that this machine is gone: it is not leaving a slot, or it leaves when its disks are erased.",
        person: "Remove its deployment or the machine in git first, with `disks = \"retain\"` where they cannot be erased (`muster removed`).",
    }
    Retired RETIRED {
        meaning: "The machine was retired: it is nobody's of muster's to switch.",
        person: "Switch it at its front, or take the `removed.machine` entry back and declare it again.",
    }
    Unreachable UNREACHABLE {
        meaning: "musterd does not answer on its socket.",
        person: "Start it (`systemctl start musterd`), or name its socket with `--socket` or `MUSTER_SOCKET`; you must be allowed to open it.",
    }
    Old OLD {
        meaning: "What is observed is older than you allow with `--max-age`: a rack agent that the plan names was not heard for so long, or never, or a snapshot was made too long ago.",
        person: "Look at the rack agent that the message names and at its network, or fetch a newer snapshot; the plan may be right, but nobody can tell.",
    }
    Snapshot SNAPSHOT {
        meaning: "The snapshot cannot be used: nobody who may signed it, it was changed since, it is of another version, or this clone lacks what it names.",
        person: "The message says which. Who may sign it stands in `.muster/allowed-snapshots` as `--base` has it, or in the file of `--trust`; `muster snapshot --key` prints the line. A clone needs its whole history.",
    }
    File FILE {
        meaning: "A file or folder that you named, or standard output, cannot be read or written.",
        person: "The message names it and says why.",
    }
    Usage USAGE {
        meaning: "The command cannot be carried out as it was given.",
        person: "The message says what to write instead; `muster COMMAND --help` has the rest.",
    }
    Failed FAILED {
        meaning: "It went wrong in a way for which there is no code of its own.",
        person: "The message is all there is.",
    }
}

impl RefusalCode {
    /// The stable code.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The refusal of this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.code() == code)
    }

    /// Its page in `docs/refusals/`, as Markdown.
    pub fn page(self) -> String {
        let row = self.row();
        format!(
            "# {}\n\n{}\n\n## What you can do\n\n{}\n",
            row.code, row.meaning, row.person
        )
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
