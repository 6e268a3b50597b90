//! What a trial stands on: a rack of scripted machines, muster's programs, images of a few bytes, a repository.

use crate::accelerator::Accelerator;
use crate::chassis;
use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::machine::{BmcKind, BmcSpec, DiskSpec, Firmware, MachineSpec, NicSpec};
use crate::program;
use crate::programs::{self, Programs};
use crate::rack::{self, Rack};
use crate::repository::Repository;
use crate::scripted::{Behaviour, Disk};
use crate::trial::fleet::{Fleet, Images, SERVED_PORT};
use crate::trial::watch;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Enough for a partition table and both ends that are looked at; read whole in a moment.
const DISK_BYTES: u64 = 16 << 20;

/// coreutils reads a disk's file in less than a second.
const DIGEST_MAX: Duration = Duration::from_secs(30);

/// The branch of a proposal; a trial makes one at most.
const PROPOSAL: &str = "proposal";

/// What a trial needs of it.
#[derive(Debug)]
pub(crate) struct Needs {
    /// Its machines, in the order of their addresses.
    pub(crate) machines: &'static [&'static str],
    /// Those of them that have a BMC with cipher suite 17.
    pub(crate) doubles: &'static [&'static str],
    /// What musterd is told beside the usual.
    pub(crate) daemon: &'static [&'static str],
}

/// A rack under trial.
pub(crate) struct Bed {
    pub(crate) rack: Rack,
    pub(crate) programs: Programs,
    specs: Vec<MachineSpec>,
    images: Images,
    pub(crate) repository: Repository,
}

impl Bed {
    /// Builds the rack and starts the programs; nothing is committed yet.
    pub(crate) fn open(needs: &Needs, folder: &Path) -> Result<Self> {
        let specs: Vec<MachineSpec> = (1..)
            .zip(needs.machines)
            .map(|(number, name)| {
                let kind = match needs.doubles.contains(name) {
                    true => BmcKind::Double,
                    false => BmcKind::Simulator,
                };
                spec(number, name, kind)
            })
            .collect();
        let rack = Rack::open(&specs, Accelerator::Tcg, |_| Ok(()))?;
        match Self::fill(&rack, folder, needs.daemon) {
            Ok((programs, images, repository)) => Ok(Self {
                rack,
                programs,
                specs,
                images,
                repository,
            }),
            Err(error) => {
                rack.run.keep()?;
                rack.close()?;
                Err(error)
            }
        }
    }

    fn fill(rack: &Rack, folder: &Path, daemon: &[&str]) -> Result<(Programs, Images, Repository)> {
        println!("run: {}", rack.run.directory().display());
        let repository = Repository::create(rack.run.path("fleet"))?;
        let images = Images::create(&rack.run.path("images"))?;
        // Scripted machines load the in-machine agent and do not run it.
        let inmachine = rack.run.path("inmachine");
        fs::write(&inmachine, "not run here\n")
            .map_err(failed("write a stand-in for the in-machine agent"))?;
        let programs = Programs::start(rack, folder, &inmachine, repository.path(), daemon)?;
        let files = images.files();
        let mut words = vec!["image", "add"];
        words.extend(files.iter().map(String::as_str));
        programs.muster(&words)?;
        Ok((programs, images, repository))
    }

