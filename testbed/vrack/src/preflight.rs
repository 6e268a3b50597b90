//! What the host must offer before a rack can stand, said in one line when it does not.

use crate::bmc;
use crate::error::{Result, RigError};
use crate::program;
use crate::qemu;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Looks at rights, namespaces, tap devices and programs.
pub(crate) fn check() -> Result<()> {
    let unmet = |lacks: &str, fix: &str| {
        Err(RigError::Unmet {
            lacks: lacks.to_owned(),
            fix: fix.to_owned(),
        })
    };
    if !rustix::process::geteuid().is_root() {
        return unmet(
            "a virtual rack needs root",
            "run it through `cargo xtask vrack`, which asks sudo",
        );
    }
    let programs = [(qemu::PROGRAM, "qemu-system-x86"), (bmc::PROGRAM, "openipmi")];
    for (program, package) in programs {
        if !Path::new(program).exists() {
            return unmet(
                &format!("{program} is missing"),
                &format!("install the package {package}: cargo xtask packages"),
            );
        }
    }
    if !Path::new("/dev/net/tun").exists() {
        return unmet(
            "no /dev/net/tun here",
            "a virtual rack needs tap devices; use a host or container that has them",
        );
    }
    let mut trial = Command::new("unshare");
    if program::run(trial.args(["--net", "true"]), Duration::from_secs(5)).is_err() {
        return unmet(
            "no network namespace can be made here",
            "a virtual rack needs CAP_SYS_ADMIN and CAP_NET_ADMIN",
        );
    }
    Ok(())
}
