//! The steps of the demo, in order. Each prints what a person would type and see, and ends when what it promises
//! was looked at.

use crate::chassis;
use crate::demo::fleet::Fleet;
use crate::demo::look::{self, answers, disproved, installed, says};
use crate::demo::watch::{self, Goal, generation};
use crate::demo::{Demo, FOUND, KNOWN};
use crate::error::Result;
use crate::once::proof;
use std::path::Path;

/// One of them.
pub(crate) struct Step {
    /// For programs.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) act: fn(&Demo<'_>) -> Result<()>,
}

/// All of them.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "inspect",
        title: "muster inspects the declared machine; somebody switches on one that nobody declared",
        act: inspect,
    },
    Step {
        name: "declare",
        title: "The found machine is declared by a commit",
        act: declare,
    },
    Step {
        name: "deploy",
        title: "A commit deploys both",
        act: deploy,
    },
    Step {
        name: "log-in",
        title: "Both run what git says",
        act: log_in,
    },
    Step {
        name: "redeploy",
        title: "A second commit gives one another storage layout",
        act: redeploy,
    },
    Step {
        name: "release",
        title: "A third commit removes the other's deployment, with a quick erase",
        act: release,
    },
    Step {
        name: "nothing-left",
        title: "Planning again",
        act: nothing_left,
    },
];

/// Images in, and both machines known.
fn inspect(demo: &Demo<'_>) -> Result<()> {
    let files: Vec<String> = demo
        .built
        .iter()
        .flat_map(|image| &image.artefacts)
        .map(|file| file.path.display().to_string())
        .collect();
    demo.show
        .doing(&format!("muster image add: {} files", files.len()));
    let mut words = vec!["image", "add"];
    words.extend(files.iter().map(String::as_str));
    demo.programs.muster(&words)?;
    shown(demo, &["image", "ls"])?;
    demo.programs.watch(demo.rack)?;
    let found = demo.found();
    let on = [&found.name, "set", "power", "1"].map(|word: &str| word.to_owned());
    chassis::ask(&demo.rack.socket(), &on)?;
    let goals = [
        (KNOWN, ready(0)),
        (
            FOUND,
            Goal::Found {
                mac: &found.nics[0].mac,
            },
        ),
    ];
    watch::until(demo, &goals)?;
    shown(demo, &["show", KNOWN]).map(drop)
}

/// The fleet lines of the found machine, on a branch, planned, merged.
fn declare(demo: &Demo<'_>) -> Result<()> {
    let list = shown(demo, &["machine", "discovered"])?;
    says(&list, "the list of found machines", &demo.found().serial)?;
    let patch = shown(demo, &["machine", "discovered", "--patch"])?;
    says(&patch, "the patch", &demo.found().serial)?;
    let plan = propose(
        demo,
        "declare-u13",
        "Declare the machine that was found",
        |folder| demo.fleet.declare(folder, &patch, demo.found()),
    )?;
    says(&plan, "the plan", &format!("enlist machine.{FOUND}"))?;
    carry_out(demo, "declare-u13")?;
    watch::until(demo, &[(FOUND, ready(0))])
}

/// The first deployment of both, at the same time.
fn deploy(demo: &Demo<'_>) -> Result<()> {
    let plan = propose(demo, "deploy", "A web server and a database", |folder| {
        demo.fleet.deploy(folder)
    })?;
    for spec in demo.specs {
        proof::names_the_disks(&plan, spec)?;
    }
    let before = carry_out(demo, "deploy")?;
    watch::until(
        demo,
        &[(KNOWN, deployed(before[0])), (FOUND, deployed(before[1]))],
    )
}

/// Seen on disks and by ssh.
fn log_in(demo: &Demo<'_>) -> Result<()> {
    let [known, found] = demo.specs;
    installed(demo, known, 0)?;
    installed(demo, found, 0)?;
    look::power(demo, known, "Chassis Power is on")?;
    look::was_drawn(demo, &[KNOWN, FOUND, "deploying", "unpack", "deployed"])?;
    answers(
        demo,
        known,
        "hostname; cat /srv/hello",
        &["web-1", "deployed from git"],
    )?;
    answers(
        demo,
        found,
        "hostname; findmnt -no SOURCE,FSTYPE /srv/data",
        &["db-primary", "xfs"],
    )
}

