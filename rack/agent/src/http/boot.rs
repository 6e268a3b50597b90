//! What firmware and the early system fetch: scripts, loaders, artefacts.

use super::{Ends, link_of};
use crate::{clock, error_chain::Chain, rack::Rack};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use rack_api::config::RackConfig;
use rack_proto::{
    boot::{Answer, Client, Decision, LiveGo, Question, Sign, System, decide},
    dhcp::{address_of, machine_of},
    token::{BootToken, Subject},
};
use schema_ids::{Digest, Mac, Uuid};
use serde::Deserialize;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tower::ServiceExt;
use tower_http::services::ServeFile;

/// An undeclared machine that was inspected boots its own disk for so long, so that it is not inspected
/// at each of its reboots.
const ENLISTED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What iPXE says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    platform: String,
}

fn text(script: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], script).into_response()
}

/// The script that every iPXE gets first.
pub(super) async fn first(Extension(ends): Extension<Ends>) -> Response {
    text(rack_proto::boot::first_script(ends.own))
}

/// One machine's script.
pub(super) async fn script(
    State(rack): State<Arc<Rack>>,
    Extension(ends): Extension<Ends>,
    Path(file): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let mac = file.strip_suffix(".ipxe").and_then(|mac| mac.parse::<Mac>().ok());
    let (Some(mac), Some(link)) = (mac, link_of(&rack, ends.own)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answer = answer(&rack, ends, &link, mac).await;
    tracing::info!(%mac, link, answer = answer.name(), "boot script served");
    rack.note_boot(mac, Sign::Answered(answer.name()));
    text(rack_proto::boot::script(
        Client::from_platform(&asked.platform),
        &answer,
    ))
}

/// Decides, asking the daemon live where its word is needed.
async fn answer(rack: &Rack, ends: Ends, link: &str, mac: Mac) -> Answer {
    let served = rack.served();
    let now = clock::now();
    let order = machine_of(&served.config, mac).and_then(|(id, _)| served.boot.get(&id));
    let enlisted = rack
        .enlisted_since(mac)
        .is_some_and(|at| now.since(at) < ENLISTED_FOR);
    let mut question = Question {
        config: &served.config,
        order,
        link,
        mac,
        enlisted,
        live: None,
        now,
    };
    let mut decision = decide(&question);
    if let Decision::AskDaemon(request) = &decision {
        question.live = Some(match rack.daemon.boot_go(request).await {
            Ok(word) if word.go => LiveGo::Go,
            Ok(_) => LiveGo::NoGo,
            Err(error) => {
                tracing::warn!(%mac, error = %Chain(&error), "the daemon's word on a boot is missing");
                LiveGo::Unreachable
            }
        });
        decision = decide(&question);
    }
    let local = |why: &str| Answer::Local { why: why.to_owned() };
    match decision {
        Decision::Job { machine, job } => {
            let (generation, attempt) = (job.job.generation, job.job.attempt);
            let subject = Subject::Job {
                machine,
                generation,
                attempt,
            };
            let title = format!("{}: {}, attempt {attempt}", job.name, job.kind.name());
            system(rack, &served.config, ends, link, mac, subject, title).map_or_else(
                || local("no token can be made for the job"),
                |system| Answer::Job(Box::new(system)),
            )
        }
        Decision::Enlist => {
            let title = "this machine is in no fleet file: taking its inventory".to_owned();
            system(rack, &served.config, ends, link, mac, Subject::Enlist, title).map_or_else(
                || local("no token can be made"),
                |system| Answer::Enlist(Box::new(system)),
            )
        }
        Decision::Local { why } => local(why),
        Decision::Refuse { reason } => Answer::Refuse {
            reason: reason.to_owned(),
        },
        // Asked already; a second question would be a mistake of ours, and its own disk is never wrong.
        Decision::AskDaemon(_) => local("the control plane was asked twice"),
    }
}

/// The ephemeral system for one boot, with a token of its own.
fn system(
    rack: &Rack,
    config: &RackConfig,
    ends: Ends,
    link: &str,
    mac: Mac,
    subject: Subject,
    title: String,
) -> Option<System> {
    let served = rack.served();
    let key = served.key.as_ref()?;
    let nonce = Uuid::from_bytes(rand::random());
    let token = key.mint(&BootToken {
        subject,
        mac,
        link: link.to_owned(),
        nonce,
    });
    let address = address_of(config, &rack.leases(), link, mac, clock::now());
    let subnet = |address| rack_proto::dhcp::subnet_of(config, IpAddr::V4(address)).map(|(_, subnet)| subnet);
    let subnet = address.and_then(subnet);
    Some(System {
        title,
        server: ends.own,
        ephemeral: config.ephemeral.clone()?,
        token,
        mac,
        address: address.zip(subnet.map(|subnet| subnet.prefix)),
        gateway: subnet.and_then(|subnet| subnet.gateway),
        kernel_arguments: rack.settings.kernel_arguments.clone(),
    })
}

/// The in-machine agent's archive.
pub(super) async fn agent(State(rack): State<Arc<Rack>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/octet-stream")],
        Body::from(rack.agent_archive.clone()),
    )
        .into_response()
}

/// A loader for firmware that boots by HTTP.
pub(super) async fn loader(State(rack): State<Arc<Rack>>, Path(file): Path<String>) -> Response {
    match rack.loaders.get(file.as_str()) {
        Some(bytes) => {
            let kind = [(header::CONTENT_TYPE, "application/efi")];
            (kind, Body::from(bytes.to_vec())).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An artefact that the configuration or an order names, with ranges.
pub(super) async fn artefact(
    State(rack): State<Arc<Rack>>,
    Extension(ends): Extension<Ends>,
    Path(digest): Path<String>,
    request: Request,
) -> Response {
    let Ok(digest) = digest.parse::<Digest>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !rack.served().names(digest) {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Keeps the cache's promise: verified since the start, fetched if it was missing.
    if let Err(error) = rack.cache.open(digest).await {
        tracing::warn!(%digest, error = %Chain(&error), "an artefact cannot be served");
        return (StatusCode::BAD_GATEWAY, format!("{}\n", Chain(&error))).into_response();
    }
    let client = link_of(&rack, ends.own).and_then(|link| match ends.client.ip() {
        IpAddr::V4(address) => rack.client(&link, address),
        IpAddr::V6(_) => None,
    });
    if let Some(mac) = client {
        rack.note_boot(mac, Sign::Http(rack.served().title(digest)));
    }
    match ServeFile::new(rack.cache.path(digest)).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
