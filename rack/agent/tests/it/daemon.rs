//! The daemon's side of the exchange, played on 127.0.0.1 of the rack's namespace.
//!
//! It holds a [`Desired`], records every fact once, acknowledges, refuses numbers that are taken, and
//! answers go as told.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rack_api::{
    config::Desired,
    daemon_path,
    enrol::Account,
    fact::{Fact, FactBody},
    machine::{GoAnswer, GoRequest, Verdict},
    sync::{BootGo, BootGoRequest, NumbersTaken, SyncRequest, SyncResponse},
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use schema_ids::{Digest, Timestamp};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::Path as FilePath,
    sync::{Arc, LazyLock, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::TlsAcceptor;

/// Where it listens.
pub(crate) const PORT: u16 = 7443;

/// The daemon's state; outlives its stops.
#[derive(Default)]
pub(crate) struct Daemon {
    pub(crate) state: Mutex<Known>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct Known {
    desired: Option<Desired>,
    /// Facts by sequence.
    pub(crate) facts: BTreeMap<u64, Fact>,
    /// Requests refused since their numbers were taken; absent where that is a fault of the agent's.
    pub(crate) refusals: Option<u32>,
    pub(crate) boot_go: bool,
    /// What happens while somebody waits for its word on a first write.
    pub(crate) before_go: Option<Box<dyn FnOnce() + Send>>,
    revoked: bool,
    pub(crate) artefacts: BTreeMap<Digest, Vec<u8>>,
    pub(crate) artefact_fetches: u32,
    /// What the agents claimed to have seen, for the assertions.
    pub(crate) requests: Vec<SyncRequest>,
}

/// A listening daemon; stops when dropped.
pub(crate) struct Listening {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the played daemon ends in order");
        }
    }
}

impl Daemon {
    /// Wants this from now on.
    pub(crate) fn want(&self, desired: Desired) {
        self.state.lock().unwrap().desired = Some(desired);
        self.changed.notify_waiters();
    }

    /// All facts so far, by sequence.
    pub(crate) fn facts(&self) -> Vec<FactBody> {
        let state = self.state.lock().unwrap();
        state.facts.values().map(|fact| fact.body.clone()).collect()
    }

    /// Lets the agents in no more.
    pub(crate) fn revoke(&self) {
        self.state.lock().unwrap().revoked = true;
        self.changed.notify_waiters();
    }

    /// Keeps an artefact and gives its digest.
    pub(crate) fn keep(&self, contents: &[u8]) -> Digest {
        let digest = Digest(Sha256::digest(contents).into());
        let mut state = self.state.lock().unwrap();
        state.artefacts.insert(digest, contents.to_vec());
        digest
    }

    /// Listens in a namespace until dropped.
    pub(crate) fn listen(self: &Arc<Self>, namespace: &str, certificates: &FilePath) -> Listening {
        let tls = TlsAcceptor::from(Arc::new(server_config(certificates)));
        let namespace = namespace.to_owned();
        let (stop, mut stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let daemon = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            // Only this thread moves into the namespace; its sockets stay there.
            crate::rack::enter(&namespace);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", PORT)).await.unwrap();
                ready.send(()).unwrap();
                loop {
                    let (stream, _) = tokio::select! {
                        _ = &mut stopped => break,
                        accepted = listener.accept() => accepted.unwrap(),
                    };
                    let (tls, router) = (tls.clone(), router(Arc::clone(&daemon)));
                    tokio::spawn(async move {
                        let Ok(stream) = tls.accept(stream).await else {
                            return;
                        };
                        // A client that goes away in the middle is what some tests want.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                            .await;
                    });
                }
            });
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        Listening {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route(daemon_path::SYNC, post(sync))
        .route(daemon_path::BOOT_GO, post(boot_go))
        .route(daemon_path::GO, post(go))
        .route(&format!("{}{{digest}}", daemon_path::ARTEFACT), get(artefact))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(daemon)
}

async fn sync(
    State(daemon): State<Arc<Daemon>>,
    Json(request): Json<SyncRequest>,
) -> axum::response::Response {
    let wait = Duration::from_millis(request.wait_ms);
    let changed = daemon.changed.notified();
    let answer = daemon.answer(&request);
    daemon.state.lock().unwrap().requests.push(request.clone());
    let is_news = |answer: &SyncResponse| answer.desired.is_some();
    if answer.as_ref().is_ok_and(is_news) || wait.is_zero() {
        return told(answer);
    }
    let _ = tokio::time::timeout(wait, changed).await;
    if daemon.state.lock().unwrap().revoked {
        return (StatusCode::FORBIDDEN, "this key was revoked\n").into_response();
    }
    told(daemon.answer(&request))
}

fn told(answer: Result<SyncResponse, NumbersTaken>) -> axum::response::Response {
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(taken) => (StatusCode::CONFLICT, Json(taken)).into_response(),
    }
}

