//! The fence before the first write: a compare-and-set on contents.
//!
//! The in-machine agent says who it is, which job it has and what it sees on each disk; the answer is
//! yes only if all of that is what the adopted plan agreed to. The daemon records the start before the
//! yes leaves it. Nothing here trusts that the machine was asked to start. The agent judges the disks by
//! the same table of cases, `rack/api/tests/cases/fence.toml`.

use crate::admit::Grant;
use crate::condition::Condition;
use crate::facts::MachineFacts;
use crate::hold::{self, Act, Denial};
use crate::intent::Intent;
use crate::next::{deploy, release};
use crate::plan::MachinePlan;
use crate::plan::identity::{Evidence, Match};
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, Erase, Job, JobKind};
use rack_api::machine::{GoRequest, Verdict};
use rack_api::order::{Action, Lane, NextBoot, PowerWanted};
use rack_api::ownership::MarkWish;
use rack_api::sync::BootGoRequest;
use rack_api::writes::{Agreed, Leaves, Writes};
use schema_ids::{ContentId, Generation, Incarnation, MachineId, MarkOwner};

/// What a question is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Whom the question is about.
    pub id: MachineId,
    /// The adopted plan's word on it.
    pub machine: &'a MachinePlan,
    /// What is known of it.
    pub facts: &'a MachineFacts,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// Why nothing may be done at all: the database was restored.
    pub restored: Option<&'a str>,
    /// What holds and stops keep from it.
    pub denials: &'a [Denial],
    /// The grant that it holds.
    pub grant: Option<&'a Grant>,
}

/// What a go takes of what machines share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// Whether its machine's grant for the job's intent has to stand.
    pub place: bool,
    /// Whether data in use is erased, so that the fleet's limit in an hour counts it.
    pub wipes: bool,
}

/// Why not.
type Refusal = (Condition, String);

/// "May I write?"
pub fn judge(ground: &Ground<'_>, request: &GoRequest) -> Verdict {
    let asked = ordered(ground, request)
        .and_then(|()| not_ordered_off(ground))
        .and_then(|()| has_place(ground));
    let judged = asked.and_then(|()| match &ground.machine.wanted.intent {
        Intent::Deployed(deploy) => {
            not_installed(ground, deploy).and_then(|()| may_write(ground, request, &deploy.writes()))
        }
        Intent::Released(erase) => {
            not_erased(ground, erase).and_then(|()| may_write(ground, request, &erase.writes()))
        }
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Retired => Err((Condition::StepFailed, "nothing is to be written".to_owned())),
    });
    match judged {
        Ok(()) => Verdict::Go,
        Err((condition, reason)) => Verdict::Refuse {
            code: condition.code().to_owned(),
            reason,
        },
    }
}

/// What a go to the job that is wanted takes.
pub fn takes(ground: &Ground<'_>) -> Takes {
    let (place, wipes) = match &ground.machine.wanted.intent {
        Intent::Deployed(wanted) => (
            deploy::disrupts(ground.machine, ground.facts, wanted),
            deploy::wipes(ground.machine, wanted),
        ),
        Intent::Released(erase) => (false, release::wipes(erase)),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Retired => (false, false),
    };
    Takes { place, wipes }
}

/// "May this machine boot its job now?"
pub fn may_boot(ground: &Ground<'_>, request: &BootGoRequest) -> bool {
    let kind = ordered_job(ground).map(|job| &job.kind);
    // What is served to a machine that runs on afterwards is served once.
    let again = ordered_job(ground).is_some_and(|job| {
        let seen = ground.facts.job.as_ref();
        job.leaves && seen.is_some_and(|seen| seen.job == job.job)
    });
    ground.restored.is_none()
        && !again
        && kind.is_some_and(|kind| hold::denied(ground.denials, Act::of_job(kind)).is_none())
        && (kind == Some(&JobKind::Inspect) || has_place(ground).is_ok())
        && request.machine == ground.id
        && request.generation == ground.machine.wanted.generation
        && ordered_attempt(ground) == Some(request.attempt)
}

