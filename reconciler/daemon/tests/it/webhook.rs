//! A forge's word that somebody pushed, with a poll of an hour behind it: what is signed is fetched at once, what is not
//! does nothing.

use crate::bed::{Bed, example};
use crate::muster::{is_adopted, text};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Response};
use sha2::Sha256;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "long enough to be a secret";
const START_MAX: Duration = Duration::from_secs(60);
const PUSH: &str = r#"{"ref":"refs/heads/main"}"#;

/// The repository, served over a network as a forge does it: no file system tells of a push.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn new(bed: &Bed) -> Self {
        let port = free();
        let programs = Command::new("git")
            .arg("--exec-path")
            .output()
            .expect("git runs")
            .stdout;
        // The program itself: `git daemon` would be its parent, and leave it behind when it is ended.
        let child = Command::new(Path::new(text(&programs).trim()).join("git-daemon"))
            .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!(
                "--base-path={}",
                bed.path("fleet").parent().expect("a folder").display()
            ))
            .arg(bed.path("fleet"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon starts");
        let until = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "git daemon does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            child,
            url: format!("git://127.0.0.1:{port}/fleet"),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Door(String);

impl Door {
    async fn posts(&self, heads: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
        let mut request = Client::new().post(&self.0).body(body);
        for (name, value) in heads {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// As GitHub posts it; the answer's code.
    async fn github(&self, secret: &str, event: &str, body: &str) -> u16 {
        let signature = format!("sha256={}", signature(secret, body));
        let heads = [
            ("x-github-event", event),
            ("x-hub-signature-256", signature.as_str()),
        ];
        self.posts(&heads, body.to_owned()).await.status().as_u16()
    }
}

#[tokio::test]
async fn a_signed_push_is_fetched_at_once_and_nothing_else_is() {
    let mut bed = Bed::new(&example());
    let served = Served::new(&bed);
    let port = free();
    std::fs::write(bed.path("secret"), format!("{SECRET}\n")).unwrap();
    bed.repository = Some(served.url.clone());
    bed.poll_seconds = 3600;
    bed.words = vec![
        "--webhook".to_owned(),
        format!("127.0.0.1:{port}"),
        "--webhook-secret-file".to_owned(),
        bed.path("secret").display().to_string(),
    ];
    bed.start(&[("MUSTER_LOG", "info,sqlx=warn,musterd=debug")]);
    bed.until("adopted", |status| is_adopted(status, "first")).await;
    let looks = || bed.log().matches("looked").count();
    bed.until_true("it has looked once", || looks() == 1).await;
    let door = Door(format!("http://127.0.0.1:{port}/v1/webhook"));

    // What is not of one who knows the secret does nothing, however it is put; nor does what is no push to the branch.
    bed.commit(&[], "second");
    assert_eq!(
        door.github("another secret of some length", "push", PUSH).await,
        401
    );
    assert_eq!(
        door.posts(&[("x-github-event", "push")], PUSH)
            .await
            .status()
            .as_u16(),
        401
    );
    let wrong = [
        ("x-gitlab-event", "Push Hook"),
        ("x-gitlab-token", "long enough to be a secreT"),
    ];
    assert_eq!(door.posts(&wrong, PUSH).await.status().as_u16(), 401);
    assert_eq!(door.posts(&[], vec![b'x'; 5 << 20]).await.status().as_u16(), 413);
    assert_eq!(door.github(SECRET, "ping", "{}").await, 200);
    assert_eq!(door.github(SECRET, "issues", "{}").await, 204);
    assert_eq!(
        door.github(SECRET, "push", r#"{"ref":"refs/heads/other"}"#).await,
        204
    );
    assert_eq!(
        door.github(SECRET, "push", r#"{"ref":"refs/tags/main"}"#).await,
        204
    );
    assert_eq!(door.github(SECRET, "push", "main").await, 400);
    let got = Client::new().get(&door.0).send().await.unwrap();
    assert_eq!(got.status().as_u16(), 405);
    // Had one of them woken the fetch, it would have begun before the next ones were answered.
    assert_eq!(looks(), 1, "{}", bed.log());
    let log = bed.log();
    assert!(log.contains("a webhook was refused"), "{log}");
    assert!(
        !log.contains(SECRET) && !log.contains("another secret of some length"),
        "{log}"
    );
    let status = bed.until("up", |status| status.adopted.is_some()).await;
    assert!(is_adopted(&status, "first"), "{status:#?}");

    assert_eq!(door.github(SECRET, "push", PUSH).await, 202);
    bed.until("second", |status| is_adopted(status, "second")).await;
    each_forge(&bed, &door).await;
}

/// Each forge's way, and again what was sent before.
async fn each_forge(bed: &Bed, door: &Door) {
    for (summary, way) in [("third", 0), ("fourth", 1), ("fifth", 2)] {
        bed.commit(&[], summary);
        let form = format!("payload={}", PUSH.replace('"', "%22").replace(':', "%3A"));
        let signed = [signature(SECRET, PUSH), signature(SECRET, &form)];
        let code = match way {
            0 => {
                let heads = [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", SECRET)];
                door.posts(&heads, PUSH).await
            }
            1 => {
                let heads = [
                    ("x-forgejo-event", "push"),
                    ("x-forgejo-signature", signed[0].as_str()),
                ];
                door.posts(&heads, PUSH).await
            }
            _ => {
                let kind = ("content-type", "application/x-www-form-urlencoded");
                let heads = [
                    ("x-gitea-event", "push"),
                    ("x-gitea-signature", signed[1].as_str()),
                    kind,
                ];
                door.posts(&heads, form).await
            }
        };
        assert_eq!(code.status().as_u16(), 202, "{summary}");
        assert_eq!(door.github(SECRET, "push", PUSH).await, 202);
        bed.until(summary, |status| is_adopted(status, summary)).await;
    }
}

#[tokio::test]
async fn it_does_not_start_without_a_secret() {
    let mut bed = Bed::new(&example());
    std::fs::write(bed.path("secret"), "short\n").unwrap();
    bed.words = vec!["--webhook".to_owned(), format!("127.0.0.1:{}", free())];
    bed.start(&[]);
    assert!(!bed.ended().success());
    bed.words.extend([
        "--webhook-secret-file".to_owned(),
        bed.path("secret").display().to_string(),
    ]);
    bed.start(&[]);
    assert!(!bed.ended().success());
    assert!(bed.log().contains("at least 16 bytes"), "{}", bed.log());
}
