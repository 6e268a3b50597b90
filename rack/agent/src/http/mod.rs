//! The HTTP server on one boot link: scripts, artefacts and the in-machine agent's conversation.
//!
//! Plain HTTP: firmware and iPXE speak nothing else. What must not be forged carries a token; what must
//! not be altered carries a digest. Connections, headers, bodies and time are limited.

mod artefact;
mod body;
pub(crate) mod boot;
mod job;
mod plain;

use crate::{interfaces::Interface, places::Places, rack::Rack, serving};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rack_api::{RACK_HTTP_PORT, rack_path};
use rack_proto::boot::LOADER_PATH;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The largest report: an inventory, or a batch of facts.
const BODY_MAX: usize = 4 << 20;
/// Connections at a time: a row of racks at once, several each.
const CONNECTIONS_MAX: usize = 1024;
/// Of one client: firmware and the in-machine agent have a few, a browser six.
const PER_CLIENT_MAX: usize = 32;
/// A client that has not finished its headers by then is no client.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// A connection's answers in progress get this long when the agent stops.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 256;
/// After a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who asks, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// The link it came in on, or the one of the client's subnet where a router is between.
    pub(crate) link: String,
    /// The client.
    pub(crate) client: IpAddr,
    /// The agent's address as the client reached it.
    pub(crate) server: SocketAddr,
}

/// What every handler has at hand.
pub(crate) type App = Arc<Rack>;

/// Serves a link until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, link: String, stop: CancellationToken) {
    serving::on_interface(&rack, &link, "HTTP", &stop, |interface| {
        serve(&rack, &link, interface, &stop)
    })
    .await;
}

fn router(rack: App) -> Router {
    Router::new()
        .route(rack_path::BOOT_FIRST, get(boot::first))
        .route(&format!("{}{{file}}", rack_path::BOOT), get(boot::machine))
        .route(&format!("{LOADER_PATH}{{file}}"), get(boot::loader))
        .route(rack_path::AGENT, get(boot::agent))
        .route(&format!("{}{{digest}}", rack_path::ARTEFACT), get(artefact::get))
        .route(rack_path::HELLO, post(job::hello))
        .route(rack_path::REPORT, post(job::report))
        .route(rack_path::GO, post(job::go))
        .route(rack_path::PHONE_HOME, post(job::phone_home))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(rack)
}

async fn serve(
    rack: &Arc<Rack>,
    link: &str,
    interface: Interface,
    stop: &CancellationToken,
) -> io::Result<()> {
    let listener = open(&interface.name)?;
    tracing::info!(link, interface = interface.name, "answering HTTP");
    let router = router(Arc::clone(rack));
    let places = Places::new(CONNECTIONS_MAX, PER_CLIENT_MAX);
    let mut connections = JoinSet::new();
    let mut accepts = true;
    loop {
        let (stream, client) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Those that are open go on, and their ends make room.
                Err(error) => {
                    if std::mem::replace(&mut accepts, false) {
                        tracing::warn!(link, %error, "HTTP connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        accepts = true;
        let Some(place) = places.take(client.ip()) else {
            tracing::debug!(link, %client, "too many HTTP connections");
            continue;
        };
        let (router, stop, rack, link) = (router.clone(), stop.clone(), Arc::clone(rack), link.to_owned());
        connections.spawn(async move {
            connection(router, &rack, link, stream, client, &stop).await;
            drop(place);
        });
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection(
    router: Router,
    rack: &Arc<Rack>,
    link: String,
    stream: TcpStream,
    client: SocketAddr,
    stop: &CancellationToken,
) {
    let Ok(server) = stream.local_addr() else {
        // Gone before it was looked at.
        return;
    };
    let served = rack.served();
    let link =
        rack_proto::dhcp::subnet_of(&served.config, client.ip()).map_or(link, |(name, _)| name.to_owned());
    let connection = Connection {
        link,
        client: client.ip(),
        server,
    };
    let stream = tokio::select! {
        stream = plain::serve(stream, rack, &connection) => stream,
        // What is being sent gets its time to end, and then the connection does.
        () = async { stop.cancelled().await; tokio::time::sleep(STOP_MAX).await } => None,
    };
    let Some(stream) = stream else {
        return;
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        // As firmware's clients were tested with; some compare names letter by letter.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            match tokio::time::timeout(STOP_MAX, served).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%client, %error, "HTTP connection ended");
    }
}

fn open(interface: &str) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, RACK_HTTP_PORT)).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
