//! The conversation with the rack agent: plain HTTP on the boot link, JSON both ways.
//!
//! What must be said is said until it is heard. An agent that gets no answer to one thing for
//! [`SILENCE_MAX`] starts the machine over, since a fresh boot brings a fresh address and token.

use crate::console::chain;
use crate::{power, say};
use rack_api::fact::{Fact, FactBody};
use rack_api::machine::{GoAnswer, GoRequest, Hello, HelloAnswer, Report};
use rack_api::rack_path;
use schema_ids::{Digest, Mac, Timestamp, Uuid};
use serde::{Serialize, de::DeserializeOwned};
use std::io::Read;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longer than a rack agent's restart with an upgrade of its host; short enough that a machine on a
/// wrong VLAN is seen at its firmware again the same hour.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 60);

/// The rack agent is one hop away.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A question that the rack agent answers itself, or after asking the daemon.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// A stalled stream is given up after this and resumed from where it was.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// Progress is of no use when it is late.
const MENTION_LIMIT: Duration = Duration::from_secs(2);

/// Pauses between attempts double from 1 s up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The same complaint is repeated on the console this often.
const COMPLAINT_EVERY: Duration = Duration::from_secs(60);

/// A job with user-data of a megabyte fits several times.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// So much of an error's body is shown.
const REFUSAL_CHARS_MAX: usize = 200;

/// Why the rack agent did not answer as wanted.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer, or none that can be read.
    #[error("no answer from {url}")]
    NoAnswer {
        /// What was called.
        url: String,
        /// Why.
        #[source]
        source: ureq::Error,
    },
    /// An answer other than 2xx.
    #[error("{url} answers {status}: {text}")]
    Refused {
        /// What was called.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        text: String,
    },
    /// An answer to another question.
    #[error("the rack agent answered another question than ours")]
    OtherQuestion,
}

/// The rack agent, as far as this machine knows it.
#[derive(Debug)]
pub struct Rack {
    agent: ureq::Agent,
    server: String,
    token: String,
}

/// An artefact's bytes from some offset.
pub struct Stream {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// The whole artefact's length, if the server tells.
    pub total_bytes: Option<u64>,
}

impl Rack {
    /// Knows the rack agent at `server` and shows it the boot's token.
    pub fn new(server: &str, token: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_LIMIT))
            .build();
        Self {
            agent: config.into(),
            server: server.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The rack agent's address, as the kernel command line gives it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Asks what to do, until there is an answer.
    pub fn hello(&mut self, boot_id: Uuid, mac: Mac) -> HelloAnswer {
        let hello = Hello {
            token: self.token.clone(),
            boot_id,
            mac,
        };
        self.insist(|rack| rack.post(rack_path::HELLO, &hello, CALL_LIMIT))
    }

    /// Reports facts, until the rack agent has them.
    pub fn report(&mut self, bodies: Vec<FactBody>) {
        let report = self.facts(bodies);
        self.insist(|rack| rack.post_unanswered(rack_path::REPORT, &report, CALL_LIMIT));
    }

    /// Reports a fact once; nothing depends on whether it is heard.
    pub fn mention(&mut self, body: FactBody) {
        let report = self.facts(vec![body]);
        // Progress that was not heard is followed by later progress or by the step's end.
        let _ = self.post_unanswered(rack_path::REPORT, &report, MENTION_LIMIT);
    }

    /// Asks for the go with this boot's token, until there is an answer; an answer to another
    /// question is none.
    pub fn go(&mut self, request: GoRequest) -> GoAnswer {
        let request = GoRequest {
            token: self.token.clone(),
            ..request
        };
        self.insist(|rack| {
            let answer: GoAnswer = rack.post(rack_path::GO, &request, CALL_LIMIT)?;
            if answer.nonce == request.nonce {
                Ok(answer)
            } else {
                Err(CallError::OtherQuestion)
            }
        })
    }

    /// Opens an artefact at a byte offset.
    ///
    /// # Errors
    /// No answer, or a refusal; a server that ignores the range refuses too.
    pub fn artefact(&mut self, digest: Digest, offset: u64) -> Result<Stream, CallError> {
        let url = format!("{}{}{}", self.server, rack_path::ARTEFACT, digest.hex());
        let response = self
            .agent
            .get(&url)
            .header("Range", format!("bytes={offset}-"))
            .config()
            .timeout_per_read(Some(READ_LIMIT))
            .timeout_recv_response(Some(CALL_LIMIT))
            .build()
            .call()
            .map_err(|source| CallError::NoAnswer {
                url: url.clone(),
                source,
            })?;
        let status = response.status().as_u16();
        if status != 206 && (status != 200 || offset > 0) {
            return Err(refused(url, response));
        }
        let total_bytes = response
            .body()
            .content_length()
            .map(|remaining| offset + remaining);
        Ok(Stream {
            reader: Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()),
            total_bytes,
        })
    }

    /// Hands in the word of the installed system.
    ///
    /// # Errors
    /// It was not taken.
    pub fn phone_home(&mut self, word: &rack_api::machine::PhoneHome) -> Result<(), CallError> {
        self.post_unanswered(rack_path::PHONE_HOME, word, CALL_LIMIT)
    }

    fn facts(&self, bodies: Vec<FactBody>) -> Report {
        let at = now();
        Report {
            token: self.token.clone(),
            facts: bodies.into_iter().map(|body| Fact { at, body }).collect(),
        }
    }

    fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<A, CallError> {
        let (url, mut response) = self.call(path, body, limit)?;
        response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_json()
            .map_err(|source| CallError::NoAnswer { url, source })
    }

    fn post_unanswered(
        &mut self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<(), CallError> {
        self.call(path, body, limit).map(|_| ())
    }

    fn call(
        &mut self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<(String, ureq::http::Response<ureq::Body>), CallError> {
        let url = format!("{}{path}", self.server);
        let response = self
            .agent
            .post(&url)
            .config()
            .timeout_global(Some(limit))
            .build()
            .send_json(body)
            .map_err(|source| CallError::NoAnswer {
                url: url.clone(),
                source,
            })?;
        if response.status().is_success() {
            Ok((url, response))
        } else {
            Err(refused(url, response))
        }
    }

    /// Calls until it succeeds. A 503 says that the rack agent lives and the daemon is out of reach:
    /// it is waited for, however long.
    fn insist<A>(&mut self, call: impl Fn(&mut Self) -> Result<A, CallError>) -> A {
        let mut pause = Duration::from_secs(1);
        let mut heard = Instant::now();
        let mut said: Option<(Instant, String)> = None;
        loop {
            let error = match call(self) {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            if matches!(error, CallError::Refused { status: 503, .. }) {
                heard = Instant::now();
            }
            let text = chain(&error);
            if said
                .as_ref()
                .is_none_or(|(at, last)| *last != text || at.elapsed() >= COMPLAINT_EVERY)
            {
                say!("{text}; trying on");
                said = Some((Instant::now(), text));
            }
            if heard.elapsed() >= SILENCE_MAX {
                say!("the rack agent was silent for {SILENCE_MAX:?}; rebooting");
                power::reboot();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn refused(url: String, mut response: ureq::http::Response<ureq::Body>) -> CallError {
    let body = response.body_mut().with_config().limit(64 << 10).read_to_string();
    CallError::Refused {
        url,
        status: response.status().as_u16(),
        text: body.unwrap_or_default().chars().take(REFUSAL_CHARS_MAX).collect(),
    }
}

/// This machine's clock: evidence only.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
