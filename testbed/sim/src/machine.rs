//! Machines: power, firmware, disks, and the in-machine agent as far as anyone can see it.
//!
//! Every switch of the power begins another boot; what an earlier one was about to do never happens.
//! What a job has to say is said until an agent has it on disk. Writes are shown to the checker with
//! what was on the disk before.

mod job;

use crate::agent::BootAnswer;
use crate::bmc::Bmc;
use crate::dice::Dice;
use crate::invariant::Invariant;
use crate::report::Violation;
use crate::rpc::Question;
use crate::world::{Event, World};
use rack_api::fact::{DiskSeen, FactBody};
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::{Deploy, Job};
use rack_api::machine::Verdict;
use rack_proto::boot::LiveGo;
use schema_ids::{ContentId, DiskId, Mac, Name, Timestamp, Uuid};
use std::collections::BTreeMap;
use std::time::Duration;

/// One machine.
pub(crate) struct Machine {
    pub(crate) number: usize,
    pub(crate) mac: Mac,
    pub(crate) serial: String,
    pub(crate) uuid: Uuid,
    pub(crate) disks: BTreeMap<DiskId, PhysicalDisk>,
    /// What is installed on its disks, whole.
    pub(crate) installed: Option<Box<Deploy>>,
    pub(crate) on: bool,
    /// When it was last switched on.
    pub(crate) on_since: Timestamp,
    /// When it was last switched off.
    off_since: Timestamp,
    /// From when to when it was off, each time.
    pub(crate) rests: Vec<(Timestamp, Timestamp)>,
    /// Until when its BMC cannot have known, or said, whether it was off.
    pub(crate) misled_until: Option<Timestamp>,
    /// Rises with each switch of the power.
    pub(crate) boot: u64,
    boot_id: Uuid,
    /// The agent it booted from.
    server: Option<Name>,
    job: Option<Job>,
    progress: u32,
    nonce: Option<Uuid>,
    /// The live question that is out.
    pub(crate) waits_for: Option<u64>,
    /// The system that runs, by the binding and generation it was installed for.
    pub(crate) runs: Option<Box<Deploy>>,
    pub(crate) bmc: Bmc,
    /// Whether anything struck it that may cost it its tries.
    pub(crate) harmed: bool,
}

/// A disk as it is.
#[derive(Debug, Clone)]
pub(crate) struct PhysicalDisk {
    pub(crate) content: ContentId,
    pub(crate) size_bytes: u64,
}

/// How far a boot is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Firmware is through; it asks for a boot.
    Asks,
    /// The daemon's word on the job it would boot; `None` if there was none in time.
    BootAnswered { go: Option<bool> },
    /// The in-machine agent is up.
    Hello,
    /// It works on its job.
    Works,
    /// The daemon's word on its first write.
    WriteAnswered { verdict: Option<Verdict> },
    /// The system on its disk is up.
    Runs,
}

impl Machine {
    pub(crate) fn new(number: usize, dice: &mut Dice) -> Self {
        let mac = format!("52:54:00:00:01:{number:02x}")
            .parse()
            .expect("a MAC address");
        let disk = |letter: char, gb: u64, content| {
            let id: DiskId = format!("serial:m{number}{letter}").parse().expect("a disk id");
            (
                id,
                PhysicalDisk {
                    content,
                    size_bytes: gb * 1_000_000_000,
                },
            )
        };
        // Every fourth machine holds data that nobody agreed to erase, on the disk that would be chosen.
        let data = ContentId::Foreign(format!("ext4-{number}"));
        let first = if number % 4 == 3 { data } else { ContentId::Blank };
        Self {
            number,
            mac,
            serial: format!("S{number}"),
            uuid: dice.uuid(),
            disks: [disk('a', 20, first), disk('b', 40, ContentId::Blank)].into(),
            installed: None,
            on: dice.chance(500),
            on_since: Timestamp::from_unix_ms(0),
            off_since: Timestamp::from_unix_ms(0),
            rests: Vec::new(),
            misled_until: None,
            boot: 0,
            boot_id: dice.uuid(),
            server: None,
            job: None,
            progress: 0,
            nonce: None,
            waits_for: None,
            runs: None,
            bmc: Bmc::default(),
            harmed: false,
        }
    }

    fn inventory(&self) -> Inventory {
        let disks = self.disks.iter().map(|(id, disk)| Disk {
            id: Some(id.clone()),
            path: "/dev/vda".to_owned(),
            model: "disk".to_owned(),
            serial: id.as_str().to_owned(),
            size_bytes: disk.size_bytes,
            kind: DiskKind::Ssd,
            local: true,
            content: disk.content.clone(),
            holds: String::new(),
        });
        Inventory {
            uuid: Some(self.uuid),
            serial: Some(self.serial.clone()),
            vendor: String::new(),
            product: String::new(),
            firmware: Firmware {
                kind: FirmwareKind::Bios,
                version: String::new(),
            },
            cpu: Cpu {
                arch: "amd64".to_owned(),
                model: String::new(),
                cores: 4,
                threads: 8,
            },
            memory_bytes: 1 << 34,
            disks: disks.collect(),
            nics: vec![Nic {
                name: "eth0".to_owned(),
                mac: self.mac,
                speed_mbps: Some(1000),
                link: true,
                driver: "e1000".to_owned(),
            }],
            bmc: None,
            pci: None,
            mark: None,
        }
    }

    fn seen_disks(&self) -> Vec<DiskSeen> {
        let seen = |(id, disk): (&DiskId, &PhysicalDisk)| DiskSeen {
            disk: id.clone(),
            content: disk.content.clone(),
            size_bytes: disk.size_bytes,
        };
        self.disks.iter().map(seen).collect()
    }

