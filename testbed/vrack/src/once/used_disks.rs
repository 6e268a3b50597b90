//! A life on disks that have had another before: one disk, then both mirrored, then apart again, beside a third
//! disk that is somebody's and in no plan.
//!
//! Each time git says so, the plan names the disks and what is on them, and the system phones home from where
//! the layout puts it. While muster has the machine, not a byte of the third disk changes.

use crate::copy;
use crate::error::{Result, RigError};
use crate::machine::DiskSpec;
use crate::once::copies::{self, Point};
use crate::once::faults::Faults;
use crate::once::inside::Inside;
use crate::once::life::Life;
use crate::once::mirror;
use crate::once::proof;
use crate::program;
use crate::rack;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The third disk, and its bay. Larger than the others, so that no layout here picks it.
const THEIRS: &str = "someone-elses";
const THEIR_BAY: usize = 2;
const THEIR_BYTES: u64 = 7 << 30;
/// A life is over in less.
pub(super) const WHOLE_LIFE: &str = "6h";
/// sfdisk and cmp on sparse files.
const SHORT: Duration = Duration::from_secs(120);

/// What somebody had on the third disk: an array of both its halves and a volume with a file on it, all of
/// it whole, so that whatever assembles arrays would start it at once.
const THEIR_TABLE: &str = "label: gpt\nsize=1GiB, type=raid\nsize=1GiB, type=raid\n";
const THEIR_ARRAY: &str = "set -eu; disk=/dev/disk/by-id/virtio-someone-elses; \
    sudo mdadm --create /dev/md/theirs --run --quiet --metadata=1.2 --level=1 --raid-devices=2 \
        --assume-clean $disk-part1 $disk-part2; \
    sudo pvcreate --quiet /dev/md/theirs; sudo vgcreate --quiet theirs /dev/md/theirs; \
    sudo lvcreate --quiet --yes --name data --size 512M theirs; \
    sudo mkfs.ext4 -q /dev/theirs/data; sudo mount /dev/theirs/data /mnt; \
    echo precious | sudo tee /mnt/file; sudo umount /mnt; \
    sudo vgchange --quiet --activate n theirs; sudo mdadm --stop --quiet /dev/md/theirs; sync";

/// What a console would say if somebody's array or group were touched.
const ASSEMBLED: [&str; 3] = ["md127", "theirs", "md126"];

/// What is asked of each system: its root and what is beneath it, other filesystems, swap.
const LOOK: &str = "findmnt --noheadings --output SOURCE,FSTYPE /; \
    lsblk --noheadings --inverse --list --output TYPE,SERIAL $(findmnt --noheadings --output SOURCE /); \
    findmnt --noheadings --output SOURCE,FSTYPE /srv; cat /proc/swaps";

/// Both disks for themselves, with another filesystem each and swap: one with more partitions than in the mirror, one
/// with fewer.
const APART: &str = r#"select.os = { serial = ["muster-disk-0"] }
select.more = { serial = ["muster-disk-1"] }
partition = [
    { id = "bios", on = "os", size = "1MiB", type = "bios" },
    { id = "swap", on = "os", size = "512MiB", type = "swap" },
    { id = "root", on = "os", size = "rest" },
    { id = "srv", on = "more", size = "rest" },
]
filesystem = [
    { on = "root", type = "xfs", mount = "/" },
    { on = "swap", type = "swap" },
    { on = "srv", type = "ext4", mount = "/srv" },
]
"#;

/// One system of this life.
pub(super) struct Stage {
    branch: &'static str,
    message: &'static str,
    layout: fn(&str) -> Result<String>,
    /// The disks that its plan erases, with how what they hold begins.
    erases: &'static [(&'static str, &'static str)],
    /// What its system says of itself.
    says: &'static [&'static str],
    /// The device that it phones home from.
    root: &'static str,
}

const MARKED: &str = "muster:installed:";

pub(super) const ONE_DISK: Stage = Stage {
    branch: "one-disk",
    message: "Put Debian 12 on one disk",
    layout: |text| Ok(text.to_owned()),
    erases: &[("muster-disk-0", "blank")],
    says: &["ext4", "muster-disk-0"],
    root: "/dev/vda",
};

const MIRRORED: Stage = Stage {
    branch: "mirrored",
    message: "Mirror both disks",
    layout: mirror::layout,
    erases: &[("muster-disk-0", MARKED), ("muster-disk-1", "blank")],
    says: &[
        "/dev/mapper/vg0-root ext4",
        "raid1",
        "muster-disk-0",
        "muster-disk-1",
        "/dev/mapper/vg0-srv xfs",
        "partition",
    ],
    root: "vg0-root",
};

const SEPARATE: Stage = Stage {
    branch: "apart",
    message: "Take the mirror apart",
    layout: |text| mirror::replaced(text, APART),
    erases: &[("muster-disk-0", MARKED), ("muster-disk-1", MARKED)],
    says: &["xfs", "muster-disk-0", "partition", "ext4"],
    root: "/dev/vda",
};

/// The disks beside the first.
pub(crate) fn others(os: &DiskSpec) -> [DiskSpec; 2] {
    let theirs = DiskSpec {
        serial: THEIRS.to_owned(),
        bytes: THEIR_BYTES,
    };
    [mirror::other(os), theirs]
}

