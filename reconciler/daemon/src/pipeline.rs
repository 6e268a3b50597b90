//! A commit's way to being carried out: fetched, verified, checked, planned, guarded, adopted.
//!
//! Each stage is a row people see; the first that says no stops the revision there, and the last good
//! one stays in force. Running it again on the same commit changes nothing. Two daemons may run it at
//! once: adoption is a compare-and-set, and the loser plans again.

use crate::daemon::Daemon;
use crate::failpoint;
use crate::revision::{self, Parsed};
use crate::signatures::{self, Disbelieved};
use crate::source::SourceError;
use crate::world;
use reconciler_core::condition::Condition;
use reconciler_core::ground::Ground;
use reconciler_core::observed::Observed;
use reconciler_core::plan::adoption::{adoptable, to_agree};
use reconciler_core::plan::approvals::{self, Agreement};
use reconciler_core::plan::opened::{self, Opened};
use reconciler_core::plan::{Base, Desired, Plan};
use reconciler_git::CommitInfo;
use reconciler_store::{Adoption, Basis, By, Stage, StoreError};
use schema_fleet::{Code, Fleet, ReleaseOrder, Unreviewed};
use schema_ids::MachineId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Times that adoption may be lost to another daemon, or to a machine that begins to write, in a row before
/// the next poll takes over.
const ADOPTION_TRIES: u32 = 5;

/// What can go wrong on the way, apart from the revision itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    /// The repository.
    #[error("the fleet repository cannot be read")]
    Source(#[source] SourceError),
    /// The database.
    #[error("the database did not do its part")]
    Store(#[source] StoreError),
    /// The world was always faster.
    #[error(
        "{ADOPTION_TRIES} times in a row another daemon adopted a plan, a hold was made or ended, a machine began to \
         write or a minute passed while this was planned; the next poll tries again"
    )]
    Contended,
    /// The branch went on while a commit was on its way, and what comes after it is carried out.
    #[error("commit {commit} was overtaken: {adopted}, which comes after it, is carried out. Ask again")]
    Overtaken {
        /// The commit.
        commit: String,
        /// The one that is carried out.
        adopted: String,
    },
    /// A person named a plan, and it is not what would be carried out now.
    #[error(
        "plan {plan} is stale: what would be carried out now is not what it says. {since}. Look again with \
         `muster plan --replace {plan}`"
    )]
    Stale {
        /// The plan.
        plan: String,
        /// What differs from what it read.
        since: String,
    },
}

/// How far a commit came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last stage it reached.
    pub(crate) stage: Stage,
    /// Why it goes no further: code and reason.
    pub(crate) stopped: Option<(String, String)>,
}

fn stopped(stage: Stage, code: &str, reason: impl Into<String>) -> Progress {
    Progress {
        stage,
        stopped: Some((code.to_owned(), reason.into())),
    }
}

