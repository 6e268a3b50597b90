//! One machine's life: from a commit to a running system, through the real programs.
//!
//! A fleet is committed; `musterd` and `muster-rackd` do the rest on their own; this module only watches,
//! and at the end looks for itself: at the disk, at the console, and by ssh.

mod change;
mod copies;
mod disks;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod inside;
mod kernel_upgrade;
pub(crate) mod life;
mod mirror;
mod network;
mod patience;
pub(crate) mod proof;
mod reboots;
mod release;
mod two_agents;
mod uefi;
mod used_disks;
mod watch;

use crate::accelerator::Accelerator;
use crate::error::{Result, chain};
use crate::images;
use crate::machine::{BmcKind, BmcSpec, DiskSpec, Firmware, MachineSpec, NetworkBoot, NicSpec};
use crate::preflight;
use crate::programs::{self, Programs};
use crate::rack::Rack;
use crate::tie;
use clap::{Args, ValueEnum};
use copies::Point;
use faults::Faults;
use fleet::Fleet;
use life::Life;
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
    /// What happens on the way.
    #[arg(long, value_enum, default_value_t = Kind::Plain)]
    life: Kind,
    /// Goes on from the copy that the last life of its kind took at this moment.
    #[arg(long, value_enum, conflicts_with = "life")]
    from: Option<Point>,
    /// Ends when standard input does.
    #[arg(long, hide = true, conflicts_with = "keep")]
    tied: bool,
}

/// What happens to the machine on its way. The end is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// Programs, the database and the machine's power are killed; then it is rebooted without them.
    Faults,
    /// Its disks are exchanged and blanked behind muster's back.
    Disks,
    /// Two disks mirrored, with volumes on them.
    Mirror,
    /// A UEFI machine by PXE; then it is rebooted with the rack and without.
    Uefi,
    /// The same by HTTP boot.
    UefiHttp,
    /// A UEFI machine with Secure Boot, as far as the in-machine agent: shim, signed GRUB, signed kernel.
    SecureBoot,
    /// A UEFI machine with two mirrored disks; then it boots from the second alone.
    UefiMirror,
    /// Two ports, with a bond, tagged VLANs and a bridge on them.
    Network,
    /// Other layouts over disks that are in use, beside one that is somebody's.
    UsedDisks,
    /// The mirror, with the distribution's next kernel.
    KernelUpgrade,
    /// Its deployment is removed and what it wrote is erased, with a power cut in the middle, beside a disk that is
    /// somebody's.
    Release,
    /// Two rack agents on its link; the one that answers a boot, and has the BMC, is killed in the middle of it.
    TwoAgents,
    /// Four machines under a pull request: one gets another image, one is released, one renamed, one loses its file.
    Change,
}

