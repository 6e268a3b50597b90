//! The files that `muster init --ci` writes, run as the forges run them: in a clone with a pull request checked out, on a
//! snapshot that a real musterd published, with a forge that takes the comment.

use crate::bed::Bed;
use crate::forge::{Forge, Kind, TOKEN, user};
use crate::muster::{Muster, fleet, is_adopted, text};
use crate::yaml;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A forge's word for `muster init`, and the file.
fn file(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Github => ("github", ".github/workflows/fleet.yml"),
        Kind::Gitlab => ("gitlab", ".gitlab-ci.yml"),
        Kind::Forgejo => ("forgejo", ".forgejo/workflows/fleet.yml"),
    }
}

/// What each job runs, a shell for each text.
fn shells(kind: Kind, file: &Value, job: &str) -> Vec<String> {
    let words = |value: &Value| value.as_str().expect("a text").to_owned();
    match kind {
        Kind::Gitlab => {
            let lines = file[job]["script"].as_array().expect("a script").iter();
            vec![lines.map(words).collect::<Vec<_>>().join("\n")]
        }
        Kind::Github | Kind::Forgejo => {
            let steps = file["jobs"][job]["steps"].as_array().expect("steps").iter();
            steps
                .map(|step| &step["run"])
                .filter(|run| !run.is_null())
                .map(words)
                .collect()
        }
    }
}

struct Ci<'b> {
    bed: &'b Bed,
    muster: &'b Muster,
    forge: Forge,
    file: Value,
    work: PathBuf,
    /// The branch that the pull request goes to.
    base: &'static str,
}

impl<'b> Ci<'b> {
    async fn new(bed: &'b Bed, muster: &'b Muster, kind: Kind) -> Self {
        let (word, path) = file(kind);
        let written = bed.path(&format!("init-{word}"));
        muster.says(&["init", &written.display().to_string(), "--ci", word], 0);
        let text = fs::read_to_string(written.join(path)).expect("the forge's file");
        Self {
            bed,
            muster,
            forge: Forge::start(kind).await,
            file: yaml::read(&text),
            work: bed.path(&format!("ci-{word}")),
            base: "main",
        }
    }

    /// A fresh clone with this branch as the forge checks it out.
    fn check_out(&self, branch: &str) {
        drop(fs::remove_dir_all(&self.work));
        let (from, to) = (
            self.bed.path("fleet").display().to_string(),
            self.work.display().to_string(),
        );
        git(&self.bed.path(""), &["clone", "-q", &from, &to]);
        git(
            &self.work,
            &["checkout", "-q", "--detach", &format!("origin/{branch}")],
        );
    }

    /// Runs a job's shells one after the other, as the forge does: a later one `if: always()`. Gives how the first that
    /// failed ended, and all that was said.
    async fn job(&self, job: &str) -> (i32, String) {
        let (mut code, mut said) = (0, String::new());
        for script in shells(self.forge.kind, &self.file, job) {
            let mut command = Command::new("bash");
            command
                .args(["-eo", "pipefail", "-c", &script])
                .current_dir(&self.work);
            self.tell(&mut command);
            let running = tokio::task::spawn_blocking(move || command.output().expect("bash starts"));
            let output = running.await.expect("it ran");
            said += &(text(&output.stdout) + &text(&output.stderr));
            if code == 0 {
                code = output.status.code().expect("it ended by itself");
            }
        }
        (code, said)
    }

    /// What the forge tells its jobs.
    fn tell(&self, command: &mut Command) {
        let programs = self.muster.program.parent().expect("a folder").display();
        let path = std::env::var("PATH").expect("a PATH");
        command
            .env_clear()
            .env("PATH", format!("{programs}:{path}"))
            .env("HOME", self.bed.path(""))
            .env("CI", "true")
            .env("MUSTER_FORGE_TOKEN", TOKEN)
            .stdin(Stdio::null());
        let url = &self.forge.url;
        match self.forge.kind {
            Kind::Gitlab => command
                .env("GITLAB_CI", "true")
                .env("CI_API_V4_URL", url)
                .env("CI_PROJECT_ID", "7")
                .env("CI_MERGE_REQUEST_IID", "12")
                .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", self.base),
            Kind::Github | Kind::Forgejo => command
                .env("GITHUB_API_URL", url)
                .env("GITHUB_REPOSITORY", "acme/fleet")
                .env("GITHUB_REF", "refs/pull/12/merge")
                .env("GITHUB_OUTPUT", self.outputs())
                .env("GITHUB_BASE_REF", self.base)
                // `env:` of the job.
                .env("BASE", format!("refs/heads/{}", self.base)),
        };
        if self.forge.kind == Kind::Forgejo {
            command
                .env("GITEA_ACTIONS", "true")
                .env("FORGEJO_ACTIONS", "true");
        }
    }

    fn outputs(&self) -> PathBuf {
        match self.forge.kind {
            Kind::Gitlab => self.work.join("plan.env"),
            Kind::Github | Kind::Forgejo => self.work.with_extension("outputs"),
        }
    }

    fn comments(&self) -> Vec<(u64, String, String)> {
        self.forge.known().comments.clone()
    }

