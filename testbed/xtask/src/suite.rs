//! `cargo xtask test` and `check`: every proof of the project, in the order that fails soonest.
//!
//! Images build beside the programs, and the machines' lives run beside the tests, then clippy does, since each leaves
//! cores idle that the other can use. Cargo compiles one thing at a time: it locks its directory anyway.

use crate::bill::{self, Ran};
use crate::cargo::{self, cargo};
use crate::report::Report;
use crate::rig;
use std::process::Command;
use std::thread;
use std::time::Instant;

/// What a run from an empty cache may cost, in CPU-seconds, the machine's life included. Over it is reported.
const BUDGET_CPU_SECONDS: f64 = 2400.0;

/// A life of a machine: what the bill and its lines call it, and what the rack is told.
struct Life {
    stage: &'static str,
    line: &'static str,
    flags: &'static [&'static str],
}

/// Two machines live at once, each most of its time waiting for itself. The life without faults is in the long run: it
/// shows nothing that these do not.
const LIVES: [&[Life]; 2] = [
    &[Life {
        stage: "life with faults",
        line: "faults",
        flags: &["--life", "faults"],
    }],
    &[
        Life {
            stage: "life with disks",
            line: "disks",
            flags: &["--life", "disks"],
        },
        Life {
            stage: "life with UEFI",
            line: "uefi",
            flags: &["--life", "uefi"],
        },
    ],
];

/// Tests at once for each core: most of them wait for packets, leases and BMCs most of their time.
const TESTS_PER_CORE: usize = 2;

/// Cargo's line at the end of each test program.
const RESULT_LINE: &str = "test result:";

/// Formatting, borders and house rules, clippy.
pub(crate) fn check() -> Result<(), String> {
    cargo::succeed(&mut cargo(&["fmt", "--all", "--check"]))?;
    crate::tidy::run()?;
    cargo::succeed(&mut clippy())
}

/// Everything; with a machine's life or without.
pub(crate) fn test(with_machine: bool) -> Result<(), String> {
    let began = Instant::now();
    let report = Report::default();
    let mut results = Vec::new();
    report.stage("sweep", || bill::run(&mut own("sweep")?));
    report.stage("packages", || bill::run(&mut own("packages")?));
    report.stage("format", || bill::run(&mut cargo(&["fmt", "--all", "--check"])));
    report.stage("tidy", || bill::run(&mut own("tidy")?));
    thread::scope(|scope| {
        let report = &report;
        // The program that builds images comes first, so that they can be built beside the rest.
        let has_builder = report.stage("build muster", || {
            build(&["--bin", "muster", "--bin", "muster-vrack"])
        });
        let images = (with_machine && has_builder)
            .then(|| scope.spawn(|| report.stage("images", || beside(&mut rig::images(&[])?, "images"))));
        let has_programs = report.stage("build programs", || build(&["--bins"]));
        let lint = || report.stage("clippy", || beside(&mut clippy(), "clippy"));
        if with_machine {
            let has_agent = report.stage("build in-machine", || bill::run(&mut cargo::inmachine()));
            scope.spawn(move || {
                let has_images = images.is_some_and(|images| images.join().unwrap_or(false));
                let may_live = has_images && has_programs && has_agent;
                thread::scope(|scope| {
                    for lives in LIVES {
                        scope.spawn(move || lives.iter().for_each(|life| live(report, life, may_live)));
                    }
                });
                lint();
            });
        }
        results = report.keeping("tests", tests).1;
        if !with_machine {
            lint();
        }
    });
    report.conclude(began, Some(BUDGET_CPU_SECONDS), &results)
}

/// Takes a machine through a life, if there is all that it needs.
fn live(report: &Report, life: &Life, may_live: bool) {
    if may_live {
        let flags = [&["--tied"], life.flags].concat();
        report.stage(life.stage, || beside(&mut rig::life(&flags)?, life.line));
    } else {
        report.skip(life.stage, "images and programs");
    }
}

pub(crate) fn build(what: &[&str]) -> Result<Ran, String> {
    bill::run(cargo(&["build", "--workspace"]).args(what))
}

fn tests() -> Result<Ran, String> {
    let is_result = |line: &str| line.starts_with(RESULT_LINE);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut command = cargo::test(&["--workspace", "--no-fail-fast"]);
    command.env("RUST_TEST_THREADS", (cores * TESTS_PER_CORE).to_string());
    bill::relay(&mut command, "", is_result)
}

/// Runs a command beside others, so each of its lines says whose it is.
pub(crate) fn beside(command: &mut Command, name: &str) -> Result<Ran, String> {
    bill::relay(command, &format!("{name} │ "), |_| false)
}

fn clippy() -> Command {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// This program with another verb, so that its cost is on a bill of its own.
pub(crate) fn own(verb: &str) -> Result<Command, String> {
    let path = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
    let mut command = Command::new(path);
    command.arg(verb);
    Ok(command)
}
