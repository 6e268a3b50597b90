//! Budgets with a real musterd, its Postgres and the `muster` program: power by hand counts, a failure halts over a restart
//! and over a recovery, and a person lets it go on.

use crate::bed::{Bed, example};
use crate::muster::{Muster, is_adopted};
use rack_api::fact::{FactBody, PowerSeen, StepState};
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::{Deploy, JobRef};
use rack_api::order::OrderRef;
use reconciler_core::condition::Condition;
use reconciler_core::intent::Intent;
use reconciler_core::people::{MachineDetail, Status};
use schema_ids::{DiskId, MachineId, Uuid};

/// Two machines that one deployment runs, one of them at a time.
pub(crate) fn fleet(reinstall: u32) -> String {
    fleet_of(
        2,
        &format!(
            "[budget.web]\ntargets = [\"deployment:web\"]\nmax-unavailable = 1\n\
             [deployment.web]\nmachines = [\"node-01\", \"node-02\"]\n{RUNS}budget = \"web\"\nreinstall = {reinstall}\n"
        ),
    )
}

/// What a deployment says beside whom it runs on.
pub(crate) const RUNS: &str = "hostname = \"web-{slot}\"\nimage = \"debian-12\"\nstorage = \"single-disk\"\n\
                               network = \"one-port\"\n";

/// So many machines, of the example's kind, and what is said beside them.
pub(crate) fn fleet_of(machines: u8, rest: &str) -> String {
    let rootfs = "[image.ephemeral.rootfs]\nsource = \"muster:ephemeral/root.squashfs\"\n\
                  sha256 = \"c7a1f7c1d2e6f0c5f1b7fd0d2ce2d1d4d7e0d5d7c8b1d3a6f9e2c4b5a6978812\"\n";
    let example = example();
    let (before, machine_and_rest) = example.split_once("[machine.").unwrap();
    let (_, after) = machine_and_rest.split_once("[image.ephemeral]").unwrap();
    let (kept, _) = after.split_once("[deployment.").unwrap();
    let machines: String = (1..=machines).map(machine).collect();
    format!("{before}{machines}[image.ephemeral]{kept}\n{rootfs}{rest}")
}

fn machine(number: u8) -> String {
    format!(
        "[machine.node-0{number}]\nserial = \"LAB-000{number}\"\nrack = \"r1\"\nboot.mode = \"bios\"\n\
         bmc = {{ driver = \"ipmi\", address = \"10.77.0.1{number}\", secret = \"lab-bmc\" }}\n\
         nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n"
    )
}

/// The number in a machine's name.
pub(crate) fn number(name: &str) -> u8 {
    name.trim_start_matches("node-").parse().unwrap()
}

fn disk(number: u8) -> DiskId {
    format!("serial:d{number}").parse().unwrap()
}