    async fn run(&mut self) {
        drop(fs::remove_file(self.outputs()));
        self.check_out("more");
        let (code, said) = self.job("check").await;
        assert_eq!(code, 0, "{said}");
        // Somebody else's comment with the same marker stays theirs.
        let stranger = (
            1,
            "mallory".to_owned(),
            "<!-- muster:plan fleet=lab -->\nnothing to see".to_owned(),
        );
        self.forge.known().comments.push(stranger.clone());
        let (code, said) = self.job("plan").await;
        assert_eq!(code, 0, "{said}");
        let first = self.comments();
        assert_eq!((first.len(), &first[0]), (2, &stranger));
        let (number, author, comment) = &first[1];
        assert_eq!(author, user(self.forge.kind));
        assert!(comment.contains("machine.node-02"), "{comment}");
        let outputs = fs::read_to_string(self.outputs()).expect("outputs");
        assert!(
            outputs.contains("outcome=changes\ndestructive=false\nblocked=false\nplan-id=p-"),
            "{outputs}"
        );
        let plan: Value =
            serde_json::from_slice(&fs::read(self.work.join("plan.json")).expect("a plan")).unwrap();
        assert_eq!(plan["format"], "muster.plan/1.0");

        // The next push: written anew in place. A guard stops it, and the job fails.
        self.check_out("empty");
        let (code, said) = self.job("plan").await;
        assert_eq!(code, 4, "{said}");
        let second = self.comments();
        assert_eq!((second.len(), second[1].0), (2, *number));
        assert!(second[1].2.contains("**blocked**"), "{}", second[1].2);

        // A pull request that brings a plan of its own, and breaks the real one.
        self.check_out("forged");
        let (code, said) = self.job("plan").await;
        assert_eq!(code, 1, "{said}");
        let third = self.comments();
        assert_eq!((third.len(), third[1].0, &third[0]), (2, *number, &stranger));
        let comment = &third[1].2;
        assert!(comment.contains("### muster plan: no plan"), "{comment}");
        assert!(
            comment.contains(&git(&self.work, &["rev-parse", "HEAD"])[..12]),
            "{comment}"
        );
        // The next plan takes its place; then the base is gone, so that nothing can be fetched.
        self.check_out("more");
        let (code, said) = self.job("plan").await;
        assert_eq!((code, self.comments()), (0, first.clone()), "{said}");
        self.check_out("forged");
        self.base = "gone";
        let (code, said) = self.job("plan").await;
        self.base = "main";
        assert_eq!(code, 1, "{said}");
        let fourth = self.comments();
        assert_eq!((fourth.len(), fourth[1].0), (2, *number));
        assert!(fourth[1].2.contains("this clone has no"), "{}", fourth[1].2);

        self.check_out("more");
        self.forge.known().down_for = 1;
        let (code, said) = self.job("plan").await;
        assert_eq!(code, 1, "a forge that is down is told: {said}");
        assert!(!said.contains(TOKEN), "{said}");
        assert_eq!(self.forge.known().refused, Vec::<String>::new());
    }
}

fn git(at: &Path, words: &[&str]) -> String {
    let output = Command::new("git").args(words).current_dir(at).output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

const NODE_2: &str = "[machine.node-02]\nrack = \"r1\"\nserial = \"LAB-0002\"\nboot.mode = \"bios\"\n\
                      nic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n";

#[tokio::test]
async fn the_files_of_each_forge_run() {
    let (machine, _) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    let folder = bed.path("fleet").display().to_string();
    muster.says(&["fmt", &folder], 0);
    bed.words = [
        "--publish-snapshot",
        "refs/muster/snapshot",
        "--publish-seconds",
        "1",
    ]
    .map(str::to_owned)
    .to_vec();
    bed.start(&[]);
    bed.until("up", |status| status.adopted.is_some()).await;
    let allowed = muster.says(&["snapshot", "--key"], 0);
    fs::create_dir(bed.path("fleet/.muster")).unwrap();
    bed.commit(
        &[(".muster/allowed-snapshots", Some(&allowed))],
        "whom to believe",
    );
    bed.until("adopted", |status| is_adopted(status, "whom to believe"))
        .await;

    let branch = |name: &str, files: &[(&str, Option<&str>)]| {
        bed.git(&["checkout", "-q", "-b", name, "main"]);
        bed.commit(files, name);
        bed.git(&["checkout", "-q", "main"]);
    };
    let written = fs::read_to_string(bed.path("fleet/fleet.toml")).unwrap();
    branch("more", &[("more.toml", Some(NODE_2))]);
    let start = written.find("[machine.").unwrap();
    let end = start + written[start..].find("\n# ---").unwrap();
    let empty = format!("{}{}", &written[..start], &written[end..]);
    branch("empty", &[("fleet.toml", Some(&empty))]);
    let fake = "<!-- muster:plan fleet=lab -->\nnothing is erased\n";
    branch(
        "forged",
        &[("plan.md", Some(fake)), ("broken.toml", Some("[rack.r1]\n"))],
    );
    let main = git(&bed.path("fleet"), &["rev-parse", "main"]);
    let is_published = || {
        let mut show = Command::new("git");
        show.args(["show", "refs/muster/snapshot:snapshot"])
            .current_dir(bed.path("fleet"));
        text(&show.output().expect("git runs").stdout).contains(&main)
    };
    bed.until_true("what is carried out is published", is_published)
        .await;

    for kind in [Kind::Github, Kind::Gitlab, Kind::Forgejo] {
        Ci::new(&bed, &muster, kind).await.run().await;
    }
}
