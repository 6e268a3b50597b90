//! Watches several machines at once until all are where they shall be, and shows each on its way; gives up when
//! one needs a person, or nothing moves.

use crate::demo::Demo;
use crate::demo::show::Moment;
use crate::error::{Result, RigError};
use crate::rack;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// The longest silence of all machines on real hardware: a kernel that probes its devices.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// Two deployments on real hardware, generously; a translated rack on a busy host takes its time.
const TOTAL_MAX: Duration = Duration::from_secs(600);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// So much of a console's line is shown.
const EVIDENCE_MAX: usize = 60;

/// Where a machine shall be.
pub(crate) enum Goal<'a> {
    /// In this phase, waiting for nothing, by a newer intent than this.
    Phase { phase: &'a str, newer_than: u64 },
    /// Known to muster as found, switched off again.
    Found { mac: &'a str },
}

/// A machine's intent as muster counts them; 0 if it has none.
pub(crate) fn generation(status: &Value, name: &str) -> u64 {
    find(status, name)["generation"].as_u64().unwrap_or(0)
}

/// The machine in a status document; null if it is not there.
pub(crate) fn find(status: &Value, name: &str) -> Value {
    let machines = status["machines"].as_array();
    let found = machines.and_then(|all| all.iter().find(|machine| machine["name"] == name));
    found.cloned().unwrap_or(Value::Null)
}

/// Returns when every machine has reached its goal.
pub(crate) fn until(demo: &Demo<'_>, goals: &[(&str, Goal<'_>)]) -> Result<()> {
    let began = Instant::now();
    let (mut sign, mut moved) = (String::new(), began);
    let scale = demo.accelerator.timeout_scale();
    loop {
        let status = demo.programs.status().unwrap_or_default();
        let mut open = Vec::new();
        let mut now = String::new();
        for (name, goal) in goals {
            let seen = look(demo, &status, name, goal)?;
            demo.show.machine(name, &seen.moment);
            now.push_str(&format!("{:?} {} ", seen.moment, seen.console));
            if !seen.reached {
                open.push(*name);
            }
        }
        if open.is_empty() {
            goals.iter().for_each(|(name, _)| demo.show.forget(name));
            return Ok(());
        }
        if now != sign {
            (sign, moved) = (now, Instant::now());
        }
        let (quiet, total) = (QUIET_MAX * scale, TOTAL_MAX * scale);
        if moved.elapsed() > quiet {
            let (awaited, last) = (open.join(", "), sign);
            return Err(RigError::Stalled { awaited, quiet, last });
        }
        if began.elapsed() > total {
            let (awaited, last) = (open.join(", "), sign);
            return Err(RigError::TooLong { awaited, total, last });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// What was seen of a machine.
struct Seen {
    moment: Moment,
    reached: bool,
    /// How much its console has shown.
    console: usize,
}

fn look(demo: &Demo<'_>, status: &Value, name: &str, goal: &Goal<'_>) -> Result<Seen> {
    let console = rack::console(&demo.rack.machine(name));
    let (moment, reached) = match goal {
        Goal::Phase { phase, newer_than } => {
            let machine = find(status, name);
            let stands = machine["marks"]
                .as_array()
                .is_some_and(|marks| marks.iter().any(|mark| mark == "stalled"));
            if stands {
                let why = demo.programs.muster(&["why", name])?;
                return Err(RigError::Disproved(format!("{name} waits for a person:\n{why}")));
            }
            let settled = machine["wait"].is_null() && machine["proposed"].is_null();
            let is_new = generation(status, name) > *newer_than;
            (moment(&machine), machine["phase"] == *phase && settled && is_new)
        }
        Goal::Found { mac } => {
            let found = demo.programs.muster(&["--json", "machine", "discovered"]);
            let found = found.is_ok_and(|text| text.contains(mac));
            let off = demo.rack.number(name, "power")? == 0;
            let headline = match (found, off) {
                (false, _) => "not known: boots from the network",
                (true, false) => "found: goes off again",
                (true, true) => "found",
            };
            (last_line(headline, &console), found && off)
        }
    };
    Ok(Seen {
        moment,
        reached,
        console: console.len(),
    })
}

/// For a machine that muster does not speak of: its console's last line.
fn last_line(headline: &str, console: &str) -> Moment {
    let last = console.lines().rev().map(plain).find(|line| !line.is_empty());
    Moment {
        headline: headline.to_owned(),
        evidence: last.unwrap_or_default(),
        percent: None,
    }
}

/// A console's line without what moves cursors (ECMA-48 §5.4: such a sequence ends with a letter or `~`).
fn plain(line: &str) -> String {
    let mut pieces = line.split('\x1b');
    let first = pieces.next().unwrap_or_default();
    let rest = pieces.map(|piece| {
        let end = piece.find(|c: char| c.is_ascii_alphabetic() || c == '~');
        end.map_or("", |end| &piece[end + 1..])
    });
    let text: String = std::iter::once(first).chain(rest).collect();
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(EVIDENCE_MAX).collect::<String>().trim().to_owned()
}

fn moment(machine: &Value) -> Moment {
    let wait = &machine["wait"];
    let doing = match (&wait["condition"], &machine["proposed"]) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, proposed) => word(proposed),
        (condition, _) => word(condition),
    };
    Moment {
        headline: format!("{:<13} {doing}", word(&machine["phase"]))
            .trim_end()
            .to_owned(),
        evidence: wait["evidence"].as_str().unwrap_or_default().to_owned(),
        percent: machine["percent"].as_u64(),
    }
}

/// A value in a word; one that says more is an object under its own name.
fn word(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Object(said) => said.keys().cloned().collect(),
        Value::Null => "new".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_console_line_has_no_cursor_movements() {
        assert_eq!(plain("\x1b[2J\x1b[01;01HiPXE \x1b[1mok\x1b[0m\r"), "iPXE ok");
    }
}
