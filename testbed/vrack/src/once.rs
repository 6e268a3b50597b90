//! One machine's life: from a commit to a running system, through the real programs.
//!
//! A fleet is committed; `musterd` and `muster-rackd` do the rest on their own; this module only watches,
//! and at the end looks for itself: at the disk, at the console, and by ssh.

mod faults;
mod fleet;
mod programs;
mod proof;
mod watch;

use crate::accelerator::Accelerator;
use crate::error::{Result, chain};
use crate::images;
use crate::machine::{BmcSpec, DiskSpec, Firmware, MachineSpec, NicSpec};
use crate::preflight;
use crate::rack::Rack;
use clap::Args;
use fleet::Repository;
use programs::Programs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Where things are.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// The folder of muster's programs.
    #[arg(long, value_parser = absolute)]
    programs: PathBuf,
    /// The static in-machine program.
    #[arg(long, value_parser = absolute)]
    inmachine: PathBuf,
    /// Where built images are kept.
    #[arg(long)]
    images: PathBuf,
    /// The example fleet, with `toml/fleet.toml` in it.
    #[arg(long)]
    fleet: PathBuf,
    /// Leaves everything running afterwards until Enter or Ctrl-C, and says how to look at it.
    #[arg(long)]
    keep: bool,
    /// Kills musterd, muster-rackd, Postgres and the machine's power on the way: the end must be the same.
    #[arg(long)]
    faults: bool,
}

/// Programs are started from the run's own directory.
fn absolute(path: &str) -> std::io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The machine that the example fleet declares.
fn machine() -> MachineSpec {
    MachineSpec {
        name: "node-01".to_owned(),
        uuid: "11111111-2222-3333-4444-555555555501".to_owned(),
        serial: "LAB-0001".to_owned(),
        firmware: Firmware::Bios,
        memory_mib: 1024,
        disks: vec![DiskSpec {
            serial: "muster-disk-0".to_owned(),
            bytes: 6 << 30,
        }],
        nics: vec![NicSpec {
            mac: "52:54:00:77:00:01".to_owned(),
            tap: "tap0".to_owned(),
        }],
        bmc: BmcSpec {
            address: Ipv4Addr::new(10, 77, 0, 11),
            kcs_port: 9231,
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    }
}

/// Lives it.
pub(crate) fn run(wish: &Wish) -> Result<()> {
    preflight::check()?;
    let built = images::build(&wish.programs, &wish.images)?;
    let accelerator = Accelerator::choose(built[0].file("kernel")?)?;
    println!("machines run by {}", accelerator.argument());
    let spec = machine();
    let rack = Rack::open(std::slice::from_ref(&spec), accelerator, |_| Ok(()))?;
    println!("run: {}", rack.run.directory().display());
    let lived = live(wish, &rack, &spec, &built, accelerator);
    if let Err(error) = &lived {
        println!("FAILED: {}", chain(error));
        programs::print_tails(&rack, &spec);
        println!("kept for reading: {}", rack.run.directory().display());
        rack.run.keep()?;
    }
    if wish.keep {
        programs::print_commands(&rack, &wish.programs);
        let mut line = String::new();
        // Nobody there to press Enter means that nobody wants to look.
        drop(std::io::stdin().read_line(&mut line));
    }
    rack.close()?;
    lived
}

fn live(
    wish: &Wish,
    rack: &Rack,
    spec: &MachineSpec,
    built: &[images::Built; 2],
    accelerator: Accelerator,
) -> Result<()> {
    let repository = Repository::create(rack, spec, &wish.fleet.join("toml/fleet.toml"), built)?;
    let programs = Programs::start(rack, &wish.programs, &wish.inmachine, &repository)?;
    programs.add_images(built)?;
    let mut faults = if wish.faults { faults::all() } else { Vec::new() };
    let watched = watch::Watched {
        rack,
        programs: &programs,
        spec,
        accelerator,
    };
    watch::until(&watched, "ready", &mut faults)?;
    // The pull request: what it would do is shown before it is merged.
    repository.propose("Put Debian 12 on node-01")?;
    let shown = programs.muster(&["plan", "--head", fleet::PROPOSAL])?;
    println!("{shown}");
    proof::names_the_disk(&shown)?;
    repository.merge()?;
    programs.apply()?;
    watch::until(&watched, "deployed", &mut faults)?;
    faults::all_happened(&faults)?;
    proof::disk(rack, spec)?;
    proof::console(rack, spec)?;
    proof::ssh(rack, &repository, &programs.address(&spec.name)?)?;
    println!("{}", programs.muster(&["why", &spec.name])?);
    let again = programs.muster(&["plan"])?;
    proof::nothing_left(&again)
}
