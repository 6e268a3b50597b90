//! The task that fetches artefacts ahead and removes what nothing names any longer.

use crate::{cache::prefetch, rack::Rack};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What could not be fetched ahead is tried again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// Keeps the cache as the daemon's word wants it, until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, stop: CancellationToken) {
    let mut served = rack.served.clone();
    loop {
        let named = served.borrow_and_update().named();
        if let Err(error) = rack.cache.sweep(&named) {
            tracing::warn!(%error, "the artefact cache cannot be swept");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = prefetch(&rack.cache, &named) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
            changed = served.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
