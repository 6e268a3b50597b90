//! The daemon's side of the exchange, played: it wants one thing, and takes every fact.
//!
//! So that what `muster-rackd` spends on telling facts is in its bill.

use crate::bed::Bed;
use crate::error::{BenchError, Result, failed};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rack_api::{
    config::Desired,
    daemon_path,
    sync::{SyncRequest, SyncResponse},
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use schema_ids::{Digest, Timestamp};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    net::Ipv4Addr,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Where it listens.
pub(crate) const PORT: u16 = 7443;

/// A listening daemon; stops when dropped.
pub(crate) struct Daemon {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A daemon that panicked has failed the run already.
            let _ended = thread.join();
        }
    }
}

struct Wants {
    digest: Digest,
    desired: Desired,
    taken: AtomicU64,
}

impl Daemon {
    /// Writes certificates into the bed's directory and listens on the servers' loopback.
    pub(crate) fn listen(bed: &Arc<Bed>, desired: Desired) -> Result<Self> {
        let tls = TlsAcceptor::from(Arc::new(certificates(bed)?));
        let text = serde_json::to_vec(&desired).expect("what is desired is plain data");
        let wants = Arc::new(Wants {
            digest: Digest(Sha256::digest(text).into()),
            desired,
            taken: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let bed = Arc::clone(bed);
        let thread = std::thread::spawn(move || {
            let done = serve(&bed, tls, wants, stopped, &ready);
            // Nobody hears it but a run that is starting.
            let _told = ready.send(done);
        });
        let mut this = Self {
            stop: Some(stop),
            thread: Some(thread),
        };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(this),
            Ok(Err(error)) => {
                this.stop = None;
                Err(error)
            }
            Err(_) => Err(BenchError::Wrong {
                server: "the played daemon".to_owned(),
                what: "it ended".to_owned(),
            }),
        }
    }
}

fn serve(
    bed: &Bed,
    tls: TlsAcceptor,
    wants: Arc<Wants>,
    mut stopped: oneshot::Receiver<()>,
    ready: &mpsc::Sender<Result<()>>,
) -> Result<()> {
    bed.enter_server()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("make a runtime"))?;
    let router = Router::new()
        .route(daemon_path::SYNC, post(sync))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(wants);
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
            .await
            .map_err(failed("listen as the daemon"))?;
        // The run waits for it.
        let _told = ready.send(Ok(()));
        loop {
            let accepted = tokio::select! {
                _ = &mut stopped => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            let (stream, _) = accepted.map_err(failed("accept as the daemon"))?;
            let (tls, router) = (tls.clone(), router.clone());
            tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    // An agent that is stopped goes away in the middle.
                    let _gone = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                        .await;
                }
            });
        }
    })
}

async fn sync(State(wants): State<Arc<Wants>>, Json(request): Json<SyncRequest>) -> Json<SyncResponse> {
    let last = request.facts.last().map_or(0, |fact| fact.sequence);
    let acknowledged = wants.taken.fetch_max(last, Ordering::Relaxed).max(last);
    let is_known = request.have == Some(wants.digest);
    if is_known && request.wait_ms > 0 {
        // Nothing new comes: an agent that has facts gives the wait up itself.
        tokio::time::sleep(Duration::from_millis(request.wait_ms)).await;
    }
    Json(SyncResponse {
        now: Timestamp::from_unix_ms(0),
        acknowledged,
        desired: (!is_known).then(|| (wants.digest, wants.desired.clone())),
    })
}

/// Writes `ca.pem`, `agent.pem` and `agent.key`; gives the daemon's side.
fn certificates(bed: &Bed) -> Result<ServerConfig> {
    let made = |error: rcgen::Error| failed("make certificates")(std::io::Error::other(error));
    let mut ca = CertificateParams::new(Vec::new()).map_err(made)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().map_err(made)?;
    let ca_certificate = ca.self_signed(&ca_key).map_err(made)?;
    let issuer = Issuer::from_params(&ca, &ca_key);
    let issue = |subject: &str, usage| {
        let mut params = CertificateParams::new(vec![subject.to_owned()])?;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &issuer)?, key))
    };
    let (agent, agent_key) = issue("rackd-1", ExtendedKeyUsagePurpose::ClientAuth).map_err(made)?;
    let (daemon, daemon_key) = issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth).map_err(made)?;
    for (name, text) in [
        ("ca.pem", ca_certificate.pem()),
        ("agent.pem", agent.pem()),
        ("agent.key", agent_key.serialize_pem()),
    ] {
        fs::write(bed.path(name), text).map_err(failed(format!("write {name}")))?;
    }
    let tls = |error: rustls::Error| failed("set TLS up")(std::io::Error::other(error));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(ca_certificate.der().to_vec()))
        .map_err(tls)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed("set TLS up")(std::io::Error::other(error)))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(daemon_key.serialize_der()));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![CertificateDer::from(daemon.der().to_vec())], key)
        .map_err(tls)
}
