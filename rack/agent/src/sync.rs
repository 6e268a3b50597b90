//! The exchange with the daemon: performs the effects of [`Session`].
//!
//! It owns the spool and the daemon's word on disk. It decides nothing: what to send and when comes
//! from the session, which the simulator runs too.

use crate::{
    clock,
    daemon::{CallError, Daemon, Synced},
    error_chain::Chain,
    failpoint,
    identity::Unsealer,
    journal::Journal,
    kept::{self, StateDir},
    rack::{Served, ToSync, lock},
};
use rack_api::{
    config::RackConfig,
    enrol::Account,
    fact::{BmcFaultKind, Fact, FactBody},
    job::JobRef,
    sync::{Spooled, SyncRequest},
};
use rack_proto::session::{Effect, Event, Session};
use schema_ids::Timestamp;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// A spool that could not be written is tried again after this.
const SPOOL_RETRY: Duration = Duration::from_secs(2);
/// Facts that nobody waits for are held this long for others: each spooling costs a sync of the disk, and each telling
/// may cost a connection. Whoever reads them reads seconds.
const HOLD: Duration = Duration::from_millis(50);
/// More facts than this are not held back: a request takes as many.
const HELD_MAX: usize = rack_api::sync::FACTS_MAX;
/// More facts than this wait in no spool: older boots and powers matter less than the disk.
const FACTS_MAX: usize = 200_000;

/// The task's parts.
pub(crate) struct Sync {
    pub(crate) session: Arc<Mutex<Session>>,
    pub(crate) spool: Journal,
    pub(crate) state: StateDir,
    pub(crate) daemon: Daemon,
    pub(crate) messages: mpsc::Receiver<ToSync>,
    pub(crate) served: watch::Sender<Arc<Served>>,
    /// The configuration in force, with accounts opened; served without them while [`Sync::lease`] has run out.
    pub(crate) config: RackConfig,
    pub(crate) unsealer: Unsealer,
    /// Until when this agent may command BMCs; none before the daemon's first answer.
    pub(crate) lease: Option<Instant>,
}

type Request = Pin<Box<dyn Future<Output = Result<Synced, CallError>> + Send>>;

/// What is under way.
struct Underway {
    request: Option<Request>,
    /// When it was sent.
    sent: Instant,
    appends: JoinSet<(u64, io::Result<()>)>,
    /// Who waits for which sequence to be on disk.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    wake: Option<Timestamp>,
    /// Facts that nobody waits for, and until when they are held.
    held: Vec<Fact>,
    held_until: Option<Instant>,
    /// The word on disk is behind the one in force, and is written once the spool is on disk up to this sequence.
    unwritten: Option<u64>,
    /// The daemon did not answer last time; said once.
    silent: bool,
}

impl Underway {
    /// Lets go of the facts that are held.
    fn release(&mut self) -> Option<Event> {
        self.held_until = None;
        let facts = std::mem::take(&mut self.held);
        (!facts.is_empty()).then_some(Event::Facts(facts))
    }

    /// The sequence that the last of all facts told so far has or will get.
    fn last_sequence(&self, session: &Session) -> u64 {
        session.next_sequence() + self.held.len() as u64 - 1
    }
}

