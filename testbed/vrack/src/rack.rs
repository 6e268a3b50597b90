//! A rack as it stands: the run, its namespace, the keeper, BMCs and machines, all switched off at first.

use crate::accelerator::Accelerator;
use crate::bmc;
use crate::chassis::{self, power::Machine, service};
use crate::clear;
use crate::error::{Result, RigError, failed};
use crate::keeper::Keeper;
use crate::machine::{Firmware, MachineSpec};
use crate::namespace::{self, Layout};
use crate::run::Run;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Address of everything we serve to the machines, in the one-machine fleet.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// What a fleet calls the rack's one agent and link, and where on that link everything is served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) agent: &'static str,
    pub(crate) link: &'static str,
    pub(crate) address: (Ipv4Addr, u8),
    pub(crate) address6: (Ipv6Addr, u8),
}

/// As `examples/one-machine` has it.
static LAB: Site = Site {
    agent: "rackd-1",
    link: "lab/pxe",
    address: (ADDRESS, 24),
    address6: (Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1), 64),
};

/// A rack that runs until it is closed.
#[derive(Debug)]
pub(crate) struct Rack {
    pub(crate) run: Run,
    pub(crate) site: &'static Site,
    keeper: Keeper,
}

impl Rack {
    /// Clears away what dead runs left, then builds a rack of these machines. `prepare` may put files into the
    /// run before anything looks for them.
    pub(crate) fn open(
        machines: &[MachineSpec],
        accelerator: Accelerator,
        prepare: impl FnOnce(&Run) -> Result<()>,
    ) -> Result<Rack> {
        Self::open_at(&LAB, machines, accelerator, prepare)
    }

    /// The same, at another fleet's site.
    pub(crate) fn open_at(
        site: &'static Site,
        machines: &[MachineSpec],
        accelerator: Accelerator,
        prepare: impl FnOnce(&Run) -> Result<()>,
    ) -> Result<Rack> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| failed("become the reaper of the run")(errno.into()))?;
        clear::stale()?;
        let (run, keeper) = {
            let _lock = Run::lock()?;
            let run = Run::create()?;
            let keeper = Keeper::start(&run)?;
            (run, keeper)
        };
        let rack = Rack { run, site, keeper };
        prepare(&rack.run)?;
        rack.fill(machines, accelerator)?;
        Ok(rack)
    }

    fn fill(&self, machines: &[MachineSpec], accelerator: Accelerator) -> Result<()> {
        let layout = Layout {
            address: self.site.address,
            address6: self.site.address6,
            // A scripted machine plugs its cable in itself.
            taps: machines
                .iter()
                .filter(|machine| machine.firmware != Firmware::Scripted)
                .flat_map(|machine| machine.nics.iter().map(|nic| nic.tap.clone()))
                .collect(),
            bmcs: machines.iter().map(|machine| machine.bmc.address).collect(),
        };
        namespace::create(&self.run.namespace(), &layout)?;
        let made = machines
            .iter()
            .map(|spec| Machine::new(&self.run, spec.clone(), accelerator));
        service::start(
            &self.socket(),
            made.collect::<Result<_>>()?,
            self.run.path("chassis.log"),
        )?;
        for spec in machines {
            // It is ended through the ledger, like everything else of the run.
            drop(bmc::start(&self.run, spec, &self.socket())?);
        }
        Ok(())
    }

    /// The chassis socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run.path("chassis")
    }

    /// A machine's directory: console.log, disks.
    pub(crate) fn machine(&self, name: &str) -> PathBuf {
        self.run.path("m").join(name)
    }

    /// Asks the chassis for one number.
    pub(crate) fn number(&self, machine: &str, item: &str) -> Result<u64> {
        let words = [machine, "get", item].map(str::to_owned);
        let lines = chassis::ask(&self.socket(), &words)?;
        let value = lines
            .first()
            .and_then(|line| line.split_once(':')?.1.parse().ok());
        value.ok_or_else(|| RigError::Answer {
            whom: "the chassis".to_owned(),
            found: lines.join("\n"),
        })
    }

    /// CPU time of a machine's QEMUs so far.
    pub(crate) fn spent(&self, machine: &str) -> Result<Duration> {
        Ok(Duration::from_millis(self.number(machine, "cpu-ms")?))
    }

    /// Ends everything. The files stay if they were marked to be kept.
    pub(crate) fn close(self) -> Result<()> {
        clear::run(&self.run)?;
        self.keeper.dismiss()?;
        reap();
        Run::forget_kept(false)
    }
}

/// Waits for whatever of the run has ended, so that its time is on this process's bill and not on init's.
fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
}

/// Console lines so far; a machine that was never started has none.
pub(crate) fn console(directory: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(directory.join("console.log")).unwrap_or_default()).into_owned()
}
