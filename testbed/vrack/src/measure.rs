//! A deployment measured, step by step, beside a script that does the same writes (`measure/bare.sh`).
//!
//! Both in one rack and one after the other: machines that are equal, the same firmware, the same rack agent that
//! serves DHCP, TFTP and HTTP, the same ephemeral system and image. First muster deploys the machine that the example
//! fleet declares, then the script takes the in-machine agent's place in a machine that no file names. What is
//! compared is the CPU time of QEMU, since wall time on a shared host is mostly the others'.

mod bare;
mod between;
mod meter;
mod steps;
mod table;

use crate::accelerator::Accelerator;
use crate::error::{Result, chain};
use crate::images::{self, Built};
use crate::machine::MachineSpec;
use crate::once;
use crate::once::faults::Faults;
use crate::once::fleet::Fleet;
use crate::once::life::Life;
use crate::preflight;
use crate::programs::{self, Programs};
use crate::rack::Rack;
use between::Between;
use clap::Args;
use meter::Meter;
use std::path::PathBuf;
use steps::Deployment;

/// Where things are.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// The folder of muster's programs.
    #[arg(long, value_parser = once::absolute)]
    programs: PathBuf,
    /// The static in-machine program.
    #[arg(long, value_parser = once::absolute)]
    inmachine: PathBuf,
    /// Where built images are kept.
    #[arg(long)]
    images: PathBuf,
    /// The example fleet, with `toml/fleet.toml` in it.
    #[arg(long)]
    fleet: PathBuf,
    /// Racks, one after the other; medians are printed.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

/// One rack's worth.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) muster: Deployment,
    pub(crate) bare: Deployment,
    pub(crate) between: Between,
    /// How often muster's machine was started before the commit that deploys it, to be inspected.
    pub(crate) starts_before: u64,
    /// And after it.
    pub(crate) starts_after: u64,
}

/// Measures, and prints Markdown on standard output; what goes on is told beside it.
pub(crate) fn run(wish: &Wish) -> Result<()> {
    preflight::check()?;
    let built = images::build(&wish.programs, &wish.images)?;
    let accelerator = Accelerator::choose(built[0].file("kernel")?)?;
    let mut rounds = Vec::new();
    for number in 1..=wish.rounds {
        eprintln!("round {number} of {}", wish.rounds);
        rounds.push(round(wish, &built, accelerator)?);
        eprintln!("{}", table::text(&rounds[number - 1..], accelerator));
    }
    println!("{}", table::text(&rounds, accelerator));
    Ok(())
}

/// A rack of its own for both.
fn round(wish: &Wish, built: &[Built; 2], accelerator: Accelerator) -> Result<Round> {
    let specs = [once::machine(once::Kind::Plain), bare::machine()];
    let rack = Rack::open(&specs, accelerator, |_| Ok(()))?;
    let measured = both(wish, &rack, &specs, built, accelerator);
    if let Err(error) = &measured {
        eprintln!("FAILED: {}", chain(error));
        programs::print_tails(&rack, &specs);
        eprintln!("kept for reading: {}", rack.run.directory().display());
        rack.run.keep()?;
    }
    rack.close()?;
    measured
}

fn both(
    wish: &Wish,
    rack: &Rack,
    [spec, other]: &[MachineSpec; 2],
    built: &[Built; 2],
    accelerator: Accelerator,
) -> Result<Round> {
    let fleet = Fleet::create(rack, spec, &wish.fleet.join("toml/fleet.toml"), built)?;
    let fleet = fleet.with(bare::let_in)?;
    fleet.declare()?;
    let programs = Programs::start(
        rack,
        &wish.programs,
        &wish.inmachine,
        fleet.repository.path(),
        &[],
    )?;
    let life = Life {
        rack,
        programs: &programs,
        spec,
        fleet: &fleet,
        built,
        accelerator,
    };
    let faults = &mut Faults::default();
    life.begin(faults)?;
    life.until_off()?;
    let starts_before = life.starts()?;
    life.propose()?;
    let meter = Meter::start(rack, &spec.name)?;
    let merged_ms = meter::now_ms();
    life.fleet.merge()?;
    life.programs.apply()?;
    life.until("deployed", faults)?;
    let between = Between::read(&programs, merged_ms)?;
    let muster = steps::deployment(&meter.stop()?, &steps::MUSTER, between.up_ms)?;
    let starts_after = life.starts()? - starts_before;
    // Its CPU time is not the other's.
    life.by_hand("power 0")?;
    let bare = bare::deploy(&life, other, built)?;
    Ok(Round {
        muster,
        bare,
        between,
        starts_before,
        starts_after,
    })
}