impl Sync {
    /// Runs until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut underway = Underway {
            request: None,
            sent: Instant::now(),
            appends: JoinSet::new(),
            waiting: VecDeque::new(),
            wake: None,
            held: Vec::new(),
            held_until: None,
            unwritten: None,
            silent: false,
        };
        self.take(Event::Started, &mut underway).await;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                message = self.messages.recv() => match message {
                    None => break,
                    Some(ToSync::Writes(job, counted)) => {
                        // Whoever stopped waiting asks again.
                        let _gone = counted.send(self.writes(job, &mut underway).await);
                        None
                    }
                    Some(message) => self.message(message, &mut underway),
                },
                Some(Ok((sequence, result))) = underway.appends.join_next() => {
                    self.appended(sequence, result, &mut underway)
                }
                answer = answered(&mut underway.request) => {
                    underway.request = None;
                    if matches!(&answer, Err(error) if error.is_forbidden()) && self.lease.take().is_some() {
                        tracing::warn!("the daemon takes no word of this agent any more: BMCs are left alone");
                        self.serve(&mut underway).await;
                    }
                    Some(heard(answer, &mut underway.silent))
                }
                () = lease_over(self.lease) => {
                    tracing::warn!("no answer of the daemon for the time of a lease: BMCs are left alone");
                    self.lease = None;
                    self.serve(&mut underway).await;
                    None
                }
                () = woken(underway.wake) => {
                    underway.wake = None;
                    Some(Event::Timer)
                }
                () = released(underway.held_until) => underway.release(),
            };
            if let Some(event) = event {
                self.take(event, &mut underway).await;
            }
        }
        if let Some(event) = underway.release() {
            self.take(event, &mut underway).await;
        }
        // What was told before the stop still reaches the disk.
        while let Some(appended) = underway.appends.join_next().await {
            if let Ok((sequence, Ok(()))) = appended {
                self.take(Event::Durable(sequence), &mut underway).await;
            }
        }
    }

    fn message(&self, message: ToSync, underway: &mut Underway) -> Option<Event> {
        match message {
            ToSync::Writes(..) => None,
            ToSync::OrderEnded(order, facts) => {
                self.hold(facts, underway)?;
                underway.held_until.get_or_insert_with(|| Instant::now() + HOLD);
                Some(Event::OrderEnded(order))
            }
            ToSync::Facts(facts, waiter) => {
                let last = self.hold(facts, underway)?;
                if let Some(waiter) = waiter {
                    underway.waiting.push_back((last, waiter));
                } else if underway.held.len() < HELD_MAX {
                    underway.held_until.get_or_insert_with(|| Instant::now() + HOLD);
                    return None;
                }
                underway.release()
            }
        }
    }

    /// Counts that a job is about to write, and keeps that.
    async fn writes(&self, job: JobRef, underway: &mut Underway) -> Result<(), String> {
        {
            let mut session = lock(&self.session);
            session.passed(clock::steady());
            session.writes(job, clock::now())?;
        }
        self.serve(underway).await;
        Ok(())
    }

    /// Takes facts to those that are held, as far as there is room. Gives the sequence that the last will get.
    fn hold(&self, facts: Vec<Fact>, underway: &mut Underway) -> Option<u64> {
        let session = lock(&self.session);
        if session.pending() + underway.held.len() + facts.len() > FACTS_MAX {
            tracing::warn!(
                pending = session.pending(),
                "the spool is full, facts are dropped"
            );
            return None;
        }
        underway.held.extend(facts);
        Some(underway.last_sequence(&session))
    }

    fn appended(&self, sequence: u64, result: io::Result<()>, underway: &mut Underway) -> Option<Event> {
        if result.is_ok() {
            failpoint::reach("fact");
            while let Some((_, waiter)) = underway.waiting.pop_front_if(|(wanted, _)| *wanted <= sequence) {
                // Whoever stopped waiting will say it again, which changes nothing.
                let _gone = waiter.send(());
            }
            return Some(Event::Durable(sequence));
        }
        let again = self.spool.clone();
        let last = lock(&self.session).next_sequence() - 1;
        underway.appends.spawn(async move {
            tokio::time::sleep(SPOOL_RETRY).await;
            (last, written(again.rewrite()).await)
        });
        None
    }

    async fn take(&mut self, event: Event, underway: &mut Underway) {
        let is_answer = matches!(event, Event::Answered(_));
        let mut effects = {
            let mut session = lock(&self.session);
            session.passed(clock::steady());
            session.handle(event, clock::now())
        };
        if is_answer && !effects.iter().any(|effect| matches!(effect, Effect::Refuse(_))) {
            if let Some(faults) = self.obey(&mut effects) {
                effects.extend(lock(&self.session).handle(Event::Facts(faults), clock::now()));
            }
            self.renew_lease(underway).await;
        }
        for effect in effects {
            match effect {
                Effect::Spool(facts) => {
                    let is_end = |told: &Spooled| matches!(told.fact.body, FactBody::OrderDone { .. });
                    if facts.iter().any(is_end) {
                        failpoint::reach("end");
                    }
                    let last = facts.last().map_or(0, |last| last.sequence);
                    let done = self.spool.append(kept::fact_lines(&facts));
                    underway.appends.spawn(async move { (last, written(done).await) });
                }
                Effect::Respool(facts) => {
                    tracing::warn!(
                        facts = facts.len(),
                        "the spool is older than what this agent sent once; its facts get new numbers"
                    );
                    let last = facts.last().map_or(0, |last| last.sequence);
                    let done = self.spool.rewrite();
                    underway.appends.spawn(async move { (last, written(done).await) });
                }
                Effect::Send(request) => {
                    underway.sent = Instant::now();
                    underway.request = Some(self.send(*request));
                }
                Effect::Cancel => underway.request = None,
                Effect::Obey(desired) => {
                    tracing::info!(
                        incarnation = desired.incarnation.number,
                        machines = desired.config.machines.len(),
                        orders = desired.orders.len(),
                        "new word of the daemon"
                    );
                    self.serve(underway).await;
                }
                Effect::KeepOrders => self.serve(underway).await,
                Effect::Refuse(foreign) => {
                    tracing::error!(error = %Chain(&foreign), "the daemon's word is refused");
                }
                Effect::Forget(sequence) => {
                    // Losing this line only means that some facts are sent again.
                    drop(self.spool.append(kept::acknowledged_line(sequence)));
                }
                Effect::WakeAt(then) => underway.wake = Some(then),
            }
        }
        self.keep(underway).await;
    }

    /// Takes a new configuration over and opens its accounts; tells of those that cannot be.
    fn obey(&mut self, effects: &mut [Effect]) -> Option<Vec<Fact>> {
        let desired = effects.iter_mut().find_map(|effect| match effect {
            Effect::Obey(desired) => Some(desired),
            _ => None,
        })?;
        let mut faults = Vec::new();
        let mut opened: BTreeMap<String, Result<Account, &'static str>> = BTreeMap::new();
        for (id, machine) in &mut desired.config.machines {
            let Some(access) = &mut machine.bmc else { continue };
            // Machines share accounts, and the daemon sealed each once.
            let account = opened
                .entry(access.sealed.clone())
                .or_insert_with(|| self.unsealer.open(&access.sealed));
            match account {
                Ok(account) => {
                    access.username.clone_from(&account.username);
                    access.password.clone_from(&account.password);
                }
                Err(why) => faults.push(Fact {
                    at: clock::now(),
                    body: FactBody::BmcFault {
                        machine: *id,
                        fault: BmcFaultKind::Credentials,
                        detail: format!("the account cannot be opened: {why}"),
                    },
                }),
            }
        }
        self.config = desired.config.clone();
        (!faults.is_empty()).then_some(faults)
    }

    /// An answer to what was sent then: BMCs are this agent's for another term, as far as they are at all.
    async fn renew_lease(&mut self, underway: &mut Underway) {
        let accesses = self
            .config
            .machines
            .values()
            .filter_map(|machine| machine.bmc.as_ref());
        let lease_ms = accesses.map(|access| access.lease_ms).min();
        let was_held = self.lease.is_some();
        self.lease = lease_ms.map(|lease_ms| underway.sent + Duration::from_millis(lease_ms));
        if !was_held && self.lease.is_some() {
            self.serve(underway).await;
        }
    }

    fn send(&self, request: SyncRequest) -> Request {
        let daemon = self.daemon.clone();
        Box::pin(async move { daemon.sync(&request).await })
    }

    /// Puts the word in force, and on disk as soon as that may be.
    async fn serve(&self, underway: &mut Underway) {
        let served = {
            let session = lock(&self.session);
            underway.unwritten = Some(underway.last_sequence(&session));
            Served::new(self.lent(), session.orders(), session.has_word())
        };
        self.served.send_replace(Arc::new(served));
        self.keep(underway).await;
    }

    /// The configuration, without accounts while BMCs are not this agent's.
    fn lent(&self) -> RackConfig {
        let mut config = self.config.clone();
        if self.lease.is_none() {
            let accesses = config
                .machines
                .values_mut()
                .filter_map(|machine| machine.bmc.as_mut());
            accesses.for_each(|access| access.password.clear());
        }
        config
    }

    /// Puts the word in force on disk as far as there is room, once the facts that were told before are there: an
    /// order that ended on disk alone would neither be begun again nor be told as ended after a crash.
    async fn keep(&self, underway: &mut Underway) {
        let orders = {
            let session = lock(&self.session);
            if underway.unwritten.is_none_or(|after| session.durable() < after) {
                return;
            }
            session.orders().clone()
        };
        underway.unwritten = None;
        let (state, config) = (self.state.clone(), self.lent());
        let written = tokio::task::spawn_blocking(move || state.write_word(&config, &orders)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the daemon's word is not on disk"),
            Err(error) => tracing::error!(%error, "writing the daemon's word failed"),
        }
    }
}

