//! How long installations of this fleet took, as a plan and the status tell it beside what they say.

use crate::daemon::Daemon;
use crate::world::Loaded;
use reconciler_core::observed::Observed;
use reconciler_core::people::Status;
use reconciler_core::times::{self, Expected, History, Took};
use reconciler_store::StoreError;
use schema_ids::MachineId;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those who watch ask every second; a thousand installations are not read each time, and one more tells them little.
const READ_EVERY: Duration = Duration::from_secs(10);

/// What was measured, as it was last read for the status.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<(Instant, Arc<History>)>>);

/// The newest installations, with the models that an observed world has.
pub(crate) async fn took(daemon: &Daemon, observed: &Observed) -> Result<Vec<Took>, StoreError> {
    read(daemon, |id| times::model(observed, id)).await
}

async fn read<'a>(daemon: &Daemon, model: impl Fn(MachineId) -> &'a str) -> Result<Vec<Took>, StoreError> {
    let all = daemon.store.installations().await?;
    let took = all.into_iter().map(|one| Took {
        model: model(one.machine).to_owned(),
        image: one.image,
        seconds: one.seconds,
    });
    Ok(took.collect())
}

/// Tells of each machine that is being installed how long that takes.
pub(crate) async fn tell(daemon: &Daemon, loaded: &Loaded, status: &mut Status) -> Result<(), StoreError> {
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
            None => remembered(daemon, loaded).await?,
        };
        let estimate = known.estimate(&deploy.image.name, times::model_of(facts));
        machine.expected = estimate.map(|estimate| Expected { began, estimate });
        history = Some(known);
    }
    Ok(())
}

/// What was measured, no older than [`READ_EVERY`].
async fn remembered(daemon: &Daemon, loaded: &Loaded) -> Result<Arc<History>, StoreError> {
    let held = || daemon.times.0.lock().unwrap_or_else(PoisonError::into_inner);
    let young = held()
        .as_ref()
        .filter(|(read, _)| read.elapsed() < READ_EVERY)
        .map(|(_, history)| Arc::clone(history));
    if let Some(history) = young {
        return Ok(history);
    }
    let model = |id| loaded.facts.get(&id).map_or("", times::model_of);
    let history = Arc::new(History::of(&read(daemon, model).await?));
    *held() = Some((Instant::now(), Arc::clone(&history)));
    Ok(history)
}
