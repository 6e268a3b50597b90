//! Whatever happens to the agent, its disk and the way to the daemon: what the spool held is stored, and
//! nothing twice. The daemon is a model of what its store does with a sync.

use proptest::prelude::*;
use rack_api::{
    fact::{Fact, FactBody},
    sync::{NumbersTaken, Spooled, SyncRequest, SyncResponse},
};
use rack_proto::session::{Effect, Event, Kept, KeptSpool, Session};
use schema_ids::{Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Clone, Copy)]
enum Happening {
    /// So many facts are told.
    Told(usize),
    /// The oldest write reaches the disk.
    Written,
    /// The request arrives, and its answer is heard.
    Exchanged,
    /// The request arrives, and its answer is lost.
    AnswerLost,
    /// The request is lost.
    RequestLost,
    /// Killed; started with its disk.
    Killed,
    /// The disk is copied.
    BackedUp,
    /// Killed; started with the copy.
    Restored,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    acknowledged: u64,
    facts: Vec<Spooled>,
}

struct World {
    session: Session,
    disk: Disk,
    backup: Disk,
    /// On their way to the disk.
    writes: VecDeque<Effect>,
    out: Option<SyncRequest>,
    now: Timestamp,
    told: i64,
    /// The daemon's rows.
    stored: BTreeMap<u64, Fact>,
    /// What the agent, or its disk, still has to deliver; by its time, which no two facts share.
    owed: BTreeSet<Timestamp>,
}

impl World {
    fn new() -> Self {
        let disk = Disk::default();
        let mut world = Self {
            session: start(&disk),
            backup: disk.clone(),
            disk,
            writes: VecDeque::new(),
            out: None,
            now: Timestamp::from_unix_ms(0),
            told: 0,
            stored: BTreeMap::new(),
            owed: BTreeSet::new(),
        };
        world.handle(Event::Started);
        world
    }

    fn handle(&mut self, event: Event) {
        for effect in self.session.handle(event, self.now) {
            match effect {
                Effect::Spool(_) | Effect::Respool(_) | Effect::Forget(_) => self.writes.push_back(effect),
                Effect::Send(request) => self.out = Some(*request),
                Effect::Cancel => self.out = None,
                Effect::WakeAt(_) | Effect::Obey(_) | Effect::KeepOrders | Effect::Refuse(_) => {}
            }
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Told(count) => {
                let facts: Vec<Fact> = (0..count).map(|_| self.fact()).collect();
                self.owed.extend(facts.iter().map(|fact| fact.at));
                self.handle(Event::Facts(facts));
            }
            Happening::Written => self.written(),
            Happening::Exchanged => {
                if let Some(request) = self.out.take() {
                    let answer = self.daemon(&request);
                    self.handle(answer);
                }
            }
            Happening::AnswerLost => {
                if let Some(request) = self.out.take() {
                    self.daemon(&request);
                    self.handle(Event::Failed);
                }
            }
            Happening::RequestLost => {
                if self.out.take().is_some() {
                    self.handle(Event::Failed);
                }
            }
            Happening::Killed => self.start(),
            // A copy in which numbers are taken already would tell those facts once more, under the
            // numbers of another restoration than the one that told them: nobody can know them again.
            Happening::BackedUp if self.is_behind() => {}
            Happening::BackedUp => self.backup = self.disk.clone(),
            Happening::Restored => {
                self.disk = self.backup.clone();
                self.start();
            }
        }
        self.now = self.now.plus(std::time::Duration::from_secs(20));
        self.handle(Event::Timer);
    }

    /// A fact that is unlike all others.
    fn fact(&mut self) -> Fact {
        self.told += 1;
        Fact {
            at: Timestamp::from_unix_ms(self.told),
            body: FactBody::OrderTaken {
                order: crate::orders::boot(1, 1).reference(),
            },
        }
    }

    fn written(&mut self) {
        match self.writes.pop_front() {
            Some(Effect::Spool(facts)) => {
                let last = facts.last().map_or(0, |last| last.sequence);
                self.disk.facts.extend(facts);
                self.handle(Event::Durable(last));
            }
            Some(Effect::Respool(facts)) => {
                let last = facts.last().map_or(0, |last| last.sequence);
                self.disk = Disk {
                    acknowledged: self.session.acknowledged().unwrap_or(0),
                    facts,
                };
                self.handle(Event::Durable(last));
            }
            Some(Effect::Forget(sequence)) => {
                self.disk.acknowledged = self.disk.acknowledged.max(sequence);
                self.disk.facts.retain(|fact| fact.sequence > sequence);
            }
            Some(_) | None => {}
        }
    }

    /// Whether the disk holds a fact under a number that the daemon has for another.
    fn is_behind(&self) -> bool {
        let is_taken = |spooled: &Spooled| {
            let stored = self.stored.get(&spooled.sequence);
            stored.is_some_and(|fact| *fact != spooled.fact)
        };
        self.disk.facts.iter().any(is_taken)
    }

    fn start(&mut self) {
        self.writes.clear();
        self.out = None;
        self.owed = self.disk.facts.iter().map(|spooled| spooled.fact.at).collect();
        self.session = start(&self.disk);
        self.handle(Event::Started);
    }

    /// What the store does with a sync.
    fn daemon(&mut self, request: &SyncRequest) -> Event {
        let acknowledged = self.stored.keys().next_back().copied().unwrap_or(0);
        let other = request.facts.iter().find(|spooled| {
            spooled.sequence <= acknowledged && self.stored.get(&spooled.sequence) != Some(&spooled.fact)
        });
        if let Some(other) = other {
            return Event::Taken(NumbersTaken {
                reason: String::new(),
                from: other.sequence,
                acknowledged,
            });
        }
        let facts = request.facts.iter();
        self.stored
            .extend(facts.map(|spooled| (spooled.sequence, spooled.fact.clone())));
        Event::Answered(Box::new(SyncResponse {
            now: self.now,
            acknowledged: self.stored.keys().next_back().copied().unwrap_or(0),
            desired: None,
        }))
    }
}

fn start(disk: &Disk) -> Session {
    Session::new(Kept {
        agent: "rackd-1".parse().unwrap(),
        boot: Uuid::from_bytes([1; 16]),
        orders: Default::default(),
        spool: Some(KeptSpool {
            acknowledged: disk.acknowledged,
            facts: disk.facts.clone(),
        }),
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_usize..4).prop_map(Happening::Told),
        8 => Just(Happening::Written),
        6 => Just(Happening::Exchanged),
        1 => Just(Happening::AnswerLost),
        1 => Just(Happening::RequestLost),
        1 => Just(Happening::Killed),
        1 => Just(Happening::BackedUp),
        1 => Just(Happening::Restored),
    ]
}

proptest! {
    #[test]
    fn every_fact_arrives_once(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut world = World::new();
        for happening in happenings {
            world.happens(happening);
        }
        // Then nothing fails any more.
        for _ in 0..200 {
            world.happens(Happening::Written);
            world.happens(Happening::Exchanged);
        }
        prop_assert_eq!(world.session.pending(), 0);
        let stored: Vec<Timestamp> = world.stored.values().map(|fact| fact.at).collect();
        let once: BTreeSet<Timestamp> = stored.iter().copied().collect();
        prop_assert_eq!(stored.len(), once.len(), "stored twice: {:?}", stored);
        let missing: Vec<_> = world.owed.difference(&once).collect();
        prop_assert!(missing.is_empty(), "lost: {:?}", missing);
    }
}
