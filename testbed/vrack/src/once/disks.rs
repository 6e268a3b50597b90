//! A life in which people exchange, fill and blank disks behind muster's back.
//!
//! Nothing may ever be written to a disk that no plan named with what it held; and a system that cannot run
//! is not called deployed.

use crate::copy;
use crate::error::{Result, RigError, failed};
use crate::machine::DiskSpec;
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::program;
use crate::qemu;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The disk beside the system's.
const DATA: &str = "muster-disk-1";
const DATA_BYTES: u64 = 1 << 30;
/// The disk that somebody puts in its place.
const STRANGER: &str = "someone-elses";
/// So much at both ends of the stranger is somebody's data: every partition table, superblock and RAID
/// descriptor that any tool of ours would write is within.
const ENDS_BYTES: u64 = 64 << 20;
/// A file system on a gigabyte.
const SHORT: Duration = Duration::from_secs(60);
/// Asks for an inspection, where nothing was asked before.
const LOOK_AGAIN: &str = "inspect = 1";
/// An installed system gets twice as long to phone home.
const IMPATIENT: &str = "boot.timeout = \"10s\"";
/// A machine that was given up is watched for so long: several sweeps of the daemon.
const LEFT_ALONE: Duration = Duration::from_secs(20);

/// The second disk.
pub(crate) fn data() -> DiskSpec {
    DiskSpec {
        serial: DATA.to_owned(),
        bytes: DATA_BYTES,
    }
}

/// The example's layout with a filesystem on the second disk.
pub(crate) fn layout(text: &str) -> Result<String> {
    let changes = [
        (
            "select.os = { pick = \"smallest\" }",
            "select.os = { serial = [\"muster-disk-0\"] }\nselect.data = { serial = [\"muster-disk-1\"] }",
        ),
        (
            "    { id = \"root\", on = \"os\", size = \"rest\" },\n",
            "    { id = \"root\", on = \"os\", size = \"rest\" },\n    { id = \"data\", on = \"data\", size = \"rest\" },\n",
        ),
        (
            "filesystem = [{ on = \"root\", type = \"ext4\", mount = \"/\" }]",
            "filesystem = [{ on = \"root\", type = \"ext4\", mount = \"/\" }, { on = \"data\", type = \"ext4\", mount = \"/srv\" }]",
        ),
    ];
    changes.iter().try_fold(text.to_owned(), |text, (from, to)| {
        if text.contains(from) {
            Ok(text.replacen(from, to, 1))
        } else {
            disproved(format!("the example fleet has no line {from:?}"))
        }
    })
}

/// Lives it.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    life.begin(&mut Faults::default())?;
    life.propose()?;
    exchanged_after_the_plan(life)?;
    let consent = filled_after_the_plan(life)?;
    blanked_after_the_installation(life, &consent)
}

/// The second disk is another one when the machine boots to be installed: not a byte of it changes.
fn exchanged_after_the_plan(life: &Life<'_>) -> Result<()> {
    // The plan with the blank disks is adopted, and nothing has been ordered yet.
    life.programs.daemon.kill()?;
    life.programs.daemon.start_again(life.rack, Some("adopted"))?;
    life.fleet.merge()?;
    life.programs.daemon.await_end(SHORT)?;
    let aside = life.rack.run.path("disk1-aside.raw");
    fs::rename(life.disk(1), &aside).map_err(failed("take the disk out"))?;
    put_stranger(life)?;
    println!("exchanged: {DATA} for {STRANGER}");
    life.programs.start_daemon(life.rack)?;
    life.until_waits("LAYOUT_DOES_NOT_FIT", &mut Faults::default())?;
    why_says(life, &["LAYOUT_DOES_NOT_FIT", DATA, STRANGER])?;
    check_stranger(&life.disk(1))?;
    life.until_off()?;
    fs::rename(&aside, life.disk(1)).map_err(failed("put the disk back"))?;
    label(life, DATA)
}

/// The right disk is back, and somebody has put a filesystem on it meanwhile: it needs a person's consent.
/// Returns the line of the consent.
fn filled_after_the_plan(life: &Life<'_>) -> Result<String> {
    let disk = life.disk(1);
    let mut mkfs = Command::new("/usr/sbin/mkfs.ext4");
    program::run(mkfs.args(["-q", "-F", "-L", "precious"]).arg(&disk), SHORT)?;
    let before = life.rack.run.path("disk1-before.raw");
    copy::any(&disk, &before)?;
    // Nobody has told muster: a person asks for another look.
    life.fleet.amend(&[LOOK_AGAIN], "Look at node-01 again")?;
    life.until_waits("UNEXPECTED_CONTENTS", &mut Faults::default())?;
    let why = why_says(life, &["UNEXPECTED_CONTENTS", DATA, "consent = [{"])?;
    if !same(&disk, &before)? {
        return disproved(format!("{} was written without consent", disk.display()));
    }
    println!("filled: {DATA} is as it was");
    let consent = why.split_once("consent = ").and_then(|(_, line)| {
        let end = line.find("}]")?;
        Some(format!("consent = {}}}]", &line[..end]))
    });
    let Some(consent) = consent else {
        return disproved(format!("no consent line in\n{why}"));
    };
    life.fleet
        .amend(&[LOOK_AGAIN, &consent], "The old contents may go")?;
    Ok(consent)
}

