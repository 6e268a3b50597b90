//! The erasure on a scripted machine: the in-machine agent's own places, clearing and reading back, on files.

use crate::scripted::install::{ask, doing, mark, planned, seen};
use crate::scripted::{Disk, Machine};
use rack_api::fact::FactBody;
use rack_api::job::Erase;
use rack_inmachine::deploy::DeployError;
use rack_inmachine::erase::{Extent, MARKER, demand_zeros, places, zero};
use rack_inmachine::fence::may_write;
use rack_inmachine::marker::State;
use rack_inmachine::program;
use rack_inmachine::step::{StepFailed, Steps};
use std::io;
use std::thread;
use std::time::Duration;

/// `partx` reads a table.
const TOOL_LIMIT: Duration = Duration::from_secs(30);

/// The unit of `partx`.
const SECTOR_BYTES: u64 = 512;

/// Carries out an erasure and reports a record of each disk.
pub(super) fn run(machine: &Machine, steps: &mut Steps<'_>, erase: &Erase) -> Result<(), StepFailed> {
    let (job, boot_id) = (steps.job, steps.boot_id);
    let writes = erase.writes();
    steps.run("fence", |progress| {
        ask(machine, progress.rack, (job, boot_id), &writes)
    })?;
    let disks = steps.run("marker", |_| {
        let disks = planned(machine, &erase.disks)?;
        may_write(&job, &writes, &seen(machine)?).map_err(DeployError::Fence)?;
        mark(&disks, &job, &writes, State::Writing)?;
        Ok(disks)
    })?;
    steps.run("erase", |progress| {
        thread::sleep(Duration::from_secs(machine.behaviour.erase_takes_seconds));
        for (plan, disk) in &disks {
            clear(machine, disk).map_err(|error| DeployError::Erase {
                disk: disk.id.clone(),
                name: disk.path().display().to_string(),
                source: Box::new(error),
            })?;
            progress.rack.report(vec![FactBody::Erased {
                job,
                binding: erase.binding,
                disk: plan.disk.clone(),
                method: erase.method.name().to_owned(),
                sample: "all that was cleared".to_owned(),
            }]);
        }
        Ok(())
    })
}

fn clear(machine: &Machine, disk: &Disk) -> Result<(), DeployError> {
    let name = disk.path().display().to_string();
    if machine.behaviour.bad_disk {
        let source = io::Error::other("this disk is broken");
        return Err(doing("clear the disk")(source));
    }
    let file = disk.file().map_err(doing("open the disk"))?;
    let all = places(disk.size_bytes, &partitions(&name)?);
    for extents in [&all[..], &[MARKER]] {
        zero(&file, extents, &name)?;
        demand_zeros(&file, extents, &name)?;
    }
    Ok(())
}

/// Where a file has its partitions; one whose table is gone has none.
fn partitions(path: &str) -> Result<Vec<Extent>, DeployError> {
    let words = [
        "--show",
        "--raw",
        "--noheadings",
        "--output",
        "START,SECTORS",
        path,
    ];
    let told = program::output("partx", &words, "", TOOL_LIMIT).map_err(|source| DeployError::Program {
        what: format!("read the table of {path}"),
        source,
    })?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let extents = text.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
        Some(Extent {
            from: numbers.next()?? * SECTOR_BYTES,
            bytes: numbers.next()?? * SECTOR_BYTES,
        })
    });
    Ok(extents.collect())
}
