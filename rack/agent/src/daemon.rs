//! The daemon, as this agent calls it: HTTPS with a certificate on both sides, its own roots only.

use crate::settings::Settings;
use rack_api::{
    daemon_path,
    machine::{GoAnswer, GoRequest},
    sync::{BootGo, BootGoRequest, NumbersTaken, SyncRequest, SyncResponse},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use schema_ids::Digest;
use serde::{Serialize, de::DeserializeOwned};
use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

/// A connection on a data centre's network is made within this, or the daemon is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Beyond a long poll's own time: the daemon commits facts to its database first.
const SYNC_SLACK: Duration = Duration::from_secs(15);
/// A client waits for its boot script meanwhile; iPXE itself would wait longer.
const BOOT_GO_MAX: Duration = Duration::from_secs(2);
/// A machine about to write waits for this one.
const GO_MAX: Duration = Duration::from_secs(10);
/// Silence in the middle of an artefact.
const READ_MAX: Duration = Duration::from_secs(30);
/// No answer is longer: the configuration of the largest rack is some megabytes.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// The daemon.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    http: reqwest::Client,
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
pub(crate) enum IdentityError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{path} has no certificate that can be a root")]
    NoRoot { path: PathBuf },
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

impl Daemon {
    /// Reads the certificates and makes the client; calls nobody yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, IdentityError> {
        let mut roots = rustls::RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates(&settings.ca)?);
        if added == 0 {
            return Err(IdentityError::NoRoot {
                path: settings.ca.clone(),
            });
        }
        let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|source| IdentityError::Read {
            path: settings.key.clone(),
            source,
        })?;
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(IdentityError::Tls)?
                .with_root_certificates(roots)
                .with_client_auth_cert(certificates(&settings.cert)?, key)
                .map_err(IdentityError::Tls)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_MAX)
            .read_timeout(READ_MAX + Duration::from_millis(rack_api::sync::LONG_POLL_MS))
            .tcp_keepalive(READ_MAX)
            .no_proxy()
            .build()
            .map_err(IdentityError::Http)?;
        Ok(Self {
            http,
            base: settings.daemon.clone(),
        })
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
            .http
            .get(self.url(&path))
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
        let response = self.post(path, question, limit).await?;
        read(checked(response, path).await?, path).await
    }

    async fn post<Q: Serialize + Sync>(
        &self,
        path: &str,
        question: &Q,
        limit: Duration,
    ) -> Result<reqwest::Response, CallError> {
        let request = self.http.post(self.url(path)).timeout(limit).json(question);
        request.send().await.map_err(|source| CallError::Http {
            path: path.to_owned(),
            source,
        })
    }

    fn url(&self, path: &str) -> reqwest::Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }
}

/// Reads an answer, whatever its status.
async fn read<A: DeserializeOwned>(mut response: reqwest::Response, path: &str) -> Result<A, CallError> {
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
    serde_json::from_slice(&body).map_err(|source| CallError::Answer { path: path(), source })
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

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let failed = |source| IdentityError::Read {
        path: path.to_owned(),
        source,
    };
    CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)
}
