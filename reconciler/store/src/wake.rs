//! The hint that something changed, with a poll beside it: hints get lost.
//!
//! `NOTIFY` takes a lock over the whole database at commit, so it is sent outside the transactions
//! that change something, and at most once in [`COALESCE`] per daemon.

use crate::{Store, StoreError};
use sqlx::postgres::{PgListener, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The one channel; hints say nothing but "look".
const CHANNEL: &str = "muster";

/// Changes within this time make one hint: short beside the second that a person notices.
const COALESCE: Duration = Duration::from_millis(50);

/// Without hints one looks this often.
const POLL: Duration = Duration::from_secs(2);

/// A hint that cannot be sent in this time is worth nothing: the poll is faster.
const SEND_MAX: Duration = Duration::from_secs(2);

/// Connecting again is given up after this, and tried at the next poll.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Sends hints.
#[derive(Debug)]
pub(crate) struct Hints {
    pool: PgPool,
    pending: AtomicBool,
}

/// Why one is woken. Neither says what changed: read everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Somebody changed something.
    Hint,
    /// It is time to look.
    Poll,
}

/// Wakes its owner on hints, and every two seconds without.
#[derive(Debug)]
pub struct Wakeups {
    pool: PgPool,
    listener: Option<PgListener>,
    poll_at: Instant,
}

impl Hints {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            pending: AtomicBool::new(false),
        }
    }
}

impl Store {
    /// Listens for hints.
    pub async fn listen(&self) -> Result<Wakeups, StoreError> {
        let listener = self
            .run("listening for hints", async { Ok(connect(&self.pool).await?) })
            .await?;
        Ok(Wakeups {
            pool: self.pool.clone(),
            listener: Some(listener),
            poll_at: Instant::now() + POLL,
        })
    }

    /// Tells every daemon that something changed, soon and once. The task ends by itself within
    /// [`COALESCE`] and [`SEND_MAX`]; nothing waits for it, since nothing may rest on a hint.
    pub(crate) fn hint(&self) {
        let hints = Arc::clone(&self.hints);
        if hints.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(COALESCE).await;
            // Cleared first: a change from here on makes the next hint.
            hints.pending.store(false, Ordering::Release);
            let sent = timeout(
                SEND_MAX,
                sqlx::query("SELECT pg_notify($1, '')")
                    .bind(CHANNEL)
                    .execute(&hints.pool),
            );
            if !matches!(sent.await, Ok(Ok(_))) {
                tracing::debug!("a hint was not sent; the poll stands in for it");
            }
        });
    }
}

impl Wakeups {
    /// The next reason to look. Never fails: while the connection is down it polls and connects again.
    ///
    /// Cancel safety: may be dropped and called again; the poll's time stays, and a hint that came
    /// meanwhile is there at the next call.
    pub async fn next(&mut self) -> Wake {
        if self.listener.is_none()
            && let Ok(Ok(listener)) = timeout(CONNECT_MAX, connect(&self.pool)).await
        {
            self.listener = Some(listener);
        }
        let heard = match &mut self.listener {
            Some(listener) => timeout_at(self.poll_at, listener.try_recv()).await,
            None => {
                tokio::time::sleep_until(self.poll_at).await;
                return self.polled();
            }
        };
        match heard {
            Ok(Ok(Some(_))) => {
                self.poll_at = Instant::now() + POLL;
                Wake::Hint
            }
            // The connection is gone, and hints with it: look now, listen anew.
            Ok(Ok(None) | Err(_)) => {
                self.listener = None;
                self.polled()
            }
            Err(_) => self.polled(),
        }
    }

    fn polled(&mut self) -> Wake {
        self.poll_at = Instant::now() + POLL;
        Wake::Poll
    }
}

async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
