//! A disk with contents that no plan named: they stay, a condition says so, and a consent in git lets it through.

use crate::error::{Result, failed};
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

pub(crate) const MACHINES: &[&str] = &["node"];

/// What somebody keeps on the disk: at its beginning, in the middle and at its end.
const KEPT: &[u8] = b"somebody's only copy of something";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let spec = bed.spec("node")?;
    let ready = Wanted {
        image: None,
        ..Wanted::default()
    };
    let fleet = bed.fleet().with(spec, ready);
    fleet.write_secret(SECRET, true)?;
    bed.commit(&fleet, "Declare the machine")?;
    watch::all(bed, &[("node", Goal::Settled("ready"))])?;

    // After the inspection, so that the plan counts on a blank disk.
    put_contents(bed)?;
    let before = bed.disk_digest("node")?;
    let fleet = bed.fleet().with(spec, Wanted::default());
    let shown = bed.propose(&fleet, "Deploy to the disk that was blank")?;
    let says_blank = |line: &str| line.trim().starts_with("erase ") && line.ends_with("   blank");
    if !shown.lines().any(says_blank) {
        return disproved(format!("the plan does not take the disk for blank:\n{shown}"));
    }
    let refused = Goal::Waits("UNEXPECTED_CONTENTS", "consent = [");
    watch::all(bed, &[("node", refused)])?;
    if bed.disk_digest("node")? != before {
        return disproved("contents that nobody gave away were written over");
    }
    println!("the disk is as it was, to the byte");

    let why = bed.why("node")?;
    let wanted = Wanted {
        lines: consent_line(&why)?,
        ..Wanted::default()
    };
    println!("{}", wanted.lines);
    let fleet = bed.fleet().with(spec, wanted);
    bed.commit(&fleet, "Give the contents away")?;
    watch::all(bed, &[("node", Goal::Settled("deployed"))])?;
    if bed.disk_digest("node")? == before {
        return disproved("the machine is said to be deployed, and its disk is as it was");
    }
    watch::nothing_left(bed)
}

fn put_contents(bed: &Bed) -> Result<()> {
    let disk = bed.disk("node")?;
    let end = disk.size_bytes - u64::try_from(KEPT.len()).expect("a line is short");
    let file = File::options().write(true).open(disk.path());
    let written = file.and_then(|file| {
        let mut places = [0, disk.size_bytes / 2, end].into_iter();
        places.try_for_each(|at| file.write_all_at(KEPT, at))
    });
    written.map_err(failed("put contents on the disk"))
}

/// The line that `why` asks for, as a person would copy it.
pub(crate) fn consent_line(why: &str) -> Result<&str> {
    let line = why.split_once("consent = [").and_then(|(before, rest)| {
        let (inner, _) = rest.split_once(']')?;
        why.get(before.len()..before.len() + "consent = [".len() + inner.len() + 1)
    });
    line.map_or_else(|| disproved(format!("no line to be copied in\n{why}")), Ok)
}
