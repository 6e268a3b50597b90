//! Trials: one promise each, on racks of scripted machines, with real musterd, muster-rackd, Postgres and BMCs.
//!
//! A trial needs no image and no QEMU: it takes seconds of processor time. It makes a fleet of its own, lets
//! things go wrong, and looks at what `muster` says and at what is on the disks.

mod adopt;
mod bed;
pub(crate) mod change;
mod conditions;
mod contents;
mod count;
mod daemon_stopped;
mod fleet;
mod power;
mod quarantined;
mod release;
mod renewal;
mod restored;
mod traces;
mod vanished;
mod watch;

use crate::error::{Result, RigError, chain};
use crate::preflight;
use bed::{Bed, Needs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Instant;

/// Which, and with what.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// The trial.
    #[arg(value_enum)]
    name: Name,
    /// The folder of muster's programs.
    #[arg(long, value_parser = crate::once::absolute)]
    programs: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// Each fault ends in its condition, which says what, since when, and what to do.
    Conditions,
    /// Machines boot while musterd is stopped, and nobody but themselves speaks for them.
    DaemonStopped,
    /// Contents that no plan named are not written over without a person's consent.
    Contents,
    /// A machine that runs what muster did not install is adopted, and nothing is done to it.
    Adopt,
    /// Power by hand stands, drift is shown, and fought where git says so; nothing under way is cut.
    Power,
    /// Machines are counted, more of them and fewer, and renamed, and whoever runs is left alone.
    Count,
    /// A pull request does what its plan says and nothing else, and a revert is told honestly.
    Change,
    /// Released machines are erased, on record, and retired ones are left alone.
    Release,
    /// After an older database was put back nothing is ordered before `muster recover`.
    Restored,
    /// An agent renews its certificate by itself, by age and for a new authority, and stays heard.
    Renewal,
}

impl Name {
    /// Its machines, in the order of their addresses.
    fn machines(self) -> &'static [&'static str] {
        match self {
            Self::Conditions => conditions::MACHINES,
            Self::DaemonStopped => daemon_stopped::MACHINES,
            Self::Contents => contents::MACHINES,
            Self::Adopt => adopt::MACHINES,
            Self::Power => power::MACHINES,
            Self::Count => count::MACHINES,
            Self::Change => change::MACHINES,
            Self::Release => release::MACHINES,
            Self::Restored => restored::MACHINES,
            Self::Renewal => renewal::MACHINES,
        }
    }

    /// Those of them whose BMC is not `ipmi_sim`.
    fn doubles(self) -> &'static [&'static str] {
        match self {
            Self::Power => power::DOUBLES,
            Self::Conditions
            | Self::DaemonStopped
            | Self::Contents
            | Self::Adopt
            | Self::Restored
            | Self::Count
            | Self::Change
            | Self::Release
            | Self::Renewal => &[],
        }
    }

    /// What musterd is told beside the usual.
    fn daemon(self) -> &'static [&'static str] {
        match self {
            Self::Renewal => renewal::DAEMON,
            Self::Conditions
            | Self::DaemonStopped
            | Self::Contents
            | Self::Adopt
            | Self::Power
            | Self::Count
            | Self::Change
            | Self::Release
            | Self::Restored => &[],
        }
    }
}

/// Carries it out.
pub(crate) fn run(wish: &Wish) -> Result<()> {
    preflight::for_scripted_machines()?;
    require_programs(wish)?;
    let began = Instant::now();
    let bed = Bed::open(
        &Needs {
            machines: wish.name.machines(),
            doubles: wish.name.doubles(),
            daemon: wish.name.daemon(),
        },
        &wish.programs,
    )?;
    let tried = match wish.name {
        Name::Conditions => conditions::run(&bed),
        Name::DaemonStopped => daemon_stopped::run(&bed),
        Name::Contents => contents::run(&bed),
        Name::Adopt => adopt::run(&bed),
        Name::Power => power::run(&bed),
        Name::Count => count::run(&bed),
        Name::Change => change::run(&bed),
        Name::Release => release::run(&bed),
        Name::Restored => restored::run(&bed),
        Name::Renewal => renewal::run(&bed),
    };
    if let Err(error) = &tried {
        println!("FAILED: {}", chain(error));
        bed.keep()?;
    }
    bed.close()?;
    if tried.is_ok() {
        println!("held, in {:.0} s", began.elapsed().as_secs_f64());
    }
    tried
}

fn require_programs(wish: &Wish) -> Result<()> {
    for name in ["musterd", "muster-rackd", "muster"] {
        let path = wish.programs.join(name);
        if !path.exists() {
            return Err(RigError::Unmet {
                lacks: format!("{} is missing", path.display()),
                fix: "run cargo build --workspace".to_owned(),
            });
        }
    }
    Ok(())
}
