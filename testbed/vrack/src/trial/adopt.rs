//! A machine that runs what muster did not install is observed, then adopted, and goes on running: its BMC is never told
//! anything, and not a byte of its disk changes, until a person asks for an installation and consents to what is lost.
//! It bears another control plane's mark at first, and is left alone before git takes it over from that very one.

use crate::error::{Result, failed};
use crate::scripted::{self, FOREIGN};
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};
use rack_api::ownership::{ATTRIBUTES, VARIABLE};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

pub(crate) const MACHINES: &[&str] = &["node"];

/// What its system keeps in the middle of the disk.
const KEPT: &[u8] = b"somebody's database";

/// What is said of the machine from its adoption on.
const LINES: &str = "inspect = 1\nprotect = \"release\"\nmark = true\n";

/// The control plane that has marked it, and one that has not.
const THEIRS: &str = "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3";
const COPY: &str = "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b4";

/// Another variable of its firmware.
const BOOT_ORDER: (&str, &[u8]) = (
    "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    &[7, 0, 0, 0, 1, 0],
);

/// What its deployment says.
const ADOPT: &str = "adopt = [{ machine = \"node\" }]\n";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    put_system(bed)?;
    put_mark(bed)?;
    let before = bed.disk_digest("node")?;
    // It runs before muster knows of it.
    bed.switch("node", "power 1")?;
    watch::until(bed, "its own system", |_| Ok(systems(bed) == 1))?;
    let untouched = |what: &str, starts: u64| untouched(bed, &before, what, starts);

    observe(bed, &untouched)?;
    refuse(bed, &untouched)?;
    take_over(bed, &untouched)?;
    adopt(bed, &untouched)?;

    println!("a person restarts it once more, and no mark is asked for any more");
    let lines = "inspect = 2\nprotect = \"release\"\n";
    let spec = bed.spec("node")?;
    let unmarked = |lines| Wanted {
        lines,
        deployment: ADOPT,
        ..Wanted::default()
    };
    bed.commit(&bed.fleet().with(spec, unmarked(lines)), "Ask for no mark")?;
    watch::all(bed, &[("node", Goal::Waits("RESTART_AWAITED", "restart node"))])?;
    if !mark(bed)?.is_some_and(|text| text.contains("fleet lab\n")) {
        return disproved("its mark was taken away before anybody looked");
    }
    restart(bed)?;
    watch::all(bed, &[("node", Goal::Settled("deployed"))])?;
    watch::until(bed, "its own system again", |_| Ok(systems(bed) == 4))?;
    if let Some(text) = mark(bed)? {
        return disproved(format!("nobody asks for a mark, and there is one: {text}"));
    }
    untouched("restarted by a person", 4)?;

    let asked = format!("{ADOPT}reinstall = 1\n");
    let wanted = |lines| Wanted {
        lines,
        deployment: &asked,
        ..Wanted::default()
    };
    bed.commit(&bed.fleet().with(spec, wanted(lines)), "Install it anew")?;
    let refused = Goal::Waits("UNEXPECTED_CONTENTS", "consent = [");
    watch::all(bed, &[("node", refused)])?;
    untouched("to be installed without a consent", 4)?;

    let why = bed.why("node")?;
    let consent = crate::trial::contents::consent_line(&why)?;
    let lines = format!("{lines}{consent}");
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
    // Asked for while its inspection waits for somebody: what is asked by then counts.
    let lines = format!("{lines}mark = true\n");
    bed.commit(&bed.fleet().with(spec, wanted(&lines)), "Ask for a mark")?;
    watch::until(bed, "the job that leaves a mark", |_| {
        Ok(bed.count("order_issued WHERE body::text LIKE '%stands%'")? == 1)
    })?;
    watch::all(
        bed,
        &[(
            "node",
            Goal::Waits("RESTART_AWAITED", "restart node when it suits"),
        )],
    )?;
    println!("a person restarts it");
    restart(bed)?;
    watch::all(bed, &[("node", Goal::Settled("observed"))])?;
    watch::until(bed, "its own system after the look", |_| Ok(systems(bed) == 2))?;
    untouched("inspected", 2)
}

