//! muster-bmc: a BMC for tests on a UDP socket, in front of a program that is the machine.
//!
//! The program is called as `ipmi_sim` calls its `chassis_control`, so that either can stand before a machine.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use testbed_bmc::{Chassis, Double, InMemory, Manners, Program};

/// A BMC for tests: IPMI 2.0 over the LAN with cipher suites 3 and 17, and faults on request.
#[derive(Debug, Parser)]
#[command(name = "muster-bmc", version)]
struct Flags {
    /// Where to listen, such as 127.0.0.1:6230.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The account.
    #[arg(long, default_value = "admin")]
    user: String,
    /// Its password.
    #[arg(long, default_value = "secret")]
    password: String,
    /// A cipher suite that it takes, 3 or 17; repeatable, by default both.
    #[arg(long = "suite", value_name = "NUMBER")]
    suites: Vec<u8>,
    /// The program that is the machine, called with `get power` and `set power 1`; without one the machine is a value.
    #[arg(long, value_name = "COMMAND")]
    chassis: Option<String>,
    /// So many chassis commands are answered "busy" first.
    #[arg(long, default_value_t = 0)]
    busy: usize,
    /// So many answers to chassis commands are lost.
    #[arg(long, default_value_t = 0)]
    loses: usize,
    /// Answers to chassis commands come so late.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    late: u64,
    /// Sessions at a time.
    #[arg(long, default_value_t = 4)]
    sessions: usize,
    /// Power commands are accepted and change nothing.
    #[arg(long)]
    stuck: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let mut manners = Manners {
        user: flags.user,
        password: flags.password,
        busy: flags.busy,
        loses: flags.loses,
        late: Duration::from_millis(flags.late),
        sessions_max: flags.sessions,
        stuck: flags.stuck,
        ..Manners::default()
    };
    if !flags.suites.is_empty() {
        manners.listed = Some(testbed_bmc::records(&flags.suites));
        manners.suites = flags.suites;
    }
    let chassis: Box<dyn Chassis> = match flags.chassis.as_deref().and_then(Program::new) {
        Some(program) => Box::new(program),
        None => Box::new(InMemory::default()),
    };
    match Double::start_at(flags.listen, manners, chassis) {
        // Runs until it is killed.
        Ok(_double) => loop {
            std::thread::park();
        },
        Err(error) => {
            eprintln!("muster-bmc: cannot listen on {}: {error}", flags.listen);
            ExitCode::FAILURE
        }
    }
}
