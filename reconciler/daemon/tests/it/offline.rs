//! A plan without the daemon is the daemon's plan: from a snapshot that it published, in a clone such as CI has.

use crate::bed::Bed;
use crate::events::machine;
use crate::muster::{Muster, fleet, installed, is_adopted, seen, text};
use crate::times::ordered;
use reconciler_core::people::Status;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Planted where nobody should read it.
const IN_USER_DATA: &str = "pass-in-the-user-data";
const IN_SECRET: &str = "pass-of-the-bmc";
const BMC: &str = "10.77.0.11";

fn git(at: &Path, words: &[&str]) -> String {
    let output = Command::new("git").args(words).current_dir(at).output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A clone as CI makes it: what it builds is checked out by its commit.
fn clone(bed: &Bed, head: &str) -> PathBuf {
    let ci = bed.path("clone");
    if !ci.exists() {
        let (from, to) = (bed.path("fleet").display().to_string(), ci.display().to_string());
        git(&bed.path(""), &["clone", "-q", &from, &to]);
    }
    let refspec = "+refs/muster/snapshot:refs/muster/snapshot";
    git(
        &ci,
        &[
            "fetch",
            "-q",
            "origin",
            refspec,
            "+refs/heads/*:refs/remotes/origin/*",
        ],
    );
    git(&ci, &["checkout", "-q", "--detach", &format!("origin/{head}")]);
    ci
}

fn offline(muster: &Muster, at: &Path, words: &[&str]) -> Output {
    // No daemon is asked: there is none on this socket.
    let words = [&["--socket", "/nonexistent", "plan", "--offline"], words].concat();
    let mut command = Command::new(&muster.program);
    command
        .args(words)
        .current_dir(at)
        .output()
        .expect("muster starts")
}

/// What a snapshot says, but for its moment.
fn snapshot(muster: &Muster, file: &str) -> Value {
    muster.says(&["snapshot", "--out", file], 0);
    let sealed = std::fs::read_to_string(file).unwrap();
    let mut said: Value = serde_json::from_str(sealed.lines().next().unwrap()).unwrap();
    said["observed"]["at"] = Value::Null;
    said["agents"] = Value::Null;
    said
}

/// The same plan, in each form, but for the moment at which it was made.
fn same(bed: &Bed, muster: &Muster, branch: &str) -> Value {
    let ci = clone(bed, branch);
    let file = bed.path("snapshot").display().to_string();
    let head = git(&ci, &["rev-parse", "HEAD"]);
    let base = git(&ci, &["rev-parse", "origin/main"]);
    let part = ["--head", &head, "--base", &base];
    let forms = [["--format", "json"], ["--format", "md"], ["--detail", "full"]];
    // The daemon may plan anew meanwhile, because of what it heard: then neither is right, and both are asked again.
    for _ in 0..50 {
        let before = snapshot(muster, &file);
        let here = forms.map(|form| muster.says(&[&["plan"], &part[..], &form].concat(), 0));
        if snapshot(muster, &bed.path("again").display().to_string()) != before {
            continue;
        }
        let there = forms.map(|form| {
            let output = offline(muster, &ci, &[&[file.as_str()], &part[..], &form].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        });
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(*there, here.replace(&at(here), &at(there)));
        }
        return serde_json::from_str(&there[0]).unwrap();
    }
    panic!("it never came to rest: {}", bed.log());
}

/// When a shown plan was made.
fn at(shown: &str) -> String {
    let found = shown.find("observed").expect("it says when");
    let digits = found + shown[found..].find("20").expect("a year");
    shown[digits..digits + "2026-11-01T12:00:00.000Z".len()].to_owned()
}

/// The fleet, whose image takes user-data, and the deployment with some.
fn with_user_data() -> (String, String) {
    let (_, deployment) = fleet();
    let machine = machine().replace(
        "[image.debian-12]\n",
        "[image.debian-12]\nuser-data = \"cloud-init\"\n",
    );
    (machine, format!("{deployment}user-data = \"userdata.yaml\"\n"))
}

fn user_data() -> String {
    format!("#cloud-config\npassword: {IN_USER_DATA}\n")
}

#[tokio::test]
async fn the_plan_is_the_same_without_the_daemon() {
    let (machine, deployment) = with_user_data();
    let mut bed = Bed::new(&machine);
    std::fs::create_dir(bed.path("secrets")).unwrap();
    let secret = format!("username = \"admin\"\npassword = \"{IN_SECRET}\"\n");
    std::fs::write(bed.path("secrets/lab-bmc.toml"), secret).unwrap();
    let published = bed.path("published").display().to_string();
    // One that cannot be written starves no other.
    let nowhere = bed.path("absent/published").display().to_string();
    let words = [&nowhere, "refs/muster/snapshot", &published].map(|to| ["--publish-snapshot", to]);
    bed.words = words.concat().into_iter().map(str::to_owned).collect();
    bed.words.extend(["--publish-seconds".to_owned(), "1".to_owned()]);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    bed.until("inspected", |now| now.adopted != status.adopted).await;

    // Nobody may sign before somebody said so, on the branch that is compared with.
    let allowed = muster.says(&["snapshot", "--key"], 0);
    assert!(
        allowed.starts_with("musterd namespaces=\"muster-snapshot@1\" ssh-ed25519 AAAA"),
        "{allowed}"
    );
    let file = bed.path("fleet/.muster/allowed-snapshots").display().to_string();
    muster.says(&["snapshot", "--key", "--out", &file], 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), allowed);
    let ci = {
        bed.until_true("a snapshot is published", || {
            bed.path("published").exists() && has_ref(&bed)
        })
        .await;
        clone(&bed, "main")
    };
    let refused = offline(&muster, &ci, &["refs/muster/snapshot", "--base", "origin/main"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("muster snapshot --key"),
        "{}",
        text(&refused.stderr)
    );

    bed.commit(
        &[
            (".muster/allowed-snapshots", Some(&allowed)),
            ("userdata.yaml", Some(&user_data())),
            ("deploy.toml", Some(&deployment)),
        ],
        "deploy",
    );
    agree(&bed, &muster).await;

    // A branch for each kind of change, the first before anything is installed.
    branch(&bed, "more", &[("more.toml", Some(NODE_2))]);
    assert_eq!(
        same(&bed, &muster, "more")["wipe-set"]["entries"][0]["name"],
        "node-01"
    );
    let next = ordered(&bed, 3, 1).await;
    bed.hear(next, installed(&muster)).await;
    muster_until(&bed, &muster, "node-01 runs", |plan| {
        plan["wipe-set"]["entries"] == json!([])
    })
    .await;
    assert_eq!(same(&bed, &muster, "more")["outcome"], "changes");
    changes_of_each_kind(&bed, &muster, (&machine, &deployment));

    assert!(
        bed.log().contains("a snapshot was not published everywhere"),
        "{}",
        bed.log()
    );
    says_nothing_that_was_planted(&bed, &published);
    branches_are_as_they_were(&bed);
}

/// Whoever may write to the repository has put in what git would run for a push there.
fn plant_programs(bed: &Bed) {
    let touch = |what: &str| format!("touch '{}'", bed.path(&format!("ran/{what}")).display());
    std::fs::create_dir(bed.path("ran")).unwrap();
    let hooks = [
        "pre-receive",
        "update",
        "reference-transaction",
        "post-receive",
        "post-update",
    ];
    for hook in hooks {
        let path = bed.path("fleet/.git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", touch(hook))).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    let other = bed.path("other.git").display().to_string();
    git(&bed.path(""), &["clone", "-q", "--bare", "fleet", &other]);
    std::fs::write(
        bed.path("fleet/.git/objects/info/alternates"),
        other + "/objects\n",
    )
    .unwrap();
    for (name, value) in [
        ("core.alternateRefsCommand", touch("alternate-refs") + ";:"),
        ("core.fsmonitor", touch("fsmonitor")),
        ("uploadpack.packObjectsHook", touch("pack-objects")),
        ("gc.auto", "1".to_owned()),
        ("gc.recentObjectsHook", touch("recent-objects")),
    ] {
        bed.git(&["config", name, &value]);
    }
}

#[tokio::test]
async fn publishing_runs_nothing_that_the_repository_names() {
    let mut bed = Bed::new(&machine());
    bed.words = [
        "--publish-snapshot",
        "refs/muster/snapshot",
        "--publish-seconds",
        "1",
    ]
    .map(str::to_owned)
    .into();
    plant_programs(&bed);
    bed.start(&[]);
    bed.until_true("a snapshot is published", || has_ref(&bed)).await;
    // It is published again, where there are objects and a ref already.
    let first = git(&bed.path("fleet"), &["rev-parse", "refs/muster/snapshot"]);
    bed.git(&[
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "more",
    ]);
    bed.until("adopted", |status| is_adopted(status, "more")).await;
    bed.until_true("another is published", || {
        git(&bed.path("fleet"), &["rev-parse", "refs/muster/snapshot"]) != first
    })
    .await;
    let ran: Vec<_> = std::fs::read_dir(bed.path("ran")).unwrap().flatten().collect();
    assert!(ran.is_empty(), "{ran:?}");
}

#[tokio::test]
async fn nothing_is_published_to_what_others_may_write() {
    let mut bed = Bed::new(&machine());
    bed.words = [
        "--publish-snapshot",
        "refs/muster/snapshot",
        "--publish-seconds",
        "1",
    ]
    .map(str::to_owned)
    .into();
    let fleet = bed.path("fleet");
    let owned_by = |who: &str| {
        let done = Command::new("chown").args(["-R", who]).arg(&fleet).status();
        assert!(done.expect("chown runs").success(), "these tests run as root");
    };
    let ours = rustix::process::geteuid().as_raw().to_string();
    owned_by("65534");
    bed.start(&[]);
    // It is read all the same.
    bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.until_true("it says why", || bed.log().contains("belongs to uid 65534"))
        .await;
    for part in ["--publish-snapshot /", "ssh://"] {
        assert!(bed.log().contains(part), "{part}: {}", bed.log());
    }
    owned_by(&ours);
    assert!(!has_ref(&bed));
}

/// A branch for each further kind of change.
fn changes_of_each_kind(bed: &Bed, muster: &Muster, (machine, deployment): (&str, &str)) {
    let moved = machine.replace(&format!("address = \"{BMC}\""), "address = \"10.77.0.12\"");
    branch(bed, "bmc", &[("fleet.toml", Some(&moved))]);
    assert_eq!(same(bed, muster, "bmc")["changes"][0]["fields"][0]["before"], BMC);
    branch(bed, "data", &[("userdata.yaml", Some("#cloud-config\n"))]);
    assert_eq!(same(bed, muster, "data")["outdated"]["node-01"][0], "user-data");
    let again = format!("{deployment}reinstall = 1\n");
    branch(bed, "again", &[("deploy.toml", Some(&again))]);
    let timed = same(bed, muster, "again");
    assert_eq!(timed["estimate-seconds"]["installations"], 1, "{timed:#}");
    branch(bed, "gone", &[("deploy.toml", None), ("userdata.yaml", None)]);
    same(bed, muster, "gone");
}

/// A machine that no one asks anything of.
const NODE_2: &str = "[machine.node-02]\nrack = \"r1\"\nserial = \"LAB-0002\"\nboot.mode = \"bios\"\n\
                      nic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n";

fn branch(bed: &Bed, name: &str, files: &[(&str, Option<&str>)]) {
    bed.git(&["checkout", "-q", "-b", name, "main"]);
    bed.commit(files, name);
    bed.git(&["checkout", "-q", "main"]);
}

fn has_ref(bed: &Bed) -> bool {
    let shown = Command::new("git")
        .args(["rev-parse", "-q", "--verify", "refs/muster/snapshot"])
        .current_dir(bed.path("fleet"))
        .output();
    shown.expect("git runs").status.success()
}

/// Agrees to what the branch erases.
async fn agree(bed: &Bed, muster: &Muster) {
    let is_new = |status: &Status| {
        status
            .revision
            .as_ref()
            .is_some_and(|revision| revision.summary == "deploy")
    };
    bed.until("planned", is_new).await;
    let plan = muster.plan("main", 3);
    let (id, digest) = (
        plan["id"].as_str().unwrap(),
        plan["wipe-set"]["digest"].as_str().unwrap(),
    );
    muster.says(&["approve", id, "--wipe-set", digest], 0);
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;
}

async fn muster_until(bed: &Bed, muster: &Muster, what: &str, wanted: impl Fn(&Value) -> bool) {
    bed.until_true(what, || wanted(&muster.document(&["plan"], 0)))
        .await;
}

/// What was published has none of what nobody should read there, and neither does the key lie about.
fn says_nothing_that_was_planted(bed: &Bed, published: &str) {
    let published = std::fs::read_to_string(published).unwrap();
    for sealed in [
        published,
        git(&clone(bed, "main"), &["show", "refs/muster/snapshot:snapshot"]),
    ] {
        assert!(sealed.contains("muster.snapshot/1.0") && sealed.contains("LAB-0001"));
        let fleet_words = ["lab-bmc.toml", "\"vendor\":\"Acme"];
        for planted in [IN_USER_DATA, IN_SECRET, BMC, "cloud-config"]
            .iter()
            .chain(&fleet_words)
        {
            assert!(!sealed.contains(planted), "{planted} is in the snapshot");
        }
    }
    let key = std::fs::metadata(bed.path("state/snapshot_key")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o077, 0);
}

/// What is published is beside the branches.
fn branches_are_as_they_were(bed: &Bed) {
    let heads = git(&bed.path("fleet"), &["for-each-ref", "--format=%(refname)"]);
    let heads: Vec<&str> = heads.lines().collect();
    assert_eq!(
        heads,
        ["again", "bmc", "data", "gone", "main", "more"]
            .map(|name| format!("refs/heads/{name}"))
            .iter()
            .map(String::as_str)
            .chain(["refs/muster/snapshot"])
            .collect::<Vec<_>>()
    );
}
