//! A deployed machine boots its own disk, whatever of muster is missing.

use crate::child;
use crate::copy;
use crate::error::{Result, RigError};
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::program;
use crate::rack;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// From power to a login prompt on real hardware: firmware, a network boot that leads nowhere, Debian.
const LOGIN_MAX: Duration = Duration::from_secs(120);
/// nft answers at once; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(10);
/// Refuses connections to the agent's HTTP server, as if it had died alone: DHCP and TFTP answer on.
const WITHOUT_HTTP: [&str; 3] = [
    "add table inet trial",
    "add chain inet trial input { type filter hook input priority 0 ; }",
    "add rule inet trial input tcp dport 8080 reject with tcp reset",
];
const WITH_HTTP: [&str; 1] = ["delete table inet trial"];

/// Reboots the machine three times. `stale` is a copy of the agent's state from when the installation was
/// ordered and not done.
pub(crate) fn survive(life: &Life<'_>, stale: &Path) -> Result<()> {
    let (rack, programs) = (life.rack, life.programs);

    programs.agent.kill()?;
    reboot(life, "muster-rackd dead")?;
    programs.agent.start_again(rack, None)?;

    filter(life, &WITHOUT_HTTP)?;
    reboot(life, "HTTP alone dead")?;
    filter(life, &WITH_HTTP)?;

    programs.daemon.kill()?;
    programs.agent.kill()?;
    copy::any(stale, &rack.run.path("rackd"))?;
    programs.agent.start_again(rack, None)?;
    reboot(
        life,
        "the agent's state older than the installation, musterd dead",
    )?;
    programs.start_daemon(rack)?;

    life.until("deployed", &mut Faults::default())?;
    life.prove_nothing_left()
}

/// Pulls reset and waits for one more login prompt of the installed system.
pub(crate) fn reboot(life: &Life<'_>, with: &str) -> Result<()> {
    boot(life, "reset 1", with)
}

/// Starts the machine by this order and waits for one more login prompt of the installed system.
pub(crate) fn boot(life: &Life<'_>, order: &str, with: &str) -> Result<()> {
    start_until(life, order, with, &format!("{} login:", life.spec.name))
}

/// Starts the machine by this order and waits until its console says this once more.
pub(crate) fn start_until(life: &Life<'_>, order: &str, with: &str, sign: &str) -> Result<()> {
    let console = || rack::console(&life.rack.machine(&life.spec.name));
    let before = console().matches(sign).count();
    let began = Instant::now();
    let limit = LOGIN_MAX * life.accelerator.timeout_scale();
    life.by_hand(order)?;
    while console().matches(sign).count() == before {
        if began.elapsed() > limit {
            return Err(RigError::TooLong {
                awaited: format!("its own disk with {with}"),
                total: limit,
                last: console().lines().last().unwrap_or_default().to_owned(),
            });
        }
        thread::sleep(Duration::from_millis(500));
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds:7.1} s  with {with}: booted its own disk");
    Ok(())
}

fn filter(life: &Life<'_>, rules: &[&str]) -> Result<()> {
    for rule in rules {
        let mut command = child::enter_command(&life.rack.run)?;
        program::run(command.arg("/usr/sbin/nft").arg(rule), SHORT)?;
    }
    Ok(())
}
