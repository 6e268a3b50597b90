//! The in-machine agent's conversation, and the installed system's one word.
//!
//! Every message carries a token that some boot agent of the link minted. A machine may speak of itself
//! only; its facts are on disk before it hears that they were taken.

use super::{App, Connection, body::Timely, boot::is_enlisted};
use crate::{clock, error_chain::Chain};
use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rack_api::{
    fact::{Fact, FactBody, IMAGE_DIGEST_MISMATCH, StepState},
    job::JobRef,
    machine::{GoAnswer, GoRequest, Hello, HelloAnswer, PhoneHome, Report, Verdict},
    order::{Action, NextBoot},
    stop::CODE,
    sync::FACTS_MAX,
};
use rack_proto::{
    dhcp::machine_of,
    token::{BootToken, Subject},
};
use schema_ids::Uuid;

/// A machine whose job is over asks again after this: short, since its power is about to be cut or its
/// next job to come.
const ASK_AGAIN_SECONDS: u32 = 5;

/// The condition of a job that comes too soon after the others: its try is repeated, and has not failed.
const TOO_MANY: &str = "RATE_LIMITED";

/// Why a message is refused.
enum Refusal {
    Token,
    Foreign(&'static str),
    TooMany,
    Later(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Token => (StatusCode::UNAUTHORIZED, "this token is none of ours".to_owned()),
            Self::Foreign(what) => (StatusCode::FORBIDDEN, what.to_owned()),
            Self::TooMany => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("at most {FACTS_MAX} facts in one report"),
            ),
            Self::Later(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        };
        (status, format!("{words}\n")).into_response()
    }
}

pub(super) async fn hello(State(rack): State<App>, Timely(hello): Timely<Hello>) -> Response {
    match answer(&rack, &hello) {
        Ok(answer) => {
            tracing::info!(mac = %hello.mac, boot = %hello.boot_id, answer = word(&answer), "machine asks what to do");
            Json(answer).into_response()
        }
        Err(refusal) => {
            tracing::warn!(mac = %hello.mac, "hello refused");
            refusal.into_response()
        }
    }
}

fn answer(rack: &App, hello: &Hello) -> Result<HelloAnswer, Refusal> {
    let token = verify(rack, &hello.token)?;
    if token.mac != hello.mac {
        return Err(Refusal::Foreign("this token was made for another interface"));
    }
    let wait = |reason: &str| {
        Ok(HelloAnswer::Wait {
            seconds: ASK_AGAIN_SECONDS,
            reason: reason.to_owned(),
        })
    };
    let machine = match token.subject {
        Subject::Enlist if is_enlisted(rack, token.mac) => {
            return wait("this machine was inspected already");
        }
        Subject::Enlist => return Ok(HelloAnswer::Enlist { link: token.link }),
        Subject::Job { machine, .. } => machine,
    };
    let served = rack.served();
    let Some(order) = served.boot.get(&machine) else {
        return wait("no order names this machine");
    };
    let job = match &order.action {
        Action::Boot(NextBoot::Job(job)) => job,
        Action::Boot(NextBoot::Local) | Action::Power(_) => {
            return wait("nothing more to do; the control plane cuts the power");
        }
    };
    if rack.has_ended(machine, hello.boot_id, job.job) {
        return wait("the job is over; waiting for the next");
    }
    let Some(key) = &served.key else {
        return Err(Refusal::Later("this rack agent has no token key".to_owned()));
    };
    let binding = match &job.kind {
        rack_api::job::JobKind::Deploy(deploy) => Some(deploy.binding),
        rack_api::job::JobKind::Inspect | rack_api::job::JobKind::Erase(_) => None,
    };
    Ok(HelloAnswer::Job {
        job: job.clone(),
        phone_home_token: binding.map_or_else(String::new, |binding| key.phone_home(machine, binding)),
    })
}

fn word(answer: &HelloAnswer) -> &'static str {
    match answer {
        HelloAnswer::Job { .. } => "job",
        HelloAnswer::Enlist { .. } => "enlist",
        HelloAnswer::Wait { .. } => "wait",
        HelloAnswer::PowerOff { .. } => "power-off",
    }
}

