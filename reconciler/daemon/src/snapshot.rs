//! What planning reads, signed, for those who plan elsewhere: CI, which has the repository and no way to musterd.
//!
//! It is made anew each time and kept nowhere. The key lies in the state folder and signs nothing else. Publishing is
//! bounded: one snapshot at a time, not more often than the operator said, none that is larger than readers take.

use crate::daemon::Daemon;
use crate::failpoint;
use crate::people_door::Refused;
use crate::pipeline::{self, PipelineError};
use crate::plan_door::{self, Beside};
use crate::revision;
use crate::times;
use axum::Json;
use axum::extract::State;
use reconciler_core::people::SnapshotAnswer;
use reconciler_core::snapshot::{BYTES_MAX, FILE, Known, NAMESPACE, Snapshot};
use reconciler_git::{BadKey, Mirror, SealingKey};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// One that says the same is published again after so long: readers take none of more than an hour, and four chances are enough.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Times that a plan may be adopted while the world is read.
const TRIES: u32 = 5;

/// Where snapshots go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file of this host, put in place whole.
    File(PathBuf),
    /// A ref of the fleet repository below `refs/muster/`.
    Ref(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("refs/") {
            let path = Path::new(text);
            return match path.is_absolute() && path.file_name().is_some() {
                true => Ok(Self::File(path.to_owned())),
                false => Err("it is the absolute path of a file, or a ref: refs/muster/snapshot".to_owned()),
            };
        }
        let name = text.strip_prefix("refs/muster/").unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
            true => Ok(Self::Ref(text.to_owned())),
            false => Err(
                "a ref is refs/muster/ and a name of a-z, 0-9 and -: branches and tags are never written"
                    .to_owned(),
            ),
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// A file.
    #[error("cannot {what} {}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// No key.
    #[error("{} is no key for snapshots", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: BadKey,
    },
    /// No dice.
    #[error("this host has no random numbers")]
    Random,
}

/// The key at the path, or the one of the state folder, which is made on the first start.
pub(crate) fn key(named: Option<&Path>, state: &Path) -> Result<SealingKey, KeyError> {
    let path = named.map_or_else(|| state.join("snapshot_key"), Path::to_owned);
    let fail = |what| {
        let path = path.clone();
        move |source| KeyError::File { what, path, source }
    };
    if named.is_none() && !path.exists() {
        let mut seed = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut seed).map_err(|_| KeyError::Random)?;
        write(&path, &SealingKey::of_seed(&seed).to_openssh(), 0o600).map_err(fail("write"))?;
    }
    let text = fs::read_to_string(&path).map_err(fail("read"))?;
    SealingKey::parse(&text).map_err(|source| KeyError::Key { path, source })
}

/// Puts a file in place whole: whoever reads it meanwhile has the old one. A link in its place is replaced, not followed.
fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    // Left behind by a process of this number that was killed.
    drop(fs::remove_file(&beside));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

/// Answers with a snapshot of now.
pub(crate) async fn get(State(daemon): State<Arc<Daemon>>) -> Result<Json<SnapshotAnswer>, Refused> {
    let snapshot = make(&daemon).await?;
    Ok(Json(SnapshotAnswer {
        sealed: seal(&daemon, &snapshot),
        allowed: daemon.snapshot_key.allowed_line(NAMESPACE),
    }))
}

/// A snapshot of now.
async fn make(daemon: &Daemon) -> Result<Snapshot, PipelineError> {
    let Beside {
        drift,
        silent,
        unhealthy,
    } = plan_door::beside(daemon).await.map_err(PipelineError::Store)?;
    let agents = daemon.store.agents().await.map_err(PipelineError::Store)?;
    let agents = agents
        .into_iter()
        .map(|(name, seen)| (name, seen.heard))
        .collect();
    let mut adopted = daemon.store.adopted().await.map_err(PipelineError::Store)?;
    for _ in 0..TRIES {
        let mut observed = pipeline::observed(daemon).await.map_err(PipelineError::Store)?;
        // The bindings that were read are those of this plan, and of no later one.
        let now = daemon.store.adopted_id().await.map_err(PipelineError::Store)?;
        if now != adopted.as_ref().map(|plan| plan.id.clone()) {
            adopted = daemon.store.adopted().await.map_err(PipelineError::Store)?;
            continue;
        }
        let tree = match adopted.as_ref().and_then(|plan| plan.commit.as_deref()) {
            Some(commit) => {
                let parsed = revision::parse(daemon, commit).await;
                parsed.map_err(PipelineError::Source)?.tree.clone()
            }
            None => String::new(),
        };
        observed.unhealthy.clone_from(&unhealthy);
        let took = times::took(daemon, &observed).await;
        let known = Known {
            adopted,
            observed,
            drift,
            silent,
            agents,
            took,
        };
        return Ok(Snapshot::of(known, &tree, Mirror::blob_name));
    }
    Err(PipelineError::Contended)
}

