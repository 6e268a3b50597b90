//! How long installations of this fleet took, as a plan and the status tell it beside what they say.

use crate::daemon::Daemon;
use crate::world::Loaded;
use reconciler_core::observed::Observed;
use reconciler_core::people::Status;
use reconciler_core::times::{self, Expected, History, Took};
use schema_ids::MachineId;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those who watch ask every second; a thousand installations are not read each time, and one more tells them little.
const READ_EVERY: Duration = Duration::from_secs(10);

/// What was measured, as it was last read for the status.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<(Instant, Arc<History>)>>);

/// The newest installations, with the models that an observed world has. Where they cannot be read there are none, and the
/// log says why: no plan waits for how long it takes.
pub(crate) async fn took(daemon: &Daemon, observed: &Observed) -> Vec<Took> {
    read(daemon, |id| times::model(observed, id)).await
}

async fn read<'a>(daemon: &Daemon, model: impl Fn(MachineId) -> &'a str) -> Vec<Took> {
    let all = daemon.store.installations().await.unwrap_or_else(|error| {
        tracing::warn!(error = %crate::chain(&error), "how long installations took cannot be read; nothing is said of it");
        Vec::new()
    });
    let took = all.into_iter().map(|one| Took {
        model: model(one.machine).to_owned(),
        image: one.image,
        seconds: one.seconds,
    });
    took.collect()
}

/// Tells of each machine that is being installed how long that takes.
pub(crate) async fn tell(daemon: &Daemon, loaded: &Loaded, status: &mut Status) {
    let mut history = None;
    for machine in &mut status.machines {
        let Some(facts) = loaded.facts.get(&machine.id) else {
            continue;
        };
        let Some((began, deploy)) = times::under_way(&loaded.plan, machine, facts) else {
            continue;
        };
        let known = match &history {
            Some(known) => Arc::clone(known),
            None => remembered(daemon, loaded).await,
        };
        let estimate = known.estimate(&deploy.image.name, times::model_of(facts));
        machine.expected = estimate.map(|estimate| Expected { began, estimate });
        history = Some(known);
    }
}

/// What was measured, no older than [`READ_EVERY`].
async fn remembered(daemon: &Daemon, loaded: &Loaded) -> Arc<History> {
    let held = || daemon.times.0.lock().unwrap_or_else(PoisonError::into_inner);
    let young = held()
        .as_ref()
        .filter(|(read, _)| read.elapsed() < READ_EVERY)
        .map(|(_, history)| Arc::clone(history));
    if let Some(history) = young {
        return history;
    }
    let model = |id| loaded.facts.get(&id).map_or("", times::model_of);
    let history = Arc::new(History::of(&read(daemon, model).await));
    *held() = Some((Instant::now(), Arc::clone(&history)));
    history
}
