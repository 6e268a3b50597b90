//! Boot scripts, loaders and the in-machine agent's archive.

use super::{App, Connection};
use crate::{clock, error_chain::Chain};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rack_api::{config::Ephemeral, sync::BootGoRequest};
use rack_proto::{
    boot::{
        Answer, Client, Decision, Hardware, LiveGo, Question, Sign, System, decide, first_script,
        grub_script, script,
    },
    dhcp::{address_of, machine_of, subnet_of},
    token::{BootToken, Subject, TokenKey},
};
use schema_ids::{Mac, Uuid};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

/// An undeclared machine is inspected anew when it boots after this: its hardware may have changed.
const ENLISTED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What iPXE says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct SaysOfItself {
    #[serde(default)]
    platform: String,
    #[serde(default)]
    uuid: String,
    #[serde(default)]
    serial: String,
}

pub(super) async fn first(Extension(connection): Extension<Connection>) -> Response {
    text(first_script(connection.server))
}

pub(super) async fn machine(
    State(rack): State<App>,
    Extension(connection): Extension<Connection>,
    Path(file): Path<String>,
    Query(client): Query<SaysOfItself>,
) -> Response {
    let Some(mac) = file.strip_suffix(".ipxe").and_then(|mac| mac.parse::<Mac>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let hardware = Hardware {
        uuid: client.uuid.to_lowercase().parse().ok(),
        serial: &client.serial,
    };
    let answer = answer(&rack, &connection, mac, hardware).await;
    let why = match &answer {
        Answer::Local { why } | Answer::Refuse { reason: why } => why.as_str(),
        Answer::Job(system) | Answer::Enlist(system) => system.title.as_str(),
    };
    tracing::info!(
        %mac,
        link = connection.link,
        answer = answer.name(),
        why,
        uuid = client.uuid,
        serial = client.serial,
        "boot script"
    );
    rack.note_boot(mac, Sign::Answered(answer.name()));
    text(script(Client::from_platform(&client.platform), &answer))
}

/// The script of a machine that has GRUB for iPXE, since its firmware starts signed loaders only.
pub(crate) async fn grub(rack: &App, connection: &Connection, mac: Mac) -> String {
    let answer = answer(rack, connection, mac, Hardware::default()).await;
    tracing::info!(%mac, link = connection.link, answer = answer.name(), "GRUB script");
    rack.note_boot(mac, Sign::Answered(answer.name()));
    grub_script(&answer)
}

/// Decides, asking the daemon where its word is needed.
async fn answer(rack: &App, connection: &Connection, mac: Mac, hardware: Hardware<'_>) -> Answer {
    let mut live = None;
    loop {
        // The daemon's word may have changed while it was asked.
        let served = rack.served();
        let machine = machine_of(&served.config, mac).map(|(id, _)| id);
        let question = Question {
            config: &served.config,
            order: machine.and_then(|id| served.boot.get(&id)),
            link: &connection.link,
            mac,
            hardware,
            stopped: rack.stop().is_some(),
            enlisted: is_enlisted(rack, mac),
            heard: served.heard,
            live,
            now: clock::now(),
        };
        return match decide(&question) {
            Decision::AskDaemon(request) => {
                live = Some(ask(rack, &request).await);
                continue;
            }
            Decision::Local { why } => Answer::Local { why: why.to_owned() },
            Decision::Refuse { reason } => Answer::Refuse {
                reason: reason.to_owned(),
            },
            Decision::Job { machine, job } => {
                let subject = Subject::Job {
                    machine,
                    generation: job.job.generation,
                    attempt: job.job.attempt,
                };
                let title = format!(
                    "{}: {} (generation {}, attempt {})",
                    job.name,
                    job.kind.name(),
                    job.job.generation,
                    job.job.attempt
                );
                match system(rack, connection, mac, subject, title) {
                    Some(system) => Answer::Job(Box::new(system)),
                    None => no_system(),
                }
            }
            Decision::Enlist => {
                let title = format!("inspection of {mac}, which no file declares");
                match system(rack, connection, mac, Subject::Enlist, title) {
                    Some(system) => Answer::Enlist(Box::new(system)),
                    None => no_system(),
                }
            }
        };
    }
}

/// Whether an undeclared machine was inspected lately.
pub(super) fn is_enlisted(rack: &App, mac: Mac) -> bool {
    rack.enlisted_since(mac)
        .is_some_and(|at| clock::now().since(at) < ENLISTED_FOR)
}

fn no_system() -> Answer {
    Answer::Local {
        why: "this rack agent has no ephemeral system or no token key".to_owned(),
    }
}

async fn ask(rack: &App, request: &BootGoRequest) -> LiveGo {
    match rack.daemon.boot_go(request).await {
        Ok(answer) if answer.go => LiveGo::Go,
        Ok(_) => LiveGo::NoGo,
        Err(error) => {
            tracing::warn!(machine = %request.machine, error = %Chain(&error), "no live word on a boot");
            LiveGo::Unreachable
        }
    }
}

fn system(rack: &App, connection: &Connection, mac: Mac, subject: Subject, title: String) -> Option<System> {
    let served = rack.served();
    let key: &TokenKey = served.key.as_ref()?;
    let ephemeral: Ephemeral = served.config.ephemeral.clone()?;
    let now = clock::now();
    let address = address_of(&served.config, &rack.leases(), &connection.link, mac, now).or(
        // Leased by a server before us, or by us before the leases were lost.
        match connection.client {
            IpAddr::V4(client) => Some(client),
            IpAddr::V6(_) => None,
        },
    );
    let subnet = address.and_then(|address| subnet_of(&served.config, IpAddr::V4(address)));
    let token = key.mint(&BootToken {
        subject,
        mac,
        link: connection.link.clone(),
        nonce: Uuid::from_bytes(rand::random()),
    });
    Some(System {
        title,
        server: connection.server,
        ephemeral,
        token,
        mac,
        address: address
            .zip(subnet)
            .map(|(address, (_, subnet))| (address, subnet.prefix)),
        gateway: subnet.and_then(|(_, subnet)| subnet.gateway),
        kernel_arguments: rack.settings.kernel_arguments.clone(),
    })
}

pub(super) async fn loader(
    State(rack): State<App>,
    Extension(connection): Extension<Connection>,
    Path(file): Path<String>,
) -> Response {
    let Some(content) = rack.loaders.get(file.as_str()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    note(
        &rack,
        &connection,
        Sign::Http(format!("{file}: {} bytes", content.len())),
    );
    binary(Bytes::from_owner(content.clone()))
}

pub(super) async fn agent(State(rack): State<App>, Extension(connection): Extension<Connection>) -> Response {
    let content = Arc::clone(&rack.agent_archive);
    note(
        &rack,
        &connection,
        Sign::Http(format!("agent.cpio: {} bytes", content.len())),
    );
    binary(Bytes::from_owner(content))
}

/// Notes what the client behind a connection did.
pub(super) fn note(rack: &App, connection: &Connection, sign: Sign) {
    if let Some(mac) = client(rack, connection) {
        rack.note_boot(mac, sign);
    }
}

/// The interface behind a connection.
pub(super) fn client(rack: &App, connection: &Connection) -> Option<Mac> {
    let address: Ipv4Addr = match connection.client {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => return None,
    };
    rack.client(&connection.link, address)
}

fn text(script: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], script).into_response()
}

/// UEFI HTTP boot tells an executable by its type or by its name's end, and wants a length.
fn binary(content: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, content.len().to_string()),
    ];
    (headers, Body::from(content)).into_response()
}
