//! What a person's word for a wipe-set comes to: whether it counts, how many more must say it, and what stops the plan all the same.

use crate::daemon::Daemon;
use crate::people_door::Refused;
use crate::pipeline::{self, Made, PipelineError};
use crate::revision::{self, Parsed};
use reconciler_core::people::ApproveAnswer;
use reconciler_core::plan::Plan;
use reconciler_core::plan::approvals::{self, Ground};
use std::sync::Arc;

/// Of a word that is stored by now.
pub(crate) async fn counted(
    daemon: &Daemon,
    plan: &Plan,
    parsed: &Arc<Parsed>,
    person: &str,
) -> Result<ApproveAnswer, Refused> {
    let blocked = plan.guards.iter().find_map(|guard| {
        let (code, reason) = guard.blocked.as_ref()?;
        Some(format!("{}: {code}: {reason}", guard.guard))
    });
    let adopted = daemon.store.adopted().await?;
    let parent = adopted.clone();
    // What is asked is about this plan, over what is carried out now.
    let made = pipeline::make_plan(daemon, parsed, adopted, None).await?;
    let made = made.map(|made| Made {
        plan: plan.clone(),
        ground: made.ground,
    });
    let agreement = match &made {
        Some(made) => pipeline::agreement(daemon, parsed, made).await?,
        None => None,
    };
    let missing = match (&agreement, &made) {
        (Some(_), Some(made)) => {
            let parent_commit = parent.as_ref().and_then(|parent| parent.commit.as_deref());
            missing(daemon, made, parsed, parent_commit).await?
        }
        _ => None,
    };
    let given = agreement.as_ref().and_then(|agreement| agreement.given.as_ref());
    Ok(ApproveAnswer {
        counts: given.is_none_or(|given| given.contains(person)),
        agreement,
        missing,
        blocked,
    })
}

/// Who else must agree, and whose word does not count, in words.
async fn missing(
    daemon: &Daemon,
    made: &Made,
    parsed: &Parsed,
    adopted: Option<&str>,
) -> Result<Option<String>, Refused> {
    let source = PipelineError::Source;
    let before = daemon
        .trusted_before(&parsed.commit, adopted)
        .await
        .map_err(source)?;
    let base = before.clone().unwrap_or_else(|| parsed.commit.clone());
    let base = revision::parse(daemon, &base).await.map_err(source)?;
    let commits = daemon.source.new_commits(parsed.commit.clone(), before).await;
    let authors = reconciler_git::authors(&commits.map_err(source)?);
    let (plan, parent) = (&made.plan, &made.ground.parent);
    let machines = approvals::destroyed(plan, parent);
    let agreed = daemon.store.approvers(plan, &machines).await?;
    let said = base.fleet.as_ref().map(|base| {
        let ground = Ground {
            base,
            parent,
            authors: &authors,
            agreed: &agreed,
        };
        approvals::approved(plan, &ground)
    });
    Ok(said.and_then(Result::err).map(|(_, reason)| reason))
}
