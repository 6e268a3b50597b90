//! A forge on loopback that plays the APIs of GitHub, GitLab and Forgejo by their documented paths, heads and bodies:
//! what they would not understand, it refuses as they do.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Which forge it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Github,
    Gitlab,
    Forgejo,
}

/// What it knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Comments on pull request 12, each with its author: number, author, text.
    pub(crate) comments: Vec<(u64, String, String)>,
    /// Statuses: commit, context, state, description.
    pub(crate) statuses: Vec<(String, String, String, String)>,
    /// What was refused, and why.
    pub(crate) refused: Vec<String>,
    /// Commits that it does not have.
    pub(crate) lacks: Vec<String>,
    /// So many requests are answered with 502 first.
    pub(crate) down_for: usize,
}

/// The token that it takes.
pub(crate) const TOKEN: &str = "t0ken-of-the-forge";

pub(crate) struct Forge {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    known: Arc<Mutex<Known>>,
    serving: JoinHandle<()>,
}

impl Forge {
    pub(crate) async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let router = Router::new()
            .fallback(answer)
            .with_state((kind, Arc::clone(&known)));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let path = match kind {
            Kind::Github => "",
            Kind::Gitlab => "/api/v4",
            Kind::Forgejo => "/api/v1",
        };
        Self {
            kind,
            url: format!("http://{at}{path}"),
            known,
            serving,
        }
    }

    /// What it knows by now.
    pub(crate) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Answer = (StatusCode, Value);

