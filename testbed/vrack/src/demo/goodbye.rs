//! The demo's last words: what happened, what to try next, and where everything is if it stays.

use crate::demo::show::Show;
use crate::demo::{FOUND, KNOWN};
use crate::rack::Rack;
use std::path::Path;
use std::thread;

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

/// Until Enter, or for ever where nobody can press it: then a signal ends it, and the keeper clears it away.
pub(crate) fn wait() {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(read) if read > 0 => {}
        Ok(_) | Err(_) => loop {
            thread::park();
        },
    }
}
