//! What runs on a scripted machine: the in-machine agent's part in the ephemeral system, and the one word of an
//! installed system.

use crate::error::Result;
use crate::scripted::{Disk, Machine, answer, erase, install};
use rack_api::boot_order::BootOrderSeen;
use rack_api::fact::FactBody;
use rack_api::inventory::{self, Cpu, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::{Deploy, Erase, JobRef};
use rack_api::machine::{HelloAnswer, PhoneHome};
use rack_api::ownership::MarkWish;
use rack_inmachine::console::chain;
use rack_inmachine::content;
use rack_inmachine::job::{Hands, carry_out};
use rack_inmachine::kernel_arguments::KernelArguments;
use rack_inmachine::ownership;
use rack_inmachine::phone_home::PhoneHomeConfig;
use rack_inmachine::rack::Rack;
use rack_inmachine::say;
use rack_inmachine::step::{StepFailed, Steps};
use std::thread;
use std::time::Duration;

/// The same job again after it has ended is the rack agent not having heard yet.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The unit of an installed system tries again after this.
const PHONE_AGAIN: Duration = Duration::from_secs(2);

/// What the machine does when the ephemeral system ends.
pub(super) enum End {
    /// It switches itself off.
    Off,
    /// It starts again.
    Again,
}

/// Is the ephemeral system until the power goes, or until it ends by itself.
pub(super) fn run(machine: &Machine, command_line: &str) -> Result<End> {
    let arguments =
        KernelArguments::parse(command_line).map_err(|error| answer(&"the boot script", &chain(&error)))?;
    let token = machine.behaviour.token.as_ref().unwrap_or(&arguments.token);
    let mac = machine.behaviour.claims.unwrap_or(arguments.mac);
    let mut rack = Rack::new(&arguments.server, token);
    let mut ended: Option<JobRef> = None;
    loop {
        match rack.hello(machine.boot_id, mac) {
            HelloAnswer::Job { job, .. } if ended == Some(job.job) => thread::sleep(ASK_AGAIN),
            HelloAnswer::Job {
                job,
                phone_home_token,
            } => {
                ended = Some(job.job);
                let leaves = job.leaves;
                carry_out(
                    &mut Files(machine),
                    &mut rack,
                    machine.boot_id,
                    *job,
                    phone_home_token,
                );
                if leaves {
                    say!("this machine has a system of its own: starting it again");
                    return Ok(End::Again);
                }
            }
            HelloAnswer::Enlist { link } => {
                let inventory = Box::new(inspect(machine));
                rack.report(vec![FactBody::Enlisted { mac, link, inventory }]);
                return Ok(End::Off);
            }
            HelloAnswer::Wait { seconds, reason } => {
                say!("waiting {seconds} s: {reason}");
                thread::sleep(Duration::from_secs(u64::from(seconds.max(1))));
            }
            HelloAnswer::PowerOff { reason } => {
                say!("powering off: {reason}");
                return Ok(End::Off);
            }
        }
    }
}

/// The files of a scripted machine.
struct Files<'a>(&'a Machine);

impl Hands for Files<'_> {
    fn inspect(&mut self, mark: Option<&MarkWish>) -> Inventory {
        let mark = mark.map(|wish| ownership::settle(&self.0.variables(), wish));
        let inventory = inspect(self.0);
        Inventory {
            mark: mark.or(inventory.mark),
            ..inventory
        }
    }

    fn boot_order(&mut self, _stays: bool) -> Option<BootOrderSeen> {
        None
    }

    fn deploy(
        &mut self,
        steps: &mut Steps<'_>,
        plan: &Deploy,
        phone_home_token: String,
    ) -> std::result::Result<(), StepFailed> {
        install::run(self.0, steps, plan, phone_home_token)
    }

    fn erase(&mut self, steps: &mut Steps<'_>, plan: &Erase) -> std::result::Result<(), StepFailed> {
        erase::run(self.0, steps, plan)
    }
}

/// The inventory: the board's data, and what is really on the disks.
fn inspect(machine: &Machine) -> Inventory {
    let board = &machine.board;
    let disks = machine.disks.iter().enumerate().map(|(at, disk)| {
        let content = disk.content().unwrap_or_else(|error| {
            say!("{}", chain(&error));
            content::unreadable().id
        });
        inventory::Disk {
            id: Some(disk.id.clone()),
            path: device(at),
            model: String::new(),
            serial: disk.serial.clone(),
            size_bytes: disk.size_bytes,
            kind: DiskKind::Ssd,
            local: true,
            content,
            holds: String::new(),
        }
    });
    Inventory {
        uuid: Some(board.uuid),
        serial: Some(board.serial.clone()),
        vendor: "muster".to_owned(),
        product: "scripted".to_owned(),
        firmware: Firmware {
            kind: FirmwareKind::Bios,
            version: "1".to_owned(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: "none".to_owned(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks: disks.collect(),
        nics: vec![Nic {
            name: "boot0".to_owned(),
            mac: board.mac,
            speed_mbps: Some(1000),
            link: true,
            driver: "veth".to_owned(),
        }],
        bmc: None,
        pci: None,
        mark: Some(machine.mark()),
    }
}

fn device(at: usize) -> String {
    let letter = u8::try_from(at).ok().and_then(|at| b'a'.checked_add(at));
    format!("/dev/vd{}", char::from(letter.unwrap_or(b'?')))
}

/// Says that the installed system runs, until it is heard.
pub(super) fn phone_home(machine: &Machine, disk: &Disk, home: PhoneHomeConfig) {
    let word = PhoneHome {
        token: home.token,
        machine: home.machine,
        binding: home.binding,
        boot_id: machine.boot_id,
        root_disk: Some(disk.id.clone()),
        root_device: format!("{}3", device(0)),
    };
    let mut rack = Rack::new(&home.server, "");
    while let Err(error) = rack.phone_home(&word) {
        say!("{}; trying on", chain(&error));
        thread::sleep(PHONE_AGAIN);
    }
    say!("phoned home");
}
