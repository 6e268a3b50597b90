//! A scripted machine: DHCP, HTTP and the job API as a machine speaks them, without the machine.
//!
//! The process stands in a network namespace of its own on the run's bridge, boots as a board with iPXE in its
//! card does, and carries out jobs with the in-machine agent's own parts: its conversation, fence, marker and
//! steps. Its hardware is data (`board.json`, files for disks), and so is what it fails to do
//! (`behaviour.toml`, read at each power-on). It is switched on and off like QEMU: by being started and killed.
//!
//! Never touches a device of the host or the host's power: it holds no right to reboot, and refuses to run if
//! it does.

mod behaviour;
mod cable;
mod disk;
mod erase;
mod firmware;
mod install;
mod system;

pub(crate) use behaviour::Behaviour;
pub(crate) use disk::{Disk, FOREIGN};

use crate::child::Launch;
use crate::error::{Result, RigError, failed};
use crate::machine::MachineSpec;
use crate::program;
use crate::qemu::{self, First};
use crate::run::Run;
use firmware::Next;
use rack_api::ownership::MarkSeen;
use rack_inmachine::ownership;
use rack_inmachine::sysfs::Sysfs;
use rustix::thread::{CapabilitySet, capabilities};
use schema_ids::{Mac, Uuid};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;
use system::End;

/// What the ledger calls such a machine; the machine's name follows.
const PREFIX: &str = "machine-";

/// A board without a bootable device tries them all again after this.
const TRY_AGAIN: Duration = Duration::from_secs(10);

const BOARD: &str = "board.json";

/// The firmware's variables, as the kernel shows them below `sys`.
pub(crate) const NVRAM: &str = "nvram";

/// What the machine is made of.
#[derive(Debug, Serialize, Deserialize)]
struct Board {
    /// The run's namespace, with the bridge.
    namespace: String,
    uuid: Uuid,
    serial: String,
    mac: Mac,
    /// Its port of the bridge.
    tap: String,
}

/// The machine that this process is.
#[derive(Debug)]
struct Machine {
    directory: PathBuf,
    board: Board,
    behaviour: Behaviour,
    /// Made at power-on: an installed system's or the ephemeral one's.
    boot_id: Uuid,
    disks: Vec<Disk>,
}

/// Writes down what the machine is made of, for its process.
pub(crate) fn make(run: &Run, spec: &MachineSpec, directory: &Path) -> Result<()> {
    let Some(nic) = spec.nics.first() else {
        return Err(RigError::Unmet {
            lacks: format!("{} has no network card", spec.name),
            fix: "give it one".to_owned(),
        });
    };
    let board = Board {
        namespace: run.namespace(),
        uuid: parsed(&spec.uuid)?,
        serial: spec.serial.clone(),
        mac: parsed(&nic.mac)?,
        tap: nic.tap.clone(),
    };
    let text = serde_json::to_string(&board).expect("a board has only keys that are strings");
    fs::write(directory.join(BOARD), text).map_err(failed("write a machine's board"))
}

/// The process that is the machine from power-on to power-off. `setpriv` takes away its right to reboot the
/// host before `unshare` gives it a network of its own.
pub(crate) fn launch(name: &str, directory: &Path, first: First) -> Result<Launch> {
    let own = program::own()?;
    let guard = ["--bounding-set", "-sys_boot", "--inh-caps", "-sys_boot"];
    let mut arguments: Vec<_> = guard.map(Into::into).to_vec();
    arguments.extend(["unshare".into(), "--net".into(), own.into(), "scripted".into()]);
    arguments.push(directory.into());
    if first == First::Disk {
        arguments.push("--disk-first".into());
    }
    Ok(Launch {
        name: format!("{PREFIX}{name}"),
        program: PathBuf::from("/usr/bin/setpriv"),
        arguments,
        variables: Vec::new(),
        log: directory.join("console.log"),
    })
}