async fn answer(
    State((kind, known)): State<(Kind, Arc<Mutex<Known>>)>,
    method: Method,
    uri: Uri,
    heads: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let mut known = known.lock().unwrap();
    if known.down_for > 0 {
        known.down_for -= 1;
        return (StatusCode::BAD_GATEWAY, json!({}).to_string());
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let said = judged(kind, &mut known, &method, &uri, &heads, &body);
    let (status, value) = said.unwrap_or_else(|(status, why)| {
        known.refused.push(format!("{method} {uri}: {why}"));
        (status, json!({ "message": why }))
    });
    (status, value.to_string())
}

fn judged(
    kind: Kind,
    known: &mut Known,
    method: &Method,
    uri: &Uri,
    heads: &HeaderMap,
    body: &Value,
) -> Result<Answer, (StatusCode, String)> {
    let no = |status, why: &str| (status, why.to_owned());
    let head = |name: &str| heads.get(name).and_then(|value| value.to_str().ok());
    let is_us = match kind {
        Kind::Github => head("authorization") == Some(&format!("Bearer {TOKEN}")),
        Kind::Gitlab => head("private-token") == Some(TOKEN),
        Kind::Forgejo => [format!("token {TOKEN}"), format!("Bearer {TOKEN}")]
            .iter()
            .any(|wanted| head("authorization") == Some(wanted)),
    };
    if !is_us {
        return Err(no(StatusCode::UNAUTHORIZED, "401 Unauthorized"));
    }
    if kind == Kind::Github && head("user-agent").is_none() {
        return Err(no(
            StatusCode::FORBIDDEN,
            "Request forbidden by administrative rules",
        ));
    }
    if *method != Method::GET && head("content-type") != Some("application/json") {
        return Err(no(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no JSON"));
    }
    let path = match kind {
        Kind::Github => Some(uri.path()),
        Kind::Gitlab => uri.path().strip_prefix("/api/v4"),
        Kind::Forgejo => uri.path().strip_prefix("/api/v1"),
    };
    let path = path.ok_or_else(|| no(StatusCode::NOT_FOUND, "Not Found"))?;
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (kind, method.as_str(), parts.as_slice()) {
        // A job's token may not ask who it is.
        (Kind::Github | Kind::Forgejo, "GET", ["user"]) => Ok((StatusCode::FORBIDDEN, json!({}))),
        (Kind::Gitlab, "GET", ["user"]) => Ok((StatusCode::OK, json!({ "username": user(kind) }))),
        (Kind::Github | Kind::Forgejo, "GET", ["repos", "acme", "fleet", "issues", "12", "comments"])
        | (Kind::Gitlab, "GET", ["projects", "7", "merge_requests", "12", "notes"]) => {
            let all = known.comments.iter().map(|comment| shown(kind, comment));
            Ok((StatusCode::OK, all.collect()))
        }
        (Kind::Github | Kind::Forgejo, "POST", ["repos", "acme", "fleet", "issues", "12", "comments"])
        | (Kind::Gitlab, "POST", ["projects", "7", "merge_requests", "12", "notes"]) => {
            let text = text(body)?;
            let number = known.comments.len() as u64 + 100;
            known.comments.push((number, user(kind).to_owned(), text));
            Ok((StatusCode::CREATED, json!({ "id": number })))
        }
        (Kind::Github | Kind::Forgejo, "PATCH", ["repos", "acme", "fleet", "issues", "comments", number])
        | (Kind::Gitlab, "PUT", ["projects", "7", "merge_requests", "12", "notes", number]) => {
            let text = text(body)?;
            let found = known
                .comments
                .iter_mut()
                .find(|(at, ..)| at.to_string() == *number);
            let found = found.ok_or_else(|| no(StatusCode::NOT_FOUND, "Not Found"))?;
            found.2 = text;
            Ok((StatusCode::OK, json!({ "id": found.0 })))
        }
        (Kind::Github | Kind::Forgejo, "POST", ["repos", "acme", "fleet", "statuses", commit])
        | (Kind::Gitlab, "POST", ["projects", "acme%2Ffleet", "statuses", commit]) => {
            status(kind, known, commit, body)
        }
        _ => Err(no(StatusCode::NOT_FOUND, "Not Found")),
    }
}

fn status(kind: Kind, known: &mut Known, commit: &str, body: &Value) -> Result<Answer, (StatusCode, String)> {
    let wrong = |why: &str| (StatusCode::UNPROCESSABLE_ENTITY, why.to_owned());
    if commit.len() != 40 || known.lacks.iter().any(|lacking| lacking == commit) {
        return Err(wrong("No commit found for SHA"));
    }
    let word = |name: &str| body[name].as_str().map(str::to_owned).ok_or_else(|| wrong(name));
    let (context, state, told) = (word("context")?, word("state")?, word("description")?);
    let (states, longest): (&[&str], _) = match kind {
        Kind::Github => (&["error", "failure", "pending", "success"], 140),
        Kind::Gitlab => (
            &["pending", "running", "success", "failed", "canceled", "skipped"],
            255,
        ),
        Kind::Forgejo => (&["pending", "success", "error", "failure", "warning"], 255),
    };
    if !states.contains(&state.as_str()) || told.chars().count() > longest {
        return Err(wrong("Validation Failed"));
    }
    let last = known
        .statuses
        .iter()
        .rfind(|(at, of, ..)| at == commit && *of == context);
    if kind == Kind::Gitlab && last.is_some_and(|last| last.2 == state) {
        return Err((
            StatusCode::BAD_REQUEST,
            "Cannot transition status via :enqueue from :pending".to_owned(),
        ));
    }
    known.statuses.push((commit.to_owned(), context, state, told));
    Ok((StatusCode::CREATED, json!({})))
}

fn text(body: &Value) -> Result<String, (StatusCode, String)> {
    let text = body["body"].as_str().filter(|text| text.len() <= 65_536);
    let why = || {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Body is too long or missing".to_owned(),
        )
    };
    text.map(str::to_owned).ok_or_else(why)
}

/// As whom a token of this forge's speaks.
pub(crate) fn user(kind: Kind) -> &'static str {
    match kind {
        Kind::Github => "github-actions[bot]",
        Kind::Gitlab => "project_7_bot",
        Kind::Forgejo => "forgejo-actions",
    }
}

fn shown(kind: Kind, (number, author, text): &(u64, String, String)) -> Value {
    match kind {
        Kind::Github | Kind::Forgejo => json!({ "id": number, "user": { "login": author }, "body": text }),
        Kind::Gitlab => json!({ "id": number, "author": { "username": author }, "body": text }),
    }
}
