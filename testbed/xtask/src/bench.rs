//! `cargo xtask bench`: builds what is measured as it is shipped, unpacks the peers, and measures as root.
//!
//! The measuring itself is `muster-bench`; nothing here knows how it works.

use crate::cargo::{self, cargo};
use crate::{packages, peers, sudo};

/// All that is measured where nothing is named.
const ALL: [&str; 3] = ["dhcp", "tftp", "http"];

/// Measures what is named, or everything; further words are options of `muster-bench`.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    if !sudo::is_possible() {
        return Err("network namespaces need root, and there is no sudo here to ask for it".to_owned());
    }
    packages::install()?;
    peers::unpack()?;
    let build = ["build", "--release", "-p", "rack-agent", "-p", "testbed-bench"];
    cargo::succeed(&mut cargo(&build))?;
    let release = cargo::target().join("release");
    let mut command = sudo::as_root(release.join("muster-bench"), &[]);
    let is_named = words.first().is_some_and(|word| !word.starts_with('-'));
    if !is_named {
        command.args(ALL);
    }
    command
        .args(words)
        .arg("--rackd")
        .arg(release.join("muster-rackd"))
        .arg("--peers")
        .arg(peers::root());
    cargo::succeed(&mut command)
}