impl Daemon {
    fn answer(&self, request: &SyncRequest) -> Result<SyncResponse, NumbersTaken> {
        let mut state = self.state.lock().unwrap();
        let highest = |state: &Known| state.facts.keys().next_back().copied().unwrap_or(0);
        let acknowledged = highest(&state);
        let other = request.facts.iter().find(|spooled| {
            spooled.sequence <= acknowledged && state.facts.get(&spooled.sequence) != Some(&spooled.fact)
        });
        if let Some(other) = other {
            let from = other.sequence;
            let refusals = state.refusals.as_mut();
            *refusals.unwrap_or_else(|| panic!("sequence {from} was used for two facts")) += 1;
            return Err(NumbersTaken {
                reason: "the test says so".to_owned(),
                from,
                acknowledged,
            });
        }
        for spooled in &request.facts {
            state.facts.insert(spooled.sequence, spooled.fact.clone());
        }
        let desired = state.desired.clone().map(|desired| {
            let text = serde_json::to_vec(&desired).unwrap();
            (Digest(Sha256::digest(text).into()), desired)
        });
        Ok(SyncResponse {
            now: Timestamp::from_unix_ms(0),
            acknowledged: highest(&state),
            desired: desired.filter(|(digest, _)| request.have != Some(*digest)),
        })
    }
}

async fn boot_go(State(daemon): State<Arc<Daemon>>, Json(_): Json<BootGoRequest>) -> Json<BootGo> {
    Json(BootGo {
        go: daemon.state.lock().unwrap().boot_go,
    })
}

async fn go(State(daemon): State<Arc<Daemon>>, Json(request): Json<GoRequest>) -> Json<GoAnswer> {
    assert_eq!(request.token, "", "the token stays in the rack");
    let before = daemon.state.lock().unwrap().before_go.take();
    if let Some(before) = before {
        before();
    }
    Json(GoAnswer {
        nonce: request.nonce,
        verdict: Verdict::Go,
    })
}

async fn artefact(State(daemon): State<Arc<Daemon>>, Path(digest): Path<String>) -> impl IntoResponse {
    let mut state = daemon.state.lock().unwrap();
    state.artefact_fetches += 1;
    match digest
        .parse()
        .ok()
        .and_then(|digest: Digest| state.artefacts.get(&digest))
    {
        Some(contents) => (StatusCode::OK, contents.clone()),
        None => (StatusCode::NOT_FOUND, Vec::new()),
    }
}

/// The agent's age key.
static AGE: LazyLock<age::x25519::Identity> = LazyLock::new(age::x25519::Identity::generate);

/// A BMC account as the daemon seals it to the agent.
pub(crate) fn sealed(username: &str, password: &str) -> String {
    let account = Account {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    let clear = serde_json::to_vec(&account).unwrap();
    age::encrypt_and_armor(&AGE.to_public(), &clear).unwrap()
}

/// Makes a state folder that of an enrolled agent, from what [`make_certificates`] wrote.
pub(crate) fn make_identity(certificates: &FilePath, state: &FilePath) {
    let folder = state.join("identity");
    if folder.exists() {
        return;
    }
    fs::create_dir_all(&folder).unwrap();
    for (from, to) in [
        ("ca.pem", "roots.pem"),
        ("agent.pem", "agent.pem"),
        ("agent.key", "agent.key"),
    ] {
        fs::copy(certificates.join(from), folder.join(to)).unwrap();
    }
    let key = AGE.to_string();
    fs::write(
        folder.join("age.key"),
        age::secrecy::ExposeSecret::expose_secret(&key),
    )
    .unwrap();
    let standing = serde_json::json!({
        "name": "rackd-1",
        "daemon": format!("https://127.0.0.1:{PORT}"),
        "issued": "2026-01-01T00:00:00.000Z",
        "ends": "2996-01-01T00:00:00.000Z",
    });
    fs::write(folder.join("agent.json"), standing.to_string()).unwrap();
}

/// Writes `ca.pem`, `agent.pem`, `agent.key`, and the daemon's own pair.
pub(crate) fn make_certificates(directory: &FilePath) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    fs::write(directory.join("ca.pem"), ca_certificate.pem()).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    for (name, subject, usage) in [
        ("daemon", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
        ("agent", "rackd-1", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(directory.join(format!("{name}.der")), certificate.der()).unwrap();
        fs::write(directory.join(format!("{name}.key.der")), key.serialize_der()).unwrap();
    }
    fs::write(directory.join("ca.der"), ca_certificate.der()).unwrap();
}

fn server_config(certificates: &FilePath) -> ServerConfig {
    let read = |name: &str| fs::read(certificates.join(name)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.der").into()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(read("daemon.key.der")));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![read("daemon.der").into()], key)
        .unwrap()
}