pub(super) async fn report(State(rack): State<App>, Timely(report): Timely<Report>) -> Response {
    match take(&rack, report).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn take(rack: &App, report: Report) -> Result<(), Refusal> {
    let token = verify(rack, &report.token)?;
    if report.facts.len() > FACTS_MAX {
        return Err(Refusal::TooMany);
    }
    if !report.facts.iter().all(|fact| may_say(&token, &fact.body)) {
        return Err(Refusal::Foreign(
            "a machine reports what it did in its own job only",
        ));
    }
    let ends: Vec<(JobRef, Uuid)> = report.facts.iter().filter_map(end_of_job).collect();
    let inspected = report
        .facts
        .iter()
        .any(|fact| matches!(fact.body, FactBody::Enlisted { .. }));
    let got_other_bytes = report.facts.iter().any(|fact| is_mismatch(&fact.body));
    rack.tell_durably(report.facts)
        .await
        .map_err(|error| Refusal::Later(error.to_string()))?;
    if inspected {
        rack.set_enlisted(token.mac, clock::now());
    }
    if got_other_bytes {
        tracing::warn!(mac = %token.mac, "a machine got other bytes than it should; the cache is verified anew");
        rack.cache.doubt();
    }
    for (job, boot_id) in ends {
        rack.set_ended(job, boot_id);
    }
    Ok(())
}

/// Whether an image's bytes were not what they should be when they came to the machine.
fn is_mismatch(body: &FactBody) -> bool {
    matches!(body, FactBody::Step { state: StepState::Failed { code, .. }, .. } if code == IMAGE_DIGEST_MISMATCH)
}

/// Whether this boot may report this: facts of its own machine's jobs, or its own inspection.
fn may_say(token: &BootToken, body: &FactBody) -> bool {
    match body {
        FactBody::JobStarted { job, .. }
        | FactBody::Inventory { job, .. }
        | FactBody::BootOrder { job, .. }
        | FactBody::Step { job, .. }
        | FactBody::Erased { job, .. }
        | FactBody::Installed { job, .. }
        | FactBody::JobDone { job, .. } => token.machine() == Some(job.machine),
        FactBody::Enlisted { mac, link, .. } => {
            token.subject == Subject::Enlist && token.mac == *mac && token.link == *link
        }
        FactBody::Boot { .. }
        | FactBody::Leased { .. }
        | FactBody::AddressSeen { .. }
        | FactBody::Power { .. }
        | FactBody::BmcFault { .. }
        | FactBody::OrderTaken { .. }
        | FactBody::OrderRefused { .. }
        | FactBody::OrderDone { .. }
        | FactBody::OrderFailed { .. }
        | FactBody::PhonedHome { .. } => false,
    }
}

fn end_of_job(fact: &Fact) -> Option<(JobRef, Uuid)> {
    match &fact.body {
        FactBody::JobDone { job, boot_id }
        | FactBody::Step {
            job,
            boot_id,
            state: StepState::Failed { .. },
            ..
        } => Some((*job, *boot_id)),
        _ => None,
    }
}

pub(super) async fn go(State(rack): State<App>, Timely(mut request): Timely<GoRequest>) -> Response {
    let token = match verify(&rack, &request.token) {
        Ok(token) => token,
        Err(refusal) => return refusal.into_response(),
    };
    if token.machine() != Some(request.job.machine) {
        return Refusal::Foreign("this token was made for another machine").into_response();
    }
    request.token = String::new();
    if let Some(no) = stopped(&rack, &request) {
        return Json(no).into_response();
    }
    // Before the daemon is asked: what it says yes to counts there as begun.
    match rack.writes(request.job).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Json(refusal(&request, TOO_MANY, reason)).into_response(),
        Err(error) => return Refusal::Later(error.to_string()).into_response(),
    }
    match rack.daemon.go(&request).await {
        Ok(answer) => {
            // Of a stop that was made meanwhile the daemon may not know.
            let answer = stopped(&rack, &request).unwrap_or(answer);
            tracing::info!(
                machine = %request.job.machine,
                generation = request.job.generation.0,
                attempt = request.job.attempt,
                verdict = ?answer.verdict,
                "the daemon's word on a first write"
            );
            Json(answer).into_response()
        }
        Err(error) => {
            tracing::warn!(machine = %request.job.machine, error = %Chain(&error), "no word on a first write");
            Refusal::Later(Chain(&error).to_string()).into_response()
        }
    }
}

/// The agent's own no to a first write, where it is stopped.
fn stopped(rack: &App, request: &GoRequest) -> Option<GoAnswer> {
    let reason = rack.stopped(request.job.machine)?;
    Some(refusal(request, CODE, reason))
}

fn refusal(request: &GoRequest, code: &str, reason: String) -> GoAnswer {
    tracing::warn!(machine = %request.job.machine, code, reason, "a first write is refused");
    let verdict = Verdict::Refuse {
        code: code.to_owned(),
        reason,
    };
    GoAnswer {
        nonce: request.nonce,
        verdict,
    }
}

pub(super) async fn phone_home(
    State(rack): State<App>,
    Extension(connection): Extension<Connection>,
    Timely(call): Timely<PhoneHome>,
) -> Response {
    let served = rack.served();
    let ours = served
        .key
        .as_ref()
        .is_some_and(|key| key.is_phone_home(&call.token, call.machine, call.binding));
    if !ours {
        tracing::warn!(machine = %call.machine, client = %connection.client, "phone-home refused");
        return Refusal::Token.into_response();
    }
    let fact = Fact {
        at: clock::now(),
        body: FactBody::PhonedHome {
            machine: call.machine,
            binding: call.binding,
            boot_id: call.boot_id,
            root_disk: call.root_disk,
            root_device: call.root_device,
        },
    };
    match rack.tell_durably(vec![fact]).await {
        Ok(()) => {
            tracing::info!(machine = %call.machine, boot = %call.boot_id, "installed system phoned home");
            StatusCode::OK.into_response()
        }
        Err(error) => Refusal::Later(error.to_string()).into_response(),
    }
}

/// Whose boot it is. A token outlives neither its key nor, where a machine was taken out of the
/// configuration, that.
fn verify(rack: &App, token: &str) -> Result<BootToken, Refusal> {
    let served = rack.served();
    let token = served
        .key
        .as_ref()
        .and_then(|key| key.verify(token))
        .ok_or(Refusal::Token)?;
    match token.machine() {
        Some(machine) if !served.config.machines.contains_key(&machine) => {
            Err(Refusal::Foreign("this machine has left the configuration"))
        }
        Some(machine) if machine_of(&served.config, token.mac).is_some_and(|(id, _)| id != machine) => {
            Err(Refusal::Foreign("this interface belongs to another machine now"))
        }
        Some(_) | None => Ok(token),
    }
}
