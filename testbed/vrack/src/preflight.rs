//! What the host must offer before a rack can stand, said in one line when it does not.

use crate::bmc;
use crate::error::{Result, RigError};
use crate::machine::NetworkBoot;
use crate::program;
use crate::qemu;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// For a rack of QEMU machines: looks at rights, namespaces, tap devices and programs.
pub(crate) fn check() -> Result<()> {
    for_scripted_machines()?;
    require(qemu::PROGRAM, "qemu-system-x86")?;
    if !Path::new("/dev/net/tun").exists() {
        return unmet(
            "no /dev/net/tun here",
            "a virtual rack needs tap devices; use a host or container that has them",
        );
    }
    Ok(())
}

/// For a rack with machines that start by UEFI.
pub(crate) fn check_uefi(network: NetworkBoot) -> Result<()> {
    require(qemu::code(network), "ovmf")?;
    if network == NetworkBoot::SecurePxe {
        require("/usr/lib/shim/shimx64.efi.signed", "shim-signed")?;
        require(
            "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
            "grub-efi-amd64-signed",
        )?;
    }
    Ok(())
}

/// For a rack of scripted machines, which need less.
pub(crate) fn for_scripted_machines() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return unmet(
            "a virtual rack needs root",
            "run it through `cargo xtask demo` or `cargo xtask vrack once`, which ask sudo",
        );
    }
    require(bmc::PROGRAM, "openipmi")?;
    let mut trial = Command::new("unshare");
    if program::run(trial.args(["--net", "true"]), Duration::from_secs(5)).is_err() {
        return unmet(
            "no network namespace can be made here",
            "a virtual rack needs CAP_SYS_ADMIN and CAP_NET_ADMIN",
        );
    }
    Ok(())
}

fn require(program: &str, package: &str) -> Result<()> {
    if Path::new(program).exists() {
        return Ok(());
    }
    unmet(
        &format!("{program} is missing"),
        &format!(
            "the package {package} has it; `cargo xtask test` and `cargo xtask demo` install all that is needed"
        ),
    )
}

fn unmet(lacks: &str, fix: &str) -> Result<()> {
    Err(RigError::Unmet {
        lacks: lacks.to_owned(),
        fix: fix.to_owned(),
    })
}
