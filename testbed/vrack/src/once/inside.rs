//! A shell in the installed system, by ssh, as whoever has the key in git gets one.

use crate::child;
use crate::error::{Result, RigError};
use crate::once::life::Life;
use crate::program;
use crate::rack::Rack;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// From power to an sshd that answers, on real hardware: firmware, a network boot that leads nowhere, Debian.
const SSH_MAX: Duration = Duration::from_secs(120);
/// One login with a few short commands.
const LOGIN_MAX: Duration = Duration::from_secs(20);
/// A file of some ten megabytes.
const COPY_MAX: Duration = Duration::from_secs(60);
/// ssh's own failures, as opposed to those of what it ran (ssh(1), "EXIT STATUS").
const SSH_FAILED: i32 = 255;
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The way into a machine's installed system.
pub(crate) struct Inside<'a> {
    rack: &'a Rack,
    key: &'a Path,
    address: String,
    /// The factor on all limits.
    scale: u32,
}

impl<'a> Inside<'a> {
    /// At this address.
    pub(crate) fn at(rack: &'a Rack, key: &'a Path, address: String, scale: u32) -> Self {
        Self {
            rack,
            key,
            address,
            scale,
        }
    }

    /// At the first address that muster has for it.
    pub(crate) fn of(life: &'a Life<'_>) -> Result<Self> {
        let address = life.programs.address(&life.spec.name)?;
        let scale = life.accelerator.timeout_scale();
        Ok(Self::at(life.rack, &life.fleet.key, address, scale))
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What a script of the shell prints. A system that does not answer yet is asked again.
    pub(crate) fn ask(&self, script: &str) -> Result<String> {
        self.ask_within(script, LOGIN_MAX)
    }

    /// The same for a script that takes so long on real hardware.
    pub(crate) fn ask_within(&self, script: &str, limit: Duration) -> Result<String> {
        let until = Instant::now() + SSH_MAX * self.scale;
        loop {
            let mut command = with_options(self.rack, "ssh", self.key)?;
            command.arg(format!("debian@{}", self.address)).arg(script);
            let said = program::outcome(&mut command, limit * self.scale)?;
            match said.status.code() {
                Some(0) => return Ok(said.output),
                Some(SSH_FAILED) if Instant::now() < until => thread::sleep(AGAIN_AFTER),
                _ => {
                    return Err(RigError::Program {
                        line: format!("ssh {} {script}", self.address),
                        outcome: format!("ended with {}: {}{}", said.status, said.output, said.errors),
                    });
                }
            }
        }
    }

    /// Copies a file of the host into the system.
    pub(crate) fn put(&self, file: &Path, to: &str) -> Result<()> {
        let mut command = with_options(self.rack, "scp", self.key)?;
        command.arg(file).arg(format!("debian@{}:{to}", self.address));
        program::run(&mut command, COPY_MAX * self.scale).map(drop)
    }
}

fn with_options(rack: &Rack, program: &str, key: &Path) -> Result<Command> {
    let mut command = child::enter_command(&rack.run)?;
    command.args([program, "-i"]).arg(key);
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=20",
    ] {
        command.args(["-o", option]);
    }
    Ok(command)
}
