//! A real musterd on a real private Postgres and a real git repository, in a folder that goes away.

use crate::agent::Enrolled;
use rack_api::daemon_path;
use rack_api::enrol::Token;
use rack_api::fact::{Fact, FactBody};
use rack_api::sync::{Spooled, SyncRequest, SyncResponse};
use reconciler_core::people::agents::{self, TokenAnswer, TokenRequest};
use reconciler_core::people::{self, ApplyAnswer, ApplyRequest, PlanAnswer, PlanRequest, Status};
use schema_ids::{Timestamp, Uuid};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use testbed_scratch::Scratch;

/// A cluster is made at the first start: some CPU-seconds, more on a loaded host.
const START_MAX: Duration = Duration::from_secs(120);

/// The example fleet: one machine, one deployment; its images are uploaded ones, so that nothing is fetched.
pub(crate) fn example() -> String {
    include_str!("../../../../examples/one-machine/toml/fleet.toml")
        .replace("http://10.77.0.1:8000/", "muster:")
}

pub(crate) struct Bed {
    dir: Scratch,
    port: u16,
    musterd: Option<Child>,
    enrolled: tokio::sync::Mutex<BTreeMap<String, Enrolled>>,
    /// Further words for musterd.
    pub(crate) words: Vec<String>,
    /// Where musterd fetches from, if not from the folder that commits are made in.
    pub(crate) repository: Option<String>,
    /// The address of a database that outlives musterd, if it shall not have one of its own.
    pub(crate) database: Option<String>,
    /// Between two looks at it.
    pub(crate) poll_seconds: u32,
}