fn seal(daemon: &Daemon, snapshot: &Snapshot) -> String {
    let line = serde_json::to_string(snapshot).expect("a snapshot is plain data and always serialises");
    daemon.snapshot_key.seal(NAMESPACE, &line)
}

/// Publishes what changed, until cancelled.
pub(crate) async fn publish(
    daemon: Arc<Daemon>,
    targets: Vec<Target>,
    every: Duration,
    stop: CancellationToken,
) {
    if targets.is_empty() {
        return stop.cancelled().await;
    }
    let mut last = vec![None; targets.len()];
    loop {
        let published = tokio::select! {
            () = stop.cancelled() => break,
            published = once(&daemon, &targets, &mut last) => published,
        };
        if let Err(why) = published {
            tracing::warn!(error = %why, "a snapshot was not published everywhere; it will be tried again");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// What was last published to a target, and when.
type Last = Option<(Snapshot, Instant)>;

/// Publishes a snapshot to each target, unless the last one there says the same and is young. One that fails keeps no other
/// from it.
///
/// Cancel safety: a file is put in place whole, and a push that is cut leaves the ref as it was.
async fn once(daemon: &Daemon, targets: &[Target], last: &mut [Last]) -> Result<(), String> {
    let snapshot = make(daemon).await.map_err(|error| crate::chain(&error))?;
    let is_known = |last: &Last| {
        let young = last.as_ref().filter(|(_, at)| at.elapsed() < AGAIN_AFTER);
        young.is_some_and(|(last, _)| last.same_but_for_its_moment(&snapshot))
    };
    if last.iter().all(is_known) {
        return Ok(());
    }
    let sealed = seal(daemon, &snapshot);
    if sealed.len() > BYTES_MAX {
        return Err(format!(
            "it has {} bytes, and no reader takes more than {BYTES_MAX}",
            sealed.len()
        ));
    }
    let mut failed = Vec::new();
    for (target, last) in targets.iter().zip(last) {
        if is_known(last) {
            continue;
        }
        failpoint::reach("publish");
        match put(daemon, target, &sealed, &snapshot).await {
            Ok(()) => {
                failpoint::reach("published");
                tracing::debug!(bytes = sealed.len(), ?target, "a snapshot was published");
                *last = Some((snapshot.clone(), Instant::now()));
            }
            Err(why) => failed.push(why),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("; ")),
    }
}

async fn put(daemon: &Daemon, target: &Target, sealed: &str, snapshot: &Snapshot) -> Result<(), String> {
    match target {
        Target::File(path) => {
            write(path, sealed, 0o644).map_err(|error| format!("{}: {error}", path.display()))
        }
        Target::Ref(name) => {
            let at = snapshot.observed.at;
            let written = daemon.source.publish(name, FILE, sealed.to_owned(), at).await;
            written.map_err(|error| format!("{name}: {}", crate::chain(&error)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, key, write};
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn where_snapshots_may_go() {
        for good in [
            "/srv/muster/snapshot",
            "refs/muster/snapshot",
            "refs/muster/lab-2",
        ] {
            assert!(good.parse::<Target>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "snapshot",
            "../snapshot",
            "refs/heads/main",
            "refs/muster/",
            "refs/muster/../heads/main",
            "refs/muster/a:refs/heads/main",
            "refs/muster/A",
            "+refs/heads/main",
            "refs/tags/v1",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
        std::fs::write(&theirs, "precious").unwrap();
        symlink(&theirs, &ours).unwrap();
        write(&ours, "new", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(&ours).unwrap(), "new");
        assert_eq!(std::fs::symlink_metadata(&ours).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_key_is_made_once_and_is_nobodys_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let line = || key(None, dir.path()).unwrap().allowed_line("x");
        assert_eq!(line(), line());
        let path = dir.path().join("snapshot_key");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        std::fs::write(&path, "no key").unwrap();
        assert!(key(None, dir.path()).is_err());
        assert!(key(Some(&dir.path().join("absent")), dir.path()).is_err());
    }
}
