//! The daemon, as this agent calls it: HTTPS with a certificate on both sides, its own roots only.

use crate::identity::{Identity, IdentityError};
use rack_api::{
    daemon_path,
    enrol::Enrolled,
    machine::{GoAnswer, GoRequest},
    sync::{BootGo, BootGoRequest, NumbersTaken, SyncRequest, SyncResponse},
};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use schema_ids::Digest;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// A connection on a data centre's network is made within this, or the daemon is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Beyond a long poll's own time: the daemon commits facts to its database first.
const SYNC_SLACK: Duration = Duration::from_secs(15);
/// A client waits for its boot script meanwhile; iPXE itself would wait longer.
const BOOT_GO_MAX: Duration = Duration::from_secs(2);
/// A machine about to write waits for this one.
const GO_MAX: Duration = Duration::from_secs(10);
/// A new certificate is one statement of the daemon's database.
const RENEW_MAX: Duration = Duration::from_secs(15);
/// Silence in the middle of an artefact.
const READ_MAX: Duration = Duration::from_secs(30);
/// No answer is longer: the configuration of the largest rack is some megabytes.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// The daemon.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    /// Replaced with each new certificate; a call goes on with the one it began with.
    http: Arc<RwLock<reqwest::Client>>,
    base: reqwest::Url,
}

/// What the daemon says to a sync.
#[derive(Debug)]
pub(crate) enum Synced {
    Answer(Box<SyncResponse>),
    Taken(NumbersTaken),
}