/// Programs are started from the run's own directory.
pub(crate) fn absolute(path: &str) -> std::io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The machine that the example fleet declares, with as many disks as the life needs.
pub(crate) fn machine(kind: Kind) -> MachineSpec {
    let os = DiskSpec {
        serial: "muster-disk-0".to_owned(),
        bytes: 6 << 30,
    };
    let disks = match kind {
        Kind::Plain
        | Kind::Faults
        | Kind::Network
        | Kind::Uefi
        | Kind::UefiHttp
        | Kind::SecureBoot
        | Kind::TwoAgents
        | Kind::Change => vec![os],
        Kind::Disks => vec![os, disks::data()],
        Kind::Mirror | Kind::KernelUpgrade | Kind::UefiMirror => vec![os.clone(), mirror::other(&os)],
        Kind::UsedDisks | Kind::Release => {
            let [second, third] = used_disks::others(&os);
            vec![os, second, third]
        }
    };
    let firmware = match kind {
        Kind::Uefi | Kind::UefiMirror => Firmware::Uefi(NetworkBoot::Pxe),
        Kind::UefiHttp => Firmware::Uefi(NetworkBoot::Http),
        Kind::SecureBoot => Firmware::Uefi(NetworkBoot::SecurePxe),
        Kind::Plain
        | Kind::Faults
        | Kind::Disks
        | Kind::Mirror
        | Kind::Network
        | Kind::UsedDisks
        | Kind::KernelUpgrade
        | Kind::Release
        | Kind::TwoAgents
        | Kind::Change => Firmware::Bios,
    };
    let mut nics = vec![NicSpec {
        mac: "52:54:00:77:00:01".to_owned(),
        tap: "tap0".to_owned(),
    }];
    if kind == Kind::Network {
        nics.push(network::other());
    }
    MachineSpec {
        name: "node-01".to_owned(),
        uuid: "11111111-2222-3333-4444-555555555501".to_owned(),
        serial: "LAB-0001".to_owned(),
        firmware,
        memory_mib: 1024,
        disks,
        nics,
        bmc: BmcSpec {
            kind: BmcKind::Simulator,
            address: Ipv4Addr::new(10, 77, 0, 11),
            kcs_port: 9231,
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    }
}

/// All machines of a life.
fn machines(kind: Kind) -> Vec<MachineSpec> {
    let one = machine(kind);
    match kind {
        Kind::Change => change::fleet::machines(&one),
        Kind::Plain
        | Kind::Faults
        | Kind::Disks
        | Kind::Mirror
        | Kind::Network
        | Kind::UsedDisks
        | Kind::Uefi
        | Kind::UefiHttp
        | Kind::SecureBoot
        | Kind::UefiMirror
        | Kind::KernelUpgrade
        | Kind::Release
        | Kind::TwoAgents => vec![one],
    }
}

/// Lives it.
pub(crate) fn run(wish: &Wish) -> Result<()> {
    if wish.tied {
        tie::to_input();
    }
    preflight::check()?;
    let kind = wish.from.map_or(wish.life, Point::kind);
    let specs = machines(kind);
    if let Firmware::Uefi(network) = specs[0].firmware {
        preflight::check_uefi(network)?;
    }
    let built = images::build(&wish.programs, &wish.images)?;
    let accelerator = Accelerator::choose(built[0].file("kernel")?)?;
    println!("machines run by {}", accelerator.argument());
    let rack = Rack::open(&specs, accelerator, |run| match wish.from {
        Some(point) => copies::put(run, point, &built),
        None => Ok(()),
    })?;
    println!("run: {}", rack.run.directory().display());
    let lived = live(wish, kind, &rack, &specs, &built, accelerator);
    if let Err(error) = &lived {
        println!("FAILED: {}", chain(error));
        programs::print_tails(&rack, &specs);
        println!("kept for reading: {}", rack.run.directory().display());
        rack.run.keep()?;
    }
    if wish.keep {
        programs::print_commands(&rack, &specs[0], &wish.programs);
        let mut line = String::new();
        // Nobody there to press Enter means that nobody wants to look.
        drop(std::io::stdin().read_line(&mut line));
    }
    rack.close()?;
    lived
}

fn live(
    wish: &Wish,
    kind: Kind,
    rack: &Rack,
    specs: &[MachineSpec],
    built: &[images::Built; 2],
    accelerator: Accelerator,
) -> Result<()> {
    let spec = &specs[0];
    let example = wish.fleet.join("toml/fleet.toml");
    let fleet = match kind {
        Kind::Plain | Kind::Faults | Kind::UsedDisks | Kind::Release | Kind::Change => {
            Fleet::create(rack, spec, &example, built)?
        }
        Kind::TwoAgents => Fleet::create(rack, spec, &example, built)?.with(two_agents::fleet)?,
        Kind::Disks => Fleet::create(rack, spec, &example, built)?.with(disks::layout)?,
        Kind::Mirror | Kind::KernelUpgrade => {
            Fleet::create(rack, spec, &example, built)?.with(mirror::layout)?
        }
        Kind::Network => Fleet::create(rack, spec, &example, built)?.with(network::layout)?,
        Kind::Uefi | Kind::UefiHttp => Fleet::create(rack, spec, &example, built)?.with(uefi::layout)?,
        Kind::SecureBoot => Fleet::create(rack, spec, &example, built)?.with(uefi::secure_layout)?,
        Kind::UefiMirror => Fleet::create(rack, spec, &example, built)?.with(uefi::mirror_layout)?,
    };
    match wish.from {
        None if kind == Kind::Change => change::fleet::declare(&fleet, specs, built)?,
        None => fleet.declare()?,
        Some(_) => {}
    }
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
    match kind {
        Kind::Plain => plain(&life, wish.from),
        Kind::Faults => faults::live(&life),
        Kind::Disks => disks::live(&life),
        Kind::Mirror => mirror::live(&life),
        Kind::Uefi | Kind::UefiHttp => uefi::live(&life),
        Kind::SecureBoot => uefi::live_secure(&life),
        Kind::UefiMirror => uefi::live_mirrored(&life),
        Kind::Network => network::live(&life),
        Kind::UsedDisks => used_disks::live(&life, wish.from),
        Kind::KernelUpgrade => kernel_upgrade::live(&life, wish.from),
        Kind::Release => release::live(&life, wish.from),
        Kind::TwoAgents => two_agents::live(&life),
        Kind::Change => change::live(&life, specs),
    }
}

/// Nothing goes wrong.
fn plain(life: &Life<'_>, from: Option<Point>) -> Result<()> {
    let faults = &mut Faults::default();
    if from.is_none() {
        life.begin(faults)?;
        copies::take(life, Point::Inventory)?;
    }
    if from == Some(Point::Install) {
        println!("goes on from the installation");
    } else {
        life.until("ready", faults)?;
        life.propose()?;
        life.fleet.merge()?;
        life.programs.apply()?;
        life.until_waits("FIRST_BOOT", faults)?;
        // Its firmware has hardly begun.
        life.by_hand("power 0")?;
        copies::take(life, Point::Install)?;
    }
    life.by_hand("power 1")?;
    life.until("deployed", faults)?;
    life.prove()
}
