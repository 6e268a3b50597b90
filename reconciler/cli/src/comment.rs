//! `muster comment`: the plan as the one comment on a pull request, written anew in place.
//!
//! It knows where it runs by what forges tell their jobs, and is told nothing on the command line: no token stands in a
//! list of processes. The comment is found again by the marker in its first line, among its own only: what somebody else
//! writes under the same marker stays theirs, and does not count.

use crate::arguments::Comment as Wish;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use reconciler_core::form::markdown::MARKER_OF_ANY;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};
use std::time::Duration;

/// What begins a comment of muster's.
const MARKER: &str = "<!-- muster:";
/// A forge that takes longer is down.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Comments are read in pages of so many, as many as forges give.
const PAGE: usize = 100;
/// A pull request with more comments gets a second one of muster's.
const PAGES_MAX: usize = 20;
/// The longest answer that is read: a page of the longest comments.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// What forges call the user of their own jobs' tokens, which may not ask who it is, with what they set in their jobs.
/// Forgejo's runners set Gitea's too. GitHub's bot is that of those who set neither.
const JOB_USERS: [(&str, &str); 2] = [
    ("FORGEJO_ACTIONS", "forgejo-actions"),
    ("GITEA_ACTIONS", "gitea-actions"),
];
const GITHUB_USER: &str = "github-actions[bot]";

/// Writes the comment.
pub(crate) fn run(wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let body = std::fs::read_to_string(&wish.file).map_err(|source| Failure::File {
        what: "read",
        path: wish.file.clone(),
        source,
    })?;
    let marker = body.lines().next().unwrap_or_default().to_owned();
    if !marker.starts_with(MARKER) {
        let file = wish.file.display();
        let how = "write it with `muster plan --format md --out`";
        return Err(Failure::Usage(format!("{file} is no comment of muster's: {how}")));
    }
    let forge = Forge::of_job(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    drop(rustls::crypto::ring::default_provider().install_default());
    // A forge that sends its clients elsewhere would send the token along.
    let http = reqwest::Client::builder()
        .timeout(REQUEST_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::Other(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(error.to_string()))?;
    let what = runtime.block_on(write(&http, &forge, &marker, &body))?;
    if json {
        say_json(json!({ "comment": what }))?;
    } else {
        say(format_args!("The comment is {what}."))?;
    }
    Ok(Exit::Done)
}

/// The pull request, and how to talk to its forge.
#[derive(Debug, PartialEq, Eq)]
struct Forge {
    kind: Kind,
    /// Where its comments are.
    comments: String,
    /// Where one of them is: this and its number.
    one: String,
    /// Who the token belongs to.
    user: String,
    /// Who it is if it may not ask. GitLab's may.
    job_user: Option<&'static str>,
    token: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// GitHub, Forgejo and Gitea have one API here.
    Github,
    Gitlab,
}

impl Forge {
    /// What the forge told this job.
    fn of_job(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let wanted = |name: &str| {
            variable(name).ok_or_else(|| {
                Failure::Usage(format!(
                    "{name} is not set: it is run in a job for a pull request, with the token in MUSTER_FORGE_TOKEN"
                ))
            })
        };
        let is_gitlab = variable("GITLAB_CI").is_some();
        let token = wanted("MUSTER_FORGE_TOKEN")?;
        if is_gitlab {
            let api = wanted("CI_API_V4_URL")?;
            let (project, number) = (wanted("CI_PROJECT_ID")?, wanted("CI_MERGE_REQUEST_IID")?);
            let comments = format!("{api}/projects/{project}/merge_requests/{number}/notes");
            return Ok(Self {
                kind: Kind::Gitlab,
                one: format!("{comments}/"),
                comments,
                user: format!("{api}/user"),
                job_user: None,
                token,
            });
        }
        let (api, repository) = (wanted("GITHUB_API_URL")?, wanted("GITHUB_REPOSITORY")?);
        let reference = wanted("GITHUB_REF")?;
        let number = reference
            .strip_prefix("refs/pull/")
            .and_then(|rest| rest.split('/').next());
        let number = number
            .filter(|number| number.parse::<u64>().is_ok())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "GITHUB_REF is {reference:?}: this job is for no pull request"
                ))
            })?;
        Ok(Self {
            kind: Kind::Github,
            comments: format!("{api}/repos/{repository}/issues/{number}/comments"),
            one: format!("{api}/repos/{repository}/issues/comments/"),
            user: format!("{api}/user"),
            job_user: Some(
                JOB_USERS
                    .iter()
                    .find(|(is_set, _)| variable(is_set).is_some())
                    .map_or(GITHUB_USER, |(_, user)| *user),
            ),
            token,
        })
    }

    fn request(&self, http: &reqwest::Client, method: Method, url: &str) -> Result<RequestBuilder, Failure> {
        let url: Url = url
            .parse()
            .map_err(|_| Failure::Usage(format!("{url:?} is no address")))?;
        let request = http.request(method, url).header("accept", "application/json");
        Ok(match self.kind {
            Kind::Github => request.header("authorization", format!("Bearer {}", self.token)),
            Kind::Gitlab => request.header("private-token", &self.token),
        })
    }

    /// Whose a comment is.
    fn author<'c>(&self, comment: &'c Value) -> Option<&'c str> {
        match self.kind {
            Kind::Github => comment["user"]["login"].as_str(),
            Kind::Gitlab => comment["author"]["username"].as_str(),
        }
    }
}

