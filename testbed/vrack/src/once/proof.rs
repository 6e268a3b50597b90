//! Looks for itself whether what muster says is so: at the disk's file, the console, and by ssh.

use crate::error::{Result, RigError, failed};
use crate::machine::MachineSpec;
use crate::once::inside::Inside;
use crate::program;
use crate::qemu;
use crate::rack::{self, Rack};
use rack_inmachine::marker::{BLOCK_BYTES, Marker, OFFSET, State};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// sfdisk reads a table at once.
const SHORT: Duration = Duration::from_secs(30);
/// The prompt comes beside cloud-init, which has phoned home already; translated machines are slow.
const PROMPT_MAX: Duration = Duration::from_secs(240);

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// The plan says which disks it would erase, before anything does.
pub(crate) fn names_the_disks(plan: &str, spec: &MachineSpec) -> Result<()> {
    for disk in &spec.disks {
        let disk = format!("serial:{}", disk.serial);
        if erased(plan, &disk).is_none_or(|holds| !holds.ends_with("   blank")) {
            return disproved(format!(
                "the plan does not say that it erases {disk}, which is blank:\n{plan}"
            ));
        }
    }
    Ok(())
}

/// What a plan says of a disk that it erases: its size, its model, what it holds.
pub(crate) fn erased<'p>(plan: &'p str, disk: &str) -> Option<&'p str> {
    let mut lines = plan.lines().map(str::trim);
    lines.find_map(|line| {
        line.strip_prefix("erase  ")?
            .strip_prefix(disk)?
            .strip_prefix("   ")
    })
}

/// The disk's file has a GPT and our finished marker.
pub(crate) fn disk(rack: &Rack, spec: &MachineSpec) -> Result<()> {
    let path = rack.machine(&spec.name).join(qemu::disk_file(0));
    let table = program::run(Command::new("sfdisk").arg("--dump").arg(&path), SHORT)?;
    if !table.contains("label: gpt") {
        return disproved(format!("{} has no GPT:\n{table}", path.display()));
    }
    match marker(&path, OFFSET)? {
        Some(marker) if marker.state == State::Installed => {
            println!("disk: GPT and finished marker on {}", path.display());
            Ok(())
        }
        Some(_) | None => disproved(format!("{} has no finished marker at 1 MiB", path.display())),
    }
}

/// Keeps the marker that a disk has now.
pub(crate) fn keep_marker(disk: &Path, to: &Path) -> Result<()> {
    let block = block(disk, OFFSET)?;
    fs::write(to, block).map_err(failed("keep the disk's marker"))
}

/// What was being written when the power was cut was taken up again: same binding, same intent.
pub(crate) fn taken_up(cut: &Path, disk: &Path) -> Result<()> {
    let (Some(before), Some(after)) = (marker(cut, 0)?, marker(disk, OFFSET)?) else {
        return disproved("no marker before or after the power cut");
    };
    let same = before.binding == after.binding && before.spec == after.spec;
    if before.state == State::Writing && after.state == State::Installed && same {
        println!("power cut: binding {} took up its own marker", after.binding);
        return Ok(());
    }
    disproved(format!("at the power cut {before:?}, at the end {after:?}"))
}

/// The marker at this byte of a disk's file.
pub(crate) fn marker(path: &Path, at: u64) -> Result<Option<Marker>> {
    Ok(Marker::decode(&block(path, at)?))
}

fn block(path: &Path, at: u64) -> Result<Vec<u8>> {
    let mut block = vec![0; BLOCK_BYTES];
    let file = File::open(path).map_err(failed("open the disk's file"))?;
    file.read_exact_at(&mut block, at)
        .map_err(failed("read the disk's marker"))?;
    Ok(block)
}

/// A login prompt stood on the console.
pub(crate) fn console(rack: &Rack, spec: &MachineSpec) -> Result<()> {
    let until = Instant::now() + PROMPT_MAX;
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
pub(crate) fn ssh(inside: &Inside<'_>) -> Result<()> {
    let said = inside.ask("hostname; findmnt -no SOURCE /")?;
    let address = inside.address();
    if said.lines().next() == Some("node-01") {
        println!("ssh: {address} is {}", said.trim().replace('\n', ", root on "));
        return Ok(());
    }
    disproved(format!("the system at {address} calls itself {said}"))
}

/// Planning again wants nothing.
pub(crate) fn nothing_left(plan: &str) -> Result<()> {
    if plan.contains("No changes.") {
        println!("plan again: nothing");
        return Ok(());
    }
    disproved(format!("planning again is not empty:\n{plan}"))
}