/// Why the agent has no way to call the daemon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("a certificate or key of this agent cannot be read")]
    Pem(#[source] rustls::pki_types::pem::Error),
    #[error("this agent's identity cannot be used")]
    Identity(#[source] IdentityError),
    #[error("this agent trusts no authority")]
    NoRoot,
    #[error("certificate and key do not make an identity")]
    Tls(#[source] rustls::Error),
    #[error("cannot make an HTTP client")]
    Http(#[source] reqwest::Error),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("cannot call {path} of the daemon")]
    Http {
        path: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the daemon answered {path} with {status}: {words}")]
    Status {
        path: String,
        status: reqwest::StatusCode,
        words: String,
    },
    #[error("the daemon's answer to {path} cannot be read")]
    Answer {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the daemon's answer to {path} is longer than {ANSWER_MAX_BYTES} bytes")]
    TooLong { path: String },
}

impl CallError {
    /// Whether the daemon knows this agent, and lets it in no more.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == reqwest::StatusCode::FORBIDDEN)
    }
}

impl Daemon {
    /// Makes the client; calls nobody yet.
    pub(crate) fn new(base: reqwest::Url, identity: &Identity) -> Result<Self, ClientError> {
        Ok(Self {
            http: Arc::new(RwLock::new(client_of(identity)?)),
            base,
        })
    }

    /// Calls with this identity from now on.
    pub(crate) fn speak_as(&self, identity: &Identity) -> Result<(), ClientError> {
        let client = client_of(identity)?;
        *self.http.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    fn http(&self) -> reqwest::Client {
        self.http.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A certificate for another term, and the authorities to trust.
    pub(crate) async fn renew(&self) -> Result<Enrolled, CallError> {
        self.call(daemon_path::RENEW, &(), RENEW_MAX).await
    }

    /// The authorities to trust, in PEM.
    pub(crate) async fn roots(&self) -> Result<String, CallError> {
        let path = daemon_path::ROOTS;
        let sent = self
            .http()
            .get(with_path(&self.base, path))
            .timeout(RENEW_MAX)
            .send()
            .await;
        let response = sent.map_err(|source| CallError::Http {
            path: path.to_owned(),
            source,
        })?;
        let bytes = body(checked(response, path).await?, path).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The exchange.
    ///
    /// Cancel safety: the daemon may have stored the facts; sending them again changes nothing.
    pub(crate) async fn sync(&self, request: &SyncRequest) -> Result<Synced, CallError> {
        let path = daemon_path::SYNC;
        let limit = Duration::from_millis(request.wait_ms) + SYNC_SLACK;
        let response = self.post(path, request, limit).await?;
        if response.status() == reqwest::StatusCode::CONFLICT {
            return read(response, path).await.map(Synced::Taken);
        }
        let answer = read(checked(response, path).await?, path).await?;
        Ok(Synced::Answer(Box::new(answer)))
    }

    /// Whether a machine may boot its job now.
    pub(crate) async fn boot_go(&self, request: &BootGoRequest) -> Result<BootGo, CallError> {
        self.call(daemon_path::BOOT_GO, request, BOOT_GO_MAX).await
    }

    /// Whether a machine may write.
    pub(crate) async fn go(&self, request: &GoRequest) -> Result<GoAnswer, CallError> {
        self.call(daemon_path::GO, request, GO_MAX).await
    }

    /// The bytes of an artefact, as they come.
    pub(crate) async fn artefact(&self, digest: Digest) -> Result<reqwest::Response, CallError> {
        let path = format!("{}{}", daemon_path::ARTEFACT, digest.hex());
        let response = self
            .http()
            .get(with_path(&self.base, &path))
            .send()
            .await
            .map_err(|source| CallError::Http {
                path: path.clone(),
                source,
            })?;
        checked(response, &path).await
    }

    async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
        limit: Duration,
    ) -> Result<A, CallError> {
        call(&self.http(), &self.base, path, question, limit).await
    }

    async fn post<Q: Serialize + Sync>(
        &self,
        path: &str,
        question: &Q,
        limit: Duration,
    ) -> Result<reqwest::Response, CallError> {
        post(&self.http(), &self.base, path, question, limit).await
    }
}

/// The daemon's URL; `None` if the text is none.
pub(crate) fn url(text: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(text).ok()?;
    (url.scheme() == "https" && url.host().is_some()).then_some(url)
}

/// Asks one question.
pub(crate) async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
    http: &reqwest::Client,
    base: &reqwest::Url,
    path: &str,
    question: &Q,
    limit: Duration,
) -> Result<A, CallError> {
    let response = post(http, base, path, question, limit).await?;
    read(checked(response, path).await?, path).await
}

async fn post<Q: Serialize + Sync>(
    http: &reqwest::Client,
    base: &reqwest::Url,
    path: &str,
    question: &Q,
    limit: Duration,
) -> Result<reqwest::Response, CallError> {
    let request = http.post(with_path(base, path)).timeout(limit).json(question);
    request.send().await.map_err(|source| CallError::Http {
        path: path.to_owned(),
        source,
    })
}

fn with_path(base: &reqwest::Url, path: &str) -> reqwest::Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}

fn client_of(identity: &Identity) -> Result<reqwest::Client, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(&identity.roots)?);
    if added == 0 {
        return Err(ClientError::NoRoot);
    }
    let tls = tls()?.with_root_certificates(roots);
    let key = identity.key().map_err(ClientError::Identity)?;
    client(tls, &identity.certificate, &key)
}

/// A client that trusts what this says, for the first contact.
pub(crate) fn pinned_client(
    verifier: Arc<dyn ServerCertVerifier>,
    certificate: &str,
    key: &str,
) -> Result<reqwest::Client, ClientError> {
    let tls = tls()?.dangerous().with_custom_certificate_verifier(verifier);
    client(tls, certificate, key)
}

fn tls() -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, ClientError> {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)
}

fn client(
    tls: rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>,
    certificate: &str,
    key: &str,
) -> Result<reqwest::Client, ClientError> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(ClientError::Pem)?;
    let tls = tls
        .with_client_auth_cert(certificates(certificate)?, key)
        .map_err(ClientError::Tls)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_MAX)
        .read_timeout(READ_MAX + Duration::from_millis(rack_api::sync::LONG_POLL_MS))
        .tcp_keepalive(READ_MAX)
        .no_proxy()
        .build()
        .map_err(ClientError::Http)
}

/// Reads an answer, whatever its status.
async fn read<A: DeserializeOwned>(response: reqwest::Response, path: &str) -> Result<A, CallError> {
    let body = body(response, path).await?;
    serde_json::from_slice(&body).map_err(|source| CallError::Answer {
        path: path.to_owned(),
        source,
    })
}

async fn body(mut response: reqwest::Response, path: &str) -> Result<Vec<u8>, CallError> {
    let path = || path.to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|source| CallError::Http { path: path(), source })?
    {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err(CallError::TooLong { path: path() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn checked(mut response: reqwest::Response, path: &str) -> Result<reqwest::Response, CallError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // The first piece is enough to say why.
    let words = match response.chunk().await {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).chars().take(200).collect(),
        Ok(None) | Err(_) => String::new(),
    };
    Err(CallError::Status {
        path: path.to_owned(),
        status,
        words,
    })
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(ClientError::Pem)
}
