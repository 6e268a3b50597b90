//! Calls of cargo, always on this workspace and as the caller.

use crate::sudo;
use crate::tie::TIED;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The workspace's root: two above this crate.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// The directory of built programs.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |set| root().join(PathBuf::from(set)))
}

/// The static program that travels to the machines.
pub(crate) fn inmachine_program() -> PathBuf {
    target()
        .join(INMACHINE_TARGET)
        .join(INMACHINE_PROFILE)
        .join("muster-inmachine")
}

/// The distribution's own libc, linked statically: no further toolchain is needed on a fresh machine.
const INMACHINE_TARGET: &str = HOST;
const INMACHINE_PROFILE: &str = "inmachine";

/// A cargo call on the workspace.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()).args(words).stdin(Stdio::null());
    command
}

/// A test run. It ends when our thread does, by SIGKILL too, and its test programs end with it; what those started
/// is left to the sweep of the next start. The test programs run as root, through sudo where need be: namespaces and
/// mounts ask for it. Cargo itself stays the caller's, and so does all it builds.
pub(crate) fn test(words: &[&str]) -> Command {
    // By its path: the build of the whole workspace may have put a new one in its place.
    let xtask = target().join("debug/xtask");
    let mut runner = vec![xtask.to_string_lossy().into_owned(), "tied".to_owned()];
    if !sudo::is_root() && sudo::is_possible() {
        // With all variables: cargo sets some for each program, and a caller may have settings. sudo has a mind of
        // its own about the path, on which rustc must be found.
        let path = format!("PATH={}", std::env::var("PATH").unwrap_or_default());
        let sudo = ["sudo", "--preserve-env", "--", "env", &path];
        runner.splice(0..0, sudo.map(str::to_owned));
    }
    let runner = serde_json::to_string(&runner).expect("strings are always JSON");
    let setting = format!("target.{HOST}.runner={runner}");
    let cargo = cargo(&["test", "--config", &setting]);
    let mut command = Command::new(TIED[0]);
    command
        .args(&TIED[1..])
        .arg(cargo.get_program())
        .args(cargo.get_args())
        .args(words);
    command.current_dir(root());
    command
}

/// What test programs are built for.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// The call that builds the in-machine program. A target is named so that the flags reach it alone and not the
/// build scripts, which must stay dynamic.
pub(crate) fn inmachine() -> Command {
    let words = [
        "build",
        "-p",
        "rack-inmachine",
        "--profile",
        INMACHINE_PROFILE,
        "--target",
        INMACHINE_TARGET,
    ];
    let mut command = cargo(&words);
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    command
}

/// Builds the in-machine program and says where it is.
pub(crate) fn build_inmachine() -> Result<(), String> {
    succeed(&mut inmachine())?;
    println!("{}", inmachine_program().display());
    Ok(())
}

/// Checks the store's queries against a throw-away cluster and stores the answers under `.sqlx`.
pub(crate) fn refresh_queries() -> Result<(), String> {
    succeed(&mut cargo(&[
        "run",
        "--quiet",
        "--package",
        "reconciler-store",
        "--no-default-features",
        "--example",
        "throwaway-cluster",
        "--",
        "--refresh-queries",
    ]))
}

/// Runs a command to its end; its failure is the error.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}
