//! Tells a forge how far each commit has come: the contexts `muster/plan` and `muster/apply` on it.
//!
//! Both are derived from what is stored of the commit, never from what happened to be seen: who starts again says the last
//! word again, which is harmless. Nothing waits for a forge, and nothing is decided by what it answers.

use crate::daemon::Daemon;
use clap::ValueEnum;
use reconciler_store::{Revision, Stage};
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A forge that takes longer is down.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Commits that are told of: those that moved last. A branch has one that counts, and a few that it overtook.
const COMMITS_MAX: usize = 10;
/// Looks even if nothing woke it.
const SWEEP: Duration = Duration::from_secs(60);
/// After a failure, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// GitHub's limit, in characters; the others take more.
const DESCRIPTION_MAX: usize = 140;
/// What is read of an answer: its message.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Which API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// GitHub.
    Github,
    /// GitLab.
    Gitlab,
    /// Forgejo or Gitea.
    Forgejo,
}

/// Where statuses go.
#[derive(Debug)]
pub(crate) struct Forge {
    kind: Kind,
    /// Where a commit's statuses are, without the commit.
    statuses: String,
    token: PathBuf,
}

/// What is said of a commit under one context.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Status {
    state: State,
    description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Success,
    Failure,
}

/// Why a status is not there.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("cannot read the token in {}", path.display())]
    Token {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the forge does not answer")]
    Send(#[source] reqwest::Error),
    #[error("the forge says {status} {message:?}; the token must be allowed to set commit statuses")]
    Refused { status: StatusCode, message: String },
}

impl PostError {
    /// Whether it is about this commit alone: one that the forge does not know, for one. Neither is the token, nor how often
    /// one may ask.
    fn is_of_commit(&self) -> bool {
        const OF_ALL: [StatusCode; 4] = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        matches!(self, Self::Refused { status, .. } if status.is_client_error() && !OF_ALL.contains(status))
    }
}

impl Forge {
    /// The forge at the root of its API.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub(crate) fn new(kind: Kind, url: &str, repository: &str, token: PathBuf) -> Result<Self, String> {
        let parsed: Url = url
            .parse()
            .map_err(|error| format!("{url:?} is no address: {error}"))?;
        let has_more = parsed.query().is_some() || parsed.fragment().is_some() || parsed.password().is_some();
        if !["http", "https"].contains(&parsed.scheme()) || has_more || !parsed.username().is_empty() {
            return Err(format!(
                "{url:?} is not the root of an API: https://api.github.com, for one"
            ));
        }
        let is_plain = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !part.is_empty() && !part.bytes().all(|byte| byte == b'.') && part.bytes().all(plain)
        };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() < 2 || !parts.iter().all(|part| is_plain(part)) {
            return Err(format!("{repository:?} is no repository: it is OWNER/NAME"));
        }
        let root = url.trim_end_matches('/');
        let statuses = match kind {
            Kind::Github | Kind::Forgejo => format!("{root}/repos/{repository}/statuses/"),
            Kind::Gitlab => format!("{root}/projects/{}/statuses/", parts.join("%2F")),
        };
        Ok(Self {
            kind,
            statuses,
            token,
        })
    }

    /// Says it; whether it was said before or not.
    async fn post(
        &self,
        http: &Client,
        commit: &str,
        context: &str,
        status: &Status,
    ) -> Result<(), PostError> {
        let token = std::fs::read_to_string(&self.token).map_err(|source| PostError::Token {
            path: self.token.clone(),
            source,
        })?;
        let token = token.trim();
        let body = json!({
            "state": self.word(status.state),
            "context": context,
            "description": status.description,
        });
        let request = http.post(format!("{}{commit}", self.statuses)).json(&body);
        let request = match self.kind {
            Kind::Github => request
                .header("authorization", format!("Bearer {token}"))
                .header("accept", "application/vnd.github+json")
                .header("x-github-api-version", "2022-11-28"),
            Kind::Gitlab => request.header("private-token", token),
            Kind::Forgejo => request.header("authorization", format!("token {token}")),
        };
        let mut response = request.send().await.map_err(PostError::Send)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(PostError::Send)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        let said: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let message = said["message"].as_str().unwrap_or_default();
        // GitLab takes no state twice: it is there already.
        if self.kind == Kind::Gitlab
            && status == StatusCode::BAD_REQUEST
            && message.starts_with("Cannot transition status")
        {
            return Ok(());
        }
        Err(PostError::Refused {
            status,
            message: line(message),
        })
    }

    fn word(&self, state: State) -> &'static str {
        match (state, self.kind) {
            (State::Pending, _) => "pending",
            (State::Success, _) => "success",
            (State::Failure, Kind::Gitlab) => "failed",
            (State::Failure, Kind::Github | Kind::Forgejo) => "failure",
        }
    }
}

