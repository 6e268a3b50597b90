//! What the daemon's tasks share: handles, two wake-ups, and what was last seen of the source.

use crate::events_door::ToldPlans;
use crate::host_stop;
use crate::images::Images;
use crate::revision::Parsed;
use crate::source::{Source, SourceError};
use crate::times;
use crate::trust::Trust;
use reconciler_core::condition::Condition;
use reconciler_core::hold::Stop;
use reconciler_core::roles::BmcTimes;
use reconciler_git::SealingKey;
use reconciler_store::Store;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Handles of one running daemon.
pub(crate) struct Daemon {
    pub(crate) store: Store,
    pub(crate) source: Source,
    pub(crate) images: Images,
    /// Keys, the mirror, artefacts; and the stop of this host.
    pub(crate) state_dir: PathBuf,
    /// The folder below which secrets may lie.
    pub(crate) secrets_dir: PathBuf,
    /// What the agents' door trusts.
    pub(crate) trust: Arc<Trust>,
    /// How long agents command BMCs.
    pub(crate) bmc_times: BmcTimes,
    /// Signs snapshots, and nothing else.
    pub(crate) snapshot_key: SealingKey,
    /// The commit that the operator vouches for, so that it counts as signed.
    trust_commit: Option<String>,
    /// Held while authorities change.
    pub(crate) rolling: tokio::sync::Mutex<()>,
    /// Wakes the control loop: something was heard or adopted.
    pub(crate) wake: Notify,
    /// Wakes the source loop: a branch may have moved, or a person asked.
    pub(crate) look: Arc<Notify>,
    /// Rises when what rack agents are to do may have changed; ends their long polls.
    pub(crate) changed: watch::Sender<u64>,
    /// The last fetch's trouble, if it failed.
    source_trouble: Mutex<Option<String>>,
    /// How old what it decided was when it came to be carried out, if that was too old.
    slowness: Mutex<Option<Duration>>,
    /// Revisions already parsed, newest last: parsing the adopted one again on every new fact would be
    /// the daemon's main cost.
    parsed: Mutex<Vec<Arc<Parsed>>>,
    /// Adopted plans as readers of events are told of them.
    pub(crate) told_plans: ToldPlans,
    /// How long installations took, as the status tells it.
    pub(crate) times: times::Remembered,
    /// The files of the last revision as they were read: most of the next one are the same.
    pub(crate) read: Arc<Mutex<schema_fleet::Cache>>,
}

/// What the operator said at the start.
pub(crate) struct Told {
    /// Keys, the mirror, artefacts; and the stop of this host.
    pub(crate) state_dir: PathBuf,
    /// The folder below which secrets may lie.
    pub(crate) secrets_dir: PathBuf,
    /// What the agents' door trusts.
    pub(crate) trust: Arc<Trust>,
    /// How long agents command BMCs.
    pub(crate) bmc_times: BmcTimes,
    /// Signs snapshots.
    pub(crate) snapshot_key: SealingKey,
    /// The commit that the operator vouches for.
    pub(crate) trust_commit: Option<String>,
}

/// Parsed revisions kept: the adopted one, the newest, and a few that people plan.
const PARSED_MAX: usize = 8;

impl Daemon {
    pub(crate) fn new(store: Store, source: Source, images: Images, told: Told) -> Self {
        Self {
            store,
            source,
            images,
            state_dir: told.state_dir,
            secrets_dir: told.secrets_dir,
            trust: told.trust,
            bmc_times: told.bmc_times,
            snapshot_key: told.snapshot_key,
            trust_commit: told.trust_commit,
            rolling: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            look: Arc::new(Notify::new()),
            changed: watch::Sender::new(0),
            source_trouble: Mutex::new(None),
            slowness: Mutex::new(None),
            parsed: Mutex::new(Vec::new()),
            told_plans: ToldPlans::default(),
            times: times::Remembered::default(),
            read: Arc::default(),
        }
    }

    /// What a commit is compared with to know whether it may be believed: the adopted commit, or the one that the
    /// operator vouches for, where that one lies between the two.
    pub(crate) async fn trusted_before(
        &self,
        commit: &str,
        adopted: Option<&str>,
    ) -> Result<Option<String>, SourceError> {
        if let Some(trusted) = &self.trust_commit {
            let is_new = match adopted {
                Some(adopted) => self.source.descends(trusted.clone(), adopted.to_owned()).await?,
                None => true,
            };
            if is_new && self.source.descends(commit.to_owned(), trusted.clone()).await? {
                return Ok(Some(trusted.clone()));
            }
        }
        Ok(adopted.map(str::to_owned))
    }

    /// The stop of this host, if there is one; looked for anew each time.
    pub(crate) fn host_stop(&self) -> Option<Stop> {
        host_stop::look(&self.state_dir)
    }

    /// Something changed in the database: decide anew, and let agents see what it means for them.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
        self.wake.notify_one();
    }

    /// Remembers whether the source could be read.
    pub(crate) fn set_source_trouble(&self, trouble: Option<String>) {
        *self.source_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The source's trouble, if any.
    pub(crate) fn source_trouble(&self) -> Option<String> {
        self.source_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers whether it was fast enough for what it decided.
    pub(crate) fn set_slowness(&self, after: Option<Duration>) {
        *self.slowness.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }

    /// Whether it is too slow for what it decides, in words.
    pub(crate) fn slowness(&self) -> Option<String> {
        let after = *self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        let condition = Condition::DecidedTooLate;
        after.map(|after| {
            format!(
                "{condition}: it was {} s from a look at the world to what was decided by it, and nothing that needs a grant \
                 is begun after more than 60 s. {}",
                after.as_secs(),
                condition.row().person
            )
        })
    }

    /// A revision parsed before.
    pub(crate) fn parsed(&self, commit: &str) -> Option<Arc<Parsed>> {
        let parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.iter().find(|parsed| parsed.commit == commit).cloned()
    }

    /// Remembers a parsed revision.
    pub(crate) fn remember(&self, revision: Arc<Parsed>) {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.retain(|known| known.commit != revision.commit);
        if parsed.len() == PARSED_MAX {
            parsed.remove(0);
        }
        parsed.push(revision);
    }
}
