//! Exit codes, the same for every command.

use reconciler_core::people::Refusal;
use reconciler_core::refusal::RefusalCode;
use schema_fleet::Code;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, nothing to say.
    Done,
    /// 1: an error, or errors found.
    Failed,
    /// 2: changes, none destructive (`plan --exit-code`); warnings (`check --deny warnings`).
    Changes,
    /// 3: destructive changes (`plan --exit-code`); approval missing (`apply`).
    Destructive,
    /// 4: blocked by a guard.
    Blocked,
    /// 5: the plan is stale.
    Stale,
    /// 6: musterd cannot be reached, or has no database or repository; what is observed is too old, or no
    /// rack agent is heard of the machines that are waited for (`apply --wait`).
    Unreachable,
    /// 64: wrong usage.
    Usage,
}

impl Exit {
    /// The end of a failed `plan` or `apply` in a word, as documents and CI say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Unreachable => "unreachable",
            Self::Usage => "usage",
            Self::Done | Self::Failed | Self::Changes | Self::Destructive | Self::Blocked => "failed",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Destructive => 3,
            Exit::Blocked => 4,
            Exit::Stale => 5,
            Exit::Unreachable => 6,
            Exit::Usage => 64,
        })
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// musterd is not there.
    #[error("musterd does not answer on {}: {why}. Is it running? Name its socket with --socket or MUSTER_SOCKET", socket.display())]
    Unreachable {
        /// Where.
        socket: PathBuf,
        /// Why.
        why: String,
    },
    /// musterd is there, and says nothing.
    #[error(
        "musterd on {} took the request and did not answer within {} s: it hangs, or its host or its database does. What must stop \
         now is stopped without it: `musterd stop --reason ...` as root on its host, `muster-rackd stop --reason ...` on a rack \
         agent's host, for that agent alone",
        socket.display(), after.as_secs()
    )]
    Hangs {
        /// Where.
        socket: PathBuf,
        /// How long it was waited for.
        after: Duration,
    },
    /// musterd says no.
    #[error("{}", Told(.0))]
    Refused(Refusal),
    /// A file cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// "read", "write".
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is observed is too old.
    #[error("{0}")]
    Old(String),
    /// A snapshot that cannot be used.
    #[error("{0}")]
    Snapshot(String),
    /// The command cannot be carried out as given.
    #[error("{0}")]
    Usage(String),
    /// Something else, said in full.
    #[error("{0}")]
    Other(String),
}

/// A refusal for people: diagnostics bring their own form.
struct Told<'a>(&'a Refusal);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.message.contains(&format!("[{}]", self.0.code)) {
            f.write_str(self.0.message.trim_end())
        } else {
            write!(f, "{}: {}", self.0.code, self.0.message)
        }
    }
}

impl Failure {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Hangs { .. } | Self::Old(_) => Exit::Unreachable,
            Self::Refused(refusal) if refusal.code == Code::M0901.as_str() => Exit::Stale,
            Self::Refused(refusal) => match RefusalCode::parse(&refusal.code) {
                Some(RefusalCode::Source | RefusalCode::Database | RefusalCode::Contended) => {
                    Exit::Unreachable
                }
                Some(_) | None => Exit::Failed,
            },
            Self::File { .. } | Self::Snapshot(_) | Self::Other(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
        }
    }

    /// Its code, which `muster explain` knows.
    pub(crate) fn code(&self) -> &str {
        let code = match self {
            Self::Refused(refusal) => return &refusal.code,
            Self::Unreachable { .. } | Self::Hangs { .. } => RefusalCode::Unreachable,
            Self::Old(_) => RefusalCode::Old,
            Self::Snapshot(_) => RefusalCode::Snapshot,
            Self::File { .. } => RefusalCode::File,
            Self::Usage(_) => RefusalCode::Usage,
            Self::Other(_) => RefusalCode::Failed,
        };
        code.code()
    }

    /// As one JSON document.
    pub(crate) fn json(&self) -> String {
        serde_json::json!({ "error": { "code": self.code(), "message": self.to_string() } }).to_string()
    }
}
