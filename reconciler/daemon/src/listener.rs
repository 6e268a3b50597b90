//! Three doors into the same kind of server: mutual TLS for rack agents, a unix socket for people, plain TCP for the
//! webhooks of forges.
//!
//! Each connection is its own task, joined by the listener; what is known of the caller (an agent's
//! key, a person's user id) rides along as a request extension.

use crate::trust::Trust;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A TLS handshake that takes longer is given up: on a rack's network it takes milliseconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Request headers that take longer are given up.
const HEADERS_MAX: Duration = Duration::from_secs(30);
/// Connections at once on one door: some hundred racks with a few agents each.
const CONNECTIONS_MAX: usize = 4096;
/// Webhooks at once: one forge sends few, and each may hold some mebibytes.
const HOOKS_MAX: usize = 16;
/// A connection of the webhooks' door is closed after so long, whatever it does: nobody holds all of them.
const HOOK_CONNECTION_MAX: Duration = Duration::from_secs(45);
/// After a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is on the other side of the people's door.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Their user id on this host.
    pub(crate) uid: u32,
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.uid == 0 {
            f.write_str("root")
        } else {
            write!(f, "uid {}", self.uid)
        }
    }
}

/// What can go wrong with a door.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The address is taken or not ours.
    #[error("cannot listen on {on}")]
    Bind {
        /// Where.
        on: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The agents' door.
pub(crate) struct AgentDoor {
    listener: TcpListener,
    trust: Arc<Trust>,
}

impl AgentDoor {
    /// Binds `address`.
    pub(crate) async fn bind(address: SocketAddr, trust: Arc<Trust>) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError::Bind {
                on: address.to_string(),
                source,
            })?;
        Ok(Self { listener, trust })
    }

    /// Serves until cancelled, then lets open requests end.
    pub(crate) async fn run(self, router: Router, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
                _ = connections.join_next(), if connections.len() >= CONNECTIONS_MAX => continue,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let current = self.trust.current();
            let (router, stop) = (router.clone(), stop.clone());
            connections.spawn(async move {
                let acceptor = TlsAcceptor::from(Arc::clone(&current.tls));
                let stream = match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return tracing::warn!(%peer, %error, "TLS handshake failed"),
                    Err(_) => return tracing::warn!(%peer, "TLS handshake took too long"),
                };
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let Some(known) = certificate.and_then(|certificate| current.peer(certificate)) else {
                    return tracing::warn!(%peer, "a certificate cannot be read");
                };
                serve(stream, router.layer(Extension(known)), stop).await;
            });
        }
        while connections.join_next().await.is_some() {}
    }
}

/// The door of webhooks: plain TCP, for a reverse proxy on a network that one trusts.
pub(crate) struct HookDoor {
    listener: TcpListener,
}

impl HookDoor {
    /// Binds `address`.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError::Bind {
                on: address.to_string(),
                source,
            })?;
        Ok(Self { listener })
    }

    /// Serves until cancelled, then lets open requests end.
    pub(crate) async fn run(self, router: Router, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept(), if connections.len() < HOOKS_MAX => accepted,
                _ = connections.join_next(), if connections.len() >= HOOKS_MAX => continue,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let served = serve(stream, router.clone(), stop.clone());
            connections.spawn(async move {
                if tokio::time::timeout(HOOK_CONNECTION_MAX, served).await.is_err() {
                    tracing::debug!("a webhook's connection was held for too long");
                }
            });
        }
        while connections.join_next().await.is_some() {}
    }
}

/// The people's door: a unix socket, open to its owner and group.
pub(crate) struct PeopleDoor {
    listener: UnixListener,
    path: PathBuf,
}

impl PeopleDoor {
    /// Binds `path`, replacing a socket that a killed daemon left behind.
    pub(crate) fn bind(path: &Path) -> Result<Self, ListenError> {
        let fail = |source| ListenError::Bind {
            on: path.display().to_string(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(fail(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another musterd answers there",
            )));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(fail)?;
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(fail)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until cancelled, then lets open requests end and removes the socket.
    pub(crate) async fn run(self, router: Router, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
                _ = connections.join_next(), if connections.len() >= CONNECTIONS_MAX => continue,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(credentials) = stream.peer_cred() else {
                continue;
            };
            let person = Person {
                uid: credentials.uid(),
            };
            connections.spawn(serve(
                stream,
                router.clone().layer(Extension(person)),
                stop.clone(),
            ));
        }
        while connections.join_next().await.is_some() {}
        // A socket that cannot be removed is replaced at the next start.
        drop(std::fs::remove_file(&self.path));
    }
}

async fn serve<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADERS_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}
