//! What can go wrong in the rig, said so that the person in front of it knows what to do.
//!
//! One enum for the whole program: nothing branches on these, they are printed and end the run.

use std::io;
use std::time::Duration;

pub(crate) type Result<T> = std::result::Result<T, RigError>;

/// A failure of the rig or of what it watches.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RigError {
    /// The host lacks something; `fix` is the step a person can take.
    #[error("{lacks}; {fix}")]
    Unmet { lacks: String, fix: String },
    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
    /// A program that we ran ended badly.
    #[error("`{line}` {outcome}")]
    Program { line: String, outcome: String },
    /// A program or socket answered something that we cannot read.
    #[error("cannot read the answer of {whom}: {found}")]
    Answer { whom: String, found: String },
    /// Nothing moved for too long.
    #[error("{awaited}: no progress for {} s; last seen: {last}", .quiet.as_secs())]
    Stalled {
        awaited: String,
        quiet: Duration,
        last: String,
    },
    /// It moved, but not to the end.
    #[error("{awaited}: not reached in {} s; last seen: {last}", .total.as_secs())]
    TooLong {
        awaited: String,
        total: Duration,
        last: String,
    },
    /// What we looked at ourselves is not as it must be.
    #[error("{0}")]
    Disproved(String),
}

/// Names what was being done when the operating system refused.
pub(crate) fn failed<D: Into<String>>(doing: D) -> impl FnOnce(io::Error) -> RigError {
    let doing = doing.into();
    move |source| RigError::Io { doing, source }
}

/// The whole chain of causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
