//! What is decided for one machine, case by case: `tests/cases/next/*.toml`.
//!
//! A case is a script: each line is something that happens, a second after the one before; then the
//! shipped `tick` is asked until it orders nothing more. The snapshot is what was ordered and what is
//! waited for.

mod bmc;
mod by_hand;
mod firmware;
mod hold;
mod in_git;
mod job;
mod script;

use crate::world;
use in_git::{InGit, fleet};
use rack_api::fact::{Fact, FactBody};
use rack_api::job::JobRef;
use rack_api::order::{Lane, OrderRef};
use reconciler_core::admit::{Leave, Permits, Policy};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, Fenced, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::hold::Restraints;
use reconciler_core::next::Decision;
use reconciler_core::phase::phase;
use reconciler_core::tick::{Effect, Tick, World, tick};
use schema_fleet::Fleet;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

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
    /// Held from the beginning: `[EFFECT] [for TIME] REASON`.
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
    planning: world::World,
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
    pub(crate) restraints: Restraints,
    /// A person's word that it is gone, and for which generation.
    fenced: Option<(Generation, Fenced)>,
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
        let mut planning = world::World::new();
        let in_git = InGit {
            bmc: case.bmc,
            boot_timeout: case.boot_timeout.clone(),
            deployed: case.deployed,
            uefi: case.uefi,
            keep_on: case.keep_on,
            epoch: 0,
            inspect: 0,
            observe: false,
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
            restraints: Restraints::default(),
            fenced: None,
            holds: case.holds.clone(),
            stopped: None,
            boots: 0,
            running: None,
            text: String::new(),
        };
        if let Some(reason) = &case.hold {
            stage.hold(reason);
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
        let mut facts = MachineFacts::fold(
            generation,
            orders.cloned().collect(),
            self.starts.clone(),
            &self.facts,
            agents,
        );
        let word = self.fenced.as_ref().filter(|(of, _)| *of == generation);
        facts.fenced = word.map(|(_, fenced)| fenced.clone());
        facts
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

    fn policy(&self) -> Policy {
        let facts = BTreeMap::from([(self.id, self.folded())]);
        Policy::under(&self.planning.parent, &facts, &self.restraints, self.now)
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
            policy: &self.policy(),
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
            Effect::Issue { order, leave } => {
                writeln!(
                    self.text,
                    "    order {}: {}",
                    order.order.number, order.order.cause
                )
                .unwrap();
                if let Leave::Take(grant) = leave {
                    self.permits.grants.insert(grant.machine, grant);
                }
                self.orders.push(*order);
            }
            Effect::ReleaseGrant { machine, .. } => {
                self.permits.grants.remove(&machine);
            }
            Effect::Replan { .. } => self.replan(),
            Effect::RecordFailure { .. } => {}
        }
    }

    fn replan(&mut self) {
        let facts = self.folded();
        let gone = facts.gone();
        if let Some(seen) = facts.inventory {
            let known = self.planning.observed.machines.get_mut(&self.id).unwrap();
            known.inspected = Some(seen.since);
            known.inventory = Some(seen.value);
        }
        let generation = self.generation();
        let known = self.planning.observed.machines.get_mut(&self.id).unwrap();
        if facts.installed.is_none() {
            known.installed = None;
        }
        known.erased = facts.erased;
        known.gone_in = gone.map(|_| generation);
        known.gone_at = gone;
        self.planning.observed.at = self.now;
        self.planning.observed.restraints = self.restraints.clone();
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
        let policy = self.policy();
        let denials = policy.of(self.id);
        reconciler_core::status::why(&self.planning.parent, self.id, &self.folded(), decision, denials)
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
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
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
