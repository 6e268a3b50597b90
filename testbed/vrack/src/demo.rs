//! What a newcomer is shown: a rack of two machines, from an empty repository to both deployed, one installed
//! anew on other disks, one released.
//!
//! A sequence of named steps through the real programs. Each step ends only when what it promises was seen; the
//! plan is printed before each commit is merged, as the person would see it. Nothing here drives a machine:
//! muster does, and people commit.

mod fleet;
mod goodbye;
mod look;
mod show;
mod steps;
mod watch;

use crate::accelerator::Accelerator;
use crate::error::{Result, chain};
use crate::images::{self, Built};
use crate::machine::{BmcKind, BmcSpec, DiskSpec, Firmware, MachineSpec, NetworkBoot, NicSpec};
use crate::preflight;
use crate::programs::{self, Programs};
use crate::rack::{Rack, Site};
use crate::tie;
use clap::Args;
use fleet::Fleet;
use show::Show;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use steps::STEPS;

/// The machine that the repository declares from the start, as `examples/one-rack` names it.
const KNOWN: &str = "ams1-r07-u12";
/// The machine that is found.
const FOUND: &str = "ams1-r07-u13";
/// What starts them.
const FIRMWARE: [Firmware; 2] = [Firmware::Bios, Firmware::Uefi(NetworkBoot::Pxe)];

/// As `examples/one-rack` has it.
static SITE: Site = Site {
    agent: "rackd-ams1-a",
    link: "ams1/pxe",
    address: (Ipv4Addr::new(10, 20, 0, 1), 22),
    address6: (Ipv6Addr::new(0x2001, 0xdb8, 0x20, 0, 0, 0, 0, 1), 64),
};

/// Where things are.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// The folder of muster's programs.
    #[arg(long, value_parser = crate::once::absolute)]
    programs: PathBuf,
    /// The static in-machine program.
    #[arg(long, value_parser = crate::once::absolute)]
    inmachine: PathBuf,
    /// Where built images are kept.
    #[arg(long)]
    images: PathBuf,
    /// The example fleet, with `toml/` in it.
    #[arg(long)]
    fleet: PathBuf,
    /// Leaves everything running at the end, and says how to look at it.
    #[arg(long)]
    keep: bool,
    /// Prints JSON documents, one on each line.
    #[arg(long)]
    json: bool,
    /// Ends when standard input does.
    #[arg(long, hide = true, conflicts_with = "keep")]
    tied: bool,
}

/// What the steps work with.
struct Demo<'a> {
    show: &'a Show,
    rack: &'a Rack,
    programs: &'a Programs,
    fleet: &'a Fleet,
    specs: &'a [MachineSpec; 2],
    built: &'a [Built; 2],
    accelerator: Accelerator,
}

impl Demo<'_> {
    fn found(&self) -> &MachineSpec {
        &self.specs[1]
    }
}

/// The two machines; names, serial numbers and MACs are the example's.
fn specs() -> [MachineSpec; 2] {
    let machine = |number: u8, name: &str, serial: &str, firmware, sizes: &[u64]| MachineSpec {
        name: name.to_owned(),
        uuid: format!("11111111-2222-3333-4444-5555555555{number}"),
        serial: serial.to_owned(),
        firmware,
        memory_mib: 1024,
        disks: (0..)
            .zip(sizes)
            .map(|(at, size)| DiskSpec {
                serial: format!("u{number}-disk-{at}"),
                bytes: size << 30,
            })
            .collect(),
        nics: vec![NicSpec {
            mac: format!("b8:59:9f:00:{number:02x}:01"),
            tap: format!("tap{number}"),
        }],
        bmc: BmcSpec {
            address: Ipv4Addr::new(10, 29, 7, number),
            // Reachable from inside too: how its address came into the lines of the found machine.
            kind: BmcKind::Simulator,
            kcs_port: 9220 + u16::from(number),
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    };
    let [known, found] = FIRMWARE;
    [
        machine(12, KNOWN, "CZ2311007K", known, &[6]),
        machine(13, FOUND, "CZ2311007L", found, &[6, 7]),
    ]
}

/// Shows it.
pub(crate) fn run(wish: &Wish) -> Result<()> {
    if wish.tied {
        tie::to_input();
    }
    // Images and rack come before the steps that need them.
    let show = Show::new(wish.json, STEPS.len() + 2);
    preflight::check()?;
    preflight::check_uefi(NetworkBoot::Pxe)?;
    let built = show.step(
        "images",
        "The system that jobs run in, and a Debian 12 to deploy",
        || images::build_by(&wish.programs, &wish.images, |command| show.relay(command)),
    )?;
    let accelerator = Accelerator::choose(built[0].file("kernel")?)?;
    let specs = specs();
    let rack = Rack::open_at(&SITE, &specs, accelerator, |_| Ok(()))?;
    show.bill(&rack.run);
    let lived = live(wish, &show, &rack, &specs, &built, accelerator);
    show.end();
    match &lived {
        Ok(_) => show.say(&goodbye::done(&show)),
        Err(error) => {
            show.say(&format!("FAILED: {}", chain(error)));
            if !wish.json {
                programs::print_tails(&rack, &specs);
            }
            show.say(&format!("kept for reading: {}", rack.run.directory().display()));
            rack.run.keep()?;
        }
    }
    if wish.keep {
        let address = lived.as_deref().unwrap_or("ADDRESS");
        let ends = goodbye::Ends::watch()?;
        show.say(&goodbye::kept(&rack, &wish.programs, address));
        let end = ends.wait(std::io::stdin());
        show.say(&format!("{end}: ending it"));
        let run = rack.run.clone();
        rack.close()?;
        show.say(&goodbye::ended(&end, &run));
    } else {
        rack.close()?;
    }
    lived.map(drop)
}

/// Takes all steps. Returns the address at which the machine that stays deployed answers.
fn live(
    wish: &Wish,
    show: &Show,
    rack: &Rack,
    specs: &[MachineSpec; 2],
    built: &[Built; 2],
    accelerator: Accelerator,
) -> Result<String> {
    let [known, found] = specs;
    let (fleet, programs) = show.step(
        "start",
        "A fleet's repository, Postgres, musterd, muster-rackd, two machines that are off",
        || {
            show.doing(&format!("machines are run by {}", accelerator.argument()));
            let fleet = Fleet::create(rack, &wish.fleet, [known, found], built)?;
            let programs = Programs::start(
                rack,
                &wish.programs,
                &wish.inmachine,
                fleet.repository.path(),
                &[],
            )?;
            Ok((fleet, programs))
        },
    )?;
    let demo = Demo {
        show,
        rack,
        programs: &programs,
        fleet: &fleet,
        specs,
        built,
        accelerator,
    };
    STEPS
        .iter()
        .try_for_each(|step| show.step(step.name, step.title, || (step.act)(&demo)))?;
    programs.address(FOUND)
}
