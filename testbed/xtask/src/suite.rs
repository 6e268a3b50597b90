//! `cargo xtask test` and `check`: every proof of the project, in the order that fails soonest.
//!
//! Images build beside the programs, and the machine's life runs beside clippy and the tests, since each leaves
//! cores idle that the other can use. Cargo itself is called one at a time: it locks its directory anyway.

use crate::bill::{self, Bill, Ran};
use crate::cargo::{self, cargo};
use crate::rig;
use std::process::Command;
use std::sync::Mutex;
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

/// Two machines live at once, each most of its time waiting for itself. The last goes on from a copy that the one
/// before it leaves.
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
        Life {
            stage: "plain life",
            line: "plain",
            flags: &[],
        },
        Life {
            stage: "life from copy",
            line: "copy",
            flags: &["--from", "install"],
        },
    ],
];

/// Cargo's line at the end of each test program.
const RESULT_LINE: &str = "test result:";

/// One step and how it went.
struct Stage {
    name: &'static str,
    failure: Option<String>,
    bill: Bill,
}

/// Steps as they end; shared by the threads that run them.
#[derive(Default)]
struct Report {
    stages: Mutex<Vec<Stage>>,
}

impl Report {
    /// Runs a step. True when it passed.
    fn stage(&self, name: &'static str, step: impl FnOnce() -> Result<Ran, String>) -> bool {
        self.keeping(name, step).0
    }

    /// Runs a step and hands back the lines that it kept as well, whether it passed or not.
    fn keeping(&self, name: &'static str, step: impl FnOnce() -> Result<Ran, String>) -> (bool, Vec<String>) {
        println!("──── {name}");
        let (failure, bill, kept) = match step() {
            Ok(ran) => ((!ran.succeeded).then(|| "failed".to_owned()), ran.bill, ran.kept),
            Err(reason) => (Some(reason), Bill::default(), Vec::new()),
        };
        let passed = failure.is_none();
        println!(
            "──── {name}: {}, {}",
            if passed { "passed" } else { "FAILED" },
            price(bill)
        );
        self.add(Stage { name, failure, bill });
        (passed, kept)
    }

    /// Takes a machine through a life, if there is all that it needs.
    fn live(&self, life: &Life, may_live: bool) {
        if may_live {
            let flags = [&["--tied"], life.flags].concat();
            self.stage(life.stage, || beside(&mut rig::life(&flags)?, life.line));
        } else {
            self.skip(life.stage, "images and programs");
        }
    }

    fn skip(&self, name: &'static str, needs: &str) {
        self.add(Stage {
            name,
            failure: Some(format!("not run: it needs {needs}")),
            bill: Bill::default(),
        });
    }

    fn add(&self, stage: Stage) {
        self.stages
            .lock()
            .expect("no step panics while it reports")
            .push(stage);
    }
}

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
        if with_machine {
            let has_agent = report.stage("build in-machine", || bill::run(&mut cargo::inmachine()));
            scope.spawn(move || {
                let has_images = images.is_some_and(|images| images.join().unwrap_or(false));
                let may_live = has_images && has_programs && has_agent;
                thread::scope(|scope| {
                    for lives in LIVES {
                        scope.spawn(move || lives.iter().for_each(|life| report.live(life, may_live)));
                    }
                });
            });
        }
        results = report.keeping("tests", tests).1;
        report.stage("clippy", || bill::run(&mut clippy()));
    });
    let stages = report.stages.into_inner().expect("all steps have ended");
    conclude(stages, began, &results)
}

fn build(what: &[&str]) -> Result<Ran, String> {
    bill::run(cargo(&["build", "--workspace"]).args(what))
}

fn tests() -> Result<Ran, String> {
    let is_result = |line: &str| line.starts_with(RESULT_LINE);
    bill::relay(
        &mut cargo::test(&["--workspace", "--no-fail-fast"]),
        "",
        is_result,
    )
}

/// Runs a command beside others, so each of its lines says whose it is.
fn beside(command: &mut Command, name: &str) -> Result<Ran, String> {
    bill::relay(command, &format!("{name} │ "), |_| false)
}

/// Prints the bill, the tests' own result lines, and the count of steps.
fn conclude(stages: Vec<Stage>, began: Instant, results: &[String]) -> Result<(), String> {
    println!("\n{:16} {:>8} {:>8}  seconds", "", "wall", "CPU");
    for Stage { name, failure, bill } in &stages {
        let outcome = failure.as_deref().unwrap_or("passed");
        println!(
            "{name:16} {:8.1} {:8.1}  {outcome}",
            bill.wall.as_secs_f64(),
            bill.cpu_seconds
        );
    }
    let spent: f64 = stages.iter().map(|stage| stage.bill.cpu_seconds).sum();
    println!(
        "{:16} {:8.1} {spent:8.1}  of {BUDGET_CPU_SECONDS:.0} CPU-seconds\n",
        "all",
        began.elapsed().as_secs_f64()
    );
    results.iter().for_each(|line| println!("{line}"));
    let failed = stages.iter().filter(|stage| stage.failure.is_some()).count();
    println!("{} passed, {failed} failed", stages.len() - failed);
    if failed == 0 {
        Ok(())
    } else {
        Err("not all steps passed".to_owned())
    }
}

fn clippy() -> Command {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// This program with another verb, so that its cost is on a bill of its own.
fn own(verb: &str) -> Result<Command, String> {
    let path = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
    let mut command = Command::new(path);
    command.arg(verb);
    Ok(command)
}

fn price(bill: Bill) -> String {
    format!(
        "{:.1} s wall, {:.1} s CPU",
        bill.wall.as_secs_f64(),
        bill.cpu_seconds
    )
}