impl Bed {
    /// A repository with this fleet, and no daemon yet.
    pub(crate) fn new(fleet: &str) -> Self {
        // Postgres drops root and must reach its folder: the default temporary folder is searchable.
        let dir = Scratch::new();
        std::fs::create_dir(dir.path().join("fleet")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let bed = Self {
            dir,
            port,
            musterd: None,
            enrolled: tokio::sync::Mutex::default(),
            words: Vec::new(),
            repository: None,
            database: None,
            poll_seconds: 1,
        };
        bed.git(&["init", "-q", "-b", "main"]);
        bed.commit(&[("fleet.toml", Some(fleet))], "first");
        bed
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn git(&self, words: &[&str]) {
        let status = Command::new("git")
            .args([
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(words)
            .current_dir(self.path("fleet"))
            .status()
            .expect("git runs");
        assert!(status.success(), "git {words:?}");
    }

    /// Commits files; `None` removes one.
    pub(crate) fn commit(&self, files: &[(&str, Option<&str>)], message: &str) {
        for (name, text) in files {
            let path = self.path("fleet").join(name);
            match text {
                Some(text) => std::fs::write(path, text).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Starts musterd with this in its environment.
    pub(crate) fn start(&mut self, variables: &[(&str, &str)]) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_musterd"));
        let fleet = self.path("fleet").into_os_string();
        let repository = self.repository.clone().map_or(fleet, Into::into);
        command.arg("run").arg("--repository").arg(repository);
        command
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--runtime-dir")
            .arg(self.path("run"))
            .arg("--secrets-dir")
            .arg(self.path("secrets"));
        command.args([
            "--listen",
            &format!("127.0.0.1:{}", self.port),
            "--poll-seconds",
            &self.poll_seconds.to_string(),
        ]);
        command.args(&self.words);
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stderr(log);
        self.musterd = Some(command.spawn().expect("musterd starts"));
    }

    /// musterd's, while it runs.
    pub(crate) fn pid(&self) -> u32 {
        self.musterd.as_ref().expect("musterd was started").id()
    }

    /// Waits until musterd ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + START_MAX;
        let musterd = self.musterd.as_mut().expect("musterd was started");
        loop {
            if let Some(status) = musterd.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "musterd did not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How musterd ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        let musterd = self.musterd.as_mut().expect("musterd was started");
        musterd.try_wait().unwrap()
    }

    /// Ends musterd in the ordinary way.
    pub(crate) fn stop(&mut self) {
        let mut musterd = self.musterd.take().expect("musterd was started");
        let pid = rustix::process::Pid::from_child(&musterd);
        terminate(pid).unwrap();
        assert!(musterd.wait().unwrap().success(), "{}", self.log());
    }

    /// Ends musterd as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut musterd = self.musterd.take().expect("musterd was started");
        musterd.kill().expect("it can be ended");
        musterd.wait().expect("it ends");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn client(&self) -> reqwest::Client {
        drop(rustls::crypto::ring::default_provider().install_default());
        reqwest::Client::builder()
            .unix_socket(self.path("run/musterd.sock").as_path())
            .build()
            .unwrap()
    }

    /// The status, as soon as it is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let until = Instant::now() + START_MAX;
        let mut last = None;
        loop {
            if let Ok(response) = self.client().get(url(people::STATUS)).send().await
                && let Ok(status) = response.json::<Status>().await
            {
                if wanted(&status) {
                    return status;
                }
                last = Some(status);
            }
            assert!(
                Instant::now() < until,
                "never {what}; last {last:#?}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for something that no status tells.
    pub(crate) async fn until_true(&self, what: &str, wanted: impl Fn() -> bool) {
        let until = Instant::now() + START_MAX;
        while !wanted() {
            assert!(Instant::now() < until, "never: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let response = self.client().get(url(path)).send().await.unwrap();
        response.json().await.unwrap()
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, String> {
        let response = self
            .client()
            .post(url(path))
            .json(body)
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let is_good = response.status().is_success();
        let text = response.text().await.map_err(|error| error.to_string())?;
        if is_good {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            Err(text)
        }
    }

    /// Where rack agents connect.
    pub(crate) fn door(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// A one-time token.
    pub(crate) async fn token(&self, agent: &str, seconds: u64) -> Token {
        let request = TokenRequest {
            agent: agent.parse().unwrap(),
            seconds,
        };
        let answer: TokenAnswer = self.post(agents::TOKEN, &request).await.unwrap();
        answer.token.parse().unwrap()
    }

    /// Enrols a rack agent, once; gives a client that is it.
    pub(crate) async fn enrol(&self, name: &str) -> Enrolled {
        if let Some(known) = self.enrolled.lock().await.get(name) {
            return known.clone();
        }
        let token = self.token(name, 60).await;
        let known = Enrolled::with(self, &token).await.expect("musterd enrols");
        self.enrolled.lock().await.insert(name.to_owned(), known.clone());
        known
    }

    /// Hears `rackd-1` with these facts, numbered from `first`, and answers it.
    pub(crate) async fn hear(&self, first: u64, facts: Vec<FactBody>) -> SyncResponse {
        self.hear_from("rackd-1", first, facts).await
    }

    /// Hears this agent, and answers it.
    pub(crate) async fn hear_from(&self, name: &str, first: u64, facts: Vec<FactBody>) -> SyncResponse {
        let agent = self.enrol(name).await;
        let at = Timestamp::from_unix_ms(0);
        let facts: Vec<_> = (first..)
            .zip(facts)
            .map(|(sequence, body)| {
                let fact = Fact { at, body };
                Spooled { sequence, fact }
            })
            .collect();
        let request = SyncRequest {
            agent: name.parse().unwrap(),
            boot: Uuid::from_bytes([1; 16]),
            incarnation: None,
            generations: BTreeMap::new(),
            have: None,
            acknowledged: 0,
            watermark: first + facts.len() as u64 - 1,
            facts,
            wait_ms: 0,
        };
        agent
            .post(self, daemon_path::SYNC, &request)
            .await
            .expect("musterd answers")
    }

    /// The plan for the branch's head.
    pub(crate) async fn plan(&self) -> Result<PlanAnswer, String> {
        self.post(people::PLAN, &PlanRequest::default()).await
    }

    /// Every table of musterd's database.
    pub(crate) fn tables(&self) -> Vec<String> {
        let listed = self.sql("\\dt public.*");
        let names = listed.iter().filter_map(|row| row.split('|').nth(1));
        names.map(str::to_owned).collect()
    }

    /// What a table of musterd's database holds, a line for each row.
    pub(crate) fn table(&self, name: &str) -> Vec<String> {
        self.sql(&format!("TABLE {name}"))
    }

    /// What its database answers, a line for each row.
    pub(crate) fn sql(&self, query: &str) -> Vec<String> {
        let own = format!(
            "host={} user=muster dbname=muster",
            self.path("run/postgres").display()
        );
        psql(self.database.as_deref().unwrap_or(&own), query).unwrap_or_else(|why| panic!("{query}: {why}"))
    }

    /// Carries the branch out now.
    pub(crate) async fn apply(&self) -> ApplyAnswer {
        self.post(people::APPLY, &ApplyRequest::default())
            .await
            .expect("musterd answers")
    }
}

/// What a database answers, a line for each row.
pub(crate) fn psql(database: &str, query: &str) -> Result<Vec<String>, String> {
    let asked = Command::new("psql")
        .args(["-XAt", "-c", query, database])
        .output();
    let asked = asked.expect("psql runs");
    if !asked.status.success() {
        return Err(String::from_utf8_lossy(&asked.stderr).into_owned());
    }
    let text = String::from_utf8(asked.stdout).unwrap();
    Ok(text.lines().map(str::to_owned).collect())
}

fn url(path: &str) -> String {
    format!("http://musterd{path}")
}

/// Asks it to end. One that is stopped, as by a failpoint that pauses, would hear of it only when it goes on.
fn terminate(pid: rustix::process::Pid) -> rustix::io::Result<()> {
    use rustix::process::{Signal, kill_process};
    kill_process(pid, Signal::TERM)?;
    kill_process(pid, Signal::CONT)
}

impl Drop for Bed {
    fn drop(&mut self) {
        let Some(mut musterd) = self.musterd.take() else {
            return;
        };
        let pid = rustix::process::Pid::from_child(&musterd);
        // The ordinary end, which ends Postgres too; one that is gone already has nothing to end.
        if musterd.try_wait().is_ok_and(|status| status.is_none()) {
            let _sent = terminate(pid);
            drop(musterd.wait());
        }
    }
}

/// Whether a process has a file below this folder open or works there.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let works_there = |process: &std::fs::DirEntry| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    processes
        .filter(works_there)
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}
