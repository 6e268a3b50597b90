//! Talks to musterd over its unix socket.

use crate::exit::Failure;
use reconciler_core::people::Refusal;
use reconciler_core::refusal::RefusalCode;
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A request that takes longer is given up. `apply` may fetch a repository over a slow line, for which
/// musterd itself takes at most 300 s.
const REQUEST_MAX: Duration = Duration::from_secs(330);
/// For whoever is in a hurry: what musterd has at hand it answers within a second, of 10,000 machines too.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// An upload: a large image onto a slow disk.
const UPLOAD_MAX: Duration = Duration::from_secs(3600);

/// A connection to musterd.
pub(crate) struct Client {
    socket: PathBuf,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    /// A request that takes longer is given up.
    limit: Cell<Duration>,
}

impl Client {
    /// Prepares a connection; nothing is sent before the first request.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Failure> {
        let fail = |why: String| Failure::Unreachable {
            socket: socket.to_owned(),
            why,
        };
        // The socket speaks plain HTTP, but the client is built with TLS in it and wants a provider.
        // A second call in one process finds it set, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .build()
            .map_err(|error| fail(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            socket: socket.to_owned(),
            http,
            runtime,
            limit: Cell::new(REQUEST_MAX),
        })
    }

    /// From now on a request that takes longer is given up.
    pub(crate) fn answer_within(&self, limit: Duration) {
        self.limit.set(limit);
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return Failure::Hangs {
                socket: self.socket.clone(),
                after: self.limit.get(),
            };
        }
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = cause.to_string();
            source = cause.source();
        }
        Failure::Unreachable {
            socket: self.socket.clone(),
            why,
        }
    }

    /// `GET`s a value.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(
            self.http
                .request(Method::GET, url(path))
                .timeout(self.limit.get()),
        )
    }

    /// `POST`s a value and reads the answer.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let request = self.http.request(Method::POST, url(path));
        self.send(request.timeout(self.limit.get()).json(body))
    }

    /// `PUT`s a file's bytes and reads the answer.
    pub(crate) fn put_file<T: DeserializeOwned>(&self, path: &str, file: &Path) -> Result<T, Failure> {
        let fail = |source| Failure::File {
            what: "read",
            path: file.to_owned(),
            source,
        };
        let (file, length) = self.runtime.block_on(async {
            let file = tokio::fs::File::open(file).await.map_err(fail)?;
            let length = file.metadata().await.map_err(fail)?.len();
            Ok::<_, Failure>((file, length))
        })?;
        let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(file, 256 << 10));
        let request = self.http.request(Method::PUT, url(path)).timeout(UPLOAD_MAX);
        self.send(request.header(reqwest::header::CONTENT_LENGTH, length).body(body))
    }

    fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
            if status.is_success() {
                return serde_json::from_slice(&body)
                    .map_err(|error| Failure::Other(format!("musterd's answer cannot be read: {error}")));
            }
            Err(Failure::Refused(serde_json::from_slice(&body).unwrap_or_else(
                |_| Refusal {
                    code: of_status(status).code().to_owned(),
                    message: String::from_utf8_lossy(&body).trim().to_owned(),
                },
            )))
        })
    }
}

/// The code of an answer that is not musterd's own word.
fn of_status(status: StatusCode) -> RefusalCode {
    if status == StatusCode::NOT_FOUND {
        RefusalCode::NotFound
    } else if status.is_client_error() {
        RefusalCode::BadRequest
    } else {
        RefusalCode::Failed
    }
}

/// The host is not looked up; HTTP wants one.
fn url(path: &str) -> String {
    format!("http://musterd{path}")
}
