//! `cargo xtask bench`: builds what is measured as it is shipped, unpacks the peers, and measures as root.
//!
//! The measuring itself is `muster-bench`, and of deployments `muster-vrack measure`; nothing here knows how they work.

use crate::cargo::{self, cargo};
use crate::{packages, peers, rig, sudo};
use std::path::Path;
use std::process::Command;

/// All that is measured where nothing is named; a deployment takes machines, and minutes.
const ALL: [&str; 3] = ["dhcp", "tftp", "http"];

/// Measures what is named, or everything; further words are options of `muster-bench`.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    if let ["deploy", flags @ ..] = words {
        return rig::measure(flags);
    }
    if !sudo::is_possible() {
        return Err("network namespaces need root, and there is no sudo here to ask for it".to_owned());
    }
    packages::install()?;
    peers::unpack()?;
    let build = ["build", "--release", "-p", "rack-agent", "-p", "testbed-bench"];
    cargo::succeed(&mut cargo(&build))?;
    let release = cargo::target().join("release");
    let mut command = measurer(&release);
    let is_named = words.first().is_some_and(|word| !word.starts_with('-'));
    if !is_named {
        command.args(ALL);
    }
    cargo::succeed(command.args(words))
}

/// The call that measures all of it once with small loads, by what the suite has built: shows that a table with every
/// row comes out.
pub(crate) fn smoke(_flags: &[&str]) -> Result<Command, String> {
    peers::unpack()?;
    let mut command = measurer(&cargo::target().join("debug"));
    command.args(ALL).args(["--small", "--rounds", "1"]);
    Ok(command)
}

fn measurer(folder: &Path) -> Command {
    let mut command = sudo::as_root(folder.join("muster-bench"), &[]);
    command
        .arg("--rackd")
        .arg(folder.join("muster-rackd"))
        .arg("--peers")
        .arg(peers::root());
    command
}
