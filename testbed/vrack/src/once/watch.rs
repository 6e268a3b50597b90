//! Watches a machine until it is in a phase: a line for each change, with wall and CPU time; gives up when
//! nothing moves.

use crate::error::{Result, RigError};
use crate::once::faults::{Faults, Moment};
use crate::once::life::Life;
use crate::rack;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// The longest silence on real hardware between two signs of life: a kernel that probes its devices.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// A whole life on real hardware, generously.
const TOTAL_MAX: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is waited for.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a> {
    /// The machine is in this phase and waits for nothing.
    Phase(&'a str),
    /// The machine waits with this condition.
    Waits(&'a str),
}

impl Goal<'_> {
    fn is_reached(self, machine: &Value) -> bool {
        match self {
            Self::Phase(phase) => {
                machine["phase"] == phase && machine["wait"].is_null() && machine["proposed"].is_null()
            }
            Self::Waits(condition) => machine["wait"]["condition"] == condition,
        }
    }
}

/// Progress so far, and how long ago the last of it was.
struct Progress {
    began: Instant,
    moved: Instant,
    sign: String,
    shown: String,
}

/// Returns when the goal is reached. Faults happen at their moments.
pub(crate) fn until(life: &Life<'_>, goal: Goal<'_>, faults: &mut Faults) -> Result<()> {
    let now = Instant::now();
    let mut progress = Progress {
        began: now,
        moved: now,
        sign: String::new(),
        shown: String::new(),
    };
    let mut before: Option<Moment> = None;
    // What it waited for when the watch began is what the life has just changed something about.
    let mut known_wait = None;
    loop {
        // A daemon that was just killed does not answer; that is no progress, and counted as such.
        let status = life.programs.status();
        let machine = status.map_or(Value::Null, |status| find(&status, &life.spec.name));
        let moment = (!machine.is_null()).then(|| moment(life, &machine)).transpose()?;
        if let Some(moment) = &moment {
            progress.show(life, moment)?;
        }
        if goal.is_reached(&machine) {
            return Ok(());
        }
        let waits = &machine["wait"]["condition"];
        let is_new = !machine.is_null() && known_wait.get_or_insert_with(|| waits.clone()) != waits;
        let marks = machine["marks"].as_array();
        if is_new && marks.is_some_and(|marks| marks.iter().any(|mark| mark == "stalled")) {
            let why = life.programs.muster(&["why", &life.spec.name])?;
            let name = &life.spec.name;
            return Err(RigError::Disproved(format!("{name} waits for a person:\n{why}")));
        }
        faults.attend(life, before.as_ref().or(moment.as_ref()), moment.as_ref())?;
        before = moment.or(before);
        progress.check(life, goal, before.as_ref())?;
        thread::sleep(LOOK_EVERY);
    }
}

impl Progress {
    fn show(&mut self, life: &Life<'_>, moment: &Moment) -> Result<()> {
        if self.shown != moment.headline {
            let cpu = life.rack.spent(&life.spec.name)?.as_secs_f64();
            println!(
                "{:7.1} s {cpu:7.1} cpu-s  {}  {}",
                self.began.elapsed().as_secs_f64(),
                moment.headline,
                moment.evidence
            );
            self.shown.clone_from(&moment.headline);
        }
        Ok(())
    }

    /// An error once nothing has moved for too long, or all of it took too long.
    fn check(&mut self, life: &Life<'_>, goal: Goal<'_>, moment: Option<&Moment>) -> Result<()> {
        let console = rack::console(&life.rack.machine(&life.spec.name)).len();
        let newest = moment.map(|moment| (moment.headline.clone(), moment.percent));
        let newest = format!("{newest:?} {console}");
        if newest != self.sign {
            self.sign = newest;
            self.moved = Instant::now();
        }
        let (Goal::Phase(word) | Goal::Waits(word)) = goal;
        let awaited = format!("{} {word}", life.spec.name);
        let scale = life.accelerator.timeout_scale();
        let (quiet_max, total_max) = (QUIET_MAX * scale, TOTAL_MAX * scale);
        if self.moved.elapsed() > quiet_max {
            return Err(RigError::Stalled {
                awaited,
                quiet: quiet_max,
                last: self.shown.clone(),
            });
        }
        if self.began.elapsed() > total_max {
            return Err(RigError::TooLong {
                awaited,
                total: total_max,
                last: self.shown.clone(),
            });
        }
        Ok(())
    }
}

fn moment(life: &Life<'_>, machine: &Value) -> Result<Moment> {
    Ok(Moment {
        headline: headline(machine),
        evidence: machine["wait"]["evidence"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        percent: machine["percent"].as_u64(),
        starts: life.starts()?,
    })
}

/// A machine's phase in the status document.
pub(crate) fn phase(status: &Value, name: &str) -> Result<String> {
    match &find(status, name)["phase"] {
        Value::Null => Err(RigError::Answer {
            whom: "muster status".to_owned(),
            found: format!("no phase of {name}"),
        }),
        phase => Ok(word(phase)),
    }
}

fn find(status: &Value, name: &str) -> Value {
    let machines = status["machines"].as_array();
    machines
        .and_then(|all| all.iter().find(|machine| machine["name"] == name))
        .cloned()
        .unwrap_or(Value::Null)
}

/// A value in a word; one that says more is an object under its own name.
fn word(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Object(said) => said.keys().cloned().collect(),
        other => other.to_string(),
    }
}

/// What a line is printed for.
fn headline(machine: &Value) -> String {
    let doing = match (&machine["wait"]["condition"], &machine["proposed"]) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, proposed) => word(proposed),
        (condition, _) => word(condition),
    };
    format!("{:<14} {doing}", word(&machine["phase"]))
}