/// The job is the one that is wanted.
fn ordered(ground: &Ground<'_>, request: &GoRequest) -> Result<(), Refusal> {
    let stale = |why: String| Err((Condition::StepFailed, why));
    if let Some(why) = ground.restored {
        return Err((Condition::Held, why.to_owned()));
    }
    if let Some(denied) = hold::denied(ground.denials, Act::Write) {
        return Err((Condition::Held, denied.evidence));
    }
    let generation = ground.machine.wanted.generation;
    if request.job.machine != ground.id || request.job.generation != generation {
        return stale(format!(
            "the job is of generation {}, wanted is {generation}",
            request.job.generation
        ));
    }
    if ordered_attempt(ground) != Some(request.job.attempt) {
        return stale(format!(
            "try {} is not the one that was ordered last",
            request.job.attempt
        ));
    }
    Ok(())
}

/// No person has just ordered the power off: what begins now would be cut.
fn not_ordered_off(ground: &Ground<'_>) -> Result<(), Refusal> {
    let newest = ground.facts.newest(Lane::Power);
    let by_hand = newest.filter(|seen| seen.issued.order.by_hand.is_some());
    let open = by_hand.filter(|seen| seen.done.is_none() && seen.failed.is_none());
    match open.filter(|seen| seen.power() != Some(PowerWanted::On)) {
        None => Ok(()),
        Some(seen) => Err((Condition::StepFailed, seen.issued.order.cause.clone())),
    }
}

/// Whoever counts on it can do without it: nothing that takes it away runs without its grant, which may have been given back since
/// the order was given.
fn has_place(ground: &Ground<'_>) -> Result<(), Refusal> {
    let generation = ground.machine.wanted.generation;
    let mut held = ground.grant.into_iter();
    if !takes(ground).place || held.any(|grant| grant.generation == generation && grant.need.boots) {
        return Ok(());
    }
    let why = "it holds no place any more among those that may be out of service";
    Err((Condition::Budget, why.to_owned()))
}

/// Its installation has not been done.
fn not_installed(ground: &Ground<'_>, deploy: &Deploy) -> Result<(), Refusal> {
    match ground.facts.installed_as(deploy) {
        None => Ok(()),
        Some(_) => {
            let why = "this installation is already done; nothing may be written again".to_owned();
            Err((Condition::NotSeenAfterInstall, why))
        }
    }
}

/// Its disks have not been erased, all of them.
fn not_erased(ground: &Ground<'_>, erase: &Erase) -> Result<(), Refusal> {
    match ground.facts.released(erase, ground.machine.leaving_since) {
        None => Ok(()),
        Some(_) => Err((
            Condition::StepFailed,
            "every disk is erased already; nothing may be written again".to_owned(),
        )),
    }
}

/// The binding, the machine and its disks are those of the plan.
fn may_write<D: Agreed>(
    ground: &Ground<'_>,
    request: &GoRequest,
    writes: &Writes<'_, D>,
) -> Result<(), Refusal> {
    if writes.binding != request.binding {
        let why = format!(
            "the job is for binding {}, wanted is {}",
            request.binding, writes.binding
        );
        return Err((Condition::StepFailed, why));
    }
    same_machine(ground, request)?;
    not_anothers(ground, request)?;
    disks(writes, ground.machine.wanted.generation, &request.disks)
}

/// The attempt of the job that the standing boot order names.
fn ordered_attempt(ground: &Ground<'_>) -> Option<u32> {
    ordered_job(ground).map(|job| job.job.attempt)
}

/// The job that the standing boot order names.
fn ordered_job<'a>(ground: &Ground<'a>) -> Option<&'a Job> {
    let orders = ground.facts.orders.iter().map(|seen| &seen.issued.order);
    let newest = orders
        .filter(|order| order.lane() == Lane::Boot && order.incarnation == ground.incarnation)
        .max_by_key(|order| order.number)?;
    match &newest.action {
        Action::Boot(NextBoot::Job(job)) => Some(job),
        Action::Boot(NextBoot::Local) | Action::Power(_) => None,
    }
}

fn same_machine(ground: &Ground<'_>, request: &GoRequest) -> Result<(), Refusal> {
    let known = Evidence::of_plan(
        ground.machine,
        ground.facts.inventory.as_ref().map(|seen| &seen.value),
    );
    let shown = Evidence {
        uuid: request.uuid,
        serial: request.serial.clone(),
        macs: request.macs.iter().copied().collect(),
        disks: request.disks.iter().map(|seen| seen.disk.clone()).collect(),
    };
    match known.compare(&shown) {
        Match::Same => Ok(()),
        Match::Unclear { agreed } => {
            let why = format!("only {agreed} of the machine's evidence agrees; two kinds are needed");
            Err((Condition::IdentityAmbiguous, why))
        }
        Match::Other { why } => Err((Condition::IdentityChanged, why)),
    }
}

