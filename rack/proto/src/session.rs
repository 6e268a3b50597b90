//! The agent's side of the exchange with the daemon, as a state machine.
//!
//! Facts get a sequence and go to the spool first; only what is on disk is sent, so that a sequence is
//! never used twice. A spool that was lost or restored from a backup is behind the numbers that the
//! daemon has: the daemon compares what it holds, and what differs is numbered anew. One request is out
//! at a time. A request with facts wants its answer at once; one without is a long poll, which a new
//! fact cuts short. Failures back off. The shell performs the [`Effect`]s and reports back; the
//! simulator runs the same machine.

use crate::orders::{Foreign, Orders};
use rack_api::{
    config::Desired,
    fact::{Fact, FactBody},
    job::JobRef,
    sync::{FACTS_MAX, LONG_POLL_MS, NumbersTaken, Spooled, SyncRequest, SyncResponse},
};
use schema_ids::{Digest, Name, Timestamp, Uuid};
use std::{collections::VecDeque, time::Duration};

/// The first pause after a failure; doubled with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest pause: a daemon that comes back is heard of within this.
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// A daemon that answers a long poll at once with nothing new is not asked more often than this.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The agent starts.
    Started,
    /// Something was seen or done.
    Facts(Vec<Fact>),
    /// The spool is on disk up to this sequence.
    Durable(u64),
    /// The daemon answered.
    Answered(Box<SyncResponse>),
    /// It has other facts under numbers of ours.
    Taken(NumbersTaken),
    /// It did not answer.
    Failed,
    /// The time asked for by [`Effect::WakeAt`] has come.
    Timer,
    /// A power order was carried out or given up.
    OrderEnded(rack_api::order::OrderRef),
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Append to the spool, then report [`Event::Durable`].
    Spool(Vec<Spooled>),
    /// Put these in the place of all that the spool holds, in one step, then report [`Event::Durable`]
    /// of the last. The spool remembers [`Session::acknowledged`].
    Respool(Vec<Spooled>),
    /// Send this.
    Send(Box<SyncRequest>),
    /// Abandon the request that is out; nothing will be made of its answer.
    Cancel,
    /// Keep this on disk and serve it.
    Obey(Box<Desired>),
    /// Keep the orders on disk: one ended.
    KeepOrders,
    /// Nothing of the daemon's word was obeyed.
    Refuse(Foreign),
    /// Everything up to this sequence may leave the spool, which remembers the number.
    Forget(u64),
    /// Report [`Event::Timer`] then; replaces an earlier wish.
    WakeAt(Timestamp),
}

/// What the agent knows when it starts.
#[derive(Debug)]
pub struct Kept {
    /// Its name.
    pub agent: Name,
    /// This start.
    pub boot: Uuid,
    /// The orders as kept on disk.
    pub orders: Orders,
    /// The spool; absent for a fresh agent, which learns from the first answer where to number on.
    pub spool: Option<KeptSpool>,
}

/// A spool as read from disk.
#[derive(Debug, Default)]
pub struct KeptSpool {
    /// The highest sequence that was ever acknowledged.
    pub acknowledged: u64,
    /// The facts above it, by rising sequence.
    pub facts: Vec<Spooled>,
}

/// The exchange.
#[derive(Debug)]
pub struct Session {
    agent: Name,
    boot: Uuid,
    orders: Orders,
    /// Digest of what is obeyed. Absent after a start: what is kept on disk lacks the credentials.
    have: Option<Digest>,
    facts: VecDeque<Spooled>,
    durable: u64,
    acknowledged: u64,
    next_sequence: u64,
    /// Facts of a fresh agent that have no sequence yet; absent once it knows where to number on.
    unnumbered: Option<Vec<Fact>>,
    out: Option<Out>,
    failures: u32,
    quiet_until: Option<Timestamp>,
}

/// A request that is out.
#[derive(Debug, Clone, Copy)]
struct Out {
    sent: Timestamp,
    /// The sequence of its last fact.
    last: Option<u64>,
}