/// Another layout for the found machine: both its disks are named before they are erased.
fn redeploy(demo: &Demo<'_>) -> Result<()> {
    let found = demo.found();
    let before = look::marker(demo, found, 0)?;
    let plan = propose(demo, "mirror", "Mirror the database's disks", |folder| {
        Fleet::mirror(folder, found.firmware)
    })?;
    says(&plan, "the plan", "ERASES 2 DISKS ON 1 MACHINE")?;
    for disk in &found.disks {
        says(&plan, "the plan", &format!("erase  serial:{}   ", disk.serial))?;
    }
    let [_, generation] = carry_out(demo, "mirror")?;
    watch::until(demo, &[(FOUND, deployed(generation))])?;
    let after = installed(demo, found, 0)?;
    if before.is_none_or(|before| before.spec == after.spec) {
        return disproved("the disk has the marker of the first installation");
    }
    installed(demo, found, 1)?;
    answers(
        demo,
        found,
        "hostname; findmnt -no SOURCE /; findmnt -no SOURCE /srv/data; grep -o 'raid1.*' /proc/mdstat",
        &["db-primary", "vg0-root", "vg0-data", "raid1"],
    )
}

/// The web deployment ends on purpose: what it wrote is erased, with a record.
fn release(demo: &Demo<'_>) -> Result<()> {
    let [known, _] = demo.specs;
    let reason = "shown to the end";
    let words = [
        "removed",
        "deployment",
        "web",
        "--disks",
        "quick",
        "--reason",
        reason,
    ];
    let lines = demo.programs.muster(&words)?;
    let typed = format!("muster removed deployment web --disks quick --reason {reason:?}");
    demo.show.command(&typed, &lines);
    let plan = propose(demo, "release", "The web server may go", |folder| {
        Fleet::release(folder, &lines)
    })?;
    says(&plan, "the plan", "release deployment.web[1]")?;
    for disk in &known.disks {
        says(&plan, "the plan", &format!("erase  serial:{}   ", disk.serial))?;
    }
    let [generation, _] = carry_out(demo, "release")?;
    watch::until(demo, &[(KNOWN, ready(generation))])?;
    let why = shown(demo, &["why", KNOWN])?;
    for disk in &known.disks {
        let record = format!("erased     serial:{} at ", disk.serial);
        let line = why.lines().find_map(|line| line.trim().strip_prefix(&record));
        let Some(line) = line else {
            return disproved(format!("no record of the erasure of {}:\n{why}", disk.serial));
        };
        demo.show
            .seen(&format!("the record of the erasure of {}: {line}", disk.serial));
    }
    look::erased(demo, known)
}

/// Git and reality agree.
fn nothing_left(demo: &Demo<'_>) -> Result<()> {
    let plan = shown(demo, &["plan"])?;
    says(&plan, "the plan", "No changes.")?;
    shown(demo, &["log", FOUND, "--since", "2h"])?;
    shown(demo, &["why", FOUND])?;
    shown(demo, &["status"]).map(drop)
}

fn ready(newer_than: u64) -> Goal<'static> {
    Goal::Phase {
        phase: "ready",
        newer_than,
    }
}

fn deployed(newer_than: u64) -> Goal<'static> {
    Goal::Phase {
        phase: "deployed",
        newer_than,
    }
}

/// Runs a command of muster's and shows both.
fn shown(demo: &Demo<'_>, words: &[&str]) -> Result<String> {
    let said = demo.programs.muster(words)?;
    demo.show.command(&format!("muster {}", words.join(" ")), &said);
    Ok(said)
}

/// A pull request: what it changes, and what that would do.
fn propose(
    demo: &Demo<'_>,
    branch: &str,
    message: &str,
    edit: impl FnOnce(&Path) -> Result<()>,
) -> Result<String> {
    let repository = &demo.fleet.repository;
    repository.propose_edit(branch, message, edit)?;
    demo.show
        .command(&format!("git show {branch}"), &repository.shown(branch)?);
    shown(demo, &["plan", "--head", branch])
}

/// Merges it and has it carried out. Returns the machines' generations from before.
fn carry_out(demo: &Demo<'_>, branch: &str) -> Result<[u64; 2]> {
    let status = demo.programs.status()?;
    let before = [KNOWN, FOUND].map(|name| generation(&status, name));
    demo.fleet.repository.merge(branch)?;
    demo.show.command(&format!("git merge {branch}"), "");
    demo.programs.apply()?;
    demo.show.command("muster apply", "");
    Ok(before)
}
