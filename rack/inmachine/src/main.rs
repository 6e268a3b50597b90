//! `muster-inmachine`: the agent as PID 1; by hand or by a unit, one of its two other words.

use rack_inmachine::{agent, phone_home, sysfs::Sysfs};
use std::process::ExitCode;

const USAGE: &str = "muster-inmachine runs as PID 1 of the ephemeral system.\n\
    Otherwise: muster-inmachine phone-home   tell the rack that this system runs\n\
    \x20          muster-inmachine inventory    print what this machine is made of\n";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        agent::run();
    }
    match std::env::args().nth(1).as_deref() {
        Some("phone-home") => phone_home::run(),
        Some("inventory") => {
            let inventory = agent::inspect(&Sysfs::live());
            let text = serde_json::to_string_pretty(&inventory).expect("an inventory has only text keys");
            println!("{text}");
            ExitCode::SUCCESS
        }
        Some(_) | None => {
            eprint!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}
