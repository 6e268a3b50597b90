//! A machine that runs what muster did not install is observed, then adopted, and goes on running: its BMC is never told
//! anything, and not a byte of its disk changes, until a person asks for an installation and consents to what is lost.

use crate::error::{Result, failed};
use crate::scripted::FOREIGN;
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

pub(crate) const MACHINES: &[&str] = &["node"];

/// What its system keeps in the middle of the disk.
const KEPT: &[u8] = b"somebody's database";

/// What is said of the machine from its adoption on.
const LINES: &str = "inspect = 1\nprotect = \"release\"\n";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    put_system(bed)?;
    let before = bed.disk_digest("node")?;
    // It runs before muster knows of it.
    bed.switch("node", "power 1")?;
    watch::until(bed, "its own system", |_| Ok(systems(bed) == 1))?;
    let untouched = |what: &str, starts: u64| untouched(bed, &before, what, starts);

    observe(bed, &untouched)?;
    adopt(bed, &untouched)?;

    println!("a person restarts it once more");
    restart(bed)?;
    watch::until(bed, "its own system again", |_| Ok(systems(bed) == 3))?;
    untouched("restarted by a person", 3)?;

    let asked = "adopt = [{ machine = \"node\" }]\nreinstall = 1\n";
    let wanted = |lines| Wanted {
        lines,
        deployment: asked,
        ..Wanted::default()
    };
    let spec = bed.spec("node")?;
    bed.commit(&bed.fleet().with(spec, wanted(LINES)), "Install it anew")?;
    let refused = Goal::Waits("UNEXPECTED_CONTENTS", "consent = [");
    watch::all(bed, &[("node", refused)])?;
    untouched("to be installed without a consent", 3)?;

    let why = bed.why("node")?;
    let consent = crate::trial::contents::consent_line(&why)?;
    let lines = format!("{LINES}{consent}");
    let fleet = bed.fleet().with(spec, wanted(&lines));
    bed.commit(&fleet, "Give its contents away")?;
    watch::until(bed, "the installed system", |status| {
        let machine = crate::trial::bed::find(status, "node");
        let marks = machine["marks"].to_string();
        Ok(machine["phase"] == "deployed" && machine["wait"].is_null() && !marks.contains("adopted"))
    })?;
    if bed.disk_digest("node")? == before {
        return disproved("the machine is said to be deployed, and its disk is as it was");
    }
    watch::nothing_left(bed)
}

/// Observed only, then inspected in a restart that a person makes.
fn observe(bed: &Bed, untouched: &impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let spec = bed.spec("node")?;
    let wanted = |lines| Wanted {
        image: None,
        lines,
        ..Wanted::default()
    };
    let fleet = bed.fleet().with(spec, wanted("manage = \"observe\"\n"));
    fleet.write_secret(SECRET, true)?;
    bed.commit(&fleet, "Declare a machine that is only observed")?;
    watch::until(bed, "its power is read", |status| {
        let machine = crate::trial::bed::find(status, "node");
        Ok(machine["phase"] == "observed" && machine["power"][0] == "on" && machine["wait"].is_null())
    })?;
    if bed.orders("node")? != 0 {
        return disproved("a machine that is only observed was ordered something");
    }
    untouched("only observed", 1)?;

    let lines = "manage = \"observe\"\ninspect = 1\n";
    bed.commit(&bed.fleet().with(spec, wanted(lines)), "Ask for a look")?;
    let awaited = Goal::Waits("RESTART_AWAITED", "restart node when it suits");
    watch::all(bed, &[("node", awaited)])?;
    untouched("to be inspected", 1)?;
    println!("a person restarts it");
    restart(bed)?;
    watch::all(bed, &[("node", Goal::Settled("observed"))])?;
    watch::until(bed, "its own system after the look", |_| Ok(systems(bed) == 2))?;
    untouched("inspected", 2)
}

/// Adopted: a plan says so, and nothing comes of it but a record.
fn adopt(bed: &Bed, untouched: &impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let wanted = Wanted {
        lines: LINES,
        deployment: "adopt = [{ machine = \"node\" }]\n",
        ..Wanted::default()
    };
    let fleet = bed.fleet().with(bed.spec("node")?, wanted);
    let shown = bed.propose(&fleet, "Adopt it")?;
    for expected in [
        "adopt deployment.on-node[1]",
        "nothing is written",
        "data:",
        "1 to adopt",
    ] {
        if !shown.contains(expected) {
            return disproved(format!("the plan does not say {expected:?}:\n{shown}"));
        }
    }
    watch::until(bed, "adopted", |status| {
        let machine = crate::trial::bed::find(status, "node");
        let is_adopted = machine["marks"].to_string().contains("adopted");
        Ok(is_adopted && machine["phase"] == "deployed" && machine["wait"].is_null())
    })?;
    let rows = [
        ("binding WHERE state = 'active'", 1),
        ("binding_disk WHERE NOT ended", 1),
        (
            "audit WHERE what = 'machine-adopted' AND subject LIKE '%holds data:%'",
            1,
        ),
        ("write_start", 0),
    ];
    for (of, expected) in rows {
        let found = bed.count(of)?;
        if found != expected {
            return disproved(format!("{found} rows of {of}, expected were {expected}"));
        }
    }
    watch::nothing_left(bed)?;
    untouched("adopted", 2)
}

/// The disk is as it was, to the byte; nobody but a person has switched the machine, and nobody ordered it.
fn untouched(bed: &Bed, before: &str, what: &str, starts: u64) -> Result<()> {
    bed.agent_heard()?;
    if bed.disk_digest("node")? != before {
        return disproved(format!("{what}: its disk was written"));
    }
    let started = bed.starts("node")?;
    if started != starts {
        return disproved(format!(
            "{what}: it was switched on {started} times, {starts} by people"
        ));
    }
    let ordered = bed.count("order_issued WHERE lane = 'power'")?;
    if ordered != 0 {
        return disproved(format!("{what}: {ordered} power orders were given"));
    }
    println!("{what}: the disk is as it was, and nobody but a person switched it");
    Ok(())
}

/// As a person does at the machine itself.
fn restart(bed: &Bed) -> Result<()> {
    bed.switch("node", "power 0")?;
    bed.switch("node", "power 1")
}

/// How often its own system has started.
fn systems(bed: &Bed) -> usize {
    bed.console("node").matches("foreign login:").count()
}

fn put_system(bed: &Bed) -> Result<()> {
    let disk = bed.disk("node")?;
    let file = File::options().write(true).open(disk.path());
    let written = file.and_then(|file| {
        file.write_all_at(FOREIGN, 0)?;
        file.write_all_at(KEPT, disk.size_bytes / 2)
    });
    written.map_err(failed("put a system on the disk"))
}
