//! One long-lived program of muster as a service manager sees it: started, killed, awaited, started again.

use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::rack::Rack;
use rustix::process::{Pid, Signal, kill_process};
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// The variable that names the place at which a debug build ends itself.
const FAILPOINT: &str = "MUSTER_FAILPOINT";

/// A program with its command line. It is ended through the run's ledger, if by nobody before.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    program: PathBuf,
    words: Vec<OsString>,
    log: PathBuf,
    child: RefCell<Child>,
    killed: Cell<bool>,
}

impl Service {
    /// Starts it.
    pub(crate) fn start(
        rack: &Rack,
        name: &'static str,
        program: PathBuf,
        words: Vec<OsString>,
        failpoint: Option<&str>,
    ) -> Result<Self> {
        let log = rack.run.path(&format!("{name}.log"));
        let launch = launch(name, &program, &words, &log, failpoint);
        let child = RefCell::new(child::launch(&rack.run, &launch)?);
        Ok(Self {
            name,
            program,
            words,
            log,
            child,
            killed: Cell::new(false),
        })
    }

    /// Starts it again, after its end.
    pub(crate) fn start_again(&self, rack: &Rack, failpoint: Option<&str>) -> Result<()> {
        let launch = launch(self.name, &self.program, &self.words, &self.log, failpoint);
        *self.child.borrow_mut() = child::launch(&rack.run, &launch)?;
        self.killed.set(false);
        Ok(())
    }

    /// Starts it again with another command line, this once.
    pub(crate) fn start_again_as(&self, rack: &Rack, words: &[OsString]) -> Result<()> {
        let launch = launch(self.name, &self.program, words, &self.log, None);
        *self.child.borrow_mut() = child::launch(&rack.run, &launch)?;
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) -> Result<()> {
        self.killed.set(true);
        let mut child = self.child.borrow_mut();
        let ended = child.kill().and_then(|()| child.wait());
        ended.map(drop).map_err(failed(format!("kill {}", self.name)))
    }

    /// Ends it as a service manager does, and waits until it has ended in order.
    pub(crate) fn stop(&self, within: Duration) -> Result<()> {
        let pid = Pid::from_child(&self.child.borrow());
        kill_process(pid, Signal::TERM)
            .map_err(|errno| failed(format!("stop {}", self.name))(errno.into()))?;
        self.await_end(within)
    }

    /// Whether it was killed, and nobody has started it again.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.get()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        let ended = self.child.borrow_mut().try_wait();
        ended
            .map(|status| status.is_some())
            .map_err(failed(format!("look at {}", self.name)))
    }

    /// Waits for it to end by itself.
    pub(crate) fn await_end(&self, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        while !self.has_ended()? {
            if Instant::now() >= until {
                return Err(RigError::TooLong {
                    awaited: format!("the end of {}", self.name),
                    total: within,
                    last: "it runs".to_owned(),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Whether it has said, in any of its lives, that it ended itself at this failpoint.
    pub(crate) fn reached(&self, failpoint: &str) -> bool {
        let name = failpoint.split(':').next().unwrap_or(failpoint);
        self.said().contains(&format!("failpoint {name} reached"))
    }

    /// Everything it has said, in all of its lives.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

fn launch(name: &str, program: &Path, words: &[OsString], log: &Path, failpoint: Option<&str>) -> Launch {
    Launch {
        name: name.to_owned(),
        program: program.to_path_buf(),
        arguments: words.to_vec(),
        variables: failpoint
            .map(|place| (FAILPOINT.to_owned(), place.to_owned()))
            .into_iter()
            .collect(),
        log: log.to_path_buf(),
    }
}
