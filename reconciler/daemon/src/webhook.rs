//! Forges say that somebody pushed: a hint to fetch at once, beside the poll.
//!
//! Nothing that a webhook says is believed but that it came from who knows the secret: what is there to be carried out, git
//! says. So one that is sent again, or that the poll overtook, does nothing but one more fetch, and those have a pause
//! between them. The door speaks plain HTTP: TLS is a reverse proxy's.

mod signature;

pub(crate) use signature::Secrets;

use crate::daemon::Daemon;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The path that forges post to.
pub(crate) const PATH: &str = "/v1/webhook";
/// A push of some thousand commits is told in less; of a larger one the poll hears.
const BODY_BYTES_MAX: usize = 4 << 20;
/// A forge's request comes whole in less, or it is none.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Between two fetches that webhooks ask for.
const PAUSE: Duration = Duration::from_secs(1);
/// Refusals are told in the log so often: whoever reaches the door could fill it otherwise.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What the door needs.
pub(crate) struct Hooks {
    daemon: Arc<Daemon>,
    secrets: Secrets,
    /// As webhooks name it: `refs/heads/main`.
    branch: String,
    /// Somebody pushed.
    pushed: Notify,
    told: Mutex<Told>,
}

/// When a refusal was last told, and how many were not.
#[derive(Default)]
struct Told {
    at: Option<Instant>,
    untold: u64,
}

impl Hooks {
    /// The door of a branch.
    pub(crate) fn new(daemon: Arc<Daemon>, secrets: Secrets, branch: &str) -> Arc<Self> {
        Arc::new(Self {
            daemon,
            secrets,
            branch: format!("refs/heads/{branch}"),
            pushed: Notify::new(),
            told: Mutex::default(),
        })
    }

    /// Its one route.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().route(PATH, post(take)).with_state(Arc::clone(self))
    }

    /// Wakes the fetch when somebody pushed, not more often than it should be, until cancelled.
    pub(crate) async fn pace(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.pushed.notified() => {}
            }
            self.daemon.look.notify_one();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    fn refuse(&self, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            told.untold += 1;
            return;
        }
        tracing::warn!(why, untold = told.untold, "a webhook was refused");
        *told = Told {
            at: Some(Instant::now()),
            untold: 0,
        };
    }
}

/// Takes one.
async fn take(State(hooks): State<Arc<Hooks>>, request: Request) -> (StatusCode, &'static str) {
    let (parts, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    if let Err(why) = hooks.secrets.verify(&parts.headers, &body) {
        hooks.refuse(why);
        return (StatusCode::UNAUTHORIZED, "the signature is not right\n");
    }
    match event(&parts.headers) {
        Some("ping") => return (StatusCode::OK, "pong\n"),
        Some("push" | "Push Hook") => {}
        Some(_) | None => return (StatusCode::NO_CONTENT, ""),
    }
    let Some(reference) = reference(&parts.headers, &body) else {
        return (StatusCode::BAD_REQUEST, "a push names its ref\n");
    };
    if reference != hooks.branch {
        return (StatusCode::NO_CONTENT, "");
    }
    tracing::debug!("a forge says that the branch was pushed");
    hooks.pushed.notify_one();
    crate::failpoint::reach("pushed");
    (StatusCode::ACCEPTED, "looking\n")
}

async fn whole(body: Body) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => Ok(body.to_vec()),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n")),
    }
}

/// What happened, in the forge's word. Forgejo and Gitea say it in GitHub's head too.
fn event(heads: &HeaderMap) -> Option<&str> {
    let names = [
        "x-forgejo-event",
        "x-gitea-event",
        "x-gitlab-event",
        "x-github-event",
    ];
    names.iter().find_map(|name| heads.get(*name)?.to_str().ok())
}

/// The ref that was pushed. GitHub and Forgejo send a form where a person chose no JSON.
fn reference(heads: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = heads
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let said: Value = if is_form {
        let mut fields = url::form_urlencoded::parse(body);
        let (_, payload) = fields.find(|(name, _)| name == "payload")?;
        serde_json::from_str(&payload).ok()?
    } else {
        serde_json::from_slice(body).ok()?
    };
    Some(said.get("ref")?.as_str()?.to_owned())
}