/// Is the machine until it is switched off.
pub(crate) fn run(directory: &Path, disk_first: bool) -> Result<()> {
    refuse_power()?;
    let mut machine = Machine::load(directory)?;
    println!("power on");
    if !machine.behaviour.boots {
        stay();
    }
    cable::plug(&machine.board)?;
    if disk_first && machine.boot_disk()? {
        stay();
    }
    loop {
        match firmware::boot(&machine) {
            Ok(Next::System(command_line)) => match system::run(&machine, &command_line)? {
                End::Off => return Ok(()),
                End::Again => {
                    machine.boot_id = random()?;
                    continue;
                }
            },
            Ok(Next::Disk) => {}
            Err(reason) => println!("network boot failed: {reason}"),
        }
        if machine.boot_disk()? {
            stay();
        }
        println!("no bootable device");
        thread::sleep(TRY_AGAIN);
    }
}

impl Machine {
    fn load(directory: &Path) -> Result<Self> {
        let path = directory.join(BOARD);
        let text = fs::read_to_string(&path).map_err(failed(format!("read {}", path.display())))?;
        let board: Board = serde_json::from_str(&text).map_err(|error| answer(&path.display(), &error))?;
        // Those that are in the bays now.
        let bays = (0..).map_while(|at| {
            let path = directory.join(qemu::disk_file(at));
            path.exists()
                .then_some((path, directory.join(qemu::serial_file(at))))
        });
        let disks = bays.map(|(path, label)| {
            let serial = fs::read_to_string(label).map_err(failed("read a disk's label"))?;
            Disk::open(path, serial.trim())
        });
        Ok(Self {
            directory: directory.to_owned(),
            behaviour: Behaviour::read(directory)?,
            boot_id: random()?,
            disks: disks.collect::<Result<_>>()?,
            board,
        })
    }

    /// Its firmware's variables, where the trial gave it some: a board that boots by BIOS has none, and one that has both is
    /// marked while its image is a BIOS's.
    fn variables(&self) -> Sysfs {
        Sysfs::below(&self.directory.join(NVRAM))
    }

    /// The mark of ownership in them.
    fn mark(&self) -> MarkSeen {
        MarkSeen::of(ownership::read(&self.variables()))
    }

    /// Starts the system on the first disk that has one; says whether there is any.
    fn boot_disk(&self) -> Result<bool> {
        for disk in &self.disks {
            if let Some(home) = disk.installed_system()? {
                println!("starting the system on {}", disk.id);
                if self.behaviour.phones_home {
                    system::phone_home(self, disk, home);
                }
                println!("{} login:", self.board.serial);
                return Ok(true);
            }
            if disk.has_foreign_system()? {
                println!("starting what is on {}", disk.id);
                println!("foreign login:");
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Runs until it is killed.
fn stay() -> ! {
    loop {
        thread::park();
    }
}

/// The in-machine agent's library can reboot the machine it believes to be alone in. It does so as PID 1 only;
/// this process is not, and could not do it if it were.
fn refuse_power() -> Result<()> {
    let held = capabilities(None).map_err(|errno| failed("look at our own rights")(errno.into()))?;
    if held.permitted.contains(CapabilitySet::SYS_BOOT) || std::process::id() == 1 {
        return Err(RigError::Unmet {
            lacks: "a scripted machine may not hold the right to reboot the host".to_owned(),
            fix: "it is started by the chassis only".to_owned(),
        });
    }
    Ok(())
}

/// A random number of the kernel's.
fn random() -> Result<Uuid> {
    let path = "/proc/sys/kernel/random/uuid";
    parsed(
        fs::read_to_string(path)
            .map_err(failed(format!("read {path}")))?
            .trim(),
    )
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| answer(&"a board", &error))
}

fn answer(whom: &dyn Display, found: &dyn Display) -> RigError {
    RigError::Answer {
        whom: whom.to_string(),
        found: found.to_string(),
    }
}