/// The answer of the request under way; pending for ever if there is none.
///
/// Cancel safety: the request goes on with the next call.
async fn answered(request: &mut Option<Request>) -> Result<Synced, CallError> {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

/// Cancel safety: nothing is lost.
async fn woken(wake: Option<Timestamp>) {
    match wake {
        Some(then) => sleep_until(Instant::now() + clock::until(then)).await,
        None => std::future::pending().await,
    }
}

/// Cancel safety: nothing is lost.
async fn released(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Cancel safety: nothing is lost.
async fn lease_over(lease: Option<Instant>) {
    match lease {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

async fn written(done: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    done.await
        .unwrap_or_else(|_| Err(io::Error::other("the journal has stopped")))
}

fn heard(answer: Result<Synced, CallError>, silent: &mut bool) -> Event {
    match answer {
        Ok(synced) => {
            if std::mem::take(silent) {
                tracing::info!("the daemon answers again");
            }
            match synced {
                Synced::Answer(response) => Event::Answered(response),
                Synced::Taken(taken) => {
                    tracing::warn!(reason = taken.reason, "the daemon took no facts");
                    Event::Taken(taken)
                }
            }
        }
        Err(error) => {
            if std::mem::replace(silent, true) {
                tracing::debug!(error = %Chain(&error), "sync failed again");
            } else {
                tracing::warn!(error = %Chain(&error), "sync failed");
            }
            Event::Failed
        }
    }
}
