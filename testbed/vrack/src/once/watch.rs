//! Watches a machine until it is deployed: a line for each change, with wall and CPU time; gives up when
//! nothing moves.

use crate::accelerator::Accelerator;
use crate::error::{Result, RigError};
use crate::machine::MachineSpec;
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
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Returns when the machine is deployed and waits for nothing.
pub(crate) fn until_deployed(
    rack: &Rack,
    programs: &Programs,
    spec: &MachineSpec,
    accelerator: Accelerator,
) -> Result<()> {
    let began = Instant::now();
    let scale = accelerator.timeout_scale();
    let (quiet_max, total_max) = (QUIET_MAX * scale, TOTAL_MAX * scale);
    let mut shown = String::new();
    let mut sign = String::new();
    let mut moved = Instant::now();
    let awaited = || format!("{} deployed", spec.name);
    loop {
        let status = programs.status()?;
        let machine = status["machines"]
            .as_array()
            .and_then(|all| all.iter().find(|m| m["name"] == spec.name.as_str()));
        let machine = machine.cloned().unwrap_or(Value::Null);
        let now = headline(&machine);
        if now != shown {
            let cpu = rack.spent(&spec.name)?.as_secs_f64();
            println!(
                "{:7.1} s {cpu:7.1} cpu-s  {now}  {}",
                began.elapsed().as_secs_f64(),
                evidence(&machine)
            );
            shown.clone_from(&now);
        }
        if machine["phase"] == "deployed" && machine["wait"].is_null() {
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

/// What a line is printed for.
fn headline(machine: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let condition = word(&machine["wait"]["condition"]);
    let doing = if condition.is_empty() {
        word(&machine["proposed"])
    } else {
        condition
    };
    format!("{:<14} {doing}", word(&machine["phase"]))
}

fn evidence(machine: &Value) -> &str {
    machine["wait"]["evidence"].as_str().unwrap_or_default()
}
