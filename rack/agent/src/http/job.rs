//! The in-machine agent's conversation, and the installed system's one word.
//!
//! Facts are on this agent's disk before they are acknowledged. The question "may I write?" is passed on
//! live and never answered here.

use crate::{clock, error_chain::Chain, rack::Rack};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rack_api::{
    fact::{Fact, FactBody, StepState},
    job::{Job, JobKind, JobRef},
    machine::{GoRequest, Hello, HelloAnswer, PhoneHome, Report},
    order::{Action, NextBoot},
};
use rack_proto::token::{BootToken, Subject};
use schema_ids::{MachineId, Uuid};
use std::sync::Arc;

/// A machine without work asks again after this: planning takes less than a second.
const ASK_AGAIN_SECONDS: u32 = 3;

fn refused(status: StatusCode, why: &str) -> Response {
    (status, format!("{why}\n")).into_response()
}

fn no_token() -> Response {
    refused(
        StatusCode::FORBIDDEN,
        "this token is not of this rack, or its key was changed: boot again",
    )
}

fn verified(rack: &Rack, token: &str) -> Option<BootToken> {
    rack.served().key.as_ref()?.verify(token)
}

/// "What shall I do?"
pub(super) async fn hello(State(rack): State<Arc<Rack>>, Json(hello): Json<Hello>) -> Response {
    let Some(token) = verified(&rack, &hello.token).filter(|token| token.mac == hello.mac) else {
        return no_token();
    };
    let answer = match token.subject {
        Subject::Enlist => HelloAnswer::Enlist { link: token.link },
        Subject::Job { machine, .. } => work(&rack, machine, hello.boot_id),
    };
    Json(answer).into_response()
}

/// The job in force, unless this boot has ended it already.
fn work(rack: &Rack, machine: MachineId, boot: Uuid) -> HelloAnswer {
    let wait = |reason: &str| HelloAnswer::Wait {
        seconds: ASK_AGAIN_SECONDS,
        reason: reason.to_owned(),
    };
    let served = rack.served();
    let Some(order) = served.boot.get(&machine) else {
        return wait("nothing is ordered");
    };
    let Action::Boot(NextBoot::Job(job)) = &order.action else {
        return wait("its own disk is ordered; the power will be cut");
    };
    if rack.has_ended(machine, boot, job.job) {
        return wait("the job is over; waiting for what is decided next");
    }
    let Some(phone_home_token) = phone_home_token(rack, job) else {
        return wait("this rack has no token key yet");
    };
    HelloAnswer::Job {
        job: job.clone(),
        phone_home_token,
    }
}

fn phone_home_token(rack: &Rack, job: &Job) -> Option<String> {
    let served = rack.served();
    let key = served.key.as_ref()?;
    Some(match &job.kind {
        JobKind::Deploy(deploy) => key.phone_home(job.job.machine, deploy.binding),
        // Nothing is installed that could phone home.
        JobKind::Inspect => String::new(),
    })
}

/// The machine that a fact is about, as far as a boot's token must vouch for it. `None`: not one that a
/// machine may tell.
fn teller(fact: &FactBody) -> Option<Option<MachineId>> {
    match fact {
        FactBody::Enlisted { .. } => Some(None),
        FactBody::JobStarted { job, .. }
        | FactBody::Inventory { job, .. }
        | FactBody::Step { job, .. }
        | FactBody::Erased { job, .. }
        | FactBody::Installed { job, .. }
        | FactBody::JobDone { job, .. } => Some(Some(job.machine)),
        FactBody::Boot { .. }
        | FactBody::Leased { .. }
        | FactBody::AddressSeen { .. }
        | FactBody::Power { .. }
        | FactBody::BmcFault { .. }
        | FactBody::OrderTaken { .. }
        | FactBody::OrderRefused { .. }
        | FactBody::OrderDone { .. }
        | FactBody::OrderFailed { .. }
        | FactBody::PhonedHome { .. } => None,
    }
}

/// The job that a fact ends in its boot.
fn ends(fact: &FactBody) -> Option<(JobRef, Uuid)> {
    match fact {
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

/// Facts from inside the machine.
pub(super) async fn report(State(rack): State<Arc<Rack>>, Json(report): Json<Report>) -> Response {
    let Some(token) = verified(&rack, &report.token) else {
        return no_token();
    };
    if let Some(alien) = report
        .facts
        .iter()
        .find(|fact| teller(&fact.body) != Some(token.machine()))
    {
        tracing::warn!(mac = %token.mac, fact = ?alien.body, "a machine told a fact that is not its own");
        return refused(
            StatusCode::FORBIDDEN,
            "a fact is not about the machine that this token is for",
        );
    }
    for fact in &report.facts {
        if let FactBody::Step {
            job,
            step,
            state: StepState::Failed { code, error },
            ..
        } = &fact.body
        {
            tracing::warn!(machine = %job.machine, generation = job.generation.0, step, code, error, "a step failed");
        }
        if let FactBody::Enlisted { mac, .. } = &fact.body {
            rack.set_enlisted(*mac, clock::now());
        }
    }
    let ended: Vec<_> = report.facts.iter().filter_map(|fact| ends(&fact.body)).collect();
    if let Err(error) = rack.tell_durably(report.facts).await {
        return refused(StatusCode::INSUFFICIENT_STORAGE, &Chain(&error).to_string());
    }
    for (job, boot) in ended {
        rack.set_ended(job, boot);
    }
    StatusCode::OK.into_response()
}

/// "May I write?"
pub(super) async fn go(State(rack): State<Arc<Rack>>, Json(mut request): Json<GoRequest>) -> Response {
    let Some(token) = verified(&rack, &request.token) else {
        return no_token();
    };
    if token.machine() != Some(request.job.machine) {
        return refused(
            StatusCode::FORBIDDEN,
            "the job is not one of the machine that this token is for",
        );
    }
    request.token.clear();
    match rack.daemon.go(&request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            tracing::warn!(machine = %request.job.machine, error = %Chain(&error), "no word on a write");
            refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "the control plane does not answer; ask again",
            )
        }
    }
}

/// "I run."
pub(super) async fn phone_home(State(rack): State<Arc<Rack>>, Json(word): Json<PhoneHome>) -> Response {
    let served = rack.served();
    let known = served
        .key
        .as_ref()
        .is_some_and(|key| key.is_phone_home(&word.token, word.machine, word.binding));
    if !known {
        return no_token();
    }
    tracing::info!(machine = %word.machine, root = word.root_device, "a machine phoned home");
    let body = FactBody::PhonedHome {
        machine: word.machine,
        binding: word.binding,
        boot_id: word.boot_id,
        root_disk: word.root_disk,
        root_device: word.root_device,
    };
    match rack
        .tell_durably(vec![Fact {
            at: clock::now(),
            body,
        }])
        .await
    {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refused(StatusCode::INSUFFICIENT_STORAGE, &Chain(&error).to_string()),
    }
}
