//! HTTP on the boot links: scripts, artefacts, the in-machine agent's conversation, phone-home.
//!
//! One listener for all links; which link a client stands on is told by the address it reached. Plain
//! HTTP: firmware speaks nothing else. What matters is guarded by digests and tokens.

mod boot;
mod job;

use crate::rack::Rack;
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rack_api::{RACK_HTTP_PORT, rack_path};
use rack_proto::boot::LOADER_PATH;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Connections at once: a row of racks that boots together, with a few connections each.
const CONNECTIONS_MAX: usize = 2048;
/// Request headers that take longer are given up.
const HEADERS_MAX: Duration = Duration::from_secs(30);
/// An inventory with a hundred disks is some 50 KiB; a report carries a handful of facts.
const BODY_BYTES_MAX: usize = 4 << 20;
/// A listener that fails is tried again after this.
const RETRY: Duration = Duration::from_secs(2);

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The address that the client reached.
    pub(crate) own: SocketAddr,
    /// The client's.
    pub(crate) client: SocketAddr,
}

/// Serves until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, stop: CancellationToken) {
    let router = Router::new()
        .route(rack_path::BOOT_FIRST, get(boot::first))
        .route(&format!("{}{{file}}", rack_path::BOOT), get(boot::script))
        .route(rack_path::AGENT, get(boot::agent))
        .route(&format!("{LOADER_PATH}{{file}}"), get(boot::loader))
        .route(&format!("{}{{digest}}", rack_path::ARTEFACT), get(boot::artefact))
        .route(rack_path::HELLO, post(job::hello))
        .route(rack_path::REPORT, post(job::report))
        .route(rack_path::GO, post(job::go))
        .route(rack_path::PHONE_HOME, post(job::phone_home))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(rack);
    while !stop.is_cancelled() {
        if let Err(error) = serve(&router, &stop).await {
            tracing::warn!(%error, port = RACK_HTTP_PORT, "HTTP stopped, trying again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn serve(router: &Router, stop: &CancellationToken) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, RACK_HTTP_PORT)).await?;
    tracing::info!(port = RACK_HTTP_PORT, "answering HTTP");
    let mut connections = JoinSet::new();
    let result = loop {
        let (stream, client) = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
        };
        let Ok(own) = stream.local_addr() else { continue };
        let router = router.clone().layer(Extension(Ends { own, client }));
        connections.spawn(converse(stream, router, stop.clone()));
    };
    // An artefact under way may take minutes: a stop ends it, and the client asks for the rest.
    connections.shutdown().await;
    result
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Small answers are waited for by firmware; without this they wait for its delayed ACK.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADERS_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        () = stop.cancelled() => {}
        result = connection => {
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}

/// The link of the address that a client reached.
fn link_of(rack: &Rack, own: SocketAddr) -> Option<String> {
    let reached = |link: &&String| {
        rack.interface(link)
            .is_some_and(|interface| interface.addresses.iter().any(|address| own.ip() == *address))
    };
    rack.settings.links.keys().find(reached).cloned()
}
