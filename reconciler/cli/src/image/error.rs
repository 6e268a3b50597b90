//! What can go wrong while an image is built, each with the step a person can take.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The bootstrap makes device nodes and changes its root directory.
    #[error("an image is built by root: run this with sudo")]
    NotRoot,
    /// The host cannot say what it is.
    #[error("/etc/os-release names no VERSION_CODENAME: this is not a Debian release")]
    NoCodename,
    /// The image is made of another release's packages.
    #[error("the image {image} is built on Debian \"{wanted}\", and this host is \"{is}\"")]
    OtherRelease {
        /// The image.
        image: &'static str,
        /// The codename it needs.
        wanted: &'static str,
        /// The host's codename.
        is: String,
    },
    /// No package lists, so neither a mirror nor its date.
    #[error("apt has no package lists of \"{codename}\" main for amd64: run apt-get update")]
    NoPackageLists {
        /// The host's codename.
        codename: String,
    },
    /// A program is not installed.
    #[error("{tool} is missing: run apt-get install {package}")]
    MissingTool {
        /// The program.
        tool: &'static str,
        /// The Debian package it comes in.
        package: &'static str,
    },
    /// A program could not be started.
    #[error("{tool} could not be started")]
    Start {
        /// The program.
        tool: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{tool} failed ({status}); {log} ends with:\n{last}", log = log.display())]
    Failed {
        /// The program.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Everything it said.
        log: PathBuf,
        /// The last lines of that.
        last: String,
    },
    /// A program was stopped because it took too long.
    #[error("{tool} was not done after {after:?}; {log} ends with:\n{last}", log = log.display())]
    TimedOut {
        /// The program.
        tool: &'static str,
        /// How long it was given.
        after: Duration,
        /// Everything it said.
        log: PathBuf,
        /// The last lines of that.
        last: String,
    },
    /// A file of ours could not be used.
    #[error("cannot {doing} {path}", path = path.display())]
    File {
        /// A verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BuildError {
    /// For `map_err`: what we were doing with which file.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
