//! Fetches the artefacts that the adopted fleet names by `http(s)` into the artefact folder.
//!
//! Rack agents fetch from the daemon only, so that a rack needs no way to the outside and each artefact
//! crosses the line once. The bytes are verified against the commit's digest before they get a name.

use crate::daemon::Daemon;
use crate::revision;
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
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = fetch(&daemon, &client, digest, &source) => fetched,
            };
            match fetched {
                Ok(()) => {
                    tracing::info!(%digest, source, "image fetched");
                    daemon.announce();
                }
                Err(error) => tracing::warn!(%digest, source, error, "an image cannot be fetched"),
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

/// Every artefact with an `http(s)` source.
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
    found.retain(|_, source| source.starts_with("http"));
    found
}

async fn fetch(
    daemon: &Daemon,
    client: &reqwest::Client,
    digest: Digest,
    source: &str,
) -> Result<(), String> {
    let response = client
        .get(source)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let response = response.map_err(|error| crate::chain(&error))?;
    let body = axum::body::Body::from_stream(response.bytes_stream());
    let added = daemon.images.add(Some(digest), body.into_data_stream()).await;
    added.map(|_| ()).map_err(|error| crate::chain(&error))
}
