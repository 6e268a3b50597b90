//! `cargo xtask demo`: from a fresh clone to a rack of two machines that a repository describes.
//!
//! Says which packages it will install and asks, unless it is root or was told `--yes`; builds; then the demo of
//! `muster-vrack` takes over. Something is said every ten seconds at the latest, by cargo on a terminal and by us
//! elsewhere. With `--json` standard output has JSON documents only, one on each line.

use crate::bill::{self, Bill};
use crate::cargo::{self, cargo};
use crate::{packages, rig, sudo};
use serde_json::{Value, json};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody should wonder whether it still runs.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What was asked for.
struct Wish {
    yes: bool,
    json: bool,
    /// For `muster-vrack demo`.
    flags: Vec<&'static str>,
}

/// Shows it.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let wish = parse(words)?;
    let began = Instant::now();
    wish.say("muster: a rack of two virtual machines, from an empty repository to both deployed");
    wish.install()?;
    wish.step(
        "build",
        "muster's programs",
        cargo(&["build", "--workspace", "--bins"]),
    )?;
    wish.step(
        "in-machine",
        "the program that runs in machines",
        cargo::inmachine(),
    )?;
    let mut demo = rig::demo(&wish.flags)?;
    // Its output is ours, and so is the input for who presses Enter at its end.
    let ran = bill::run_with_input(&mut demo)?;
    let bill = Bill {
        wall: began.elapsed(),
        ..ran.bill
    };
    if wish.json {
        let (seconds, cpu) = (bill.wall.as_secs_f64(), bill.cpu_seconds);
        wish.document(
            &json!({ "event": "end", "passed": ran.succeeded, "seconds": seconds, "demo_cpu_seconds": cpu }),
        );
    } else {
        let (seconds, cpu) = (bill.wall.as_secs(), bill.cpu_seconds);
        println!("\n{seconds} s with building, {cpu:.0} CPU-seconds of the rack's own");
    }
    match ran.succeeded {
        true => Ok(()),
        false => Err("the demo has not shown all of it".to_owned()),
    }
}

fn parse(words: &[&str]) -> Result<Wish, String> {
    let mut wish = Wish {
        yes: false,
        json: false,
        flags: Vec::new(),
    };
    for word in words {
        match *word {
            "--yes" => wish.yes = true,
            "--json" => {
                wish.json = true;
                wish.flags.push("--json");
            }
            "--keep" => wish.flags.push("--keep"),
            other => {
                return Err(format!(
                    "cargo xtask demo [--yes] [--keep] [--json]: what is {other:?}?"
                ));
            }
        }
    }
    Ok(wish)
}

impl Wish {
    /// Names the packages that are missing, asks, and installs them.
    fn install(&self) -> Result<(), String> {
        let missing = packages::missing_with_reasons()?;
        if missing.is_empty() {
            self.say("packages: all are installed");
            return Ok(());
        }
        self.say(&format!(
            "It will install {} packages of Debian's:",
            missing.len()
        ));
        for (name, reason) in &missing {
            self.say(&format!("  {name:<18} {reason}"));
        }
        if !self.yes && !sudo::is_root() && !agreed()? {
            return Err("nothing was installed".to_owned());
        }
        self.step("packages", "Debian's packages", own("packages")?)
    }

    /// Runs one program to its end, saying that it runs and what it cost.
    fn step(&self, name: &str, title: &str, mut command: Command) -> Result<(), String> {
        if self.json {
            self.document(&json!({ "event": "begin", "step": name, "title": title }));
            command.stdout(Stdio::from(io::stderr()));
        } else {
            println!("{title}");
        }
        let ran = self.with_signs_of_life(name, || bill::run(&mut command))?;
        let Bill { wall, cpu_seconds } = ran.bill;
        let seconds = wall.as_secs_f64();
        if self.json {
            self.document(&json!({
                "event": "step", "step": name, "title": title, "passed": ran.succeeded,
                "seconds": seconds, "cpu_seconds": cpu_seconds,
            }));
        } else {
            println!("{title}: {seconds:.1} s, {cpu_seconds:.1} CPU-seconds");
        }
        match ran.succeeded {
            true => Ok(()),
            false => Err(format!("{title}: {command:?} failed")),
        }
    }

    /// Cargo and apt draw on a terminal; elsewhere they may be silent for minutes.
    fn with_signs_of_life<T>(&self, name: &str, act: impl FnOnce() -> T) -> T {
        if io::stderr().is_terminal() && !self.json {
            return act();
        }
        let began = Instant::now();
        thread::scope(|scope| {
            let (stop, stopped) = mpsc::channel::<()>();
            scope.spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(SILENCE_MAX) {
                    let seconds = began.elapsed().as_secs();
                    if self.json {
                        self.document(&json!({ "event": "alive", "step": name, "seconds": seconds }));
                    } else {
                        println!("{seconds:6} s  still: {name}");
                    }
                }
            });
            let done = act();
            drop(stop);
            done
        })
    }

    fn say(&self, text: &str) {
        if self.json {
            self.document(&json!({ "event": "said", "text": text }));
        } else {
            println!("{text}");
        }
    }

    fn document(&self, document: &Value) {
        println!("{document}");
    }
}

/// Asks the person.
fn agreed() -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err("nobody is there to agree to that: say `cargo xtask demo --yes`".to_owned());
    }
    print!("Install them with sudo? [y/N] ");
    let mut answer = String::new();
    io::stdout()
        .flush()
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| format!("cannot ask: {error}"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// This program with another verb, so that what it prints can go elsewhere.
fn own(verb: &str) -> Result<Command, String> {
    let path = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
    let mut command = Command::new(path);
    command.arg(verb);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_what_concerns_the_rack_is_handed_on() {
        let wish = parse(&["--yes", "--keep", "--json"]).expect("all are known");
        assert!(wish.yes && wish.json);
        assert_eq!(wish.flags, ["--keep", "--json"]);
        let refused = parse(&["--kepp"]).err().expect("unknown");
        assert!(refused.contains("\"--kepp\""), "{refused}");
    }
}
