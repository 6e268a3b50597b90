//! Who we are, and how root is asked for where it is needed.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

/// Whether this process may do anything.
pub(crate) fn is_root() -> bool {
    // The second number is the effective user (proc(5), `Uid:`).
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    users.and_then(|users| users.split_whitespace().nth(1)) == Some("0")
}

/// A command that runs as root: as it is, or through sudo, with these variables handed over where set.
pub(crate) fn as_root(program: impl AsRef<OsStr>, variables: &[&str]) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    let handed = variables
        .iter()
        .filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    command.args(handed).arg("--").arg(program);
    command
}

/// Root can be had: we are root, or sudo is there.
pub(crate) fn is_possible() -> bool {
    is_root() || Command::new("sudo").arg("-V").output().is_ok()
}
