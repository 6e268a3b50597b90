//! What is decided for one machine, case by case: `tests/cases/next/*.toml`.
//!
//! A case is a script: each line is something that happens, a second after the one before; then the
//! shipped `tick` is asked until it orders nothing more. The snapshot is what was ordered and what is
//! waited for.

mod by_hand;
mod firmware;
mod in_git;

use crate::planning;
use in_git::{InGit, fleet};
use rack_api::fact::{BmcFaultKind, BootEvidence, Fact, FactBody, PowerSeen, StepState};
use rack_api::job::JobRef;
use rack_api::order::{Lane, OrderRef, PowerWanted};
use reconciler_core::admit::{Permits, Policy};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::intent::Intent;
use reconciler_core::next::Decision;
use reconciler_core::phase::phase;
use reconciler_core::tick::{Effect, Tick, World, tick};
use schema_fleet::Fleet;
use schema_ids::{Generation, MachineId, Name, Timestamp, Uuid};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What is to be seen in it.
    #[expect(dead_code, reason = "for the reader of the case")]
    why: String,
    /// Whether it was inspected before.
    #[serde(default)]
    inspected: bool,
    /// Whether a deployment names it.
    #[serde(default)]
    deployed: bool,
    /// Whether its firmware is UEFI.
    #[serde(default)]
    uefi: bool,
    /// Whether it has a BMC.
    #[serde(default = "yes")]
    bmc: bool,
    /// Whether git says `power = "on"`.
    #[serde(default)]
    keep_on: bool,
    /// Its `boot.timeout`, where git says one.
    boot_timeout: Option<String>,
    /// Held from the beginning, with the reason.
    hold: Option<String>,
    /// What is on its disk when it is inspected; `blank` if nothing is said.
    #[serde(default = "blank")]
    holds: String,
    pub(crate) script: Vec<String>,
}

fn blank() -> String {
    "blank".to_owned()
}

fn yes() -> bool {
    true
}

const MAC: &str = "52:54:00:77:00:01";

pub(crate) struct Stage {
    planning: planning::World,
    case_fleet: Fleet,
    in_git: InGit,
    id: MachineId,
    start: Timestamp,
    now: Timestamp,
    heard: bool,
    agent: AgentSeen,
    sequence: u64,
    facts: Vec<StoredFact>,
    orders: Vec<IssuedOrder>,
    starts: Vec<WriteStart>,
    permits: Permits,
    policy: Policy,
    holds: String,
    /// Why its commit cannot be planned again.
    stopped: Option<Wait>,
    boots: u8,
    /// The job that the in-machine agent has.
    running: Option<JobRef>,
    text: String,
}

impl Stage {
    pub(crate) fn new(case: &Case) -> Self {
        let mut planning = planning::World::new();
        let in_git = InGit {
            bmc: case.bmc,
            boot_timeout: case.boot_timeout.clone(),
            deployed: case.deployed,
            uefi: case.uefi,
            keep_on: case.keep_on,
            epoch: 0,
            inspect: 0,
            removed: None,
        };
        let case_fleet = fleet(&in_git);
        planning.next_commit();
        planning.adopt(&case_fleet, planning.plan(&case_fleet));
        let (id, _) = planning.parent.machine("m1").unwrap();
        let now = planning.observed.at;
        let agent = AgentSeen {
            heard: now,
            watermark: now,
            steady: now,
        };
        let mut stage = Self {
            planning,
            case_fleet,
            in_git,
            id,
            start: now,
            now,
            heard: true,
            agent,
            sequence: 0,
            facts: Vec::new(),
            orders: Vec::new(),
            starts: Vec::new(),
            permits: Permits::default(),
            policy: Policy::default(),
            holds: case.holds.clone(),
            stopped: None,
            boots: 0,
            running: None,
            text: String::new(),
        };
        if let Some(reason) = &case.hold {
            stage.policy.holds.insert(id, reason.clone());
        }
        if case.inspected {
            stage.inventory();
            stage.replan();
        }
        stage
    }

