//! Watches the fleet: a live table on a terminal, a line for each change elsewhere, JSON lines for programs.

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::letters;
use crate::say::tell;
use crate::silence::{LOOK_MAX, Silence};
use crate::status;
use reconciler_core::people::{self, Status};
use schema_ids::Name;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// How often it looks: progress of a step comes every two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Cursor home; to the end of the line, of the screen.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const CLEAR: &str = "\x1b[2J";

/// Where and how what is seen is shown.
struct View {
    to: Box<dyn Write>,
    form: Form,
}

/// How what is seen is shown.
enum Form {
    /// One screen, drawn anew.
    Screen,
    /// What changed, by machine.
    Lines(BTreeMap<Name, String>),
    /// The same for programs.
    Json(BTreeMap<Name, String>),
}

/// Watches until Ctrl-C; musterd goes on without us.
pub(crate) fn run(client: &Client, json: bool) -> Result<Exit, Failure> {
    client.answer_within(LOOK_MAX);
    let mut view = if json { View::json() } else { View::shown() };
    let (mut silence, mut last) = (Silence::begin(), None::<Status>);
    loop {
        let shown = match client.get::<Status>(people::STATUS) {
            Ok(status) => {
                let was_told = silence.heard();
                if was_told && !matches!(view.form, Form::Screen) {
                    tell("musterd answers again");
                }
                let shown = view.show(&status, None);
                last = Some(status);
                shown
            }
            Err(failure) => {
                let (notice, is_first) = silence.unheard(failure, last.as_ref().map(|status| status.now))?;
                match (&view.form, &last) {
                    (Form::Screen, Some(last)) => view.show(last, Some(&notice)),
                    // Beside the lines, which are for programs too.
                    (Form::Screen, None) | (Form::Lines(_) | Form::Json(_), _) => {
                        if is_first {
                            tell(&notice);
                        }
                        Ok(())
                    }
                }
            }
        };
        // A reader that is gone has seen enough.
        if shown.is_err() {
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

impl View {
    /// For a person, on standard output.
    fn shown() -> Self {
        let (to, form) = if letters::screen() {
            let mut to = io::stdout();
            // The first drawing meets the same end.
            drop(to.write_all(CLEAR.as_bytes()));
            (to, Form::Screen)
        } else {
            (io::stdout(), Form::Lines(BTreeMap::new()))
        };
        Self {
            to: Box::new(to),
            form,
        }
    }

    /// For a program: a JSON document on each line of standard output.
    fn json() -> Self {
        Self {
            to: Box::new(io::stdout()),
            form: Form::Json(BTreeMap::new()),
        }
    }

    /// With a `notice` above it where what is shown is old.
    fn show(&mut self, status: &Status, notice: Option<&str>) -> io::Result<()> {
        let out = &mut self.to;
        match &mut self.form {
            Form::Screen => {
                let notice = notice.map_or_else(String::new, |notice| format!("{notice}\n"));
                let text = notice + &status::render(status);
                write!(out, "{HOME}")?;
                for line in fitting(&letters::text(&text), letters::size()) {
                    writeln!(out, "{line}{CLEAR_LINE}")?;
                }
                write!(out, "{CLEAR_BELOW}")?;
            }
            Form::Lines(shown) => {
                for machine in &status.machines {
                    let line = status::line(machine);
                    if changed(shown, &machine.name, &line) {
                        writeln!(out, "{}", letters::text(&line))?;
                    }
                }
            }
            Form::Json(shown) => {
                for machine in &status.machines {
                    let line = status::line(machine);
                    if changed(shown, &machine.name, &line) {
                        let document = serde_json::json!({ "at": status.now, "machine": machine });
                        writeln!(out, "{}", letters::document(&document.to_string()))?;
                    }
                }
            }
        }
        out.flush()
    }
}

/// The lines that a screen holds, so that it does not scroll: what is drawn next begins at its first line.
fn fitting(text: &str, (columns, rows): (usize, usize)) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().take(columns).collect())
        .collect();
    // The cursor stands on a line of its own.
    let held = rows.saturating_sub(1).max(1);
    if lines.len() > held {
        let left_out = lines.len() - held + 1;
        lines.truncate(held - 1);
        lines.push(
            format!("... {left_out} more lines")
                .chars()
                .take(columns)
                .collect(),
        );
    }
    lines
}

fn changed(shown: &mut BTreeMap<Name, String>, name: &Name, line: &str) -> bool {
    if shown.get(name).is_some_and(|before| before == line) {
        return false;
    }
    shown.insert(name.clone(), line.to_owned());
    true
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_screen_holds_what_is_drawn() {
        let text = "header\n\nmachine-01\nmachine-02\n";
        assert_eq!(fitting(text, (80, 5)), ["header", "", "machine-01", "machine-02"]);
        assert_eq!(fitting(text, (7, 4)), ["header", "", "... 2 m"]);
        assert_eq!(fitting(text, (80, 1)), ["... 4 more lines"]);
    }
}