fn inventory(number: u8) -> Box<Inventory> {
    Box::new(Inventory {
        uuid: None,
        serial: Some(format!("LAB-000{number}")),
        vendor: String::new(),
        product: String::new(),
        firmware: Firmware {
            kind: FirmwareKind::Bios,
            version: String::new(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: String::new(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks: vec![Disk {
            id: Some(disk(number)),
            path: "/dev/vda".to_owned(),
            model: String::new(),
            serial: format!("d{number}"),
            size_bytes: 20_000_000_000,
            kind: DiskKind::Ssd,
            local: true,
            content: "blank".parse().unwrap(),
            holds: String::new(),
        }],
        nics: vec![Nic {
            name: "eth0".to_owned(),
            mac: format!("52:54:00:77:00:0{number}").parse().unwrap(),
            speed_mbps: None,
            link: true,
            driver: "virtio_net".to_owned(),
        }],
        bmc: None,
        pci: None,
        mark: None,
    })
}

/// A musterd with its rack agent, as a script.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) muster: Muster,
    pub(crate) sequence: u64,
    boots: u8,
}

impl Stage {
    /// A musterd with this fleet, whose machines are inspected, blank, and have slots.
    pub(crate) async fn open(mut bed: Bed) -> Self {
        bed.start(&[]);
        let first = bed.until("adopted", |status| !status.machines.is_empty()).await;
        let muster = Muster::of(&bed);
        let mut stage = Self {
            bed,
            muster,
            sequence: 0,
            boots: 0,
        };
        let seen = first.machines.iter().map(|machine| FactBody::Inventory {
            job: JobRef {
                machine: machine.id,
                generation: machine.generation,
                attempt: 1,
            },
            inventory: inventory(number(machine.name.as_str())),
        });
        stage.hear(seen.collect()).await;
        let has_slots = |status: &Status| {
            let mut machines = status.machines.iter();
            machines.all(|machine| machine.wanted.contains('['))
        };
        stage.bed.until("planned", has_slots).await;
        stage
    }

    /// The numbers of its machines.
    async fn names(&self) -> Vec<u8> {
        let status = self.bed.until("there", |_| true).await;
        let machines = status.machines.iter();
        machines.map(|machine| number(machine.name.as_str())).collect()
    }

    /// Every machine runs what is wanted of it, and nothing is out.
    pub(crate) async fn is_well(&self) {
        let is_well = |status: &Status| {
            status
                .machines
                .iter()
                .all(|machine| machine.wait.is_none() && machine.proposed.is_none())
                && status.budgets.iter().all(|budget| budget.out.is_empty())
        };
        self.bed.until("all run", is_well).await;
    }

    pub(crate) async fn hear(&mut self, facts: Vec<FactBody>) {
        let first = self.sequence + 1;
        self.sequence += facts.len() as u64;
        self.bed.hear(first, facts).await;
    }

    pub(crate) fn wanted(&self, number: u8) -> (MachineId, JobRef, Deploy) {
        let detail = self.muster.document(&["show", &format!("node-0{number}")], 0);
        let detail: MachineDetail = serde_json::from_value(detail).unwrap();
        let Intent::Deployed(deploy) = &detail.plan.wanted.intent else {
            panic!("node-0{number} is to be deployed: {detail:#?}");
        };
        let job = JobRef {
            machine: detail.status.id,
            generation: detail.plan.wanted.generation,
            attempt: 1,
        };
        (detail.status.id, job, (**deploy).clone())
    }

    /// Its installation fails for good.
    pub(crate) async fn fails(&mut self, number: u8) {
        let (machine, job, deploy) = self.wanted(number);
        let boot_id = Uuid::from_bytes([9; 16]);
        let order = OrderRef {
            machine,
            incarnation: deploy.incarnation.number,
            generation: job.generation,
            number: 1,
        };
        let failed = FactBody::Step {
            job,
            boot_id,
            step: "unpack".to_owned(),
            state: StepState::Failed {
                code: "IMAGE_DIGEST_MISMATCH".to_owned(),
                error: "other bytes".to_owned(),
            },
        };
        let started = FactBody::JobStarted { job, boot_id };
        self.hear(vec![FactBody::OrderTaken { order }, started, failed])
            .await;
    }

    /// It runs what is wanted of it, by its own word.
    pub(crate) async fn runs(&mut self, number: u8) {
        let (machine, job, deploy) = self.wanted(number);
        self.boots += 1;
        let power = PowerSeen::On;
        // The agent takes what it is told to have the machine boot.
        let taken = (1..5).map(|number| FactBody::OrderTaken {
            order: OrderRef {
                machine,
                incarnation: deploy.incarnation.number,
                generation: job.generation,
                number,
            },
        });
        let mut facts: Vec<FactBody> = taken.collect();
        facts.extend([
            FactBody::Power { machine, power },
            FactBody::Installed {
                job,
                binding: deploy.binding,
                spec: deploy.spec,
                disks: vec![disk(number)],
            },
            FactBody::PhonedHome {
                machine,
                binding: deploy.binding,
                boot_id: Uuid::from_bytes([self.boots; 16]),
                root_disk: Some(disk(number)),
                root_device: "/dev/vda2".to_owned(),
            },
        ]);
        self.hear(facts).await;
    }
}

/// Both run what the first commit wants.
pub(crate) async fn running() -> Stage {
    running_in(Bed::new(&fleet(0))).await
}

/// The same in a bed with this fleet, whose machines are all in one deployment.
pub(crate) async fn running_in(bed: Bed) -> Stage {
    let mut stage = Stage::open(bed).await;
    let machines = stage.names().await;
    for number in machines {
        stage.runs(number).await;
    }
    stage.is_well().await;
    stage
}

pub(crate) fn waits_on(status: &Status, condition: Condition) -> Option<String> {
    let mut machines = status.machines.iter();
    let waits = machines.find(|machine| {
        machine
            .wait
            .as_ref()
            .is_some_and(|wait| wait.condition == condition)
    });
    waits.map(|machine| machine.name.to_string())
}

#[tokio::test]
async fn power_by_hand_takes_a_place_or_says_who_has_it() {
    let mut stage = running().await;
    stage.hear(Vec::new()).await;
    let muster = &stage.muster;
    muster.says(&["machine", "power", "node-01", "off", "--reason", "new fan"], 0);
    let off = ["machine", "power", "node-02", "off"];
    let refused = muster.document(&off, 1);
    assert_eq!(refused["error"]["code"], "BUDGET");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("budget web: 1 of 1") && message.contains("node-01"),
        "{message}"
    );
    assert!(message.contains("--beyond-budget"), "{message}");
    // Switching on takes nobody out.
    muster.says(&["machine", "power", "node-02", "on"], 0);

    let beyond = [&off[..], &["--beyond-budget"]].concat();
    assert_eq!(muster.document(&beyond, 1)["error"]["code"], "BAD_REQUEST");
    let why = [&beyond[..], &["--reason", "it smells"]].concat();
    muster.says(&why, 0);
    let log = stage.bed.table("audit");
    let exceeded = log.iter().find(|row| row.contains("budget-exceeded"));
    assert!(
        exceeded.is_some_and(|row| row.contains("it smells") && row.contains("node-01")),
        "{log:#?}"
    );
    let status = stage
        .bed
        .until("both out", |status| status.budgets[0].out.len() == 2)
        .await;
    assert!(status.budgets[0].halted.is_none(), "nothing failed");
    let said = stage.muster.says(&["status"], 0);
    assert!(
        said.contains("budget web   2 machines   2 of 1 out of service"),
        "{said}"
    );
}

/// Ends musterd between any two instructions.
pub(crate) fn kill(bed: &mut Bed) {
    let pid = rustix::process::Pid::from_raw(bed.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    bed.ended();
}

/// A person says "go on", with a reason and of a budget that is halted.
fn resumes(muster: &Muster) {
    let resume = ["resume", "--scope", "budget:web"];
    assert_eq!(muster.document(&resume, 1)["error"]["code"], "BAD_REQUEST");
    let unknown = ["resume", "--scope", "budget:other", "--reason", "x"];
    assert_eq!(muster.document(&unknown, 1)["error"]["code"], "NOT_FOUND");
    // Who does not say what was looked at is told what there is.
    let resume = [&resume[..], &["--reason", "the mirror was stale"]].concat();
    let asked = muster.document(&resume, 1);
    let message = asked["error"]["message"].as_str().unwrap();
    assert!(message.contains("other bytes"), "{message}");
    let (_, seen) = message.split_once("--seen ").unwrap();
    let seen = seen.split(' ').next().unwrap();
    let status = muster.says(&["status"], 0);
    assert!(
        status.contains(&format!("muster resume --scope budget:web --seen {seen} ")),
        "{status}"
    );
    let earlier = [&resume[..], &["--seen", "0"]].concat();
    assert_eq!(muster.document(&earlier, 1)["error"]["code"], "NOT_FOUND");
    let resume = [&resume[..], &["--seen", seen]].concat();
    assert_eq!(muster.says(&resume, 0), "budget:web goes on.\n");
}

#[tokio::test]
async fn a_failure_halts_until_a_person_says_go_on() {
    let mut stage = running().await;
    stage.bed.commit(&[("fleet.toml", Some(&fleet(1)))], "again");
    stage.bed.apply().await;
    stage.hear(Vec::new()).await;
    stage
        .bed
        .until("adopted", |status| is_adopted(status, "again"))
        .await;
    let begun = stage
        .bed
        .until("one is begun", |status| {
            waits_on(status, Condition::Budget).is_some() && status.budgets[0].out.len() == 1
        })
        .await;
    let first: u8 = if waits_on(&begun, Condition::Budget).as_deref() == Some("node-01") {
        2
    } else {
        1
    };
    stage.fails(first).await;
    let is_halted = |status: &Status| {
        let halted = status.budgets.first().and_then(|budget| budget.halted.as_ref());
        halted.is_some() && waits_on(status, Condition::BudgetHalted).is_some()
    };
    stage.bed.until("halted", is_halted).await;

    // It is over with the machine, and with the daemon that saw it; not with the halt.
    stage.runs(first).await;
    stage
        .bed
        .until("well again", |status| status.budgets[0].out.is_empty())
        .await;
    kill(&mut stage.bed);
    stage.bed.start(&[]);
    stage
        .bed
        .until("up again", |status| status.machines.len() == 2)
        .await;
    stage.hear(Vec::new()).await;
    stage.bed.until("still halted", is_halted).await;
    let said = stage.muster.says(&["status"], 0);
    assert!(
        said.contains("HALTED budget web: node-0") && said.contains("other bytes"),
        "{said}"
    );

    resumes(&stage.muster);
    let goes_on = |status: &Status| {
        let budget = &status.budgets[0];
        budget.halted.is_none() && budget.out.len() == 1
    };
    stage.bed.until("the other is begun", goes_on).await;
    let resumed = stage.bed.table("budget_resumed");
    assert!(
        resumed.len() == 1 && resumed[0].contains("the mirror was stale"),
        "{resumed:#?}"
    );
}
