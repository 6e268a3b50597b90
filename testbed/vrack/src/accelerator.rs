//! Whether machines run on KVM or are translated (TCG).
//!
//! A `/dev/kvm` that opens, and even one that makes a virtual machine, proves nothing: there are hosts where
//! both work and no kernel boots. So the answer is a trial boot of a real kernel, kept per boot of the host.

use crate::error::{Result, RigError, failed};
use crate::program;
use crate::qemu;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Where the answer is kept, outside any clone.
const CACHE: &str = "/var/cache/muster/accelerator";

/// With working KVM a kernel without a root panics within 2 s; 15 s leaves room for a loaded host.
const TRIAL_MAX: Duration = Duration::from_secs(15);

/// What a kernel without a root prints last. Only a kernel that really ran gets there.
const TRIAL_PROOF: &str = "VFS: Unable to mount root fs";

/// How many times longer things take when translated, measured on hosts with and without.
const TCG_SCALE: u32 = 6;

/// How guest code is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    Kvm,
    Tcg,
}

impl Accelerator {
    /// Chooses by `RACK_ACCEL`, else by trial with this Linux kernel.
    pub(crate) fn choose(kernel: &Path) -> Result<Accelerator> {
        match std::env::var("RACK_ACCEL").as_deref() {
            Ok("tcg") => Ok(Accelerator::Tcg),
            Ok("kvm") if trial(kernel)? => Ok(Accelerator::Kvm),
            Ok("kvm") => Err(RigError::Unmet {
                lacks: "RACK_ACCEL=kvm, but a Linux kernel does not boot under KVM here".to_owned(),
                fix: "unset RACK_ACCEL, and machines are translated instead".to_owned(),
            }),
            Ok(other) => Err(RigError::Unmet {
                lacks: format!("RACK_ACCEL={other} is unknown"),
                fix: "say kvm or tcg".to_owned(),
            }),
            Err(_) => probe(kernel),
        }
    }

    /// QEMU's `-accel` argument.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            // 256 MiB of translated code: the default's share of guest memory is too small for a kernel boot.
            Accelerator::Tcg => "tcg,tb-size=256",
        }
    }

    /// The factor on all deadlines, unless `RACK_TIMEOUT_SCALE` says another.
    pub(crate) fn timeout_scale(self) -> u32 {
        let asked = std::env::var("RACK_TIMEOUT_SCALE")
            .ok()
            .and_then(|text| text.parse().ok());
        asked.unwrap_or(match self {
            Accelerator::Kvm => 1,
            Accelerator::Tcg => TCG_SCALE,
        })
    }
}

fn probe(kernel: &Path) -> Result<Accelerator> {
    let processor = fs::read_to_string("/proc/cpuinfo").map_err(failed("read /proc/cpuinfo"))?;
    let has_extensions = processor
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .any(|flag| matches!(flag, "vmx" | "svm"));
    if !has_extensions || !Path::new("/dev/kvm").exists() {
        return Ok(Accelerator::Tcg);
    }
    let boot =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(failed("read the host's boot id"))?;
    let boot = boot.trim_end();
    match fs::read_to_string(CACHE).unwrap_or_default().split_once(' ') {
        Some((then, "kvm")) if then == boot => return Ok(Accelerator::Kvm),
        Some((then, "tcg")) if then == boot => return Ok(Accelerator::Tcg),
        Some(_) | None => {}
    }
    let (answer, word) = if trial(kernel)? {
        (Accelerator::Kvm, "kvm")
    } else {
        (Accelerator::Tcg, "tcg")
    };
    fs::create_dir_all("/var/cache/muster").map_err(failed("make /var/cache/muster"))?;
    fs::write(CACHE, format!("{boot} {word}")).map_err(failed(format!("write {CACHE}")))?;
    Ok(answer)
}

/// Boots the kernel without a root and looks for its last words.
fn trial(kernel: &Path) -> Result<bool> {
    let mut command = Command::new(qemu::PROGRAM);
    command.args([
        "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none",
    ]);
    command.args([
        "-nodefaults",
        "-no-reboot",
        "-serial",
        "stdio",
        "-append",
        "console=ttyS0 panic=-1",
        "-kernel",
    ]);
    match program::outcome(command.arg(kernel), TRIAL_MAX) {
        Ok(said) => Ok(said.output.contains(TRIAL_PROOF)),
        // Hanging is how such hosts answer.
        Err(RigError::Program { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}