/// Lives it, from its beginning or from the copy of a stage.
pub(crate) fn live(life: &Life<'_>, from: Option<Point>) -> Result<()> {
    if from.is_none() {
        life.begin(&mut Faults::default())?;
        ONE_DISK.become_of(life)?;
        put_theirs(life)?;
        copies::take(life, Point::UsedDisk)?;
    }
    if from != Some(Point::UsedMirror) {
        MIRRORED.become_of(life)?;
        life.switch_off()?;
        copies::take(life, Point::UsedMirror)?;
    }
    SEPARATE.become_of(life)?;
    println!("{}", life.programs.muster(&["why", &life.spec.name])?);
    life.prove_nothing_left()
}

impl Stage {
    /// Proposed, shown, merged, carried out and looked at.
    pub(super) fn become_of(&self, life: &Life<'_>) -> Result<()> {
        println!("──── {}", self.message);
        let repository = &life.fleet.repository;
        repository.propose(self.branch, &(self.layout)(life.fleet.text())?, self.message)?;
        let shown = life
            .programs
            .muster(&["plan", "--head", self.branch, "--detail", "full"])?;
        println!("{shown}");
        self.names_its_disks(&shown)?;
        let console = rack::console(&life.rack.machine(&life.spec.name)).len();
        let theirs = keep_theirs(life)?;
        repository.merge(self.branch)?;
        life.until_waits("FIRST_BOOT", &mut Faults::default())?;
        // Its firmware has hardly begun: all that wrote so far is muster's.
        life.by_hand("power 0")?;
        untouched(life, &theirs, console)?;
        no_step_failed(life)?;
        life.by_hand("power 1")?;
        life.until("deployed", &mut Faults::default())?;
        self.runs(life)
    }

    /// The plan erases exactly these, says what they hold, and keeps what is somebody's.
    fn names_its_disks(&self, shown: &str) -> Result<()> {
        let lines = shown.lines().map(str::trim);
        let erased: Vec<&str> = lines.filter(|line| line.starts_with("erase ")).collect();
        let says = |(serial, holds): &(&str, &str)| {
            let said = proof::erased(shown, &format!("serial:{serial}"));
            let is_so =
                |said: &str| said.contains(&format!("({holds}")) || said.ends_with(&format!("   {holds}"));
            said.is_some_and(is_so)
        };
        let keeps = shown.contains(&format!("keep   serial:{THEIRS}"));
        if erased.len() == self.erases.len() && self.erases.iter().all(says) && keeps {
            return Ok(());
        }
        disproved(format!(
            "the plan shall erase {:?} and keep {THEIRS}, and names {erased:?}",
            self.erases
        ))
    }

    /// It runs from where the layout puts it, and muster heard it from there.
    fn runs(&self, life: &Life<'_>) -> Result<()> {
        let said = Inside::of(life)?.ask(LOOK)?;
        let why = life.programs.muster(&["why", &life.spec.name])?;
        let heard = why
            .lines()
            .find(|line| line.contains("phoned home"))
            .unwrap_or_default();
        println!("inside:\n{said}{heard}");
        if let Some(word) = self.says.iter().find(|word| !said.contains(**word)) {
            return disproved(format!("the system does not say {word}:\n{said}"));
        }
        if heard.contains(self.root) {
            return Ok(());
        }
        disproved(format!("it was not heard from {}:\n{why}", self.root))
    }
}

/// Each job so far was done by its first try.
fn no_step_failed(life: &Life<'_>) -> Result<()> {
    let log = life
        .programs
        .muster(&["log", &life.spec.name, "--since", WHOLE_LIFE])?;
    match log.lines().find(|line| line.contains(" FAILED, ")) {
        None => Ok(()),
        Some(line) => disproved(format!("a step failed: {line}")),
    }
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// Somebody uses the third disk, with the tools of the installed system; then the machine is switched off.
pub(super) fn put_theirs(life: &Life<'_>) -> Result<()> {
    life.switch_off()?;
    let mut sfdisk = Command::new("sh");
    sfdisk.args([
        "-c",
        "printf \"$1\" | /usr/sbin/sfdisk --quiet \"$2\"",
        "sh",
        THEIR_TABLE,
    ]);
    program::run(sfdisk.arg(life.disk(THEIR_BAY)), SHORT)?;
    life.by_hand("power 1")?;
    Inside::of(life)?.ask_within(THEIR_ARRAY, SHORT)?;
    println!("{THEIRS}: an array over both its halves, a volume group on it, a file on that");
    life.switch_off()
}

/// A copy of the third disk as it is now.
pub(super) fn keep_theirs(life: &Life<'_>) -> Result<PathBuf> {
    let kept = life.rack.run.path("theirs.raw");
    copy::any(&life.disk(THEIR_BAY), &kept)?;
    Ok(kept)
}

/// The third disk is as it was to the byte, and nobody spoke of what is on it.
pub(super) fn untouched(life: &Life<'_>, kept: &Path, console_before: usize) -> Result<()> {
    let disk = life.disk(THEIR_BAY);
    let mut cmp = Command::new("cmp");
    let same = program::outcome(cmp.arg("--silent").args([disk.as_path(), kept]), SHORT)?;
    if !same.status.success() {
        return disproved(format!("{THEIRS} was written while muster had the machine"));
    }
    let console = rack::console(&life.rack.machine(&life.spec.name));
    let Some(since) = console.get(console_before..) else {
        return disproved("the console's log was cut");
    };
    if let Some(word) = ASSEMBLED.iter().find(|word| since.contains(**word)) {
        return disproved(format!("the console speaks of {word}, which is on {THEIRS}"));
    }
    println!("{THEIRS}: as it was, to the byte");
    Ok(())
}
