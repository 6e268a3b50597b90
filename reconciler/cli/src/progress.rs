//! How far the machines of a plan are, as `muster apply --wait` shows it: a live line for each on a terminal, elsewhere
//! a line for each that has come further.

use crate::letters;
use crate::status::word;
use reconciler_core::people::{Standing, standing};
use reconciler_core::status::{MachineStatus, StepStanding, StepStatus};
use schema_ids::{Name, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Cursor up so many lines; to the end of the line, of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Where and how it is shown.
pub(crate) struct Progress {
    to: Box<dyn Write>,
    form: Form,
}

enum Form {
    /// Lines that are drawn over the ones drawn before: how many those are.
    Live(usize),
    /// What each machine's line said last.
    Lines(BTreeMap<Name, String>),
}

impl Progress {
    /// For a person, on standard output.
    pub(crate) fn shown() -> Self {
        let form = match letters::screen() {
            true => Form::Live(0),
            false => Form::Lines(BTreeMap::new()),
        };
        Self {
            to: Box::new(io::stdout()),
            form,
        }
    }

    /// For a person, beside an answer on standard output.
    pub(crate) fn told() -> Self {
        Self {
            to: Box::new(io::stderr()),
            form: Form::Lines(BTreeMap::new()),
        }
    }

    /// Shows these machines as they are now, by the daemon's clock.
    pub(crate) fn show(&mut self, machines: &[&MachineStatus], now: Timestamp) -> io::Result<()> {
        match &mut self.form {
            Form::Live(drawn) => {
                let (columns, rows) = letters::size();
                let lines = fitting(machines, rows, now);
                if *drawn > 0 {
                    write!(self.to, "\x1b[{drawn}A")?;
                }
                for line in &lines {
                    let line = letters::text(line);
                    let line: String = line.chars().take(columns).collect();
                    writeln!(self.to, "{line}{CLEAR_LINE}")?;
                }
                write!(self.to, "{CLEAR_BELOW}")?;
                *drawn = lines.len();
            }
            Form::Lines(said) => {
                for machine in machines {
                    let coarse = line(machine, Detail::Coarse, now);
                    if said.get(&machine.name) != Some(&coarse) {
                        writeln!(self.to, "{}", letters::text(&line(machine, Detail::Fine, now)))?;
                        said.insert(machine.name.clone(), coarse);
                    }
                }
            }
        }
        self.to.flush()
    }
}

/// The lines that a screen holds: those that are done give way first.
fn fitting(machines: &[&MachineStatus], rows: usize, now: Timestamp) -> Vec<String> {
    // The cursor stands on a line of its own, above it the count.
    let held = rows.saturating_sub(2).max(1);
    let is_done = |machine: &&MachineStatus| standing(machine) == Standing::AsWanted;
    let mut shown: Vec<&MachineStatus> = machines.to_vec();
    if shown.len() > held {
        shown.retain(|machine| !is_done(machine));
        shown.truncate(held);
    }
    let done = machines.iter().filter(|machine| is_done(machine)).count();
    let fine = |machine: &&MachineStatus| line(machine, Detail::Fine, now);
    let mut lines: Vec<String> = shown.iter().map(fine).collect();
    let hidden = machines.len() - shown.len();
    let hidden = match hidden {
        0 => String::new(),
        hidden => format!(", {hidden} of them not shown"),
    };
    lines.push(format!(
        "{done} of {} as wanted{hidden}. Ctrl-C detaches; work goes on.",
        machines.len()
    ));
    lines
}

/// How exactly a line says how far a step is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// In tenths, so that a log has a line for each.
    Coarse,
    /// In percent, with rate and time left.
    Fine,
}

/// One machine's line: the step under way, or what it waits on, how long it takes until it runs, then the steps behind it.
fn line(machine: &MachineStatus, detail: Detail, now: Timestamp) -> String {
    let doing = doing(machine, detail);
    let done: Vec<&str> = machine
        .steps
        .iter()
        .filter(|step| step.state == StepStanding::Done)
        .map(|step| step.step.as_str())
        .collect();
    let behind = match (standing(machine), done.is_empty()) {
        (Standing::AsWanted, _) | (_, true) => String::new(),
        (_, false) => format!("   (done: {})", done.join(", ")),
    };
    // By itself it makes no line of a log: it would be another one every second.
    let left = match detail {
        Detail::Coarse => String::new(),
        Detail::Fine => left(machine, now).map_or_else(String::new, |left| format!("   to run: {left}")),
    };
    format!(
        "{:<20} {:<14} {doing}{left}{behind}",
        machine.name,
        word(&machine.phase)
    )
}

/// How long its installation takes still, while one is under way.
pub(crate) fn left(machine: &MachineStatus, now: Timestamp) -> Option<String> {
    let expected = machine.expected.as_ref()?;
    (standing(machine) == Standing::UnderWay).then(|| expected.words(now))
}

fn doing(machine: &MachineStatus, detail: Detail) -> String {
    let step = machine
        .steps
        .iter()
        .rev()
        .find(|step| step.state == StepStanding::UnderWay);
    let is_under_way = standing(machine) == Standing::UnderWay;
    match (&machine.wait, &machine.proposed) {
        (Some(wait), _) => match step.filter(|_| is_under_way && wait.condition.row().under_way) {
            Some(step) => of_step(step, detail),
            None => format!("waiting: {} {}", wait.condition.code(), wait.evidence),
        },
        (None, Some(proposed)) => proposed.clone(),
        (None, None) => "done".to_owned(),
    }
}

fn of_step(step: &StepStatus, detail: Detail) -> String {
    let percent = step
        .bytes
        .and_then(|(done, total)| (done.min(total) * 100).checked_div(total));
    let mut text = step.step.clone();
    match (detail, percent) {
        (_, None) => {}
        (Detail::Coarse, Some(percent)) => text.push_str(&format!(" {}", percent / 10)),
        (Detail::Fine, Some(percent)) => text.push_str(&format!(" {percent} %")),
    }
    if detail == Detail::Fine {
        if let Some(rate) = step.bytes_per_second {
            text.push_str(&format!(" {}/s", bytes(rate)));
        }
        if let Some(left) = step.seconds_left {
            text.push_str(&format!(", about {} left", time(left)));
        }
    }
    text
}

/// Bytes as people read them: `310 MB`.
fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{}.{} GB", count / 1_000_000_000, count / 100_000_000 % 10),
    }
}

/// A time as people read it: `40 s`, `7 min`, `21 h`.
fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}
