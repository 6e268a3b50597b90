//! A life that ends on purpose: what the deployment wrote is erased, and a disk beside it that is somebody's stays.
//!
//! The power goes in the middle of the erasure, when the disk is half erased and still ours. At the end the disk's
//! file is looked at from outside: a machine that is called ready holds nothing of what ran on it.

use crate::error::{Result, RigError, failed};
use crate::once::copies::{self, Point};
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::once::patience::Patience;
use crate::once::proof;
use crate::once::used_disks::{self, ONE_DISK};
use crate::program;
use crate::rack;
use rack_inmachine::marker::{OFFSET, State};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The branch that removes the deployment.
const BRANCH: &str = "release";
/// The one disk that the deployment wrote, as muster calls it.
const WRITTEN: &str = "serial:muster-disk-0";
/// At each end of a disk lie tables and superblocks of all kinds.
const END_BYTES: usize = 1 << 20;
/// Where the example's root filesystem begins: behind the table, the marker and the boot loader.
const ROOT_AT: u64 = 3 << 20;
/// blkid reads both ends of a sparse file.
const SHORT: Duration = Duration::from_secs(60);
/// The header of the second partition table is the last sector of a disk.
const TABLE_BYTES: usize = 512;
/// Between two looks at the disk: an erasure is half done for some tenths of a second on a fast machine.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Lives it, from its beginning or from the copy of the deployed machine.
pub(crate) fn live(life: &Life<'_>, from: Option<Point>) -> Result<()> {
    if from.is_none() {
        life.begin(&mut Faults::default())?;
        ONE_DISK.become_of(life)?;
        used_disks::put_theirs(life)?;
        copies::take(life, Point::Release)?;
    }
    let console = rack::console(&life.rack.machine(&life.spec.name)).len();
    let theirs = used_disks::keep_theirs(life)?;
    propose(life)?;
    life.fleet.repository.merge(BRANCH)?;
    life.programs.apply()?;
    let mut faults = Faults::one(
        "power cut in mid-erase",
        |moment| {
            ["BOOTING", "JOB_RUNNING"]
                .iter()
                .any(|word| moment.headline.contains(word))
        },
        cut_in_mid_erase,
    );
    life.until("ready", &mut faults)?;
    faults.all_happened()?;
    life.until_off()?;
    used_disks::untouched(life, &theirs, console)?;
    holds_nothing(&life.disk(0))?;
    on_record(life)?;
    life.prove_nothing_left()
}

/// The pull request names the disk that is erased with what it holds, and no other.
fn propose(life: &Life<'_>) -> Result<()> {
    let words = [
        "removed",
        "deployment",
        "first",
        "--disks",
        "quick",
        "--reason",
        "the end",
    ];
    let removed = life.programs.muster(&words)?;
    let text = life.fleet.text();
    let (kept, _) = text.split_once("[deployment.").unwrap_or((text, ""));
    let message = "Let node-01 go";
    life.fleet
        .repository
        .propose(BRANCH, &format!("{kept}{removed}"), message)?;
    let shown = life
        .programs
        .muster(&["plan", "--head", BRANCH, "--detail", "full"])?;
    println!("{shown}");
    let lines = shown.lines().map(str::trim);
    let erased: Vec<&str> = lines.filter(|line| line.starts_with("erase ")).collect();
    let is_own = |holds: &str| holds.contains("(muster:installed:");
    let is_one = erased.len() == 1 && proof::erased(&shown, WRITTEN).is_some_and(is_own);
    if is_one && shown.contains("[WIPE ") {
        return Ok(());
    }
    disproved(format!(
        "the plan shall erase {WRITTEN} alone, and names {erased:?}"
    ))
}

/// Waits for the half-erased disk: what lay behind the marker is discarded, the marker itself goes last.
fn cut_in_mid_erase(life: &Life<'_>) -> Result<()> {
    let disk = life.disk(0);
    let mut patience = Patience::new(life, "half of the disk erased");
    loop {
        let Some(marker) = proof::marker(&disk, OFFSET)? else {
            return disproved("the disk was erased before its power could be cut");
        };
        if marker.state == State::Writing && is_zero(&last(&disk, TABLE_BYTES)?) {
            break;
        }
        patience.check()?;
        thread::sleep(LOOK_EVERY);
    }
    life.by_hand("power 0")?;
    match proof::marker(&disk, OFFSET)? {
        Some(marker) if marker.state == State::Writing => {
            println!(
                "cut: the last MiB is empty, the marker of {} is there",
                marker.binding
            );
            Ok(())
        }
        found => disproved(format!("the erasure ended before the power went: {found:?}")),
    }
}

/// No table, no filesystem, no marker: both ends are zeros, and nothing is known where the root began.
pub(super) fn holds_nothing(disk: &Path) -> Result<()> {
    let mut first = vec![0; END_BYTES * 2];
    let mut file = File::open(disk).map_err(failed("open the disk's file"))?;
    file.read_exact(&mut first)
        .map_err(failed("read the disk's beginning"))?;
    if !is_zero(&first) || !is_zero(&last(disk, END_BYTES)?) {
        return disproved(format!("the ends of {} are not empty", disk.display()));
    }
    for offset in [0, ROOT_AT] {
        let mut blkid = Command::new("/usr/sbin/blkid");
        blkid.args(["--probe", "--offset", &offset.to_string()]);
        let found = program::outcome(blkid.arg(disk), SHORT)?;
        // blkid(8): 2 where it found nothing.
        if found.status.code() != Some(2) {
            return disproved(format!("at byte {offset} there still is {}", found.output));
        }
    }
    println!("{}: no table, no marker, no filesystem", disk.display());
    Ok(())
}

/// The erasure is on record for people and programs: once, of this disk, with how it was done.
fn on_record(life: &Life<'_>) -> Result<()> {
    let name = life.spec.name.as_str();
    let shown = life.programs.muster(&["show", name])?;
    let Some(line) = shown
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with(&format!("erased     {WRITTEN} ")))
    else {
        return disproved(format!("there is no record of {WRITTEN} in\n{shown}"));
    };
    println!("{line}");
    let log = life
        .programs
        .muster(&["log", name, "--since", used_disks::WHOLE_LIFE, "--json"])?;
    let erased: Vec<String> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|entry| Some(entry["what"].as_str()?.to_owned()))
        .filter(|what| what.starts_with("disk ") && what.contains(" erased ("))
        .collect();
    let wanted = format!("disk {WRITTEN} erased (quick");
    if matches!(&erased[..], [one] if one.starts_with(&wanted)) {
        return Ok(());
    }
    disproved(format!(
        "the log shall have one record, of {WRITTEN}, and has {erased:?}"
    ))
}

/// So many bytes at the end.
fn last(disk: &Path, bytes: usize) -> Result<Vec<u8>> {
    let reading = || failed(format!("read the end of {}", disk.display()));
    let mut file = File::open(disk).map_err(reading())?;
    let mut end = vec![0; bytes];
    let back = i64::try_from(bytes).expect("a few blocks");
    file.seek(SeekFrom::End(-back))
        .and_then(|_| file.read_exact(&mut end))
        .map_err(reading())?;
    Ok(end)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}
