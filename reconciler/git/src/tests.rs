//! Reads real repositories made with the `git` program.

use crate::Mirror;
use std::path::Path;
use std::process::Command;

fn git(at: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A working repository with one commit and a mirror that fetched it.
fn fetched() -> (tempfile::TempDir, Mirror) {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    std::fs::create_dir_all(work.join("site/ams1")).unwrap();
    git(&work, &["init", "-q", "-b", "main"]);
    std::fs::write(work.join("fleet.toml"), "[fleet.lab]\n").unwrap();
    std::fs::write(work.join("site/ams1/rack.kdl"), "rack r1\n").unwrap();
    std::os::unix::fs::symlink("fleet.toml", work.join("link.toml")).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "first\n\nbody"]);
    let mirror = Mirror::open_or_create(&dir.path().join("mirror")).unwrap();
    fetch(&dir, &mirror);
    (dir, mirror)
}

fn fetch(dir: &tempfile::TempDir, mirror: &Mirror) {
    let work = dir.path().join("work").display().to_string();
    git(
        mirror.path(),
        &["fetch", "-q", &work, "+refs/heads/*:refs/heads/*"],
    );
}

#[test]
fn reads_the_blobs_of_one_commit() {
    let (_dir, mirror) = fetched();
    let head = mirror.resolve("main").unwrap().expect("main exists");
    assert_eq!(
        (head.summary.as_str(), head.author.as_str()),
        ("first", "Ada <ada@example.org>")
    );
    let tree = mirror.tree(&head.id).unwrap();
    let paths: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["fleet.toml", "site/ams1/rack.kdl"]);
    assert_eq!(tree.files[1].bytes, b"rack r1\n");
    assert_eq!(
        tree.skipped[0].path, "link.toml",
        "a link could point outside the repository"
    );
}

#[test]
fn unknown_names_are_nothing_and_a_rewritten_branch_does_not_descend() {
    let (dir, mirror) = fetched();
    assert_eq!(mirror.resolve("no-such-branch").unwrap(), None);
    let first = mirror.resolve("main").unwrap().unwrap().id;
    let work = dir.path().join("work");
    git(&work, &["commit", "-q", "--allow-empty", "-m", "second"]);
    fetch(&dir, &mirror);
    let second = mirror.resolve("main").unwrap().unwrap().id;
    assert!(mirror.descends(&second, &first).unwrap());
    assert!(mirror.descends(&first, &first).unwrap());
    assert!(!mirror.descends(&first, &second).unwrap());
    git(&work, &["checkout", "-q", "--orphan", "other"]);
    git(&work, &["commit", "-q", "-m", "elsewhere"]);
    git(&work, &["branch", "-q", "-M", "other", "main"]);
    fetch(&dir, &mirror);
    let third = mirror.resolve("main").unwrap().unwrap().id;
    assert!(!mirror.descends(&third, &second).unwrap());
}

#[test]
fn a_file_beyond_the_limit_is_named_not_read() {
    let (dir, mirror) = fetched();
    let work = dir.path().join("work");
    std::fs::write(work.join("big.toml"), vec![b'#'; crate::FILE_BYTES_MAX + 1]).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "big"]);
    fetch(&dir, &mirror);
    let tree = mirror.tree(&mirror.resolve("main").unwrap().unwrap().id).unwrap();
    assert!(
        tree.skipped
            .iter()
            .any(|file| file.path == "big.toml" && file.why.contains("bytes"))
    );
    assert!(tree.files.iter().all(|file| file.path != "big.toml"));
}
