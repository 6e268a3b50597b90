//! Why a measurement did not come about.

use std::io;

/// What went wrong, in words for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("cannot {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
    #[error("{program} ended with {status}: {said}")]
    Ended {
        program: String,
        status: String,
        said: String,
    },
    #[error("{what} did not happen within {seconds} s; its log:\n{log}")]
    TooLong { what: String, seconds: u64, log: String },
    #[error("{server} gave a wrong answer: {what}")]
    Wrong { server: String, what: String },
}

pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// Names what was being done when it failed.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::Io {
        doing: doing.into(),
        source,
    }
}
