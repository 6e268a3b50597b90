//! The daemon's shell: it loads the world, asks `tick`, performs the effects one by one, and answers
//! the agents. It may crash between any two of these, and there are two of it.

use crate::check::Violation;
use crate::store::{self, Decided};
use crate::world::{Event, Plant, World};
use rack_api::config::Desired;
use rack_api::sync::{SyncRequest, SyncResponse};
use reconciler_core::admit::Policy;
use reconciler_core::rack::{self, Inputs};
use reconciler_core::tick::{self, Effect};
use schema_ids::{Digest, Name, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// One `musterd`.
#[derive(Default)]
pub(crate) struct Daemon {
    up: bool,
    /// Rises with each start: what an earlier life began, the next knows nothing of.
    life: u64,
    effects: VecDeque<(Decided, Effect)>,
    /// Long polls that wait for news, by request.
    polls: BTreeMap<u64, (Name, Option<Digest>)>,
    /// When it looks at the world next, and the one wake-up that counts.
    next_look: Option<Timestamp>,
    alarm: u64,
}

/// How long a wake-up takes to get through.
const WAKE: Duration = Duration::from_millis(5);

/// The longest time between two looks at the world.
const SWEEP: Duration = Duration::from_secs(60);

impl World {
    pub(crate) fn daemon_starts(&mut self, daemon: usize) {
        let life = self.daemons[daemon].life + 1;
        self.daemons[daemon] = Daemon {
            up: true,
            life,
            ..Daemon::default()
        };
        self.look(daemon, WAKE);
    }

    pub(crate) fn daemon_crashes(&mut self, daemon: usize) {
        if !self.daemons[daemon].up {
            return;
        }
        *self.report.faults.entry("daemon crash").or_default() += 1;
        let life = self.daemons[daemon].life;
        self.daemons[daemon] = Daemon {
            life,
            ..Daemon::default()
        };
        let down = if self.dice.chance(100) {
            self.seconds(600, 7200)
        } else {
            self.seconds(1, 60)
        };
        self.later(down, Event::DaemonStarts { daemon });
    }

    /// Whether the daemon crashes right here.
    pub(crate) fn crashes(&mut self, daemon: usize) -> bool {
        let crashes = self.faulty() && self.dice.chance(4);
        if crashes {
            self.daemon_crashes(daemon);
        }
        crashes
    }

    /// One that is up, if any is.
    pub(crate) fn some_daemon(&mut self) -> Option<usize> {
        let first = self.dice.between(0, self.daemons.len() as u64) as usize;
        (0..self.daemons.len())
            .map(|at| (first + at) % self.daemons.len())
            .find(|at| self.daemons[*at].up)
    }

    /// Something changed: all daemons look, and held polls are answered if it is news to them.
    pub(crate) fn announce(&mut self) {
        for daemon in 0..self.daemons.len() {
            if self.daemons[daemon].up {
                self.look(daemon, WAKE);
            }
            let polls: Vec<u64> = self.daemons[daemon].polls.keys().copied().collect();
            for request in polls {
                self.answer_poll(daemon, request, false);
            }
        }
    }

    /// Has a daemon look at the world after a while, if it does not before.
    fn look(&mut self, daemon: usize, after: Duration) {
        let at = self.now.plus(after);
        let place = &mut self.daemons[daemon];
        if place.next_look.is_some_and(|look| look <= at) {
            return;
        }
        place.next_look = Some(at);
        place.alarm += 1;
        let (life, alarm) = (place.life, place.alarm);
        self.at(at, Event::DaemonWakes { daemon, life, alarm });
    }

    pub(crate) fn daemon_wakes(&mut self, daemon: usize, life: u64, alarm: u64) -> Result<(), Violation> {
        if !self.is_living(daemon, life) || self.daemons[daemon].alarm != alarm {
            return Ok(());
        }
        self.daemons[daemon].next_look = None;
        if !self.daemons[daemon].effects.is_empty() {
            return Ok(());
        }
        let step = self.tick();
        self.check_decisions(&step)?;
        let decided = Decided {
            plan: self.store.plan.id.clone(),
            permits_epoch: self.store.permits_epoch,
        };
        let effects: VecDeque<_> = step
            .effects
            .into_iter()
            .map(|effect| (decided.clone(), effect))
            .collect();
        if effects.is_empty() {
            let due = step
                .next_due
                .map_or(SWEEP, |due| due.since(self.now))
                .clamp(WAKE, SWEEP);
            self.look(daemon, due);
            return Ok(());
        }
        self.daemons[daemon].effects = effects;
        let delay = self.delay();
        self.later(delay, Event::DaemonActs { daemon, life });
        Ok(())
    }

    /// What the shipped loop makes of the world now.
    pub(crate) fn tick(&mut self) -> tick::Tick {
        let facts = self.store.facts();
        let policy = Policy {
            boots_max: 4,
            ..Policy::default()
        };
        let world = tick::World {
            plan: &self.store.plan,
            incarnation: self.store.incarnation,
            facts: &facts,
            agents: &self.store.agents,
            permits: &self.store.permits,
            policy: &policy,
            restored: None,
        };
        tick::tick(&world, self.now)
    }

    pub(crate) fn daemon_acts(&mut self, daemon: usize, life: u64) -> Result<(), Violation> {
        if !self.is_living(daemon, life) || self.crashes(daemon) {
            return Ok(());
        }
        if let Some((decided, effect)) = self.daemons[daemon].effects.pop_front() {
            match effect {
                Effect::Issue { order, grant } => {
                    let machine = order.order.machine;
                    if self.store.issue(&decided, *order, grant) {
                        self.report.orders += 1;
                        self.check_grants(machine)?;
                    }
                }
                Effect::ReleaseGrant { machine, generation } => self.store.release(machine, generation),
                Effect::Replan { .. } => self.replan()?,
            }
            self.announce();
        }
        let delay = self.delay();
        if self.daemons[daemon].effects.is_empty() {
            self.look(daemon, delay);
        } else {
            self.later(delay, Event::DaemonActs { daemon, life });
        }
        Ok(())
    }

    fn is_living(&self, daemon: usize, life: u64) -> bool {
        self.daemons[daemon].up && self.daemons[daemon].life == life
    }

    /// A sync: its facts are stored, then it is answered when there is news or its patience ends.
    pub(crate) fn sync_arrives(&mut self, agent: Name, request: u64, sync: &SyncRequest) {
        let Some(daemon) = self.some_daemon() else {
            return self.respond(agent, request, None);
        };
        if self.crashes(daemon) {
            return self.respond(agent, request, None);
        }
        let lost = self.settings.plant == Some(Plant::LostFacts) && self.dice.chance(50);
        if lost {
            let facts = Vec::new();
            self.store.append(
                &SyncRequest {
                    facts,
                    ..sync.clone()
                },
                self.now,
            );
            let acknowledged = sync.facts.last().map_or(sync.acknowledged, |last| last.sequence);
            return self.respond(
                agent,
                request,
                Some(SyncResponse {
                    now: self.now,
                    acknowledged,
                    desired: None,
                }),
            );
        }
        self.store.append(sync, self.now);
        if self.crashes(daemon) {
            return self.respond(agent, request, None);
        }
        let life = self.daemons[daemon].life;
        self.daemons[daemon].polls.insert(request, (agent, sync.have));
        let patience = Duration::from_millis(sync.wait_ms);
        self.later(
            patience,
            Event::PollEnds {
                daemon,
                life,
                request,
            },
        );
        if !sync.facts.is_empty() {
            self.announce();
        }
        self.answer_poll(daemon, request, false);
    }

    pub(crate) fn poll_ends(&mut self, daemon: usize, life: u64, request: u64) {
        if self.is_living(daemon, life) {
            self.answer_poll(daemon, request, true);
        }
    }

    /// Answers a held poll if there is news for its agent, or its patience has ended.
    fn answer_poll(&mut self, daemon: usize, request: u64, ended: bool) {
        let Some((agent, have)) = self.daemons[daemon].polls.get(&request).cloned() else {
            return;
        };
        let desired = self.desired(&agent);
        let news = have != Some(desired.0);
        if !news && !ended {
            return;
        }
        self.daemons[daemon].polls.remove(&request);
        let response = SyncResponse {
            now: self.now,
            acknowledged: self.store.acknowledged(&agent),
            desired: news.then(|| desired.as_ref().clone()),
        };
        self.respond(agent, request, Some(response));
    }

    fn respond(&mut self, agent: Name, request: u64, response: Option<SyncResponse>) {
        let life = self.agents[&agent].life;
        let lost = self.faulty() && self.dice.chance(30);
        let response = response.filter(|_| !lost).map(Box::new);
        // A connection that breaks is noticed, sooner or later.
        let delay = if response.is_some() {
            self.delay()
        } else {
            self.seconds(1, 10)
        };
        self.later(
            delay,
            Event::SyncAnswered {
                agent,
                life,
                request,
                response,
            },
        );
    }

    /// What an agent is to serve and to do, with its digest.
    fn desired(&mut self, agent: &Name) -> Rc<(Digest, Desired)> {
        let version = self.store.version;
        if let Some((_, made)) = self.made.get(agent).filter(|(of, _)| *of == version) {
            return made.clone();
        }
        let orders: Vec<_> = self
            .store
            .orders
            .values()
            .flatten()
            .map(|issued| issued.order.clone())
            .collect();
        let secret = (
            "bmc".parse().expect("a name"),
            ("user".to_owned(), "pass".to_owned()),
        );
        let inputs = Inputs {
            plan: &self.store.plan,
            incarnation: self.store.incarnation,
            orders: &orders,
            written: &store::written(&self.store),
            secrets: &BTreeMap::from([secret]),
            token_key: "00112233445566778899aabbccddeeff",
        };
        let desired = rack::desired(&inputs, agent);
        let made = Rc::new((digest(&desired), desired));
        self.made.insert(agent.clone(), (version, made.clone()));
        made
    }
}

/// Tells values apart; nobody forges anything here.
fn digest(desired: &Desired) -> Digest {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    format!("{desired:?}").hash(&mut hasher);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    Digest(bytes)
}
