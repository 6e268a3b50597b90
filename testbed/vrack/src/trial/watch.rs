//! Waits until something is so of the machines, and gives up when nothing moves.

use crate::error::{Result, RigError, chain};
use crate::trial::bed::{Bed, find};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// The pause of muster's own between two tries here is a minute, and five where a loaded host has come too late for the
/// second.
const QUIET_MAX: Duration = Duration::from_secs(400);

/// Each wait of a trial is over in two or three minutes; far above what any loaded host needs.
const TOTAL_MAX: Duration = Duration::from_secs(900);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a machine is awaited to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<'a> {
    /// In this phase, wanting nothing.
    Settled(&'a str),
    /// Waiting with this condition, on evidence that says so, and explained to people.
    Waits(&'a str, &'a str),
    /// The same, and it will be tried again by itself.
    TriesAgain(&'a str, &'a str),
}

impl Goal<'_> {
    /// Whether the machine is there; a condition must then be explained.
    fn is_reached(self, bed: &Bed, name: &str, status: &Value) -> Result<bool> {
        let machine = find(status, name);
        let wait = &machine["wait"];
        let (code, evidence) = match self {
            Self::Settled(phase) => {
                return Ok(machine["phase"] == phase && wait.is_null() && machine["proposed"].is_null());
            }
            Self::Waits(code, evidence) => (code, evidence),
            Self::TriesAgain(_, _) if wait["retry_at"].is_null() => return Ok(false),
            Self::TriesAgain(code, evidence) => (code, evidence),
        };
        let seen = wait["evidence"].as_str().unwrap_or_default();
        if wait["condition"] != code || !seen.contains(evidence) {
            return Ok(false);
        }
        explained(bed, name, code, evidence).map(|()| true)
    }
}

/// Waits until each machine was seen at its goal once; not necessarily at the same time.
pub(crate) fn all(bed: &Bed, goals: &[(&str, Goal<'_>)]) -> Result<()> {
    let mut open = goals.to_vec();
    let awaited: Vec<_> = goals
        .iter()
        .map(|(name, goal)| format!("{name} {goal:?}"))
        .collect();
    until(bed, &awaited.join(", "), |status| {
        let mut still = Vec::new();
        for (name, goal) in open.drain(..) {
            if !goal.is_reached(bed, name, status)? {
                still.push((name, goal));
            }
        }
        open = still;
        Ok(open.is_empty())
    })
}

/// Waits until something is so of the status document; a daemon that does not answer is no progress.
pub(crate) fn until(bed: &Bed, awaited: &str, mut is_so: impl FnMut(&Value) -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    let (mut moved, mut sign) = (began, String::new());
    loop {
        let (status, seen) = match bed.programs.status() {
            Ok(status) => {
                let seen = headlines(bed, &status);
                (status, seen)
            }
            Err(error) => (Value::Null, chain(&error)),
        };
        if seen != sign {
            show(&sign, &seen, began.elapsed());
            sign = seen;
            moved = Instant::now();
        }
        if is_so(&status)? {
            return Ok(());
        }
        let (awaited, last) = (awaited.to_owned(), sign.clone());
        if moved.elapsed() > QUIET_MAX {
            let quiet = QUIET_MAX;
            return Err(RigError::Stalled { awaited, quiet, last });
        }
        if began.elapsed() > TOTAL_MAX {
            let total = TOTAL_MAX;
            return Err(RigError::TooLong { awaited, total, last });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A line for each machine: where it stands.
fn headlines(bed: &Bed, status: &Value) -> String {
    let lines = bed.machines().iter().map(|spec| {
        let machine = find(status, &spec.name);
        let (wait, phase) = (&machine["wait"], word(&machine["phase"]));
        let doing = match &machine["proposed"] {
            Value::Null if wait.is_null() => String::new(),
            Value::Null => format!("{} {}", word(&wait["condition"]), word(&wait["evidence"])),
            proposed => word(proposed),
        };
        format!("{:<8} {phase:<14} {doing}", spec.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn show(before: &str, now: &str, at: Duration) {
    for line in now.lines().filter(|line| !before.lines().any(|old| old == *line)) {
        println!("{:6.1} s  {line}", at.as_secs_f64());
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The condition at a machine says what, since when and what to do, as a person reads it.
fn explained(bed: &Bed, name: &str, code: &str, evidence: &str) -> Result<()> {
    let why = bed.why(name)?;
    let field = |title: &str| {
        let line = why.lines().find_map(|line| line.strip_prefix(title));
        line.map(str::trim).filter(|text| !text.is_empty())
    };
    let what = field("  waits on ").is_some_and(|text| text.starts_with(&format!("{code}: ")));
    // Times are written as 2026-01-31T23:59:59Z.
    let since = field("  since ").is_some_and(|text| text.len() >= 20 && text.ends_with('Z'));
    let seen = field("  evidence ").is_some_and(|text| text.contains(evidence));
    let step = field("  next step ").is_some();
    if what && since && seen && step {
        println!("{why}");
        return Ok(());
    }
    disproved(format!(
        "`muster why {name}` does not say {code} with a time, {evidence:?} and a next step:\n{why}"
    ))
}

/// Planning again wants nothing, in words and by its exit code.
pub(crate) fn nothing_left(bed: &Bed) -> Result<()> {
    let said = bed.programs.ask(&["plan", "--exit-code"])?;
    if said.status.code() == Some(0) && said.output.contains("No changes.") {
        println!("plan again: nothing");
        return Ok(());
    }
    disproved(format!(
        "planning again ({}) is not empty:\n{}",
        said.status, said.output
    ))
}

/// What was looked at is not so.
pub(crate) fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}
