//! One machine's power: its QEMU, what it has spent, and what it boots next.

use crate::accelerator::Accelerator;
use crate::chassis::protocol::Order;
use crate::child::{self, Launch};
use crate::error::{Result, chain, failed};
use crate::machine::{Firmware, MachineSpec};
use crate::process_table;
use crate::qemu::{self, First};
use crate::qmp;
use crate::run::{QEMU_PREFIX, Run};
use crate::scripted;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// QEMU opens its QMP socket within a second of its start; a loaded host gets this long.
const QMP_MAX: Duration = Duration::from_secs(10);

/// A machine that can be switched on and off.
#[derive(Debug)]
pub(crate) struct Machine {
    run: Run,
    spec: MachineSpec,
    accelerator: Accelerator,
    directory: PathBuf,
    running: Option<Child>,
    spent_before: Duration,
    starts: u32,
    next: Option<First>,
}

impl Machine {
    /// Makes the machine's files: blank disks with their serial numbers, unless they are there already, and
    /// firmware variables.
    pub(crate) fn new(run: &Run, spec: MachineSpec, accelerator: Accelerator) -> Result<Machine> {
        let directory = run.path("m").join(&spec.name);
        fs::create_dir_all(&directory).map_err(failed("make a machine's directory"))?;
        for (at, disk) in spec.disks.iter().enumerate() {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(directory.join(qemu::disk_file(at)))
                .map_err(failed("make a disk"))?;
            file.set_len(disk.bytes).map_err(failed("size a disk"))?;
            let label = directory.join(qemu::serial_file(at));
            if !label.exists() {
                fs::write(label, &disk.serial).map_err(failed("label a disk"))?;
            }
        }
        let variables = directory.join("variables.fd");
        if let Firmware::Uefi(network) = spec.firmware
            && !variables.exists()
        {
            fs::copy(qemu::variables(network), variables).map_err(failed("copy the firmware's variables"))?;
        }
        if spec.firmware == Firmware::Scripted {
            scripted::make(run, &spec, &directory)?;
        }
        let run = run.clone();
        Ok(Machine {
            run,
            spec,
            accelerator,
            directory,
            running: None,
            spent_before: Duration::ZERO,
            starts: 0,
            next: None,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether it runs now; notices a QEMU that ended by itself, which is what a guest's power-off is.
    pub(crate) fn is_on(&mut self) -> Result<bool> {
        let Some(child) = &mut self.running else {
            return Ok(false);
        };
        // Read before it is waited for: the bill goes with the process.
        let spent = process_table::status(child.id()).map(|status| status.spent);
        if child.try_wait().map_err(failed("look at QEMU"))?.is_some() {
            self.spent_before += spent.unwrap_or_default();
            self.running = None;
        }
        Ok(self.running.is_some())
    }

    pub(crate) fn next(&self) -> Option<First> {
        self.next
    }

    pub(crate) fn starts(&self) -> u32 {
        self.starts
    }

    /// CPU time of all its QEMUs so far.
    pub(crate) fn spent(&self) -> Duration {
        let now = self
            .running
            .as_ref()
            .and_then(|child| process_table::status(child.id()));
        self.spent_before + now.map(|status| status.spent).unwrap_or_default()
    }

    /// Carries out an order. Repeating one that is already so changes nothing.
    pub(crate) fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::PowerOn if !self.is_on()? => self.start(),
            Order::PowerOff if self.is_on()? => self.stop(),
            Order::Reset if self.is_on()? => {
                self.stop()?;
                self.start()
            }
            // A scripted system obeys its power button at once.
            Order::SoftOff if self.is_on()? && self.spec.firmware == Firmware::Scripted => self.stop(),
            Order::SoftOff if self.is_on()? => qmp::press_power_button(&self.directory.join("qmp")),
            Order::Boot(first) => {
                self.next = first;
                Ok(())
            }
            Order::PowerOn | Order::PowerOff | Order::Reset | Order::SoftOff | Order::Identify => Ok(()),
        }
    }

    fn start(&mut self) -> Result<()> {
        let socket = self.directory.join("qmp");
        if socket.exists() {
            fs::remove_file(&socket).map_err(failed("remove an old QMP socket"))?;
        }
        // One-shot: the wish is used up by this start.
        let first = self.next.take().unwrap_or(First::Network);
        let launch = match self.spec.firmware {
            Firmware::Scripted => scripted::launch(&self.spec.name, &self.directory, first)?,
            Firmware::Bios | Firmware::Uefi(_) => {
                let arguments = qemu::arguments(&self.fitted()?, &self.directory, self.accelerator, first);
                Launch {
                    name: format!("{QEMU_PREFIX}{}", self.spec.name),
                    program: PathBuf::from(qemu::PROGRAM),
                    arguments: arguments.into_iter().map(Into::into).collect(),
                    variables: Vec::new(),
                    log: self.directory.join("qemu.log"),
                }
            }
        };
        self.running = Some(child::launch(&self.run, &launch)?);
        self.starts += 1;
        if first == First::Disk && self.spec.firmware == Firmware::Bios {
            self.restore_standing_order(socket);
        }
        Ok(())
    }

    /// The machine with the disks that are in its bays now: somebody may have exchanged one while it was off.
    fn fitted(&self) -> Result<MachineSpec> {
        let mut spec = self.spec.clone();
        for (at, disk) in spec.disks.iter_mut().enumerate() {
            let label = self.directory.join(qemu::serial_file(at));
            disk.serial = fs::read_to_string(label).map_err(failed("read a disk's label"))?;
        }
        Ok(spec)
    }

    /// Lets the guest's own next reboot find the standing order again, as a board does after a one-shot boot.
    fn restore_standing_order(&self, socket: PathBuf) {
        let nics = (0..self.spec.nics.len()).map(|at| format!("nic{at}"));
        let disks = (0..self.spec.disks.len()).map(|at| format!("disk{at}"));
        let devices: Vec<String> = nics.chain(disks).collect();
        // Beside the service, which must not wait for QEMU to open its socket. Indices must not meet, so the
        // new ones begin above all old ones.
        thread::spawn(move || {
            let until = Instant::now() + QMP_MAX;
            while !socket.exists() && Instant::now() < until {
                thread::sleep(Duration::from_millis(20));
            }
            for (at, device) in devices.iter().enumerate() {
                if let Err(error) = qmp::set_boot_index(&socket, device, devices.len() + 1 + at) {
                    println!("{device}: boot order not restored: {}", chain(&error));
                }
            }
        });
    }

    /// Pulls the plug. SIGKILL is that, since the disks are raw files and their writes are already the host's.
    fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.running.take() else {
            return Ok(());
        };
        child.kill().map_err(failed("end QEMU"))?;
        // It is a zombie soon after and keeps its bill until it is waited for.
        while process_table::status(child.id()).is_some_and(|status| !status.zombie) {
            thread::sleep(Duration::from_millis(2));
        }
        self.spent_before += process_table::status(child.id())
            .map(|status| status.spent)
            .unwrap_or_default();
        child.wait().map(drop).map_err(failed("wait for QEMU"))
    }
}