    fn generation(&self) -> Generation {
        self.planning.parent.machines[&self.id].wanted.generation
    }

    fn folded(&self) -> MachineFacts {
        let generation = self.generation();
        let orders = self
            .orders
            .iter()
            .filter(|issued| issued.order.generation == generation);
        let agents = BTreeMap::from([(name("rackd-1"), self.agent.clone())]);
        MachineFacts::fold(
            generation,
            orders.cloned().collect(),
            self.starts.clone(),
            &self.facts,
            agents,
        )
    }

    fn tell(&mut self, body: FactBody) {
        self.sequence += 1;
        self.facts.push(StoredFact {
            agent: name("rackd-1"),
            sequence: self.sequence,
            received: self.now,
            fact: Fact { at: self.now, body },
        });
    }

    fn tick(&self) -> Tick {
        let facts = BTreeMap::from([(self.id, self.folded())]);
        let agents = BTreeMap::from([(name("rackd-1"), self.agent.clone())]);
        let world = World {
            plan: &self.planning.parent,
            incarnation: self.planning.observed.incarnation,
            facts: &facts,
            agents: &agents,
            permits: &self.permits,
            policy: &self.policy,
            restored: None,
            stopped: self.stopped.as_ref(),
        };
        tick(&world, self.now)
    }

