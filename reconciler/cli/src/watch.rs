//! Watches the fleet: a live table on a terminal, a line for each change elsewhere, JSON lines for programs.

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::status;
use reconciler_core::people::{self, Status};
use schema_ids::Name;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// How often it looks: progress of a step comes every two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that may fail before it gives up: musterd may be restarting.
const FAILED_LOOKS_MAX: u32 = 120;
/// Cursor home; to the end of the line, of the screen.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const CLEAR: &str = "\x1b[2J";

/// How what is seen is shown.
enum View {
    /// One screen, drawn anew.
    Screen,
    /// What changed, by machine.
    Lines(BTreeMap<Name, String>),
    /// The same for programs.
    Json(BTreeMap<Name, String>),
}

/// Watches until `end` says that it is over. Ctrl-C ends it as well; musterd goes on without us.
pub(crate) fn until(
    client: &Client,
    json: bool,
    end: impl Fn(&Status) -> Option<Exit>,
) -> Result<Exit, Failure> {
    let mut view = match (json, io::stdout().is_terminal()) {
        (true, _) => View::Json(BTreeMap::new()),
        (false, true) => View::Screen,
        (false, false) => View::Lines(BTreeMap::new()),
    };
    if matches!(view, View::Screen) {
        print!("{CLEAR}");
    }
    let mut failed = 0;
    loop {
        match client.get::<Status>(people::STATUS) {
            Ok(status) => {
                failed = 0;
                // A reader that is gone has seen enough.
                if view.show(&status).is_err() {
                    return Ok(Exit::Done);
                }
                if let Some(exit) = end(&status) {
                    return Ok(exit);
                }
            }
            Err(failure) => {
                failed += 1;
                if failed == FAILED_LOOKS_MAX {
                    return Err(failure);
                }
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

impl View {
    fn show(&mut self, status: &Status) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Screen => {
                write!(out, "{HOME}")?;
                for line in status::render(status).lines() {
                    writeln!(out, "{line}{CLEAR_LINE}")?;
                }
                write!(out, "{CLEAR_BELOW}")?;
            }
            Self::Lines(shown) => {
                for machine in &status.machines {
                    let line = status::line(machine);
                    if changed(shown, &machine.name, &line) {
                        writeln!(out, "{line}")?;
                    }
                }
            }
            Self::Json(shown) => {
                for machine in &status.machines {
                    let line = status::line(machine);
                    if changed(shown, &machine.name, &line) {
                        let document = serde_json::json!({ "at": status.now, "machine": machine });
                        writeln!(out, "{document}")?;
                    }
                }
            }
        }
        out.flush()
    }
}

fn changed(shown: &mut BTreeMap<Name, String>, name: &Name, line: &str) -> bool {
    if shown.get(name).is_some_and(|before| before == line) {
        return false;
    }
    shown.insert(name.clone(), line.to_owned());
    true
}