/// Both disks are blanked when the installation is done: the machine is left alone, and not called deployed.
/// With the right disks again it is.
fn blanked_after_the_installation(life: &Life<'_>, consent: &str) -> Result<()> {
    life.until_waits("FIRST_BOOT", &mut Faults::default())?;
    life.by_hand("power 0")?;
    let installed = [0, 1].map(|at| life.rack.run.path(&format!("disk{at}-installed.raw")));
    for (at, aside) in installed.iter().enumerate() {
        let bytes = life.spec.disks[at].bytes;
        fs::rename(life.disk(at), aside).map_err(failed("take the disk out"))?;
        blank(&life.disk(at), bytes)?;
    }
    println!("blanked: both disks");
    // It will not come, so there is no need to wait for long.
    life.fleet
        .amend(&[LOOK_AGAIN, consent, IMPATIENT], "Do not wait for node-01")?;
    life.by_hand("power 1")?;
    life.until_waits("NOT_SEEN_AFTER_INSTALL", &mut Faults::default())?;
    why_says(life, &["NOT_SEEN_AFTER_INSTALL", "reinstall"])?;
    let starts = life.starts()?;
    let until = Instant::now() + LEFT_ALONE;
    while Instant::now() < until {
        thread::sleep(Duration::from_secs(1));
        if life.starts()? != starts || life.phase()? == "deployed" {
            return disproved("the machine was not left alone after its installation");
        }
    }
    life.by_hand("power 0")?;
    for (at, aside) in installed.iter().enumerate() {
        if !is_blank(&life.disk(at))? {
            return disproved(format!("something was written to the blank disk {at}"));
        }
        fs::rename(aside, life.disk(at)).map_err(failed("put the disk back"))?;
    }
    println!("left alone: {} s, both disks still blank", LEFT_ALONE.as_secs());
    life.by_hand("power 1")?;
    life.until("deployed", &mut Faults::default())?;
    life.prove()
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// `muster why` says all of this.
fn why_says(life: &Life<'_>, words: &[&str]) -> Result<String> {
    let why = life.programs.muster(&["why", &life.spec.name])?;
    println!("{why}");
    match words.iter().find(|word| !why.contains(*word)) {
        None => Ok(why),
        Some(word) => disproved(format!("`muster why` does not say {word}:\n{why}")),
    }
}

fn label(life: &Life<'_>, serial: &str) -> Result<()> {
    let label = life.rack.machine(&life.spec.name).join(qemu::serial_file(1));
    fs::write(label, serial).map_err(failed("label a disk"))
}

pub(crate) fn blank(path: &Path, bytes: u64) -> Result<File> {
    let file = File::create_new(path).map_err(failed("make a disk"))?;
    file.set_len(bytes).map_err(failed("size a disk"))?;
    Ok(file)
}

/// Puts the stranger into the second bay.
fn put_stranger(life: &Life<'_>) -> Result<()> {
    let file = blank(&life.disk(1), DATA_BYTES)?;
    for (block, at) in stranger() {
        file.write_all_at(&block, at).map_err(failed("fill a disk"))?;
    }
    label(life, STRANGER)
}

/// What is at both ends of the stranger, each block another.
fn stranger() -> impl Iterator<Item = (Vec<u8>, u64)> {
    const BLOCK: u64 = 1 << 20;
    let ends = [0, DATA_BYTES - ENDS_BYTES];
    let starts = ends
        .into_iter()
        .flat_map(|end| (0..ENDS_BYTES / BLOCK).map(move |at| end + at * BLOCK));
    starts.map(|at| {
        let words = (at..at + BLOCK).step_by(8);
        let block = words.flat_map(|word| (word ^ 0x5eed_5eed_5eed_5eed).to_le_bytes());
        (block.collect(), at)
    })
}

fn check_stranger(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(failed("open the disk's file"))?;
    for (wanted, at) in stranger() {
        let mut found = vec![0; wanted.len()];
        file.read_exact_at(&mut found, at)
            .map_err(failed("read the disk's file"))?;
        if found != wanted {
            return disproved(format!("{STRANGER} was written at byte {at}"));
        }
    }
    println!("exchanged: both ends of {STRANGER} are as they were");
    Ok(())
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let said = program::outcome(Command::new("cmp").arg("--silent").args([one, other]), SHORT)?;
    Ok(said.status.success())
}

/// Whether a disk's file holds nothing but zeros. What was never written, or discarded, has no blocks and is not read:
/// gigabytes of holes are a minute of a busy host.
fn is_blank(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(failed("open the disk's file"))?;
    let look = |from| match rustix::fs::seek(&file, from) {
        Ok(at) => Ok(Some(at)),
        // Beyond the last block there are no data.
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(failed("look for data in the disk's file")(error.into())),
    };
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    while let Some(data) = look(SeekFrom::Data(at))? {
        let end = look(SeekFrom::Hole(data))?.unwrap_or(data);
        at = data;
        while at < end {
            let length = usize::try_from(end - at).map_or(block.len(), |left| left.min(block.len()));
            let read = file
                .read_at(&mut block[..length], at)
                .map_err(failed("read the disk's file"))?;
            if block[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read == 0 {
                return disproved(format!("{} became shorter meanwhile", path.display()));
            }
            at += read as u64;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testbed_scratch::Scratch;

    #[test]
    fn holes_and_written_zeros_are_blank_and_one_byte_is_not() {
        let scratch = Scratch::new();
        let path = scratch.path().join("disk");
        let file = blank(&path, 1 << 30).expect("a sparse file");
        assert!(is_blank(&path).expect("readable"));
        file.write_all_at(&[0; 8192], 512 << 20).expect("written");
        assert!(is_blank(&path).expect("readable"));
        file.write_all_at(&[1], (1 << 30) - 1).expect("written");
        assert!(!is_blank(&path).expect("readable"));
    }
}