/// Whatever git wants of it, it bears another's mark: nothing is done, and who that is is said.
fn refuse(bed: &Bed, untouched: &impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let spec = bed.spec("node")?;
    let copy = format!("{LINES}taken-from = \"{COPY}\"\n");
    for (lines, deployment, message) in [
        (LINES, ADOPT, "Adopt another's machine"),
        (LINES, "", "Install another's machine"),
        (copy.as_str(), ADOPT, "Take it over from somebody else"),
    ] {
        let wanted = Wanted {
            lines,
            deployment,
            ..Wanted::default()
        };
        bed.commit(&bed.fleet().with(spec, wanted), message)?;
        let shown = bed.programs.muster(&["plan"])?;
        if !shown.contains("MARKED_BY_ANOTHER") || !shown.contains(THEIRS) || shown.contains("to adopt") {
            return disproved(format!("the plan does not say whose it is:\n{shown}"));
        }
        watch::all(bed, &[("node", Goal::Waits("MARKED_BY_ANOTHER", THEIRS))])?;
        untouched(message, 2)?;
    }
    for of in ["binding", "write_start"] {
        if bed.count(of)? != 0 {
            return disproved(format!("there is a {of} of another's machine"));
        }
    }
    // The evidence is in the database.
    let known = format!("inventory WHERE body::text LIKE '%{THEIRS}%'");
    match bed.count(&known)? {
        0 => disproved("no inventory has the other's mark"),
        _ => their_mark_stands(bed),
    }
}

/// Taken over from whoever marked it: the next inspection replaces the mark, and nobody but a person makes it.
fn take_over(bed: &Bed, untouched: &impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let lines = format!("manage = \"observe\"\ninspect = 1\nmark = true\ntaken-from = \"{THEIRS}\"\n");
    let wanted = Wanted {
        image: None,
        lines: &lines,
        ..Wanted::default()
    };
    bed.commit(&bed.fleet().with(bed.spec("node")?, wanted), "Take it over")?;
    let shown = bed.programs.muster(&["plan"])?;
    if !shown.contains("git takes it over: its next inspection replaces the mark") {
        return disproved(format!("the plan does not say what is awaited:\n{shown}"));
    }
    watch::all(bed, &[("node", Goal::Waits("RESTART_AWAITED", "restart node"))])?;
    untouched("taken over", 2)?;
    their_mark_stands(bed)?;
    println!("a person restarts it");
    restart(bed)?;
    watch::all(bed, &[("node", Goal::Settled("observed"))])?;
    watch::until(bed, "its own system after the look", |_| Ok(systems(bed) == 3))?;
    let uid = bed.programs.sql("SELECT uid FROM fleet")?;
    let ours = format!("muster 1\nplane {}\nfleet lab\nmachine ", uid.trim());
    match mark(bed)? {
        Some(text) if text.starts_with(&ours) => println!("its mark is this control plane's"),
        other => return disproved(format!("its mark is {other:?}, wanted was {ours:?}")),
    }
    untouched("its mark replaced", 3)
}

/// Adopted: a plan says so, and nothing comes of it but a record.
fn adopt(bed: &Bed, untouched: &impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let wanted = Wanted {
        lines: LINES,
        deployment: ADOPT,
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
    untouched("adopted", 3)
}

/// Another control plane has marked it. What it calls its fleet is no longer than what this one does: a file keeps the rest
/// of a longer text, which a firmware's variable does not.
fn put_mark(bed: &Bed) -> Result<()> {
    let folder = variables(bed);
    let text = format!("muster 1\nplane {THEIRS}\nfleet lad\nmachine 5eea0000-0000-4000-8000-000000000001\n");
    let bytes = [&ATTRIBUTES.to_le_bytes(), text.as_bytes()].concat();
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(BOOT_ORDER.0), BOOT_ORDER.1))
        .and_then(|()| fs::write(folder.join(VARIABLE), bytes));
    made.map_err(failed("put a mark into the firmware"))
}

/// Where a scripted machine's firmware keeps its variables.
fn variables(bed: &Bed) -> PathBuf {
    let machine = bed.rack.machine("node");
    machine.join(scripted::NVRAM).join("sys/firmware/efi/efivars")
}

/// The text of its mark, behind its attributes.
fn mark(bed: &Bed) -> Result<Option<String>> {
    let others = fs::read(variables(bed).join(BOOT_ORDER.0)).map_err(failed("read a variable"))?;
    if others != BOOT_ORDER.1 {
        return disproved("another variable of the firmware was written");
    }
    match fs::read(variables(bed).join(VARIABLE)) {
        Ok(bytes) => Ok(Some(
            String::from_utf8_lossy(bytes.get(4..).unwrap_or_default()).into_owned(),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read the mark")(error)),
    }
}

fn their_mark_stands(bed: &Bed) -> Result<()> {
    match mark(bed)? {
        Some(text) if text.contains(THEIRS) => Ok(()),
        other => disproved(format!("another's mark was touched: {other:?}")),
    }
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
