//! The keeper: a second process that clears the run away when the harness dies of anything.
//!
//! It holds the reading end of a pipe whose other end the harness holds. Ctrl-C, SIGKILL or a panic of the
//! harness close that pipe, and then the keeper does what the harness no longer can. It sits in a session of
//! its own, so that a Ctrl-C meant for the harness does not end both. A keeper that is killed as well
//! leaves its work to the next start.

use crate::clear;
use crate::error::{Result, failed};
use crate::namespace;
use crate::program;
use crate::run::Run;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The harness's end of the arrangement.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
}

impl Keeper {
    /// Starts a keeper for the run. Not in the ledger: it must outlive what the ledger lists.
    pub(crate) fn start(run: &Run) -> Result<Keeper> {
        let own = program::own()?;
        let child = Command::new(own)
            .arg("keeper")
            .arg(run.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed("start the keeper"))?;
        Ok(Keeper { child })
    }

    /// Lets it go, after the run was cleared away.
    pub(crate) fn dismiss(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().map(drop).map_err(failed("wait for the keeper"))
    }
}

/// What the keeper does: waits for the pipe to close, then clears away what is left.
pub(crate) fn keep(directory: PathBuf) -> Result<()> {
    let run = Run::at(directory);
    rustix::process::setsid().map_err(|errno| failed("leave the harness's session")(errno.into()))?;
    let mut nothing = Vec::new();
    std::io::stdin()
        .read_to_end(&mut nothing)
        .map_err(failed("wait for the harness"))?;
    if !run.directory().exists() && !run.namespaces().iter().any(|name| namespace::exists(name)) {
        return Ok(());
    }
    let _lock = Run::lock()?;
    clear::run(&run)
}
