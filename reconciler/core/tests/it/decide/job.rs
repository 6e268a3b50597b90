//! The machine's own part in a script: it boots, runs its job, tells steps and proofs, and phones home.

use super::{MAC, Stage};
use crate::seen::SeenMachine;
use rack_api::fact::{BootEvidence, FactBody, StepState};
use rack_api::job::JobRef;
use rack_api::order::Lane;
use reconciler_core::facts::WriteStart;
use reconciler_core::intent::Intent;
use schema_ids::{Generation, Uuid};
use std::time::Duration;

impl Stage {
    /// The job that is to be booted.
    pub(super) fn ordered(&self) -> Option<JobRef> {
        let facts = self.folded();
        facts
            .newest(Lane::Boot)
            .and_then(|seen| seen.job())
            .map(|job| job.job)
    }

    /// The job may write; its first words may come later.
    pub(super) fn go(&mut self) {
        let job = self.ordered().expect("no job was ordered");
        let late = u8::from(self.running != Some(job));
        self.starts.push(WriteStart {
            job,
            boot_id: Uuid::from_bytes([self.boots + late; 16]),
            nonce: Uuid::from_bytes([0xdd; 16]),
            at: self.now,
            refused: None,
        });
    }

    pub(super) fn job(&self) -> JobRef {
        self.running.expect("no job was started")
    }

    pub(super) fn boot_id(&self) -> Uuid {
        Uuid::from_bytes([self.boots; 16])
    }

    pub(super) fn inventory(&mut self) {
        let seen: SeenMachine = toml::from_str(&format!(
            "uefi = {}\nserial = \"S1\"\nmacs = [\"{MAC}\"]\ndisks = [{{ id = \"serial:d1\", gb = 20, holds = \"{}\" }}]",
            self.in_git.uefi, self.holds
        ))
        .unwrap();
        let first = JobRef {
            machine: self.id,
            generation: Generation(1),
            attempt: 1,
        };
        let job = self.running.unwrap_or(first);
        let inventory = Box::new(seen.inventory(&self.planning.parent));
        self.tell(FactBody::Inventory { job, inventory });
    }
    /// `job`, `job address=10.77.0.50 tftp=ipxe.pxe http=initrd ago=2` (seconds since it began).
    pub(super) fn boot(&self, seen: &str) -> BootEvidence {
        let answer = seen.split(' ').next().unwrap_or_default();
        let value = |key: &str| {
            seen.split(' ')
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
        };
        BootEvidence {
            mac: MAC.parse().unwrap(),
            link: "lab/pxe".to_owned(),
            began: self.now.minus(Duration::from_secs(
                value("ago").map_or(0, |text| text.parse().unwrap()),
            )),
            client: "iPXE".to_owned(),
            uuid: None,
            address: value("address").map(|address| address.parse().unwrap()),
            tftp: value("tftp"),
            answer: Some(answer.to_owned()).filter(|answer| !answer.is_empty()),
            http: value("http"),
            last: self.now,
        }
    }

    /// `unpack 40/100`, `unpack done`, `unpack failed CODE why`.
    pub(super) fn step(&mut self, text: &str) {
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let step = word().to_owned();
        let state = match word() {
            "" => StepState::Started,
            "done" => StepState::Done,
            "failed" => StepState::Failed {
                code: word().to_owned(),
                error: word().to_owned(),
            },
            progress => {
                let (done, total) = progress.split_once('/').unwrap();
                StepState::Progress {
                    done: done.parse().unwrap(),
                    total: total.parse().unwrap(),
                }
            }
        };
        let (job, boot_id) = (self.job(), self.boot_id());
        self.tell(FactBody::Step {
            job,
            boot_id,
            step,
            state,
        });
    }

    pub(super) fn installed(&mut self) {
        let Intent::Deployed(deploy) = &self.planning.parent.machines[&self.id].wanted.intent else {
            panic!("nothing is to be installed");
        };
        let body = FactBody::Installed {
            job: self.job(),
            binding: deploy.binding,
            spec: deploy.spec,
            disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
        };
        self.tell(body);
        self.planning.observed.at = self.now;
        self.planning.install(self.id);
    }

    pub(super) fn erased(&mut self, disk: &str) {
        let Intent::Released(erase) = &self.planning.parent.machines[&self.id].wanted.intent else {
            panic!("nothing is to be erased");
        };
        let body = FactBody::Erased {
            job: self.job(),
            binding: erase.binding,
            disk: disk.parse().unwrap(),
            method: "quick, discarded".to_owned(),
            sample: "zeros".to_owned(),
        };
        self.tell(body);
    }

    pub(super) fn home(&mut self, disk: &str) {
        let machine = &self.planning.parent.machines[&self.id];
        let deploy = match &machine.wanted.intent {
            Intent::Deployed(deploy) => deploy,
            _ => machine.kept.as_ref().expect("nothing was ever installed"),
        };
        let body = FactBody::PhonedHome {
            machine: self.id,
            binding: deploy.binding,
            boot_id: Uuid::from_bytes([0xee; 16]),
            root_disk: disk.parse().ok(),
            root_device: "/dev/vda3".to_owned(),
        };
        self.tell(body);
    }
}
