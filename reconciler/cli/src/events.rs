//! `muster apply --events`: what becomes of a plan's commit, a document `muster.event/1.0` on each line.
//!
//! Nothing is remembered but the last number that was printed: who reads on with `--after` gets what follows it, however
//! this program or musterd ended.

use crate::client::Client;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::say::stream_json;
use crate::wait::Waited;
use reconciler_core::event::{Event, EventBody};
use reconciler_core::people::events::{EVENTS, EventsPage, EventsRequest};
use schema_ids::Timestamp;
use std::time::{Duration, Instant};

/// What was begun to be stored is stored or given up within this: musterd's own limit for a transaction.
const STORED_MAX: Duration = Duration::from_secs(60);

/// How often it looks whether what was begun is stored.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A reader of a plan's events.
pub(crate) struct Events {
    plan: String,
    /// Nothing up to here is left to be told.
    next: u64,
    /// The number of the last event that was printed, and its time.
    last: (u64, Timestamp),
    is_printed: bool,
}

impl Events {
    /// From behind this number on; `is_printed` says whether anybody wants to see them.
    pub(crate) fn of(plan: &str, after: u64, is_printed: bool) -> Self {
        Self {
            plan: plan.to_owned(),
            next: after,
            last: (after, Timestamp::from_unix_ms(0)),
            is_printed,
        }
    }

    /// Reads on and prints what is new; `None` if nobody reads any more.
    pub(crate) fn read(&mut self, client: &Client) -> Result<Option<EventsPage>, Failure> {
        let request = EventsRequest {
            plan: self.plan.clone(),
            after: self.next,
        };
        let page: EventsPage = client.post(EVENTS, &request)?;
        self.next = page.next;
        if let Some(last) = page.events.last() {
            self.last = (last.seq, last.at);
            // A page may end within a transaction only by being read again from there.
            self.next = self.next.max(last.seq);
        }
        if self.is_printed && !self.print(&page.events)? {
            return Ok(None);
        }
        Ok(Some(page))
    }

    /// The number of the last event that was printed.
    pub(crate) fn last(&self) -> u64 {
        self.last.0
    }

    /// Prints what was stored by now, and then that it is over.
    pub(crate) fn finish(
        &mut self,
        client: &Client,
        commit: &str,
        outcome: &str,
        waited: Option<&Waited>,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let Some(page) = self.read(client)? else {
            return Ok(());
        };
        let until = Instant::now() + STORED_MAX;
        while self.next < page.begun && Instant::now() < until {
            if interrupt.heard_within(LOOK_EVERY) || self.read(client)?.is_none() {
                return Ok(());
            }
        }
        let waiting = waited.map_or(&[][..], |waited| &waited.waiting);
        let code = |wait: &reconciler_core::condition::Wait| wait.condition.code().to_owned();
        let (seq, at) = self.last;
        self.print(&[Event {
            seq,
            at,
            commit: commit.to_owned(),
            body: EventBody::PlanDone {
                plan: self.plan.clone(),
                outcome: outcome.to_owned(),
                waiting: waiting
                    .iter()
                    .map(|machine| (machine.name.clone(), machine.wait.as_ref().map(code)))
                    .collect(),
            },
        }])?;
        Ok(())
    }

    fn print(&self, events: &[Event]) -> Result<bool, Failure> {
        let lines = events.iter().map(|event| event.document().to_string() + "\n");
        stream_json(lines.collect::<String>())
    }
}