impl Session {
    /// Begins with what was kept.
    pub fn new(kept: Kept) -> Self {
        let unnumbered = kept.spool.is_none().then(Vec::new);
        let spool = kept.spool.unwrap_or_default();
        let last = spool.facts.last().map_or(0, |last| last.sequence);
        let durable = last.max(spool.acknowledged);
        Self {
            agent: kept.agent,
            boot: kept.boot,
            orders: kept.orders,
            have: None,
            durable,
            acknowledged: spool.acknowledged,
            facts: spool.facts.into(),
            next_sequence: durable + 1,
            unnumbered,
            out: None,
            failures: 0,
            quiet_until: None,
        }
    }

    /// Whether the daemon has given its word since this agent started.
    pub fn has_word(&self) -> bool {
        self.have.is_some()
    }

    /// The orders in force.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Facts that the daemon has not acknowledged.
    pub fn pending(&self) -> usize {
        self.facts.len()
    }

    /// The facts that the daemon has not acknowledged, by rising sequence: the spool's contents.
    pub fn facts(&self) -> impl Iterator<Item = &Spooled> {
        self.facts.iter()
    }

    /// The highest sequence that was ever acknowledged; absent for a fresh agent before its first answer.
    pub fn acknowledged(&self) -> Option<u64> {
        self.unnumbered.is_none().then_some(self.acknowledged)
    }

    /// The sequence up to which facts are on disk, as far as there are any.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The sequence that the next fact gets.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// So much has passed on the host's steady clock since its start: what is limited within an hour goes by that.
    pub fn passed(&mut self, steady: Duration) {
        self.orders.passed(steady);
    }

    /// A job is about to write; see [`Orders::writes`]. The orders are to be kept on disk then.
    ///
    /// # Errors
    /// Why it may not begin now.
    pub fn writes(&mut self, job: JobRef, now: Timestamp) -> Result<(), String> {
        self.orders.writes(job, now)
    }

