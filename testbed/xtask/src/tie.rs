//! Runs a test program so that it ends when `cargo xtask test` does, by SIGKILL too.
//!
//! Cargo stands between, and maybe sudo, over which a signal at the parent's death does not reach. So the far end of
//! standard input is held by whoever must not be outlived, and this process looks whether it still is.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::process::{self, Command, Stdio};
use std::thread;

/// What makes a program end when its parent does.
pub(crate) const TIED: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// Runs it to its end, or to that of the caller.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut child = Command::new(TIED[0])
        .args(&TIED[1..])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    // Programs of documentation are given no input at all.
    if fs::metadata("/proc/self/fd/0").is_ok_and(|input| input.file_type().is_fifo()) {
        thread::spawn(|| {
            // An input that cannot be read has nobody at its other end either.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            eprintln!("xtask: the caller is gone");
            process::exit(1);
        });
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for {program}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} ended with {status}"))
    }
}