/// It bears nobody else's mark of ownership by what is planned, and nobody has left one since.
fn not_anothers(ground: &Ground<'_>, request: &GoRequest) -> Result<(), Refusal> {
    // Also where it does not tell of its mark now.
    if let Some(foreign) = ground.machine.foreign() {
        return Err((Condition::MarkedByAnother, foreign.says.clone()));
    }
    let Some(owner) = request.mark.as_ref().and_then(|seen| seen.found.owner()) else {
        return Ok(());
    };
    let wish = ground.machine.mark.as_ref().map(|mark| &mark.wish);
    let may_stand =
        |wish: &MarkWish| owner == MarkOwner::Plane(wish.plane) || wish.over.as_ref() == Some(&owner);
    match wish.is_some_and(may_stand) {
        true => Ok(()),
        false => Err((
            Condition::MarkedByAnother,
            format!("it bears the mark of {owner}, which was not known when this was planned"),
        )),
    }
}

/// What a disk holds, as far as this installation may have to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Its final marker.
    Finished,
    /// Its first marker.
    Begun,
    /// What the plan agreed to erase, or what the binding began to write for an earlier intent.
    MayGo,
}

/// Every disk may be written; or, where some carry the final marker, all others carry the first: final
/// markers are written when everything is on all disks, so the missing ones may follow, and nothing else.
fn disks<D: Agreed>(
    writes: &Writes<'_, D>,
    generation: Generation,
    seen: &[DiskSeen],
) -> Result<(), Refusal> {
    let held = writes
        .disks
        .iter()
        .map(|plan| holds(plan, writes, generation, seen))
        .collect::<Result<Vec<Holds>, Refusal>>()?;
    if !held.contains(&Holds::Finished) {
        return Ok(());
    }
    let mut disks = writes.disks.iter().zip(&held);
    if let Some((plan, _)) = disks.find(|(_, holds)| **holds == Holds::MayGo) {
        let why = format!(
            "{} was not written by the installation that other disks say is done",
            plan.disk()
        );
        return Err((Condition::UnexpectedContents, why));
    }
    if held.contains(&Holds::Begun) {
        return Ok(());
    }
    let why = "the disks say that this installation is already done".to_owned();
    Err((Condition::NotSeenAfterInstall, why))
}

/// The disk is there, and holds nothing that is somebody else's.
fn holds<D: Agreed>(
    plan: &D,
    writes: &Writes<'_, D>,
    generation: Generation,
    seen: &[DiskSeen],
) -> Result<Holds, Refusal> {
    let mut found = seen.iter().filter(|seen| seen.disk == *plan.disk());
    let (Some(disk), None) = (found.next(), found.next()) else {
        return Err((
            Condition::DiskMissing,
            format!("{} is not there exactly once", plan.disk()),
        ));
    };
    if disk.size_bytes != plan.size_bytes() {
        let why = format!(
            "{} has {} bytes, planned were {}",
            plan.disk(),
            disk.size_bytes,
            plan.size_bytes()
        );
        return Err((Condition::DiskMissing, why));
    }
    if let ContentId::Marker {
        incarnation,
        binding,
        generation: written,
        installed,
    } = &disk.content
        && *binding == writes.binding
    {
        let (written, wanted) = ((*incarnation, *written), (writes.incarnation.number, generation));
        let finishes = writes.leaves == Leaves::System;
        if written == wanted && (!*installed || finishes) {
            return Ok(if *installed { Holds::Finished } else { Holds::Begun });
        }
        if !*installed && written < wanted {
            return Ok(Holds::MayGo);
        }
    }
    // Where nothing is left, a disk that holds nothing is as it shall be.
    let erased = writes.leaves == Leaves::Nothing && disk.content == ContentId::Blank;
    if erased || disk.content == *plan.agreed() {
        return Ok(Holds::MayGo);
    }
    let why = format!(
        "{} holds {}, agreed to erase was {}",
        plan.disk(),
        disk.content,
        plan.agreed()
    );
    Err((Condition::UnexpectedContents, why))
}
