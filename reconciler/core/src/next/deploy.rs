//! Deployed: the image on the planned disks, seen to run.
//!
//! Before `installed`, tries may be repeated; the fence stands before each one's first write. After
//! it, nothing here orders a job for the same intent again, whatever is missing.

use super::commission::INSPECT_LIMIT;
use super::job::{AfterFailure, Wanted};
use super::{Case, Decision, Need, drift};
use crate::condition::{Condition, Wait};
use crate::facts::{Installed, MachineFacts, OrderSeen, Seen};
use crate::plan::MachinePlan;
use rack_api::job::{Deploy, JobKind};
use rack_api::order::{Action, NextBoot};
use schema_ids::{ContentId, Timestamp};
use std::time::Duration;

/// A step that says nothing for ten minutes hangs …
const STEP_LIMIT: Duration = Duration::from_secs(600);

/// … but discarding or formatting a disk says nothing while it lasts: a minute more for each TiB.
const STEP_LIMIT_PER_TIB: Duration = Duration::from_secs(60);

pub(super) fn deployed(case: &Case<'_>, deploy: &Deploy) -> Decision {
    let need = need(case, deploy);
    let decided = match case.facts.installed_as(deploy) {
        Some(installed) => running(case, deploy, installed, &need),
        None => install(case, deploy, &need),
    };
    match decided {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

/// What it takes: a place to boot, and the deployment's budget where an installed system is erased or put out of service.
fn need(case: &Case<'_>, deploy: &Deploy) -> Need {
    let disrupts = disrupts(case.machine, case.facts, deploy);
    Need {
        erases: case.around.deployment.filter(|_| disrupts).cloned(),
        wipes: wipes(case.machine, deploy),
        ..Need::to_boot(case.machine.rack.clone())
    }
}

/// Whether an installation takes its machine from whoever counts on it.
pub(crate) fn disrupts(machine: &MachinePlan, facts: &MachineFacts, deploy: &Deploy) -> bool {
    // Onto other disks nothing is lost, and whoever counts on the machine is without it all the same.
    let home = facts.phoned_home.as_ref();
    let serves = home.is_some_and(|home| home.value.binding == deploy.binding);
    wipes(machine, deploy) || serves || machine.as_is.is_some()
}

/// Whether an installation erases data in use.
pub(crate) fn wipes(machine: &MachinePlan, deploy: &Deploy) -> bool {
    let mut disks = deploy.disks.iter();
    // What it was adopted with is in use as much as what muster installed.
    let found = machine.as_is.is_some();
    disks.any(|disk| {
        matches!(disk.agreed, ContentId::Marker { .. }) || found && disk.agreed != ContentId::Blank
    })
}

fn install(case: &Case<'_>, deploy: &Deploy, need: &Need) -> Result<(), Decision> {
    let ordered = case.boot_order().and_then(OrderSeen::job);
    if ordered.is_some_and(|job| job.kind == JobKind::Inspect) {
        // The machine was not what the plan took it for. What is found now may change the plan; if it
        // does not, the installation is tried again.
        case.run(&Wanted {
            kind: JobKind::Inspect,
            running: Condition::Commissioning,
            limit: INSPECT_LIMIT,
            after_failure: AfterFailure::Wait,
            need,
        })?;
    }
    let bytes: u64 = deploy.disks.iter().map(|disk| disk.size_bytes).sum();
    let tebibytes = u32::try_from(bytes >> 40).unwrap_or(u32::MAX);
    let wanted = Wanted {
        kind: JobKind::Deploy(Box::new(deploy.clone())),
        running: Condition::JobRunning,
        limit: STEP_LIMIT + STEP_LIMIT_PER_TIB.saturating_mul(tebibytes),
        after_failure: AfterFailure::LookAgain,
        need,
    };
    let job = case.run(&wanted)?;
    let done = job.done.unwrap_or(job.last);
    let evidence = "the job ended and its last word is not here yet";
    Err(Decision::Wait(
        Wait::new(Condition::JobRunning, done, evidence).limit(wanted.limit),
    ))
}

/// From the disk into the running system: local boot everywhere, a power cycle, its own word.
fn running(
    case: &Case<'_>,
    deploy: &Deploy,
    installed: &Seen<Installed>,
    need: &Need,
) -> Result<(), Decision> {
    let proof = case.facts.proof(deploy.binding, installed);
    let local = case.boot_order().filter(|order| order.job().is_none());
    if case.boot_order().is_some() || proof.is_err() {
        let ours = installed.value.job.generation == case.machine.wanted.generation;
        match local {
            Some(order) => case.taken(order, None)?,
            // An intent that came back to what is installed: nothing is to be booted, only seen.
            None if case.boot_order().is_none() && !ours => {}
            None => {
                return Err(case.propose(
                    Action::Boot(NextBoot::Local),
                    "installed: boot its own disk",
                    None,
                ));
            }
        }
    }
    match proof {
        // Switching on what went off loses nothing.
        Ok(seen) => drift::decide(case, seen, &Need::to_boot(need.rack.clone())),
        Err(missing) => first_boot(case, installed, local, need, &missing),
    }
}

fn first_boot(
    case: &Case<'_>,
    installed: &Seen<Installed>,
    local: Option<&OrderSeen>,
    need: &Need,
    missing: &str,
) -> Result<(), Decision> {
    let alone = |since: Timestamp| Decision::Wait(Wait::new(Condition::NotSeenAfterInstall, since, missing));
    let Some(local) = local else {
        return Err(alone(installed.since));
    };
    let on = if case.has_bmc() {
        case.cycled_after(local.number(), "boot the installed system", need)?
    } else {
        let evidence = "installed: the machine goes off by itself; switch it on";
        let clock = case.boot_clock().map_err(Decision::Wait)?;
        let wait = Wait {
            limit: case.start_limit(Condition::FirstBoot),
            ..Wait::new(Condition::PowerByHand, installed.since, evidence)
        };
        match case.boot_since(installed.since) {
            Some(seen) => seen,
            None if wait
                .limit
                .is_some_and(|limit| clock.elapsed(installed.since) > limit) =>
            {
                return Err(alone(installed.since));
            }
            None => return Err(Decision::Wait(wait)),
        }
    };
    let clock = case.boot_clock().map_err(Decision::Wait)?;
    let wait = case.starting(Condition::FirstBoot, on, missing);
    if wait.limit.is_some_and(|limit| clock.elapsed(on) > limit) {
        return Err(alone(on));
    }
    Err(Decision::Wait(wait))
}