    /// The binding's system can start from this disk.
    fn boots(&self) -> Option<&Deploy> {
        let deploy = self.installed.as_deref()?;
        let whole = deploy.disks.iter().all(|disk| {
            let content = self.disks.get(&disk.disk).map(|disk| &disk.content);
            matches!(content, Some(ContentId::Marker { binding, installed: true, .. }) if *binding == deploy.binding)
        });
        whole.then_some(deploy)
    }
}

impl World<'_> {
    pub(crate) fn place_of(&self, mac: Mac) -> Option<usize> {
        self.machines.iter().position(|machine| machine.mac == mac)
    }

    /// Switches the power; to what it already is, nothing happens.
    pub(crate) fn switch(&mut self, machine: usize, on: bool) {
        let boot_id = self.dice.uuid();
        let post = self.seconds(20, 60);
        let now = self.now;
        let place = &mut self.machines[machine];
        if place.on == on {
            return;
        }
        place.on = on;
        match on {
            true => {
                place.on_since = now;
                place.rests.push((place.off_since, now));
            }
            false => place.off_since = now,
        }
        place.boot += 1;
        place.boot_id = boot_id;
        (place.server, place.job, place.nonce, place.waits_for, place.runs) = (None, None, None, None, None);
        self.note(
            format_args!("m{machine}"),
            if on { "goes on" } else { "goes off" },
        );
        if on {
            let boot = self.machines[machine].boot;
            self.later(
                post,
                Event::Machine {
                    machine,
                    boot,
                    stage: Stage::Asks,
                },
            );
        }
    }

    pub(crate) fn machine_goes_on(
        &mut self,
        machine: usize,
        boot: u64,
        stage: Stage,
    ) -> Result<(), Violation> {
        let place = &self.machines[machine];
        if !place.on || place.boot != boot {
            return Ok(());
        }
        match stage {
            Stage::Asks => self.asks(machine),
            Stage::BootAnswered { go } => self.boot_answered(machine, go),
            Stage::Hello => self.hello(machine),
            Stage::Works => self.works(machine),
            Stage::WriteAnswered { verdict } => self.write_answered(machine, verdict),
            Stage::Runs => self.runs(machine),
        }
    }

    fn next_stage(&mut self, machine: usize, after: Duration, stage: Stage) {
        let boot = self.machines[machine].boot;
        self.later(after, Event::Machine { machine, boot, stage });
    }

    fn asks(&mut self, machine: usize) -> Result<(), Violation> {
        let mac = self.machines[machine].mac;
        let Some(agent) = self.some_agent() else {
            return self.boots_disk(machine);
        };
        self.machines[machine].server = Some(agent.clone());
        self.tell_boot(&agent, mac, None)?;
        self.boot_script(machine, None)
    }

    fn boot_answered(&mut self, machine: usize, go: Option<bool>) -> Result<(), Violation> {
        let live = match go {
            Some(true) => LiveGo::Go,
            Some(false) => LiveGo::NoGo,
            None => LiveGo::Unreachable,
        };
        self.boot_script(machine, Some(live))
    }

    fn boot_script(&mut self, machine: usize, live: Option<LiveGo>) -> Result<(), Violation> {
        let mac = self.machines[machine].mac;
        let server = self.machines[machine]
            .server
            .clone()
            .filter(|server| self.agents[server].is_up());
        let Some(server) = server else {
            return self.boots_disk(machine);
        };
        match self.agents[&server].boot_answer(self.code, mac, live, self.now) {
            BootAnswer::Ask(request) => {
                self.call(machine, Question::Boot(request));
                Ok(())
            }
            BootAnswer::Job => {
                if live != Some(LiveGo::Go) && self.machines[machine].boots().is_some() {
                    let what = format!("m{machine} is installed, and {server} boots it into a job");
                    return Err(self.violation(Invariant::OwnDisk, what));
                }
                self.tell_boot(&server, mac, Some("job"))?;
                let load = self.seconds(5, 30);
                self.next_stage(machine, load, Stage::Hello);
                Ok(())
            }
            BootAnswer::Local => {
                self.tell_boot(&server, mac, Some("local"))?;
                self.boots_disk(machine)
            }
        }
    }

    /// From its own disk, where there is a system; else it stands there.
    fn boots_disk(&mut self, machine: usize) -> Result<(), Violation> {
        if self.machines[machine].boots().is_some() {
            let start = self.seconds(10, 60);
            self.next_stage(machine, start, Stage::Runs);
        }
        Ok(())
    }

    /// The installed system is up, and says so until it is heard.
    fn runs(&mut self, machine: usize) -> Result<(), Violation> {
        let Some(deploy) = self.machines[machine].boots().cloned() else {
            return Ok(());
        };
        self.machines[machine].runs = Some(Box::new(deploy.clone()));
        self.check.ran(self.machines[machine].number, &deploy);
        let known = self.some_agent().and_then(|agent| {
            let id = self.agents[&agent].machine_of(self.machines[machine].mac)?;
            Some((agent, id))
        });
        let Some((agent, id)) = known else {
            self.next_stage(machine, Duration::from_secs(30), Stage::Runs);
            return Ok(());
        };
        let body = FactBody::PhonedHome {
            machine: id,
            binding: deploy.binding,
            boot_id: self.machines[machine].boot_id,
            root_disk: deploy.disks.first().map(|disk| disk.disk.clone()),
            root_device: "/dev/vda3".to_owned(),
        };
        if !self.tell(&agent, vec![body])? {
            self.next_stage(machine, Duration::from_secs(30), Stage::Runs);
        }
        Ok(())
    }
}
