//! `muster plan --offline` where it must say no: snapshots that nobody should believe, and clones that lack what it takes.

use super::text;
use reconciler_core::hold::Restraints;
use reconciler_core::observed::Observed;
use reconciler_core::plan::Plan;
use reconciler_core::snapshot::{Known, NAMESPACE, Snapshot};
use reconciler_git::{Mirror, SealingKey};
use schema_ids::{Incarnation, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const FLEET: &str = include_str!("../../../../examples/one-machine/toml/fleet.toml");

fn git(at: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(words)
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

/// A clone as CI has it, with `change` checked out, and the daemon's key.
struct Ci {
    dir: TempDir,
    key: SealingKey,
}

impl Ci {
    fn new() -> Self {
        let ci = Self {
            dir: tempfile::tempdir().expect("a folder"),
            key: SealingKey::of_seed(&[7; 32]),
        };
        let work = ci.work();
        fs::create_dir_all(work.join(".muster")).expect("folders");
        fs::write(work.join("fleet.toml"), FLEET).expect("write");
        fs::write(
            work.join(".muster/allowed-snapshots"),
            ci.key.allowed_line(NAMESPACE),
        )
        .expect("write");
        git(&work, &["init", "-q", "-b", "main"]);
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", "first"]);
        git(&work, &["checkout", "-q", "-b", "change"]);
        fs::write(
            work.join("fleet.toml"),
            FLEET.replace("\"LAB-0001\"", "\"LAB-0001X\""),
        )
        .expect("write");
        git(&work, &["commit", "-q", "-a", "-m", "change"]);
        ci
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// A file beside the work tree.
    fn beside(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("write");
        path.display().to_string()
    }

    /// A snapshot of so long ago, of a fleet that carries out this commit, or none.
    fn snapshot(&self, age_ms: i64, commit: Option<&str>) -> Snapshot {
        let uuid = "00000000-0000-4000-8000-00000000f1ee".parse().expect("a uuid");
        let adopted = commit.map(|commit| Plan {
            commit: Some(commit.to_owned()),
            ..Plan::empty("lab".parse().expect("a name"))
        });
        let known = Known {
            adopted,
            observed: Observed {
                at: Timestamp::from_unix_ms(now() - age_ms),
                fleet_uid: uuid,
                incarnation: Incarnation { number: 1, uuid },
                machines: BTreeMap::new(),
                bindings: BTreeMap::new(),
                discovered: BTreeMap::new(),
                addresses_in_use: BTreeMap::new(),
                restored: None,
                destroyed: BTreeMap::new(),
                restraints: Restraints::default(),
                unhealthy: BTreeMap::new(),
            },
            drift: Vec::new(),
            silent: Vec::new(),
            agents: BTreeMap::from([(
                "rackd-1".parse().expect("a name"),
                Timestamp::from_unix_ms(now() - age_ms),
            )]),
            took: Vec::new(),
        };
        Snapshot::of(known, "", Mirror::blob_name)
    }

    fn line(&self, age_ms: i64) -> String {
        serde_json::to_string(&self.snapshot(age_ms, None)).expect("JSON")
    }

    /// What it says; it must end with this code.
    #[track_caller]
    fn says(&self, from: &str, words: &[&str], code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["--socket", "/nonexistent", "plan", "--offline", from])
            .args(words)
            .current_dir(self.work())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("muster starts");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    /// It must say no to this text, and this of it.
    #[track_caller]
    fn refuses(&self, sealed: &str, code: i32, wanted: &str) {
        let from = self.beside("snapshot", sealed);
        let said = self.says(&from, &["--base", "main"], code);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

const MINUTE: i64 = 60_000;

#[test]
fn where_there_is_no_plan_the_comment_says_so() {
    let ci = Ci::new();
    let out = ci.beside("plan.md", "<!-- muster:plan fleet=lab -->\nno changes\n");
    let commit = git(&ci.work(), &["rev-parse", "HEAD"]);
    let comment = |from: &str, code: i32| {
        ci.says(from, &["--base", "main", "--format", "md", "--out", &out], code);
        fs::read_to_string(&out).expect("it was written")
    };
    let old = ci.beside("old", &ci.key.seal(NAMESPACE, &ci.line(61 * MINUTE)));
    let good = ci.beside("good", &ci.key.seal(NAMESPACE, &ci.line(0)));
    for (from, code, wanted) in [
        (old.as_str(), 6, "61 minutes ago"),
        ("/nonexistent", 1, "cannot read"),
    ] {
        let said = comment(from, code);
        assert!(
            said.starts_with("<!-- muster:plan -->\n### muster plan: no plan\n"),
            "{said}"
        );
        assert!(said.contains(wanted) && said.contains(&commit[..12]), "{said}");
    }
    assert!(comment(&good, 0).starts_with("<!-- muster:plan fleet="));
    fs::write(ci.work().join("broken.toml"), "[rack.r1]\n").expect("write");
    git(&ci.work(), &["add", "-A"]);
    git(&ci.work(), &["commit", "-q", "-m", "break it"]);
    let said = comment(&good, 1);
    assert!(said.contains("no plan") && said.contains("broken.toml"), "{said}");
    // What is asked for in another form is not a comment.
    ci.says(&good, &["--base", "main", "--format", "json", "--out", &out], 1);
    assert_eq!(fs::read_to_string(&out).expect("it stays"), said);
}

#[test]
fn no_tag_stands_in_for_the_branch_that_says_whom_to_believe() {
    let ci = Ci::new();
    let work = ci.work();
    let theirs = SealingKey::of_seed(&[9; 32]);
    let from = ci.beside("snapshot", &theirs.seal(NAMESPACE, &ci.line(0)));
    git(&work, &["update-ref", "refs/remotes/origin/base", "main"]);
    ci.says(&from, &["--base", "origin/base"], 1);

    // Whoever may push a tag trusts themselves.
    let trusted = work.join(".muster/allowed-snapshots");
    fs::write(trusted, theirs.allowed_line(NAMESPACE)).expect("write");
    git(&work, &["commit", "-q", "-a", "-m", "trust me"]);
    git(&work, &["tag", "origin/base"]);
    git(&work, &["tag", "refs/remotes/origin/main"]);
    for name in ["origin/base", "origin/base~0", "origin/base^{commit}"] {
        let said = ci.says(&from, &["--base", name], 64);
        assert!(
            said.contains("refs/tags/origin/base or refs/remotes/origin/base"),
            "{said}"
        );
    }
    let said = ci.says(&from, &["--base", "refs/remotes/origin/base"], 1);
    assert!(said.contains("not to be believed"), "{said}");
    // A branch that was not fetched is none, whatever a tag is called.
    for name in ["refs/remotes/origin/main", "refs/remotes/origin/main~0"] {
        let said = ci.says(&from, &["--base", name], 1);
        assert!(said.contains("no revision"), "{said}");
    }
    let good = ci.beside("good", &ci.key.seal(NAMESPACE, &ci.line(0)));
    ci.says(&good, &["--base", "refs/remotes/origin/base"], 0);
}

#[test]
fn only_a_young_snapshot_of_one_who_may_sign_is_believed() {
    let ci = Ci::new();
    let seal = |line: &str| ci.key.seal(NAMESPACE, line);
    let good = seal(&ci.line(0));
    let from = ci.beside("good", &good);
    let plan = ci.says(&from, &["--base", "main", "--exit-code"], 2);
    assert!(plan.contains("machine.node-01"), "{plan}");

    ci.refuses("", 1, "not signed");
    ci.refuses(&ci.line(0), 1, "not signed");
    ci.refuses(
        &good.replacen("muster.snapshot", "muster.snapshoT", 1),
        1,
        "changed after it was signed",
    );
    let other = SealingKey::of_seed(&[8; 32]);
    ci.refuses(&other.seal(NAMESPACE, &ci.line(0)), 1, "not among those that may");
    ci.refuses(&ci.key.seal("git", &ci.line(0)), 1, "was made for \"git\"");
    let newer = ci
        .line(0)
        .replacen("muster.snapshot/1.0", "muster.snapshot/2.0", 1);
    ci.refuses(&seal(&newer), 1, "format \"muster.snapshot/2.0\"");
    ci.refuses(
        &seal("{\"format\":\"muster.snapshot/3.0\"}"),
        1,
        "format \"muster.snapshot/3.0\"",
    );
    ci.refuses(&seal("[]"), 1, "another version");

    // Time: an hour, or what is allowed, and not of the future.
    ci.refuses(
        &seal(&ci.line(61 * MINUTE)),
        6,
        "61 minutes ago, and 60 are allowed",
    );
    ci.refuses(&seal(&ci.line(-10 * MINUTE)), 6, "one of the two clocks is wrong");
    let old = ci.beside("old", &seal(&ci.line(61 * MINUTE)));
    ci.says(&old, &["--base", "main", "--max-age", "3h"], 0);
    ci.says(&from, &["--base", "main", "--max-age", "10m"], 0);
    let output = ci.beside("outputs", "");
    ci.says(&old, &["--base", "main", "--output-file", &output], 6);
    assert!(
        fs::read_to_string(&output)
            .expect("outputs")
            .starts_with("outcome=unreachable\n")
    );
}

#[test]
fn a_pull_request_does_not_say_whom_to_believe() {
    let ci = Ci::new();
    let theirs = SealingKey::of_seed(&[8; 32]);
    let forged = ci.beside("forged", &theirs.seal(NAMESPACE, &ci.line(0)));
    fs::write(
        ci.work().join(".muster/allowed-snapshots"),
        theirs.allowed_line(NAMESPACE),
    )
    .expect("write");
    git(&ci.work(), &["commit", "-q", "-a", "-m", "believe me"]);
    let said = ci.says(&forged, &["--base", "main"], 1);
    assert!(said.contains("not among those that may"), "{said}");
    // Neither by the head, nor by a file of the work tree, nor by a link to it.
    let said = ci.says(&forged, &[], 64);
    assert!(said.contains("--base"), "{said}");
    for path in [".muster/allowed-snapshots", "./fleet.toml"] {
        let said = ci.says(&forged, &["--trust", path], 64);
        assert!(said.contains("which the pull request writes"), "{said}");
    }
    let link = ci.dir.path().join("link");
    std::os::unix::fs::symlink(ci.work().join(".muster/allowed-snapshots"), &link).expect("a link");
    ci.says(&forged, &["--trust", &link.display().to_string()], 64);
    let ours = ci.beside("ours", &ci.key.allowed_line(NAMESPACE));
    ci.says(&forged, &["--trust", &ours], 1);
    let good = ci.beside("good", &ci.key.seal(NAMESPACE, &ci.line(0)));
    ci.says(&good, &["--trust", &ours], 0);
    ci.says(&good, &["--trust", &ci.beside("nobody", "# nobody\n")], 1);
    git(&ci.work(), &["checkout", "-q", "--orphan", "bare"]);
    git(&ci.work(), &["rm", "-rqf", "."]);
    fs::write(ci.work().join("fleet.toml"), FLEET).expect("write");
    git(&ci.work(), &["add", "-A"]);
    git(&ci.work(), &["commit", "-q", "-m", "without"]);
    let said = ci.says(&good, &["--base", "bare"], 1);
    assert!(said.contains("nobody may sign snapshots"), "{said}");
}

#[test]
fn a_clone_that_lacks_something_is_told_what_to_fetch() {
    let ci = Ci::new();
    let main = git(&ci.work(), &["rev-parse", "main"]);
    let seal = |commit: &str| {
        let snapshot = ci.snapshot(0, Some(commit));
        ci.key
            .seal(NAMESPACE, &serde_json::to_string(&snapshot).expect("JSON"))
    };
    let good = ci.beside("good", &seal(&main));
    ci.says(&good, &["--base", "main"], 0);
    let absent = "5b2c90d4e1f7a3c86f0e2b7d4a9c1e5f8b6d3a70";
    ci.refuses(&seal(absent), 1, "which this clone does not have: fetch it first");
    let said = ci.says("refs/muster/snapshot", &["--base", "main"], 1);
    assert!(
        said.contains("git fetch origin +refs/muster/snapshot:refs/muster/snapshot"),
        "{said}"
    );
    let said = ci.says("refs/heads/main", &["--base", "main"], 1);
    assert!(said.contains("no file \"snapshot\""), "{said}");
    ci.says("/nonexistent", &["--base", "main"], 1);
    ci.says("/dev/zero", &["--base", "main"], 1);
    let said = ci.says(&good, &["--base", "nowhere"], 1);
    assert!(said.contains("no revision \"nowhere\""), "{said}");
    ci.says(&good, &["--base", "main", "--only", "tag:gpu"], 1);
    ci.says(&good, &["--base", "main", "--replace", "p-000000000000"], 64);

    let shallow = ci.dir.path().join("shallow");
    let (from, to) = (ci.work().display().to_string(), shallow.display().to_string());
    git(
        ci.dir.path(),
        &[
            "clone",
            "-q",
            "--depth",
            "1",
            "-b",
            "change",
            &format!("file://{from}"),
            &to,
        ],
    );
    fs::rename(ci.work(), ci.dir.path().join("whole")).expect("move");
    fs::rename(&shallow, ci.work()).expect("move");
    let trust = ci.beside("trust", &ci.key.allowed_line(NAMESPACE));
    let said = ci.says(&good, &["--trust", &trust], 1);
    assert!(
        said.contains("shallow clone") && said.contains("fetch-depth: 0"),
        "{said}"
    );
}

#[test]
fn nothing_of_the_fleet_is_read_outside_of_a_repository() {
    let ci = Ci::new();
    let good = ci.beside("good", &ci.key.seal(NAMESPACE, &ci.line(0)));
    fs::remove_dir_all(ci.work().join(".git")).expect("remove");
    let said = ci.says(&good, &["--base", "main"], 1);
    assert!(said.contains("cannot open"), "{said}");
}
