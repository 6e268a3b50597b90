//! PID 1's one loop: ask what to do, do it, ask again.

use crate::boot_entries::{self, Wish};
use crate::console::chain;
use crate::content;
use crate::deploy;
use crate::early;
use crate::erase;
use crate::inventory;
use crate::job::{Hands, carry_out};
use crate::kernel_arguments::{ArgumentError, KernelArguments};
use crate::ownership;
use crate::phone_home::boot_id;
use crate::power;
use crate::rack::Rack;
use crate::say;
use crate::step::{StepFailed, Steps};
use crate::sysfs::Sysfs;
use rack_api::boot_order::BootOrderSeen;
use rack_api::fact::FactBody;
use rack_api::inventory::Inventory;
use rack_api::job::{Deploy, Erase, JobRef};
use rack_api::machine::HelloAnswer;
use rack_api::ownership::MarkWish;
use schema_ids::{ContentId, Mac, Uuid};
use std::time::Duration;

/// The same job again after it has ended is the rack agent not having heard yet; a new attempt has
/// another number.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// A waiting machine asks at least this often, whatever it was told.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A boot that knows nothing can be read on its console for so long.
const LOST: Duration = Duration::from_secs(60);

/// Why this boot is of no use.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the kernel command line does not tell what to do")]
    Arguments(#[source] ArgumentError),
    #[error("the kernel has no boot id")]
    NoBootId,
}

/// Runs until the power goes or the machine starts over.
pub fn run() -> ! {
    say!("in-machine agent {}", env!("CARGO_PKG_VERSION"));
    early::mount_filesystems();
    let sysfs = Sysfs::live();
    let (arguments, boot_id) = match start(&sysfs) {
        Ok(start) => start,
        Err(error) => {
            say!("{}; rebooting in {LOST:?}", chain(&error));
            std::thread::sleep(LOST);
            power::reboot();
        }
    };
    let mut rack = Rack::new(&arguments.server, &arguments.token);
    early::find_devices(&sysfs);
    let mut ended: Option<JobRef> = None;
    loop {
        early::reap();
        match rack.hello(boot_id, arguments.mac) {
            HelloAnswer::Job { job, .. } if ended == Some(job.job) => {
                std::thread::sleep(ASK_AGAIN);
            }
            HelloAnswer::Job {
                job,
                phone_home_token,
            } => {
                ended = Some(job.job);
                let leaves = job.leaves;
                let mut own = Own {
                    sysfs: &sysfs,
                    wish: Wish {
                        order: job.boot_order,
                        mac: arguments.mac,
                    },
                };
                carry_out(&mut own, &mut rack, boot_id, *job, phone_home_token);
                if leaves {
                    say!("this machine has a system of its own: starting it again");
                    power::reboot();
                }
            }
            HelloAnswer::Enlist { link } => enlist(&sysfs, &mut rack, arguments.mac, link),
            HelloAnswer::Wait { seconds, reason } => {
                say!("waiting {seconds} s: {reason}");
                std::thread::sleep(
                    Duration::from_secs(u64::from(seconds)).clamp(Duration::from_secs(1), WAIT_MAX),
                );
            }
            HelloAnswer::PowerOff { reason } => {
                say!("powering off: {reason}");
                power::off();
            }
        }
    }
}

fn start(sysfs: &Sysfs) -> Result<(KernelArguments, Uuid), StartError> {
    let command_line = sysfs.text("proc/cmdline").unwrap_or_default();
    Ok((
        KernelArguments::parse(&command_line).map_err(StartError::Arguments)?,
        boot_id(sysfs).ok_or(StartError::NoBootId)?,
    ))
}

/// This machine itself.
struct Own<'a> {
    sysfs: &'a Sysfs,
    wish: Wish,
}

impl Hands for Own<'_> {
    fn inspect(&mut self, mark: Option<&MarkWish>) -> Inventory {
        inventory::raise_links(self.sysfs);
        let mark = mark.map(|wish| ownership::settle(self.sysfs, wish));
        let inventory = inspect(self.sysfs);
        Inventory {
            mark: mark.or(inventory.mark),
            ..inventory
        }
    }

    fn boot_order(&mut self, stays: bool) -> Option<BootOrderSeen> {
        match stays {
            true => boot_entries::read(),
            false => boot_entries::put_right(self.wish),
        }
    }

    fn deploy(
        &mut self,
        steps: &mut Steps<'_>,
        plan: &Deploy,
        phone_home_token: String,
    ) -> Result<(), StepFailed> {
        deploy::run(self.sysfs, steps, plan, phone_home_token, self.wish)
    }

    fn erase(&mut self, steps: &mut Steps<'_>, plan: &Erase) -> Result<(), StepFailed> {
        erase::run(self.sysfs, steps, plan)
    }
}

/// The whole inventory of this machine.
pub fn inspect(sysfs: &Sysfs) -> Inventory {
    let bmc = inventory::look_at_bmc(sysfs);
    let inventory = inventory::take(sysfs, bmc, |disk| {
        content::look(sysfs, disk).unwrap_or_else(|error| {
            say!("{}", chain(&error));
            content::unreadable()
        })
    });
    for disk in &inventory.disks {
        let id = disk.id.as_ref().map_or("no identity", |id| id.as_str());
        say!(
            "disk {}: {id}, {} bytes, {}",
            disk.path,
            disk.size_bytes,
            disk.content
        );
    }
    inventory
}

/// Tells what an undeclared machine is made of, then leaves it to its own disk, or off where there is
/// nothing on it.
fn enlist(sysfs: &Sysfs, rack: &mut Rack, mac: Mac, link: String) -> ! {
    say!("no file declares this machine; taking its inventory");
    inventory::raise_links(sysfs);
    let inventory = Box::new(inspect(sysfs));
    let blank = inventory
        .disks
        .iter()
        .all(|disk| !disk.local || disk.content == ContentId::Blank);
    rack.report(vec![FactBody::Enlisted { mac, link, inventory }]);
    if blank {
        say!("reported; its disks are blank: powering off");
        power::off();
    }
    say!("reported; starting its own disk");
    power::reboot();
}
