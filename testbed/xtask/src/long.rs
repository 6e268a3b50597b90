//! `cargo xtask test --long`: lives of machines that cost too much for every change, one after the other in two
//! queues, each with its own time, and a table of all at the end.
//!
//! Runs none of the short suite's tests, only what a life needs: packages, programs and images.

use crate::bench;
use crate::bill::{self, Ran};
use crate::cargo;
use crate::report::Report;
use crate::rig;
use crate::suite;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// A life: its name, how the rack is called and what it is told, and what it shows.
struct Life {
    name: &'static str,
    call: fn(&[&str]) -> Result<Command, String>,
    flags: &'static [&'static str],
    shows: &'static str,
}

/// A row of the table.
const fn life(name: &'static str, flags: &'static [&'static str], shows: &'static str) -> Life {
    let call = rig::life;
    Life {
        name,
        call,
        flags,
        shows,
    }
}

/// What a newcomer is shown, a life as well.
const DEMO: Life = Life {
    name: "demo",
    call: rig::demo,
    flags: &[],
    shows: "two machines, BIOS and UEFI: found, deployed, installed anew on a mirror, released with a record",
};

/// No machine's life, but as long as one would be if it measured.
const BENCH: Life = Life {
    name: "bench",
    call: bench::smoke,
    flags: &[],
    shows: "the benchmarks run: small loads, and a table with every row",
};

/// All of them. The plain one is first, since the last but one goes on from its copy; then the longest come first, so
/// that the two queues end together.
#[rustfmt::skip]
const LIVES: &[Life] = &[
    life("plain", &[], "BIOS, without faults, as `cargo xtask vrack once` lives it; leaves the copies that lives go on from"),
    DEMO,
    life("used-disks", &["--life", "used-disks"], "one disk, a mirror over it, and apart again; a stranger's disk stays as it is"),
    life("kernel-upgrade", &["--life", "kernel-upgrade"], "the distribution's next kernel on a mirror; boots from the second disk alone"),
    life("release", &["--life", "release"], "a deployment removed, the power cut in mid-erase; a record, an empty disk, a stranger's as it was"),
    life("change", &["--life", "change"], "a pull request on four machines does what its plan says and nothing else; its revert, and an empty git, do nothing"),
    life("two-agents", &["--life", "two-agents"], "two rack agents; the one that sends the kernel is killed, the other carries on, no address twice"),
    life("power-cut", &["--life", "faults"], "power cut in mid-write, programs and database killed, reboots without muster"),
    life("uefi", &["--life", "uefi"], "UEFI by PXE; its boot order is ours; reboots with the rack and without"),
    life("uefi-http", &["--life", "uefi-http"], "UEFI by HTTP boot, the same"),
    life("uefi-mirror", &["--life", "uefi-mirror"], "UEFI with an EFI partition on each of two mirrored disks; boots from the second alone"),
    life("secure-boot", &["--life", "secure-boot"], "Secure Boot by shim and signed GRUB, as far as the in-machine agent"),
    life("mirror", &["--life", "mirror"], "RAID1, LVM, ext4, xfs and swap on two disks"),
    life("network", &["--life", "network"], "bond, tagged VLANs and a bridge; a cable pulled; frames seen outside"),
    life("copy", &["--from", "install"], "the plain life again, from the copy that it took after the installation"),
    BENCH,
];

/// As many live at once: each waits for itself most of the time, on two cores.
const QUEUES: usize = 2;

/// The longest takes 25 minutes beside another on two translated cores; a loaded host gets twice that.
const LIFE_MAX: Duration = Duration::from_secs(3000);

/// All lives, or those of these names.
pub(crate) fn test(only: &[&str]) -> Result<(), String> {
    let lives = chosen(only)?;
    let began = Instant::now();
    for life in &lives {
        println!("{:16} {}", life.name, life.shows);
    }
    let report = Report::default();
    report.stage("sweep", || bill::run(&mut suite::own("sweep")?));
    report.stage("packages", || bill::run(&mut suite::own("packages")?));
    let may_live = report.stage("build programs", || suite::build(&["--bins"]))
        && report.stage("build in-machine", || bill::run(&mut cargo::inmachine()))
        && report.stage("images", || suite::beside(&mut rig::images(&[])?, "images"));
    if may_live {
        live(&report, &lives);
    } else {
        lives
            .iter()
            .for_each(|life| report.skip(life.name, "images and programs"));
    }
    let shows = lives
        .iter()
        .map(|life| format!("{:16} {}", life.name, life.shows));
    report.conclude(began, None, &shows.collect::<Vec<_>>())
}

/// Takes machines through these lives, as many at once as there are queues.
fn live(report: &Report, lives: &[&Life]) {
    let waiting = &Mutex::new(lives.iter());
    let next = move || waiting.lock().expect("taking a life does not panic").next();
    thread::scope(|scope| {
        for _ in 0..QUEUES {
            scope.spawn(move || {
                while let Some(life) = next() {
                    report.stage(life.name, || run(life));
                }
            });
        }
    });
}

fn run(life: &Life) -> Result<Ran, String> {
    let flags = [&["--tied"], life.flags].concat();
    bill::relay_within(&mut (life.call)(&flags)?, &format!("{} │ ", life.name), LIFE_MAX)
}

/// The lives of these names, or all if there are none.
fn chosen(only: &[&str]) -> Result<Vec<&'static Life>, String> {
    let known = |name: &&str| LIVES.iter().any(|life| life.name == *name);
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = LIVES.iter().map(|life| life.name).collect();
        return Err(format!(
            "there is no life {unknown}; there are {}",
            names.join(", ")
        ));
    }
    let is_chosen = |life: &&Life| only.is_empty() || only.contains(&life.name);
    Ok(LIVES.iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_chosen_by_name() {
        assert_eq!(chosen(&[]).expect("all").len(), LIVES.len());
        let some = chosen(&["network"]).expect("it is one");
        assert_eq!(some.iter().map(|life| life.name).collect::<Vec<_>>(), ["network"]);
        let error = chosen(&["network", "netwrok"])
            .err()
            .expect("there is none of that name");
        assert!(
            error.contains("no life netwrok") && error.contains("used-disks"),
            "{error}"
        );
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<&str> = LIVES.iter().map(|life| life.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LIVES.len());
    }
}