/// Writes the comment, over the one that is there if there is one; says which.
async fn write(
    http: &reqwest::Client,
    forge: &Forge,
    marker: &str,
    body: &str,
) -> Result<&'static str, Failure> {
    let user = whoami(http, forge).await?;
    let is_mine = |comment: &Value| {
        let author = forge.author(comment);
        let by_us = author.is_some() && author == user.as_deref().or(forge.job_user);
        let first = comment["body"].as_str().and_then(|body| body.lines().next());
        by_us && first.is_some_and(|first| is_same(first, marker))
    };
    let known = find(http, forge, is_mine).await?;
    let (method, url, done) = match known {
        Some(number) => {
            let method = match forge.kind {
                Kind::Github => Method::PATCH,
                Kind::Gitlab => Method::PUT,
            };
            (method, format!("{}{number}", forge.one), "written anew")
        }
        None => (Method::POST, forge.comments.clone(), "written"),
    };
    let request = forge.request(http, method, &url)?.json(&json!({ "body": body }));
    let (status, answer) = send(request).await?;
    match status.is_success() {
        true => Ok(done),
        false => Err(refused(&url, status, &answer)),
    }
}

/// Whether comments with these first lines are one: where there is no plan, the fleet may not be known.
fn is_same(one: &str, other: &str) -> bool {
    let is_of_plan = |marker: &str| marker == MARKER_OF_ANY || marker.starts_with("<!-- muster:plan ");
    let is_of_any = [one, other].contains(&MARKER_OF_ANY);
    one == other || (is_of_any && is_of_plan(one) && is_of_plan(other))
}

/// Who the token belongs to; `None` if it may not ask.
async fn whoami(http: &reqwest::Client, forge: &Forge) -> Result<Option<String>, Failure> {
    let (status, answer) = send(forge.request(http, Method::GET, &forge.user)?).await?;
    let name = answer["login"].as_str().or(answer["username"].as_str());
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
        _ if status.is_success() && name.is_some() => Ok(name.map(str::to_owned)),
        _ => Err(refused(&forge.user, status, &answer)),
    }
}

/// The number of the first comment that fits.
async fn find(
    http: &reqwest::Client,
    forge: &Forge,
    fits: impl Fn(&Value) -> bool,
) -> Result<Option<u64>, Failure> {
    for page in 1..=PAGES_MAX {
        let url = format!("{}?per_page={PAGE}&page={page}", forge.comments);
        let (status, answer) = send(forge.request(http, Method::GET, &url)?).await?;
        let comments = answer.as_array().filter(|_| status.is_success());
        let comments = comments.ok_or_else(|| refused(&url, status, &answer))?;
        if let Some(found) = comments.iter().find(|comment| fits(comment)) {
            return Ok(found["id"].as_u64());
        }
        if comments.len() < PAGE {
            break;
        }
    }
    Ok(None)
}

