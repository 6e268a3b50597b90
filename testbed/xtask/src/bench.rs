//! `cargo xtask bench`: builds what is measured as it is shipped, unpacks the peers, and measures as root.
//!
//! The measuring itself is `muster-bench`, and of deployments `muster-vrack measure`; nothing here knows how they work.

use crate::cargo::{self, cargo};
use crate::{fleet, packages, peers, rig, sudo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that is measured where nothing is named; a deployment takes machines, and minutes.
const ALL: [&str; 3] = ["dhcp", "tftp", "http"];

/// Measures what is named, or everything; further words are options of `muster-bench`.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    match words {
        ["deploy", flags @ ..] => return rig::measure(flags),
        ["check", flags @ ..] => return check(flags),
        ["hostile"] => return hostile(),
        ["plan", flags @ ..] => return plan(flags),
        _ => {}
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

/// The fleets that `muster check` is measured on: machines and format.
const CHECKED: [(usize, &str); 7] = [
    (1_000, "toml"),
    (10_000, "toml"),
    (100_000, "toml"),
    (1_000, "kdl"),
    (10_000, "kdl"),
    (10_000, "mixed"),
    (100_000, "mixed"),
];

/// The fleets that planning is measured on.
const PLANNED: [(usize, &str); 3] = [(1_000, "toml"), (5_000, "toml"), (10_000, "toml")];

/// Builds what measures fleets, with the muster that it calls, and begins a call of it.
fn of_fleets(what: &str) -> Result<Command, String> {
    let packages = ["-p", "reconciler-cli", "-p", "testbed-bench"];
    cargo::succeed(cargo(&["build", "--release"]).args(packages).args([
        "--bin",
        "muster",
        "--bin",
        "muster-fleet-bench",
    ]))?;
    let mut command = Command::new(cargo::target().join("release/muster-fleet-bench"));
    command.arg(what);
    Ok(command)
}

/// The muster that is built beside it.
fn muster() -> PathBuf {
    cargo::target().join("release/muster")
}

/// Measures `muster check` on files that nobody means well with.
fn hostile() -> Result<(), String> {
    cargo::succeed(of_fleets("hostile")?.arg("--muster").arg(muster()))
}

/// Measures `muster check`; needs no root.
fn check(flags: &[&str]) -> Result<(), String> {
    let mut command = of_fleets("check")?;
    command.arg("--muster").arg(muster());
    over(&mut command, &CHECKED, flags)
}

/// Measures planning; needs no root.
fn plan(flags: &[&str]) -> Result<(), String> {
    over(&mut of_fleets("plan")?, &PLANNED, flags)
}

/// Writes fleets and has them measured. `--machines-max N` leaves larger ones out.
fn over(command: &mut Command, fleets: &[(usize, &str)], flags: &[&str]) -> Result<(), String> {
    let (max, flags) = match flags {
        ["--machines-max", max, rest @ ..] => (max.parse().map_err(|_| "--machines-max N")?, rest),
        rest => (usize::MAX, rest),
    };
    for (machines, format) in fleets.iter().filter(|(machines, _)| *machines <= max) {
        let folder = cargo::target()
            .join("fleets")
            .join(format!("{machines}-{format}"));
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
        }
        let folder = folder.display().to_string();
        fleet::run(&[
            "--machines",
            &machines.to_string(),
            "--format",
            format,
            "--out",
            &folder,
        ])?;
        command
            .arg("--fleet")
            .arg(format!("{machines} {format}={folder}"));
    }
    cargo::succeed(command.args(flags))
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