/// Follows the branch until cancelled: at start, on every hint and on every poll.
pub(crate) async fn follow(daemon: Arc<Daemon>, poll: std::time::Duration, stop: CancellationToken) {
    let _watcher = daemon.source.watch(Arc::clone(&daemon.look));
    loop {
        let looked = tokio::select! {
            () = stop.cancelled() => break,
            looked = look(&daemon) => looked,
        };
        match looked {
            Ok((commit, progress)) => {
                daemon.set_source_trouble(None);
                tracing::debug!(commit = %commit.id, stage = ?progress.stage, stopped = ?progress.stopped, "looked");
            }
            // Whoever carried out what comes after it has said how far that came.
            Err(error @ PipelineError::Overtaken { .. }) => {
                daemon.set_source_trouble(None);
                tracing::info!("{error}");
            }
            Err(error) => {
                let chain = crate::chain(&error);
                tracing::warn!(error = %chain, "cannot follow the fleet repository");
                daemon.set_source_trouble(Some(chain));
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = daemon.look.notified() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}

/// Fetches the branch and takes its commit as far as it goes.
pub(crate) async fn look(daemon: &Daemon) -> Result<(CommitInfo, Progress), PipelineError> {
    let commit = fetch(daemon).await?;
    let by = By {
        who: commit.author.clone(),
        why: format!("commit {}: {}", &commit.id[..12], commit.summary),
    };
    let progress = advance(daemon, &commit.id, None, &by).await?;
    Ok((commit, progress))
}

/// Fetches the branch. Its commit has arrived from here on: who looks at a plan for it now has not seen it
/// before.
pub(crate) async fn fetch(daemon: &Daemon) -> Result<CommitInfo, PipelineError> {
    let commit = daemon.source.fetch().await.map_err(PipelineError::Source)?;
    let recorded = daemon.store.record_arrival(&commit.id).await;
    recorded.map_err(PipelineError::Store)?;
    failpoint::reach("fetched");
    Ok(commit)
}

/// Records that a person agrees to what a plan erases, for whatever commit has this tree.
pub(crate) async fn agree(daemon: &Daemon, plan: &Plan, tree: &str, by: &By) -> Result<(), StoreError> {
    daemon.store.save_shown_plan(plan, tree).await?;
    daemon.store.approve(&plan.id, &plan.wipe_set.digest, by).await
}

/// Takes a commit as far as it goes and records where it stands. With the plan that a person `named`, it is
/// that plan or none, and its wipe-set is agreed to.
pub(crate) async fn advance(
    daemon: &Daemon,
    commit: &str,
    named: Option<&Plan>,
    by: &By,
) -> Result<Progress, PipelineError> {
    for _ in 0..ADOPTION_TRIES {
        if let Some(progress) = attempt(daemon, commit, named, by).await? {
            let condition = progress
                .stopped
                .as_ref()
                .map(|(code, reason)| (code.as_str(), reason.as_str()));
            daemon
                .store
                .record_revision(commit, progress.stage, condition)
                .await
                .map_err(PipelineError::Store)?;
            failpoint::reach("recorded");
            return Ok(progress);
        }
    }
    Err(PipelineError::Contended)
}

/// One try; `None` if the plan was out of date before it was adopted.
async fn attempt(
    daemon: &Daemon,
    commit: &str,
    named: Option<&Plan>,
    by: &By,
) -> Result<Option<Progress>, PipelineError> {
    let parent = daemon.store.adopted().await.map_err(PipelineError::Store)?;
    let adopted = parent.as_ref().and_then(|plan| plan.commit.as_deref());
    if let Some(Disbelieved { code, reason }) = disbelieved(daemon, commit, adopted).await? {
        return Ok(Some(stopped(Stage::Fetched, code.as_str(), reason)));
    }
    failpoint::reach("verified");
    let parsed = revision::parse(daemon, commit)
        .await
        .map_err(PipelineError::Source)?;
    let unusable = signatures::unusable(daemon, &parsed, adopted).await;
    if let Some(Disbelieved { code, reason }) = unusable.map_err(PipelineError::Source)? {
        return Ok(Some(stopped(Stage::Verified, code.as_str(), reason)));
    }
    failpoint::reach("checked");
    let base = base_of(daemon, &parsed, parent.as_ref()).await;
    let Some(made) = make_plan(daemon, &parsed, parent, base.as_deref()).await? else {
        return Ok(Some(stopped(Stage::Verified, &parsed.code, parsed.text.clone())));
    };
    let Made { plan, ground } = &made;
    let Ground { parent, observed } = ground;
    if let Some(named) = named.filter(|named| !named.wants_the_same(plan)) {
        return Err(PipelineError::Stale {
            plan: named.id.clone(),
            since: stale_since(named, plan),
        });
    }
    if plan.commit == parent.commit && plan.wants_the_same(parent) {
        return Ok(Some(Progress {
            stage: Stage::Adopted,
            stopped: None,
        }));
    }
    daemon.store.save_plan(plan).await.map_err(PipelineError::Store)?;
    failpoint::reach("planned");
    let opened = daemon
        .store
        .opened(&plan.id)
        .await
        .map_err(PipelineError::Store)?;
    let unreviewed = unreviewed(daemon, &parsed, parent.commit.as_deref()).await?;
    if let Some(blocked) = blocked(plan, unreviewed, &opened) {
        return Ok(Some(Progress {
            stage: Stage::Planned,
            stopped: Some(blocked),
        }));
    }
    failpoint::reach("guarded");
    // Whoever lets a plan be carried out says nothing of what is erased without it.
    let asks = to_agree(plan, parent).next().is_some() || !plan.destroys.is_empty();
    if named.is_some() && asks {
        let agreed = agree(daemon, plan, &parsed.tree, by).await;
        agreed.map_err(PipelineError::Store)?;
    }
    if let Some(reason) = unseen(daemon, &parsed, &made, unreviewed, &opened).await? {
        return Ok(Some(stopped(
            Stage::Guarded,
            Condition::PlanChangedSinceShown.code(),
            reason,
        )));
    }
    if let Some((code, reason)) = unapproved(daemon, &parsed, &made).await? {
        return Ok(Some(stopped(Stage::Guarded, code, reason)));
    }
    adopt(daemon, plan, Basis { parent, observed }, by).await
}

/// Why a commit may not follow the adopted one, whatever its files say: it does not come after it, or it is not signed.
async fn disbelieved(
    daemon: &Daemon,
    commit: &str,
    adopted: Option<&str>,
) -> Result<Option<Disbelieved>, PipelineError> {
    if let Some(adopted) = adopted
        && !descends(daemon, commit, adopted).await?
    {
        if is_overtaken(daemon, commit, adopted).await? {
            return Err(PipelineError::Overtaken {
                commit: commit.to_owned(),
                adopted: adopted.to_owned(),
            });
        }
        return Ok(Some(Disbelieved {
            code: Code::M0822,
            reason: format!(
                "it does not descend from {adopted}, which is carried out: the branch was rewritten. Restore its \
                 history, or merge the old head into the new one"
            ),
        }));
    }
    let told = signatures::disbelieved(daemon, commit, adopted).await;
    told.map_err(PipelineError::Source)
}

/// Whether a commit is the adopted one or comes after it.
async fn descends(daemon: &Daemon, commit: &str, adopted: &str) -> Result<bool, PipelineError> {
    let asked = || daemon.source.descends(commit.to_owned(), adopted.to_owned());
    if let Ok(descends) = asked().await {
        return Ok(descends);
    }
    // Another daemon may carry out what this one has not fetched yet.
    fetch(daemon).await?;
    asked().await.map_err(PipelineError::Source)
}

/// Whether the branch has gone on from a commit to the adopted one, which it has not where it was rewound to it.
async fn is_overtaken(daemon: &Daemon, commit: &str, adopted: &str) -> Result<bool, PipelineError> {
    let after = daemon.source.descends(adopted.to_owned(), commit.to_owned());
    Ok(after.await.map_err(PipelineError::Source)? && fetch(daemon).await?.id != commit)
}

/// The last stage; `None` if the world was faster.
async fn adopt(
    daemon: &Daemon,
    plan: &Plan,
    basis: Basis<'_>,
    by: &By,
) -> Result<Option<Progress>, PipelineError> {
    failpoint::reach("adopt");
    let adoption = daemon.store.adopt(plan, basis, by).await;
    match adoption.map_err(PipelineError::Store)? {
        Adoption::Adopted => {
            failpoint::reach("adopted");
            tracing::info!(plan = %plan.id, commit = plan.commit, changes = plan.changes.len(), "plan adopted");
            daemon.announce();
            Ok(Some(Progress {
                stage: Stage::Adopted,
                stopped: None,
            }))
        }
        Adoption::Stale { current } => {
            tracing::info!(plan = %plan.id, current, "another plan was adopted meanwhile: planning anew");
            Ok(None)
        }
        Adoption::Begun { machine } => {
            tracing::info!(plan = %plan.id, %machine, "began to write since this was planned: planning anew");
            Ok(None)
        }
        Adoption::Held => {
            tracing::info!(plan = %plan.id, "a hold was made or ended since this was planned: planning anew");
            Ok(None)
        }
        Adoption::TooLate { after } => {
            tracing::warn!(plan = %plan.id, seconds = after.as_secs(),
                "planned too long ago: planning anew. This daemon or its database is too slow");
            Ok(None)
        }
    }
}

/// A plan with what it was made of.
pub(crate) struct Made {
    /// The plan.
    pub(crate) plan: Plan,
    pub(crate) ground: Ground,
}

/// What has moved on since a plan was made, in a line.
fn stale_since(named: &Plan, now: &Plan) -> String {
    let reads = named.outdated_reads(now);
    match reads.is_empty() {
        true => "The fleet has moved on in what it does not change".to_owned(),
        false => reads.join("; "),
    }
}

/// The commit that is carried out, for comparison; `None` where nothing is, or this version cannot read it any more.
pub(crate) async fn base_of(daemon: &Daemon, parsed: &Parsed, parent: Option<&Plan>) -> Option<Arc<Parsed>> {
    let commit = parent?.commit.as_deref()?;
    if commit == parsed.commit {
        return None;
    }
    match revision::parse(daemon, commit).await {
        Ok(base) => Some(base),
        Err(error) => {
            tracing::warn!(commit, error = %crate::chain(&error), "what is carried out cannot be read to compare with");
            None
        }
    }
}

/// Plans a checked revision against one snapshot; `None` if it has errors. Changes nothing.
pub(crate) async fn make_plan(
    daemon: &Daemon,
    parsed: &Arc<Parsed>,
    parent: Option<Plan>,
    base: Option<&Parsed>,
) -> Result<Option<Made>, PipelineError> {
    let Some(fleet) = &parsed.fleet else {
        return Ok(None);
    };
    let mut observed = observed(daemon).await.map_err(PipelineError::Store)?;
    if orders_by_health(fleet) {
        observed.unhealthy = unhealthy(daemon).await.map_err(PipelineError::Store)?;
    }
    let ground = Ground::new(parent, observed, &fleet.name);
    let base = base.and_then(|base| {
        let fleet = base.fleet.as_ref()?;
        Some(Base {
            fleet,
            commit: &base.commit,
        })
    });
    let desired = Desired {
        fleet,
        commit: &parsed.commit,
        base,
    };
    let plan = ground.plan(&desired);
    Ok(Some(Made { plan, ground }))
}

/// The world as planning reads it, with the stop of this host.
pub(crate) async fn observed(daemon: &Daemon) -> Result<Observed, StoreError> {
    let mut observed = daemon.store.observed().await?;
    observed.restraints.stops.extend(daemon.host_stop());
    Ok(observed)
}

/// Whether a plan of this fleet asks which machines are out of service.
fn orders_by_health(fleet: &Fleet) -> bool {
    let mut deployments = fleet.deployments.values();
    deployments.any(|wish| wish.release_order == Some(ReleaseOrder::UnhealthyFirst))
}

/// Machines that are out of service and with which nothing goes on, as the control loop sees them now.
async fn unhealthy(daemon: &Daemon) -> Result<BTreeMap<MachineId, String>, StoreError> {
    let loaded = world::load(daemon).await?;
    Ok(loaded.map_or_else(BTreeMap::new, |loaded| loaded.unhealthy(&loaded.tick())))
}

/// The guard that stops a plan, those considered that people have opened: its code, why, and what opens it.
fn blocked(plan: &Plan, unreviewed: Unreviewed, opened: &[Opened]) -> Option<(String, String)> {
    let needed = opened::needed(unreviewed);
    let guard = plan.stopped_by(opened, needed, plan.made)?;
    let (code, reason) = guard.blocked.clone()?;
    let (name, id) = (&guard.guard, &plan.id);
    let said = opened::people(opened, name, plan.made).len();
    let so_far = match said {
        0 => String::new(),
        said => format!(" ({said} of {needed} people have said so)"),
    };
    let how = format!("If it is intended: `muster override --guard {name} --plan {id} --reason ...`{so_far}");
    Some((code, format!("{reason}. {how}")))
}

/// Why the plan may not be adopted unseen, if so: it erases what nobody was shown and nobody approved.
async fn unseen(
    daemon: &Daemon,
    parsed: &Parsed,
    made: &Made,
    unreviewed: Unreviewed,
    opened: &[Opened],
) -> Result<Option<String>, PipelineError> {
    let (plan, parent) = (&made.plan, &made.ground.parent);
    let agreed = daemon
        .store
        .agreed_plans(&parsed.commit, &parsed.tree)
        .await
        .map_err(PipelineError::Store)?;
    let answer = adoptable(plan, parent, &agreed, unreviewed, opened);
    Ok(answer.err().map(|(_, reason)| {
        let (id, digest) = (&plan.id, &plan.wipe_set.digest);
        format!(
            "{reason}. See it with `muster show {id}`, then run `muster approve {id} --wipe-set {digest}`"
        )
    }))
}

/// Who is missing among those that must agree, if anybody is: a code, and why. A plan for the commit that is carried out
/// destroys nothing that its parent does not, where people must agree: planning keeps its machine waiting for a commit
/// ([`reconciler_core::plan::growth`]).
async fn unapproved(
    daemon: &Daemon,
    parsed: &Parsed,
    made: &Made,
) -> Result<Option<(&'static str, String)>, PipelineError> {
    let plan = &made.plan;
    if plan.commit == made.ground.parent.commit {
        return Ok(None);
    }
    let missing = missing(daemon, parsed, made).await?;
    Ok(missing.map(|(condition, reason)| {
        let (id, digest) = (&plan.id, &plan.wipe_set.digest);
        let how = format!("See it with `muster show {id}`, then `muster approve {id} --wipe-set {digest}`");
        (condition.code(), format!("{reason}. {how}"))
    }))
}

/// Who is missing among those that must agree to what a plan destroys, in words.
pub(crate) async fn missing(
    daemon: &Daemon,
    parsed: &Parsed,
    made: &Made,
) -> Result<Option<(Condition, String)>, PipelineError> {
    let (plan, parent) = (&made.plan, &made.ground.parent);
    let machines = approvals::destroyed(plan, parent);
    if machines.is_empty() {
        return Ok(None);
    }
    let asked = asked(daemon, parsed, parent.commit.as_deref()).await?;
    // Without a fleet, the signatures have stopped it.
    let Some(fleet) = &asked.base.fleet else {
        return Ok(None);
    };
    let agreed = daemon.store.approvers(plan, &machines).await;
    let ground = approvals::Ground {
        base: fleet,
        parent,
        authors: &asked.authors,
        agreed: &agreed.map_err(PipelineError::Store)?,
    };
    Ok(approvals::approved(plan, &ground).err())
}

/// By what a commit's approvals are counted.
struct Asked {
    /// The revision that says who must agree.
    base: Arc<Parsed>,
    /// Who wrote what is new.
    authors: BTreeSet<String>,
}

async fn asked(daemon: &Daemon, parsed: &Parsed, adopted: Option<&str>) -> Result<Asked, PipelineError> {
    let (before, base) = in_force(daemon, parsed, adopted).await?;
    let authors = signatures::authors(daemon, &parsed.commit, before, &base).await;
    let authors = authors.map_err(PipelineError::Source)?;
    Ok(Asked { base, authors })
}

/// The revision that says what a commit must have, and its id; a first commit says it of itself.
async fn in_force(
    daemon: &Daemon,
    parsed: &Parsed,
    adopted: Option<&str>,
) -> Result<(Option<String>, Arc<Parsed>), PipelineError> {
    let before = daemon
        .trusted_before(&parsed.commit, adopted)
        .await
        .map_err(PipelineError::Source)?;
    let base = before.clone().unwrap_or_else(|| parsed.commit.clone());
    let base = revision::parse(daemon, &base).await;
    Ok((before, base.map_err(PipelineError::Source)?))
}

/// What a commit may do unseen. Where its files, or those that are carried out, are none of a fleet: nothing. Who vouches for a
/// signature (`--trust-commit`) does not say of what the commit erases that anybody saw it: of this it never speaks for itself.
pub(crate) async fn unreviewed(
    daemon: &Daemon,
    parsed: &Parsed,
    adopted: Option<&str>,
) -> Result<Unreviewed, PipelineError> {
    let base = match adopted {
        Some(adopted) => revision::parse(daemon, adopted)
            .await
            .map_err(PipelineError::Source)?,
        None => in_force(daemon, parsed, None).await?.1,
    };
    let (Some(new), Some(base)) = (&parsed.fleet, &base.fleet) else {
        return Ok(Unreviewed::Approve);
    };
    Ok(opened::unreviewed(&new.settings, Some(&base.settings)))
}

/// Who must agree to what a plan destroys, and who has, for people to read.
pub(crate) async fn agreement(
    daemon: &Daemon,
    parsed: &Parsed,
    made: &Made,
) -> Result<Option<Agreement>, PipelineError> {
    let (plan, parent) = (&made.plan, &made.ground.parent);
    let machines = approvals::destroyed(plan, parent);
    if machines.is_empty() {
        return Ok(None);
    }
    let asked = asked(daemon, parsed, parent.commit.as_deref()).await?;
    let agreed = daemon.store.approvers(plan, &machines).await;
    let agreed = agreed.map_err(PipelineError::Store)?;
    let base = asked.base.fleet.as_ref();
    Ok(base.and_then(|base| Agreement::of(plan, base, parent, &asked.authors, Some(&agreed))))
}
