//! The demo's last words: what happened, what to try next, where everything is if it stays, and what ends it then.

use crate::demo::show::Show;
use crate::demo::{FOUND, KNOWN};
use crate::error::{Result, failed};
use crate::rack::Rack;
use crate::run::Run;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::thread;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What happened, in the order in which it did.
const HAPPENED: &str = "\
What happened: the declared machine was inspected, a second one was found and declared by a commit; a commit
deployed both at the same time, each boot and each write after a plan that named the disks; a second commit put one
of them on a mirror of its two disks; a third removed the other's deployment, and what it had written was erased.";

/// Where to go from here.
const NEXT: &str = "\
To try next:
  cargo xtask demo --keep     the same, and everything stays running to be looked at
  docs/guide/first-fleet.md   the same by hand, with what each line of the fleet means
  muster init my-fleet        a fleet of your own, and `muster check my-fleet`
  docs/guide/real-hardware.md what a rack of metal needs";

/// All was seen.
pub(crate) fn done(show: &Show) -> String {
    format!("\n{}\n\n{HAPPENED}\n\n{NEXT}", show.table())
}

/// Everything runs on: how to look at it (`address` is that of the found machine's system), and how to end it.
pub(crate) fn kept(rack: &Rack, programs: &Path, address: &str) -> String {
    let run = rack.run.directory().display();
    let namespace = rack.run.namespace();
    let programs = programs.display();
    format!(
        "
Everything runs on. To look at it, from another terminal, as root:
  export MUSTER_SOCKET={run}/rt/musterd.sock PATH=$PATH:{programs}
  muster status --watch
  muster why {KNOWN}
  muster log {FOUND}
  ip netns exec {namespace} ssh -i {run}/id_ed25519 -o StrictHostKeyChecking=accept-new debian@{address}
  tail -f {run}/m/{FOUND}/console.log
  git -C {run}/fleet log --patch
Commit to {run}/fleet and see what `muster plan` says; `muster apply` carries it out.
To end it, press Enter here, or: kill {}",
        std::process::id()
    )
}

/// What ends a rack that is kept, all of it in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Somebody pressed Enter.
    Enter,
    /// The signal of this name, as `kill` and Ctrl-C send them.
    Signal(&'static str),
}

/// Looks for what ends a kept rack, from before anybody is told how.
#[derive(Debug)]
pub(crate) struct Ends {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// From here on neither signal ends this process.
    pub(crate) fn watch() -> Result<Self> {
        let listen = || {
            let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
            // A signal's stream belongs to the runtime it was made in.
            let inside = runtime.enter();
            let terminate = signal(SignalKind::terminate())?;
            let interrupt = signal(SignalKind::interrupt())?;
            drop(inside);
            Ok(Self {
                runtime,
                terminate,
                interrupt,
            })
        };
        listen().map_err(failed("wait for signals"))
    }

    /// Until Enter or a signal. An input that ends has nobody who could press it: a signal is waited for.
    pub(crate) fn wait(mut self, input: impl Read + Send + 'static) -> End {
        let (pressed, enter) = oneshot::channel();
        thread::spawn(move || {
            let mut line = String::new();
            if matches!(BufReader::new(input).read_line(&mut line), Ok(read) if read > 0) {
                // Nobody listens once a signal has come.
                let _ended = pressed.send(());
            }
        });
        self.runtime.block_on(async {
            tokio::select! {
                Ok(()) = enter => End::Enter,
                _ = self.terminate.recv() => End::Signal("SIGTERM"),
                _ = self.interrupt.recv() => End::Signal("SIGINT"),
            }
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter => f.write_str("Enter"),
            Self::Signal(name) => f.write_str(name),
        }
    }
}

/// What is gone, once all is.
pub(crate) fn ended(end: &End, run: &Run) -> String {
    let files = match run.directory().exists() {
        true => "stay",
        false => "are removed",
    };
    format!(
        "Ended by {end}: both machines, their BMCs and muster's programs have ended, the namespace {} is gone, \
         the files in {} {files}.",
        run.namespace(),
        run.directory().display()
    )
}

#[cfg(test)]
mod tests {
    use super::{End, Ends};
    use rustix::process::{Signal, getpid, kill_process};

    /// One after the other: a signal is for the whole process.
    #[test]
    fn enter_and_both_signals_end_a_kept_rack_and_an_empty_input_does_not() {
        let ends = Ends::watch().expect("signals can be waited for");
        assert_eq!(ends.wait(&b"\n"[..]), End::Enter);
        for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
            let ends = Ends::watch().expect("signals can be waited for");
            kill_process(getpid(), signal).expect("it is our own");
            assert_eq!(ends.wait(&b""[..]), End::Signal(name));
        }
    }
}