    /// Performs effects until nothing more is wanted, and writes down what stands then.
    pub(crate) fn settle(&mut self) {
        for _ in 0..20 {
            let mut step = self.tick();
            if self.stopped.is_some() {
                step.effects
                    .retain(|effect| !matches!(effect, Effect::Replan { .. }));
            }
            if step.effects.is_empty() {
                self.write_down(&step);
                return;
            }
            for effect in step.effects {
                self.perform(effect);
            }
        }
        panic!("it never comes to rest");
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Issue { order, grant } => {
                writeln!(
                    self.text,
                    "    order {}: {}",
                    order.order.number, order.order.cause
                )
                .unwrap();
                if let Some(grant) = grant {
                    self.permits.grants.insert(grant.machine, grant);
                }
                self.orders.push(*order);
            }
            Effect::ReleaseGrant { machine, .. } => {
                self.permits.grants.remove(&machine);
            }
            Effect::Replan { .. } => self.replan(),
        }
    }

    fn replan(&mut self) {
        let facts = self.folded();
        if let Some(seen) = facts.inventory {
            let known = self.planning.observed.machines.get_mut(&self.id).unwrap();
            known.inspected = Some(seen.since);
            known.inventory = Some(seen.value);
        }
        let known = self.planning.observed.machines.get_mut(&self.id).unwrap();
        if facts.installed.is_none() {
            known.installed = None;
        }
        known.erased = facts.erased;
        self.planning.observed.at = self.now;
        let new = self.planning.plan(&self.case_fleet);
        self.planning.adopt(&self.case_fleet, new);
        writeln!(self.text, "    planned again: generation {}", self.generation()).unwrap();
    }

    /// What a person is told of it.
    pub(crate) fn why(&self) -> String {
        self.why_of(&self.tick().decisions[&self.id])
    }

    /// What a person would be told if this were decided.
    pub(crate) fn why_of(&self, decision: &Decision) -> String {
        reconciler_core::status::why(&self.planning.parent, self.id, &self.folded(), decision)
    }

    fn write_down(&mut self, step: &Tick) {
        let decision = &step.decisions[&self.id];
        let machine = &self.planning.parent.machines[&self.id];
        let (phase, marks) = phase(machine, &self.folded(), decision);
        let row = phase.row();
        if let Decision::Wait(wait) = decision
            && wait.retry_at.is_none()
            && wait.condition.row().under_way
        {
            assert!(
                row.waits.contains(&wait.condition),
                "{} does not wait on {}",
                row.name,
                wait.condition
            );
        }
        let said = match decision {
            Decision::Settled => "settled".to_owned(),
            Decision::Propose(proposal) => format!("about to {}", proposal.order.cause),
            Decision::Wait(wait) => {
                let retry = wait.retry_at.map(|at| format!(", again at {}", self.clock(at)));
                let since = self.clock(wait.since);
                format!(
                    "{} since {since}{}: {}",
                    wait.condition,
                    retry.unwrap_or_default(),
                    wait.evidence
                )
            }
        };
        let marks: String = marks.iter().map(|mark| format!(" {mark:?}")).collect();
        writeln!(self.text, "    {}{marks} | {said}", row.name).unwrap();
    }

    fn clock(&self, at: Timestamp) -> String {
        let seconds = at.since(self.start).as_secs();
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }

    fn newest(&self, lane: Lane) -> Option<&IssuedOrder> {
        let generation = self.generation();
        self.orders
            .iter()
            .rfind(|issued| issued.order.generation == generation && issued.order.lane() == lane)
    }

    fn reference(&self, lane: Lane) -> OrderRef {
        self.newest(lane)
            .expect("the script speaks of an order that was not given")
            .order
            .reference()
    }

    /// The job that is to be booted.
    fn ordered(&self) -> Option<JobRef> {
        let facts = self.folded();
        facts
            .newest(Lane::Boot)
            .and_then(|seen| seen.job())
            .map(|job| job.job)
    }

    /// The job may write; its first words may come later.
    fn go(&mut self) {
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

    fn job(&self) -> JobRef {
        self.running.expect("no job was started")
    }

    fn boot_id(&self) -> Uuid {
        Uuid::from_bytes([self.boots; 16])
    }

    fn inventory(&mut self) {
        let seen: planning::SeenMachine = toml::from_str(&format!(
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

    pub(crate) fn play(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let pause = match verb {
            "wait" | "silent" => seconds(rest),
            _ => 1,
        };
        self.now = self.now.plus(Duration::from_secs(pause));
        self.heard = match verb {
            "silent" => false,
            "heard" => true,
            _ => self.heard,
        };
        if self.heard {
            let mut at = self.agent.heard;
            // It syncs all the while, unless it was silent.
            while verb != "heard" && self.now.since(at) > Duration::from_secs(25) {
                at = at.plus(Duration::from_secs(25));
                self.agent = AgentSeen::after_sync(Some(&self.agent), at, true);
            }
            self.agent = AgentSeen::after_sync(Some(&self.agent), self.now, true);
        }
        self.happen(verb, rest);
        writeln!(self.text, "{} {line}", self.clock(self.now)).unwrap();
        self.settle();
    }

    fn happen(&mut self, verb: &str, rest: &str) {
        let machine = self.id;
        match verb {
            "wait" | "silent" | "heard" => {}
            "taken" => self.tell(FactBody::OrderTaken {
                order: self.reference(Lane::Boot),
            }),
            "refused" => {
                self.tell(FactBody::OrderRefused {
                    order: self.reference(Lane::Boot),
                    why: rest.to_owned(),
                });
            }
            "power" | "switched" | "bmc" => self.bmc(verb, rest),
            "by-hand" => self.by_hand(rest),
            "boot" => self.tell(FactBody::Boot {
                machine: Some(machine),
                boot: self.boot(rest),
            }),
            "started" => {
                self.boots += 1;
                self.running = self.ordered();
                let (job, boot_id) = (self.job(), self.boot_id());
                self.tell(FactBody::JobStarted { job, boot_id });
            }
            "step" => self.step(rest),
            "inventory" => {
                if !rest.is_empty() {
                    rest.clone_into(&mut self.holds);
                }
                self.inventory();
            }
            "firmware" => self.firmware(rest),
            "job-done" => {
                let (job, boot_id) = (self.job(), self.boot_id());
                self.tell(FactBody::JobDone { job, boot_id });
            }
            "installed" => self.installed(),
            "go" => {
                let known = self.planning.observed.machines.get_mut(&machine).unwrap();
                known.written_in = Some(self.planning.parent.machines[&machine].wanted.generation);
                self.go();
            }
            "erased" => self.erased(rest),
            "home" => self.home(rest),
            "hold" => {
                self.policy.holds.insert(machine, rest.to_owned());
            }
            "release" => {
                self.policy.holds.clear();
            }
            "unplannable" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                self.stopped = Some(Wait::of_stop(code, reason, self.now));
            }
            "plannable" => self.stopped = None,
            "reinstall" | "removed" | "inspect" | "boot-timeout" | "deploy" => self.commit(verb, rest),
            _ => panic!("the script says {verb:?}, which nobody knows"),
        }
    }

    /// What a person changes in git.
    fn commit(&mut self, verb: &str, rest: &str) {
        match verb {
            "reinstall" => self.in_git.epoch += 1,
            "removed" => self.in_git.removed = Some(rest.to_owned()).filter(|rest| !rest.is_empty()),
            "inspect" => self.in_git.inspect += 1,
            "boot-timeout" => self.in_git.boot_timeout = Some(rest.to_owned()),
            "deploy" => self.in_git.deployed = true,
            _ => panic!("nobody commits {verb}"),
        }
        self.case_fleet = fleet(&self.in_git);
        self.planning.next_commit();
        self.replan();
    }

    /// What the BMC does.
    fn bmc(&mut self, verb: &str, rest: &str) {
        let machine = self.id;
        match verb {
            "power" => {
                let power = match rest {
                    "on" => PowerSeen::On,
                    "off" => PowerSeen::Off,
                    _ => PowerSeen::Unknown,
                };
                self.tell(FactBody::Power { machine, power });
            }
            "switched" => self.switched(),
            "bmc" => {
                let fault = match rest {
                    "silent" => BmcFaultKind::Silent,
                    "credentials" => BmcFaultKind::Credentials,
                    _ => BmcFaultKind::Refused,
                };
                self.tell(FactBody::BmcFault {
                    machine,
                    fault,
                    // As drivers begin what they say.
                    detail: format!("BMC 10.77.0.11:623 {rest}"),
                });
                let order = self.reference(Lane::Power);
                self.tell(FactBody::OrderFailed {
                    order,
                    step: "power".to_owned(),
                    error: format!("BMC 10.77.0.11:623 {rest}"),
                });
            }
            _ => panic!("a BMC does no such thing as {verb}"),
        }
    }

    /// The newest power order was carried out.
    fn switched(&mut self) {
        let issued = self
            .newest(Lane::Power)
            .expect("no power order was given")
            .order
            .clone();
        let on = matches!(issued.action, rack_api::order::Action::Power(PowerWanted::On));
        let power = if on { PowerSeen::On } else { PowerSeen::Off };
        self.tell(FactBody::Power {
            machine: self.id,
            power,
        });
        self.tell(FactBody::OrderDone {
            order: issued.reference(),
        });
    }

    /// `job`, `job address=10.77.0.50 tftp=ipxe.pxe http=initrd ago=2` (seconds since it began).
    fn boot(&self, seen: &str) -> BootEvidence {
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
    fn step(&mut self, text: &str) {
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

    fn installed(&mut self) {
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

    fn erased(&mut self, disk: &str) {
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

    fn home(&mut self, disk: &str) {
        let Intent::Deployed(deploy) = &self.planning.parent.machines[&self.id].wanted.intent else {
            panic!("nothing is to be installed");
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

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{text:?} is no time"),
    };
    number.parse::<u64>().unwrap() * factor
}

#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../cases/next");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../cases/next", "*.toml", |path| {
            let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let mut stage = Stage::new(&case);
            stage.settle();
            for line in &case.script {
                stage.play(line);
            }
            insta::assert_snapshot!("next", stage.text);
        });
    });
}