async fn send(request: RequestBuilder) -> Result<(StatusCode, Value), Failure> {
    // The error names the address, and nothing of what was sent.
    let fail = |error: reqwest::Error| Failure::Other(format!("the forge does not answer: {error}"));
    let mut response = request.send().await.map_err(fail)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fail)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Other("the forge's answer does not end".to_owned()));
        }
    }
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

fn refused(url: &str, status: StatusCode, answer: &Value) -> Failure {
    let said = answer["message"].as_str().unwrap_or_default();
    let how = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            ": the token in MUSTER_FORGE_TOKEN must be allowed to comment on pull requests"
        }
        _ => "",
    };
    Failure::Other(format!("{url} says {status} {said}{how}"))
}

#[cfg(test)]
mod tests {
    use super::{Forge, Kind, is_same};

    fn of(pairs: &[(&str, &str)]) -> Result<Forge, String> {
        let found = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        Forge::of_job(&found).map_err(|failure| failure.to_string())
    }

    #[test]
    fn where_a_job_says_that_it_is() {
        let github = [
            ("MUSTER_FORGE_TOKEN", "t"),
            ("GITHUB_API_URL", "https://api.example"),
            ("GITHUB_REPOSITORY", "acme/fleet"),
            ("GITHUB_REF", "refs/pull/12/merge"),
        ];
        let found = of(&github).unwrap();
        assert_eq!(
            found.comments,
            "https://api.example/repos/acme/fleet/issues/12/comments"
        );
        assert_eq!(found.one, "https://api.example/repos/acme/fleet/issues/comments/");
        assert_eq!(found.job_user, Some("github-actions[bot]"));
        for (set, user) in [
            (&["GITEA_ACTIONS"][..], "gitea-actions"),
            (&["GITEA_ACTIONS", "FORGEJO_ACTIONS"], "forgejo-actions"),
        ] {
            let set = set.iter().map(|name| (*name, "true"));
            let found = of(&github.into_iter().chain(set).collect::<Vec<_>>()).unwrap();
            assert_eq!(found.job_user, Some(user));
        }
        for missing in 0..github.len() {
            let mut some = github.to_vec();
            let (name, _) = some.remove(missing);
            assert!(of(&some).unwrap_err().contains(name));
        }
        for other in ["refs/heads/main", "refs/pull/", "refs/pull/../../x/merge"] {
            let mut wrong = github.to_vec();
            wrong[3].1 = other;
            assert!(of(&wrong).unwrap_err().contains("for no pull request"), "{other}");
        }
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("MUSTER_FORGE_TOKEN", "t"),
            ("CI_API_V4_URL", "https://lab.example/api/v4"),
            ("CI_PROJECT_ID", "7"),
            ("CI_MERGE_REQUEST_IID", "12"),
        ];
        let found = of(&gitlab).unwrap();
        assert_eq!((found.kind, found.job_user), (Kind::Gitlab, None));
        assert_eq!(
            found.comments,
            "https://lab.example/api/v4/projects/7/merge_requests/12/notes"
        );
        assert!(of(&gitlab[..4]).unwrap_err().contains("CI_MERGE_REQUEST_IID"));
    }

    #[test]
    fn which_comment_is_written_over() {
        let (lab, prod) = (
            "<!-- muster:plan fleet=lab -->",
            "<!-- muster:plan fleet=prod -->",
        );
        let none = "<!-- muster:plan -->";
        for (one, other, wanted) in [
            (lab, lab, true),
            (lab, prod, false),
            (lab, none, true),
            (none, prod, true),
            (none, none, true),
            (none, "<!-- muster:planet -->", false),
            (none, "hello", false),
        ] {
            assert_eq!(is_same(one, other), wanted, "{one} {other}");
        }
    }
}
