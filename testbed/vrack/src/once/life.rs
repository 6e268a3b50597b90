//! One machine of one rack under the real programs, and what a life does with it.

use crate::accelerator::Accelerator;
use crate::chassis;
use crate::error::{Result, RigError};
use crate::images::Built;
use crate::machine::MachineSpec;
use crate::once::faults::Faults;
use crate::once::fleet::{Fleet, PROPOSAL};
use crate::once::inside::Inside;
use crate::once::{proof, watch};
use crate::programs::Programs;
use crate::qemu;
use crate::rack::Rack;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// A BMC takes seconds to switch a machine off, a system that ends its services some more.
const OFF_MAX: Duration = Duration::from_secs(30);

/// What a life needs at each step.
pub(crate) struct Life<'a> {
    pub(crate) rack: &'a Rack,
    pub(crate) programs: &'a Programs,
    pub(crate) spec: &'a MachineSpec,
    pub(crate) fleet: &'a Fleet,
    pub(crate) built: &'a [Built; 2],
    pub(crate) accelerator: Accelerator,
}

impl Life<'_> {
    /// Hands over the images, without which nothing boots, and watches until the machine is inspected.
    pub(crate) fn begin(&self, faults: &mut Faults) -> Result<()> {
        self.programs.add_images(self.built)?;
        self.until("ready", faults)
    }

    /// Watches until the machine is in this phase and waits for nothing.
    pub(crate) fn until(&self, phase: &str, faults: &mut Faults) -> Result<()> {
        watch::until(self, watch::Goal::Phase(phase), faults)
    }

    /// Watches until the machine waits for this.
    pub(crate) fn until_waits(&self, condition: &str, faults: &mut Faults) -> Result<()> {
        watch::until(self, watch::Goal::Waits(condition), faults)
    }

    /// The pull request: what it would do is shown before it is merged.
    pub(crate) fn propose(&self) -> Result<()> {
        self.fleet.propose("Put Debian 12 on node-01")?;
        let shown = self.programs.muster(&["plan", "--head", PROPOSAL])?;
        println!("{shown}");
        proof::names_the_disks(&shown, self.spec)
    }

    /// The machine runs what git says: seen on the disk, on the console, by ssh; and nothing is left to do.
    pub(crate) fn prove(&self) -> Result<()> {
        proof::disk(self.rack, self.spec)?;
        proof::console(self.rack, self.spec)?;
        proof::ssh(&Inside::of(self)?)?;
        println!("{}", self.programs.muster(&["why", &self.spec.name])?);
        self.prove_nothing_left()
    }

    /// Planning again wants nothing.
    pub(crate) fn prove_nothing_left(&self) -> Result<()> {
        proof::nothing_left(&self.programs.muster(&["plan"])?)
    }

    /// Does to the machine what a person at its front panel can do: `power 0`, `reset 1`.
    pub(crate) fn by_hand(&self, order: &str) -> Result<()> {
        let words = [self.spec.name.as_str(), "set"]
            .into_iter()
            .chain(order.split(' '));
        let words: Vec<String> = words.map(str::to_owned).collect();
        chassis::ask(&self.rack.socket(), &words).map(drop)
    }

    /// Presses the power button and waits until the installed system has obeyed.
    pub(crate) fn switch_off(&self) -> Result<()> {
        self.by_hand("shutdown 1")?;
        self.until_off()
    }

    /// Waits until the machine is off, as it is when muster has nothing to do with it.
    pub(crate) fn until_off(&self) -> Result<()> {
        let limit = OFF_MAX * self.accelerator.timeout_scale();
        let until = Instant::now() + limit;
        while self.rack.number(&self.spec.name, "power")? != 0 {
            if Instant::now() >= until {
                return Err(RigError::TooLong {
                    awaited: format!("{} switched off", self.spec.name),
                    total: limit,
                    last: "it is on".to_owned(),
                });
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// How often it was switched on so far.
    pub(crate) fn starts(&self) -> Result<u64> {
        self.rack.number(&self.spec.name, "starts")
    }

    /// The machine's phase, as `muster status` tells it.
    pub(crate) fn phase(&self) -> Result<String> {
        watch::phase(&self.programs.status()?, &self.spec.name)
    }

    /// The file of a disk.
    pub(crate) fn disk(&self, at: usize) -> PathBuf {
        self.rack.machine(&self.spec.name).join(qemu::disk_file(at))
    }
}
