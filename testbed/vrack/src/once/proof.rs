//! Looks for itself whether what muster says is so: at the disk's file, the console, and by ssh.

use crate::child;
use crate::error::{Result, RigError, failed};
use crate::machine::MachineSpec;
use crate::once::fleet::Repository;
use crate::program;
use crate::rack::{self, Rack};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// sfdisk reads a table at once.
const SHORT: Duration = Duration::from_secs(30);
/// sshd starts beside cloud-init, which has phoned home already; translated machines are slow to key exchange.
const SSH_MAX: Duration = Duration::from_secs(240);
/// Where the ownership marker stands on a disk (docs/decisions/0007).
const MARKER_AT: u64 = 1 << 20;
const MARKER_BYTES: usize = 4096;

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// The plan says which disk it would erase, before anything does.
pub(crate) fn names_the_disk(plan: &str) -> Result<()> {
    if plan.contains("erase") && plan.contains("serial:muster-disk-0") && plan.contains("(blank)") {
        return Ok(());
    }
    disproved(format!("the plan does not name the disk it would write:\n{plan}"))
}

/// The disk's file has a GPT and our finished marker.
pub(crate) fn disk(rack: &Rack, spec: &MachineSpec) -> Result<()> {
    let path = rack.machine(&spec.name).join("disk0.raw");
    let table = program::run(Command::new("sfdisk").arg("--dump").arg(&path), SHORT)?;
    if !table.contains("label: gpt") {
        return disproved(format!("{} has no GPT:\n{table}", path.display()));
    }
    let mut block = vec![0; MARKER_BYTES];
    let file = File::open(&path).map_err(failed("open the disk's file"))?;
    file.read_exact_at(&mut block, MARKER_AT)
        .map_err(failed("read the disk's marker"))?;
    if !String::from_utf8_lossy(&block).contains("\"installed\"") {
        return disproved(format!("{} has no finished marker at 1 MiB", path.display()));
    }
    println!("disk: GPT and finished marker on {}", path.display());
    Ok(())
}

/// A login prompt stood on the console.
pub(crate) fn console(rack: &Rack, spec: &MachineSpec) -> Result<()> {
    let until = Instant::now() + SSH_MAX;
    while !rack::console(&rack.machine(&spec.name)).contains(" login:") {
        if Instant::now() >= until {
            return disproved("no login prompt on the console");
        }
        thread::sleep(Duration::from_secs(1));
    }
    println!("console: a login prompt");
    Ok(())
}

/// Whoever has the key in git may log in; the system has the name that git gives it.
pub(crate) fn ssh(rack: &Rack, repository: &Repository, address: &str) -> Result<()> {
    let until = Instant::now() + SSH_MAX;
    loop {
        let mut command = child::enter_command(&rack.run)?;
        command.args(["ssh", "-i"]).arg(&repository.key);
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=20",
        ] {
            command.args(["-o", option]);
        }
        command
            .arg(format!("debian@{address}"))
            .arg("hostname; findmnt -no SOURCE /");
        match program::run(&mut command, Duration::from_secs(60)) {
            Ok(said) if said.lines().next() == Some("node-01") => {
                println!("ssh: {address} is {}", said.trim().replace('\n', ", root on "));
                return Ok(());
            }
            Ok(said) => return disproved(format!("the system at {address} calls itself {said}")),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => thread::sleep(Duration::from_secs(3)),
        }
    }
}

/// Planning again wants nothing.
pub(crate) fn nothing_left(plan: &str) -> Result<()> {
    if plan.contains("No changes.") {
        println!("plan again: nothing");
        return Ok(());
    }
    disproved(format!("planning again is not empty:\n{plan}"))
}
