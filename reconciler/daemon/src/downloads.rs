//! Fetches the artefacts that the adopted fleet names by `http(s)` into the artefact folder.
//!
//! Rack agents fetch from the daemon only, so that a rack needs no way to the outside and each artefact
//! crosses the line once. The bytes are verified against the commit's digest before they get a name. What cannot
//! be had is said of the artefact, so that no machine is written for it.

use crate::daemon::Daemon;
use crate::images::{Fault, ImageError};
use crate::revision;
use reconciler_core::condition::Condition;
use schema_fleet::Fleet;
use schema_ids::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause between two looks at what is missing; adopting a plan looks at once.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A source that sends nothing for so long is given up until the next look.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Runs until cancelled.
pub(crate) async fn run(daemon: Arc<Daemon>, stop: CancellationToken) {
    let client = match reqwest::Client::builder()
        .read_timeout(SILENCE_MAX)
        .connect_timeout(SILENCE_MAX)
        .build()
    {
        Ok(client) => client,
        Err(error) => {
            return tracing::warn!(%error, "cannot fetch images; upload them with `muster image add`");
        }
    };
    let mut changed = daemon.changed.subscribe();
    loop {
        for (digest, source) in missing(&daemon).await {
            if !source.starts_with("http") {
                daemon.images.set_fault(digest, not_uploaded(&source));
                continue;
            }
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = fetch(&daemon, &client, digest, &source) => fetched,
            };
            match fetched {
                Ok(()) => {
                    tracing::info!(%digest, source, "image fetched");
                    daemon.announce();
                }
                Err(fault) => {
                    tracing::warn!(%digest, source, error = fault.reason, "an image cannot be fetched");
                    daemon.images.set_fault(digest, fault);
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What the adopted fleet names and the folder lacks.
async fn missing(daemon: &Daemon) -> BTreeMap<Digest, String> {
    let adopted = daemon.store.adopted().await.ok().flatten();
    let Some(commit) = adopted.and_then(|plan| plan.commit) else {
        return BTreeMap::new();
    };
    let Ok(parsed) = revision::parse(daemon, &commit).await else {
        return BTreeMap::new();
    };
    let mut wanted = parsed.fleet.as_ref().map(sources).unwrap_or_default();
    wanted.retain(|digest, _| !daemon.images.has(*digest));
    wanted
}

/// The fault of an artefact that people hand in.
fn not_uploaded(source: &str) -> Fault {
    Fault {
        condition: Condition::ImageUnavailable,
        reason: format!("{source} was not handed in; see `muster image add`"),
    }
}

/// Every artefact by its digest.
fn sources(fleet: &Fleet) -> BTreeMap<Digest, String> {
    let mut found = BTreeMap::new();
    for image in fleet.images.values() {
        if let (Some(source), Some(digest)) = (&image.source, &image.sha256) {
            found.insert(**digest, source.to_string());
        }
        for part in [&image.kernel, &image.initrd, &image.rootfs]
            .into_iter()
            .flatten()
        {
            found.insert(*part.sha256, part.source.to_string());
        }
    }
    found
}

async fn fetch(daemon: &Daemon, client: &reqwest::Client, digest: Digest, source: &str) -> Result<(), Fault> {
    let fault = |condition, error: &dyn std::error::Error| Fault {
        condition,
        reason: format!("{source}: {}", crate::chain(error)),
    };
    let response = client
        .get(source)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let response = response.map_err(|error| fault(Condition::ImageUnavailable, &error))?;
    let body = axum::body::Body::from_stream(response.bytes_stream());
    let added = daemon.images.add(Some(digest), body.into_data_stream()).await;
    added.map(drop).map_err(|error| match error {
        ImageError::Differs { .. } => fault(Condition::ImageDigestMismatch, &error),
        ImageError::Write { .. } | ImageError::BrokeOff { .. } | ImageError::TooLarge => {
            fault(Condition::ImageUnavailable, &error)
        }
    })
}