/// Tells the forge what changed, until cancelled.
pub(crate) async fn tell(daemon: Arc<Daemon>, forge: Forge, stop: CancellationToken) {
    let http = Client::builder()
        .timeout(REQUEST_MAX)
        // A forge that sends its clients elsewhere would send the token along.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("musterd/", env!("CARGO_PKG_VERSION")))
        .build();
    let http = match http {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "no forge can be told anything");
            return stop.cancelled().await;
        }
    };
    let mut changed = daemon.changed.subscribe();
    let mut said = BTreeMap::new();
    let mut retry = RETRY.0;
    loop {
        changed.mark_unchanged();
        let told = tokio::select! {
            () = stop.cancelled() => return,
            told = round(&daemon, &forge, &http, &mut said) => told,
        };
        match told {
            Ok(()) => {
                retry = RETRY.0;
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = changed.changed() => {}
                    () = tokio::time::sleep(SWEEP) => {}
                }
            }
            Err(why) => {
                tracing::warn!(error = why, again_in = ?retry, "a commit's status was not posted");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(retry) => {}
                }
                retry = (retry * 2).min(RETRY.1);
            }
        }
    }
}

/// What was last said of each commit under each context, and if it was refused when it is said again.
type Said = BTreeMap<(String, &'static str), (Status, Option<Instant>)>;

/// Says what is not said yet, the commit that moved last first; the first failure ends it, but for one that is about a commit
/// alone: it holds up no other.
///
/// Cancel safety: what was posted and is not remembered is posted again.
async fn round(daemon: &Daemon, forge: &Forge, http: &Client, said: &mut Said) -> Result<(), String> {
    let revisions = daemon
        .store
        .revisions()
        .await
        .map_err(|error| crate::chain(&error))?;
    let newest: Vec<&Revision> = revisions.iter().take(COMMITS_MAX).collect();
    said.retain(|(commit, _), _| newest.iter().any(|revision| revision.commit == *commit));
    let mut refused = Vec::new();
    for revision in newest {
        for (context, status) in statuses(revision) {
            let key = (revision.commit.clone(), context);
            let is_due = |again: &Option<Instant>| again.is_some_and(|again| again <= Instant::now());
            if said
                .get(&key)
                .is_some_and(|(last, again)| *last == status && !is_due(again))
            {
                continue;
            }
            match forge.post(http, &revision.commit, context, &status).await {
                Ok(()) => {
                    crate::failpoint::reach("posted");
                    tracing::debug!(commit = revision.commit, context, state = ?status.state, "status posted");
                    said.insert(key, (status, None));
                }
                Err(why) if why.is_of_commit() => {
                    refused.push(format!(
                        "{context} of {}: {}",
                        revision.commit,
                        crate::chain(&why)
                    ));
                    said.insert(key, (status, Some(Instant::now() + RETRY.1)));
                }
                Err(why) => return Err(crate::chain(&why)),
            }
        }
    }
    if let Some(first) = refused.first() {
        let count = refused.len();
        tracing::warn!(count, first, again_in = ?RETRY.1, "the forge refuses statuses of these commits");
    }
    Ok(())
}

/// What is said of a commit.
fn statuses(revision: &Revision) -> [(&'static str, Status); 2] {
    let of = |state, description: &str| Status {
        state,
        description: line(description),
    };
    let why = revision
        .condition
        .as_ref()
        .map(|(code, reason)| format!("{code}: {reason}"));
    let (plan, apply) = match (revision.stage, why) {
        (Stage::Adopted, None) => (
            of(State::Success, "planned"),
            of(State::Success, "it is carried out"),
        ),
        (Stage::Adopted, Some(why)) => (of(State::Success, "planned"), of(State::Failure, &why)),
        // Its plan is sound, and waits for people.
        (Stage::Guarded, Some(why)) => (of(State::Success, "planned"), of(State::Pending, &why)),
        (Stage::Guarded, None) => (
            of(State::Success, "planned"),
            of(State::Pending, "it will be carried out"),
        ),
        (Stage::Fetched | Stage::Verified | Stage::Checked | Stage::Planned, Some(why)) => {
            (of(State::Failure, &why), of(State::Failure, &why))
        }
        (stage @ (Stage::Fetched | Stage::Verified | Stage::Checked | Stage::Planned), None) => (
            of(State::Pending, stage.as_str()),
            of(State::Pending, "not planned yet"),
        ),
    };
    [("muster/plan", plan), ("muster/apply", apply)]
}

/// The first line, as long as forges take it.
fn line(text: &str) -> String {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let first: String = first.chars().filter(|letter| !letter.is_control()).collect();
    match first.chars().count() > DESCRIPTION_MAX {
        true => first.chars().take(DESCRIPTION_MAX - 1).chain(['…']).collect(),
        false => first,
    }
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION_MAX, Forge, Kind, PostError, State, line, statuses};
    use reconciler_store::{Revision, Stage};
    use reqwest::StatusCode;
    use schema_ids::Timestamp;
    use std::path::PathBuf;

    #[test]
    fn where_statuses_go() {
        let at = |kind, url: &str, repository: &str| {
            Forge::new(kind, url, repository, PathBuf::new()).map(|forge| forge.statuses)
        };
        let github = at(Kind::Github, "https://api.github.com/", "acme/fleet");
        assert_eq!(
            github.as_deref(),
            Ok("https://api.github.com/repos/acme/fleet/statuses/")
        );
        let gitlab = at(Kind::Gitlab, "https://lab.example/api/v4", "acme/infra/fleet");
        assert_eq!(
            gitlab.as_deref(),
            Ok("https://lab.example/api/v4/projects/acme%2Finfra%2Ffleet/statuses/")
        );
        for url in [
            "",
            "api.github.com",
            "file:///etc",
            "https://ada:pw@forge.example",
            "https://forge.example/?a",
        ] {
            assert!(at(Kind::Forgejo, url, "acme/fleet").is_err(), "{url}");
        }
        for repository in [
            "",
            "fleet",
            "acme/",
            "/fleet",
            "acme/../x",
            "acme/fl eet",
            "acme/fleet?x",
            "acme/%2e",
        ] {
            assert!(
                at(Kind::Github, "https://forge.example", repository).is_err(),
                "{repository}"
            );
        }
    }

    #[test]
    fn whom_a_refusal_is_about() {
        for (status, wanted) in [
            (400, true),
            (404, true),
            (422, true),
            (401, false),
            (403, false),
            (408, false),
            (429, false),
            (302, false),
            (500, false),
        ] {
            let refused = PostError::Refused {
                status: StatusCode::from_u16(status).unwrap(),
                message: String::new(),
            };
            assert_eq!(refused.is_of_commit(), wanted, "{status}");
        }
    }

    #[test]
    fn what_each_stand_says() {
        use State::{Failure, Pending, Success};
        for (stage, stopped, plan, apply) in [
            (Stage::Fetched, false, Pending, Pending),
            (Stage::Fetched, true, Failure, Failure),
            (Stage::Verified, true, Failure, Failure),
            (Stage::Planned, true, Failure, Failure),
            (Stage::Guarded, true, Success, Pending),
            (Stage::Adopted, false, Success, Success),
        ] {
            let revision = Revision {
                commit: "0".repeat(40),
                stage,
                condition: stopped.then(|| ("M0101".to_owned(), "\n  × one\nmore".to_owned())),
                since: Timestamp::from_unix_ms(0),
            };
            let said = statuses(&revision);
            assert_eq!((said[0].1.state, said[1].1.state), (plan, apply), "{stage:?}");
            let told = &said[if plan == Success { 1 } else { 0 }].1.description;
            assert!(!stopped || told.starts_with("M0101:"), "{told}");
        }
    }

    #[test]
    fn a_description_is_a_short_line() {
        assert_eq!(line("M0101: \n× one\nmore"), "M0101:");
        assert_eq!(line("\n a\u{7}b \n"), "ab");
        let long = line(&"ä".repeat(500));
        assert_eq!(long.chars().count(), DESCRIPTION_MAX);
        assert!(long.ends_with('…'));
    }
}
