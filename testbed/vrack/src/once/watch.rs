//! Watches a machine until it is in a phase: a line for each change, with wall and CPU time; gives up when
//! nothing moves.

use crate::accelerator::Accelerator;
use crate::error::{Result, RigError};
use crate::machine::MachineSpec;
use crate::once::faults::{Fault, Moment};
use crate::once::programs::Programs;
use crate::rack::{self, Rack};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// The longest silence on real hardware between two signs of life: a kernel that probes its devices.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// A whole life on real hardware, generously.
const TOTAL_MAX: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Who is watched, and by what clock.
pub(crate) struct Watched<'a> {
    pub(crate) rack: &'a Rack,
    pub(crate) programs: &'a Programs,
    pub(crate) spec: &'a MachineSpec,
    pub(crate) accelerator: Accelerator,
}

/// Returns when the machine is in the phase and waits for nothing. Faults happen at their moments.
pub(crate) fn until(watched: &Watched<'_>, phase: &str, faults: &mut [Fault]) -> Result<()> {
    let Watched {
        rack,
        programs,
        spec,
        accelerator,
    } = watched;
    let began = Instant::now();
    let scale = accelerator.timeout_scale();
    let (quiet_max, total_max) = (QUIET_MAX * scale, TOTAL_MAX * scale);
    let (mut shown, mut sign, mut moved) = (String::new(), String::new(), Instant::now());
    let awaited = || format!("{} {phase}", spec.name);
    loop {
        // A daemon that was just killed does not answer; that is no progress, and counted as such.
        let machine = programs
            .status()
            .map_or(Value::Null, |status| find(&status, &spec.name));
        let now = headline(&machine);
        if now != shown && !machine.is_null() {
            let cpu = rack.spent(&spec.name)?.as_secs_f64();
            println!(
                "{:7.1} s {cpu:7.1} cpu-s  {now}  {}",
                began.elapsed().as_secs_f64(),
                evidence(&machine)
            );
            shown.clone_from(&now);
        }
        if machine["phase"] == phase && machine["wait"].is_null() && machine["proposed"].is_null() {
            return Ok(());
        }
        if machine["marks"]
            .as_array()
            .is_some_and(|marks| marks.iter().any(|mark| mark == "stalled"))
        {
            let why = programs.muster(&["why", &spec.name])?;
            return Err(RigError::Disproved(format!(
                "{} waits for a person:\n{why}",
                spec.name
            )));
        }
        let moment = Moment {
            headline: &now,
            evidence: evidence(&machine),
            percent: machine["percent"].as_u64(),
        };
        for fault in faults.iter_mut() {
            fault.strike(&moment, rack, programs, spec)?;
        }
        let console = rack::console(&rack.machine(&spec.name)).len();
        let newest = format!("{now} {} {console}", machine["percent"]);
        if newest != sign {
            sign = newest;
            moved = Instant::now();
        }
        if moved.elapsed() > quiet_max {
            return Err(RigError::Stalled {
                awaited: awaited(),
                quiet: quiet_max,
                last: shown,
            });
        }
        if began.elapsed() > total_max {
            return Err(RigError::TooLong {
                awaited: awaited(),
                total: total_max,
                last: shown,
            });
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn find(status: &Value, name: &str) -> Value {
    let machines = status["machines"].as_array();
    machines
        .and_then(|all| all.iter().find(|machine| machine["name"] == name))
        .cloned()
        .unwrap_or(Value::Null)
}

/// What a line is printed for.
fn headline(machine: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let doing = match (&machine["wait"]["condition"], &machine["proposed"]) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, proposed) => word(proposed),
        (condition, _) => word(condition),
    };
    format!("{:<14} {doing}", word(&machine["phase"]))
}

fn evidence(machine: &Value) -> &str {
    machine["wait"]["evidence"].as_str().unwrap_or_default()
}
