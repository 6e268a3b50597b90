//! Fetches the artefacts that the adopted fleet names by `http(s)` into the artefact folder.
//!
//! Rack agents fetch from the daemon only, so that a rack needs no way to the outside and each artefact
//! crosses the line once. The bytes are verified against the commit's digest before they get a name. What cannot
//! be had is said of the artefact, so that no machine is written for it, and is tried again ever less often: the daemon
//! looks with each change of anything, and a source that gives gigabytes of other bytes would be asked without a pause.

use crate::daemon::Daemon;
use crate::images::{Fault, ImageError};
use crate::revision;
use crate::trust;
use reconciler_core::condition::Condition;
use schema_fleet::Fleet;
use schema_ids::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The pause between two looks where nothing has failed; adopting a plan looks at once.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The pause after a source has failed once, doubled with each further time: most failures are of the moment.
const PAUSE_FIRST: Duration = Duration::from_secs(15);
/// The longest pause: a source that was put right is noticed within it. A commit that names another is tried at once.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
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
    let mut pauses = Pauses::default();
    loop {
        let again = tokio::select! {
            () = stop.cancelled() => return,
            again = look(&daemon, &client, &mut pauses) => again,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(again) => {}
        }
    }
}

/// Fetches what is missing, but for what is left alone. Gives when to look again though nothing changes.
///
/// Cancel safety: what was fetched stays; what was being fetched begins anew.
async fn look(daemon: &Daemon, client: &reqwest::Client, pauses: &mut Pauses) -> Instant {
    let Some(missing) = missing(daemon).await else {
        return Instant::now() + LOOK_EVERY;
    };
    pauses.forget_all_but(&missing);
    for (digest, source) in missing {
        if !source.starts_with("http") {
            daemon.images.set_fault(digest, not_uploaded(&source));
            continue;
        }
        if pauses.holds(digest) {
            continue;
        }
        match fetch(daemon, client, digest, &source).await {
            Ok(()) => {
                tracing::info!(%digest, source, "image fetched");
                pauses.0.remove(&digest);
                daemon.announce();
            }
            Err(mut fault) => {
                let again = trust::now().plus(pauses.lengthen(digest, &source));
                fault.reason += &format!("; musterd tries again at {again}");
                tracing::warn!(%digest, source, error = fault.reason, "an image cannot be fetched");
                daemon.images.set_fault(digest, fault);
            }
        }
    }
    let ends = pauses.0.values().map(|pause| pause.end);
    ends.min().unwrap_or_else(|| Instant::now() + LOOK_EVERY)
}

/// The artefacts whose source has failed, for as long as the fleet names it.
#[derive(Debug, Default)]
struct Pauses(BTreeMap<Digest, Pause>);

#[derive(Debug)]
struct Pause {
    source: String,
    length: Duration,
    end: Instant,
}

impl Pauses {
    /// The source has failed once more; gives how long it is left alone.
    fn lengthen(&mut self, digest: Digest, source: &str) -> Duration {
        let length = match self.0.get(&digest) {
            None => PAUSE_FIRST,
            Some(before) => (before.length * 2).min(PAUSE_MAX),
        };
        let pause = Pause {
            source: source.to_owned(),
            length,
            end: Instant::now() + length,
        };
        self.0.insert(digest, pause);
        length
    }

    /// Whether it is left alone for now.
    fn holds(&self, digest: Digest) -> bool {
        self.0
            .get(&digest)
            .is_some_and(|pause| Instant::now() < pause.end)
    }

    /// What has come, or is to come from elsewhere, has not failed.
    fn forget_all_but(&mut self, missing: &BTreeMap<Digest, String>) {
        self.0
            .retain(|digest, pause| missing.get(digest) == Some(&pause.source));
    }
}

/// What the adopted fleet names and the folder lacks; nothing where that cannot be read now.
async fn missing(daemon: &Daemon) -> Option<BTreeMap<Digest, String>> {
    let commit = match daemon.store.adopted().await.ok()? {
        Some(plan) => plan.commit?,
        None => return Some(BTreeMap::new()),
    };
    let parsed = revision::parse(daemon, &commit).await.ok()?;
    let mut wanted = parsed.fleet.as_ref().map(sources).unwrap_or_default();
    wanted.retain(|digest, _| !daemon.images.has(*digest));
    Some(wanted)
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