    /// A fleet of this rack, to be added to.
    pub(crate) fn fleet(&self) -> Fleet<'_> {
        Fleet::new(self, &self.images)
    }

    /// Commits a fleet and has it carried out.
    pub(crate) fn commit(&self, fleet: &Fleet<'_>, message: &str) -> Result<()> {
        println!("commit: {message}");
        self.repository.commit(&fleet.text(), message)?;
        self.programs.apply()
    }

    /// Proposes a fleet on a branch and says what its plan shows, then merges it and has it carried out.
    pub(crate) fn propose(&self, fleet: &Fleet<'_>, message: &str) -> Result<String> {
        println!("proposal: {message}");
        self.repository.propose(PROPOSAL, &fleet.text(), message)?;
        let shown = self.programs.muster(&["plan", "--head", PROPOSAL])?;
        self.repository.merge(PROPOSAL)?;
        self.programs.apply()?;
        Ok(shown)
    }

    pub(crate) fn spec(&self, name: &str) -> Result<&MachineSpec> {
        let found = self.specs.iter().find(|spec| spec.name == name);
        found.ok_or_else(|| RigError::Answer {
            whom: "a trial".to_owned(),
            found: format!("no machine {name}"),
        })
    }

    pub(crate) fn machines(&self) -> &[MachineSpec] {
        &self.specs
    }

    /// What a machine does from its next power-on.
    pub(crate) fn behave(&self, name: &str, behaviour: &Behaviour) -> Result<()> {
        behaviour.write(&self.rack.machine(name))
    }

    /// Switches a machine by hand: `power 1`, `power 0`, `reset 1`.
    pub(crate) fn switch(&self, name: &str, words: &str) -> Result<()> {
        let mut order = vec![name.to_owned(), "set".to_owned()];
        order.extend(words.split(' ').map(str::to_owned));
        chassis::ask(&self.rack.socket(), &order).map(drop)
    }

    /// How often a machine was switched on.
    pub(crate) fn starts(&self, name: &str) -> Result<u64> {
        self.rack.number(name, "starts")
    }

    /// What a machine's console has shown.
    pub(crate) fn console(&self, name: &str) -> String {
        rack::console(&self.rack.machine(name))
    }

    /// A machine's one disk.
    pub(crate) fn disk(&self, name: &str) -> Result<Disk> {
        let serial = &self.spec(name)?.disks[0].serial;
        Disk::open(self.rack.machine(name).join(crate::qemu::disk_file(0)), serial)
    }

    /// How many orders were ever given to a machine.
    pub(crate) fn orders(&self, name: &str) -> Result<u64> {
        self.count(&format!(
            "order_issued JOIN machine ON machine.id = order_issued.machine WHERE machine.name = '{name}'"
        ))
    }

    /// How many rows musterd's database has of these.
    pub(crate) fn count(&self, of: &str) -> Result<u64> {
        let said = self.programs.sql(&format!("SELECT count(*) FROM {of}"))?;
        said.trim().parse().map_err(|_| RigError::Answer {
            whom: "psql".to_owned(),
            found: said,
        })
    }

    /// Hands in an image that was forgotten.
    pub(crate) fn hand_in(&self, image: &str) -> Result<()> {
        self.programs
            .muster(&["image", "add", &self.images.file(image)])
            .map(drop)
    }

    /// Serves the images' folder by HTTP, with busybox, from the run's namespace.
    pub(crate) fn serve_images(&self) -> Result<()> {
        let mut arguments: Vec<_> = ["httpd", "-f", "-p"].map(Into::into).to_vec();
        arguments.push(format!("{}:{SERVED_PORT}", rack::ADDRESS).into());
        arguments.extend(["-h".into(), self.images.folder().into()]);
        let launch = Launch {
            name: "images".to_owned(),
            program: PathBuf::from("busybox"),
            arguments,
            variables: Vec::new(),
            log: self.rack.run.path("images.log"),
        };
        // It is ended through the ledger.
        child::launch(&self.rack.run, &launch).map(drop)
    }

    /// An image's file, as it was handed in.
    pub(crate) fn image(&self, image: &str) -> PathBuf {
        self.images.folder().join(image)
    }

    /// An image's file in the rack agent's cache.
    pub(crate) fn cached(&self, image: &str) -> PathBuf {
        let digest = self.images.digest(image).hex();
        self.rack.run.path("rackd/artefacts").join(digest)
    }

    /// The digest of every byte of a machine's disk.
    pub(crate) fn disk_digest(&self, name: &str) -> Result<String> {
        let mut command = Command::new("sha256sum");
        let said = program::run(command.arg(self.disk(name)?.path()), DIGEST_MAX)?;
        Ok(said.split(' ').next().unwrap_or_default().to_owned())
    }

    /// The status document's word on a machine; null if it knows none.
    pub(crate) fn machine(&self, name: &str) -> Result<Value> {
        Ok(find(&self.programs.status()?, name))
    }

    /// `muster why`.
    pub(crate) fn why(&self, name: &str) -> Result<String> {
        self.programs.muster(&["why", name])
    }

    /// Waits until the rack agent was heard once more.
    pub(crate) fn agent_heard(&self) -> Result<()> {
        let now = self.programs.status()?["now"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        watch::until(self, "the rack agent", |status| {
            // Times of one form compare as they read.
            let heard = status["agents"]["rackd-1"].as_str();
            Ok(heard.is_some_and(|heard| heard > now.as_str()))
        })
    }

    /// Leaves the run's files, and says how it ended.
    pub(crate) fn keep(&self) -> Result<()> {
        for spec in &self.specs {
            println!("──── {}", spec.name);
            println!("{}", self.why(&spec.name).unwrap_or_default());
        }
        if let Some(first) = self.specs.first() {
            programs::print_tails(&self.rack, std::slice::from_ref(first));
        }
        println!("kept for reading: {}", self.rack.run.directory().display());
        self.rack.run.keep()
    }

    /// Ends everything.
    pub(crate) fn close(self) -> Result<()> {
        self.rack.close()
    }
}

/// A machine in a status document.
pub(crate) fn find(status: &Value, name: &str) -> Value {
    let machines = status["machines"].as_array();
    let found = machines.and_then(|all| all.iter().find(|machine| machine["name"] == name));
    found.cloned().unwrap_or(Value::Null)
}

/// The machine with this number, from 1.
fn spec(number: u8, name: &str, kind: BmcKind) -> MachineSpec {
    MachineSpec {
        name: name.to_owned(),
        uuid: format!("11111111-2222-3333-4444-5555555555{number:02}"),
        serial: format!("LAB-{number:04}"),
        firmware: Firmware::Scripted,
        memory_mib: 1024,
        disks: vec![DiskSpec {
            serial: format!("disk-of-{name}"),
            bytes: DISK_BYTES,
        }],
        nics: vec![NicSpec {
            mac: format!("52:54:00:77:00:{number:02}"),
            tap: format!("tap{number}"),
        }],
        bmc: BmcSpec {
            kind,
            address: Ipv4Addr::new(10, 77, 0, 10 + number),
            kcs_port: 9230 + u16::from(number),
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    }
}