    /// Takes an event.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Started => {}
            Event::Timer => self.quiet_until = None,
            Event::Facts(facts) => self.spool(facts, &mut effects),
            Event::Durable(sequence) => {
                self.durable = self.durable.max(sequence);
                let long_poll = self.out.is_some_and(|out| out.last.is_none());
                if long_poll && self.has_sendable() {
                    self.out = None;
                    effects.push(Effect::Cancel);
                }
            }
            Event::Answered(response) => self.answered(*response, now, &mut effects),
            Event::Taken(taken) => {
                self.renumber(&taken, &mut effects);
                // A daemon that says so each time is not asked in a circle.
                self.back_off(now);
            }
            Event::Failed => self.back_off(now),
            Event::OrderEnded(order) => {
                self.orders.ended(order);
                effects.push(Effect::KeepOrders);
            }
        }
        self.go_on(now, &mut effects);
        effects
    }

    fn back_off(&mut self, now: Timestamp) {
        self.out = None;
        let pause = BACKOFF_FIRST * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.quiet_until = Some(now.plus(pause.min(BACKOFF_MAX)));
    }

    /// Gives the facts that the daemon does not have numbers that nobody has used. They are sent only
    /// once the spool has them so: after a crash the daemon would take the old numbers for more facts.
    fn renumber(&mut self, taken: &NumbersTaken, effects: &mut Vec<Effect>) {
        let last = self.out.and_then(|out| out.last).unwrap_or(0);
        if taken.from > last || taken.from > taken.acknowledged {
            // Not about the request that is out: nothing can be made of it.
            return;
        }
        self.facts.retain(|fact| fact.sequence >= taken.from);
        self.acknowledged = self.acknowledged.max(taken.acknowledged);
        let first = self.next_sequence.max(taken.acknowledged.saturating_add(1));
        for (sequence, fact) in (first..).zip(&mut self.facts) {
            fact.sequence = sequence;
            self.next_sequence = sequence + 1;
        }
        effects.push(Effect::Respool(self.facts.iter().cloned().collect()));
    }

    fn has_sendable(&self) -> bool {
        self.facts
            .front()
            .is_some_and(|first| first.sequence <= self.durable)
    }

    fn spool(&mut self, facts: Vec<Fact>, effects: &mut Vec<Effect>) {
        if facts.is_empty() {
            return;
        }
        if let Some(unnumbered) = &mut self.unnumbered {
            // Nothing of weight happens before the first answer: there is no configuration to serve.
            unnumbered.extend(facts);
            unnumbered.truncate(FACTS_MAX);
            return;
        }
        let first = self.next_sequence;
        let spooled: Vec<Spooled> = (first..)
            .zip(facts)
            .map(|(sequence, fact)| Spooled { sequence, fact })
            .collect();
        self.next_sequence = spooled.last().map_or(first, |last| last.sequence + 1);
        self.facts.extend(spooled.iter().cloned());
        effects.push(Effect::Spool(spooled));
    }

    fn answered(&mut self, response: SyncResponse, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(out) = self.out.take() else {
            // An answer to what was cancelled.
            return;
        };
        self.failures = 0;
        let unnumbered = self.unnumbered.take();
        self.next_sequence = self.next_sequence.max(response.acknowledged.saturating_add(1));
        // What the daemon has under the number of a fact that was never sent is another fact.
        let unsent = self.facts.iter().find(|fact| Some(fact.sequence) > out.last);
        let proven = match unsent {
            Some(fact) => response.acknowledged.min(fact.sequence - 1),
            None => response.acknowledged,
        };
        if proven > self.acknowledged || unnumbered.is_some() {
            self.acknowledged = proven;
            self.facts.retain(|fact| fact.sequence > proven);
            self.durable = self.durable.max(proven);
            effects.push(Effect::Forget(proven));
        }
        self.spool(unnumbered.unwrap_or_default(), effects);
        let nothing_new = response.desired.is_none() && out.last.is_none();
        if let Some((digest, desired)) = response.desired {
            match self.orders.accept(&desired, now) {
                Ok(bodies) => {
                    self.have = Some(digest);
                    self.spool(stamped(bodies, now), effects);
                    effects.push(Effect::Obey(Box::new(desired)));
                }
                Err(foreign) => {
                    effects.push(Effect::Refuse(foreign));
                    self.quiet_until = Some(now.plus(BACKOFF_MAX));
                }
            }
        }
        if nothing_new && now.since(out.sent) < POLL_EVERY {
            self.quiet_until = Some(out.sent.plus(POLL_EVERY));
        }
    }

    /// Sends the next request if none is out and nothing says to wait.
    fn go_on(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.out.is_some() {
            return;
        }
        // A pause between long polls does not hold facts back; a failure's does.
        let backing_off = self.failures > 0 || !self.has_sendable();
        if let Some(until) = self.quiet_until
            && until > now
            && backing_off
        {
            effects.push(Effect::WakeAt(until));
            return;
        }
        self.quiet_until = None;
        let facts: Vec<Spooled> = self
            .facts
            .iter()
            .take_while(|fact| fact.sequence <= self.durable)
            .take(FACTS_MAX)
            .cloned()
            .collect();
        let last = facts.last().map(|last| last.sequence);
        self.out = Some(Out { sent: now, last });
        effects.push(Effect::Send(Box::new(SyncRequest {
            agent: self.agent.clone(),
            boot: self.boot,
            incarnation: self.orders.incarnation(),
            generations: self.orders.generations(),
            have: self.have,
            acknowledged: self.acknowledged,
            facts,
            watermark: self.durable,
            // The first exchange after a start, and one with facts, want their answer at once.
            wait_ms: if last.is_some() || self.have.is_none() {
                0
            } else {
                LONG_POLL_MS
            },
        })));
    }
}

fn stamped(bodies: Vec<FactBody>, at: Timestamp) -> Vec<Fact> {
    bodies.into_iter().map(|body| Fact { at, body }).collect()
}
