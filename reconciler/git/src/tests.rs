//! Reads real repositories made with the `git` program.

use crate::{Mirror, Since, SinceError, since};
use std::collections::BTreeMap;
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
    assert!(tree.refused.is_any(), "a link could point outside the repository");
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

/// A work tree on `change`, which left `main` at its first commit.
fn work_tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::create_dir_all(at.join("fleets/lab/site")).unwrap();
    git(at, &["init", "-q", "-b", "main"]);
    let lines: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    for file in ["a.toml", "site/b.toml", "gone.toml"] {
        std::fs::write(at.join("fleets/lab").join(file), format!("{file}\n{lines}")).unwrap();
    }
    std::fs::write(at.join("fleets/lab/.hidden.toml"), "x").unwrap();
    std::fs::write(at.join("other.toml"), "x\n").unwrap();
    git(at, &["add", "."]);
    git(at, &["commit", "-q", "-m", "first"]);
    git(at, &["checkout", "-q", "-b", "change"]);
    dir
}

/// The files of a folder that are not hidden, by path.
fn files(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            files(&path, &format!("{prefix}{name}/"), found);
        } else {
            found.insert(format!("{prefix}{name}"), std::fs::read(&path).unwrap());
        }
    }
}

fn compared(folder: &Path, name: &str) -> Result<Since, SinceError> {
    let mut found = BTreeMap::new();
    files(folder, "", &mut found);
    let now = found
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
    since(folder, name, &now.collect())
}

#[test]
fn what_changed_in_a_work_tree() {
    let dir = work_tree();
    let folder = dir.path().join("fleets/lab");
    let edit = |file: &str, from: &str, to: &str| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    // Committed, staged, neither, and not even known to git.
    edit("a.toml", "line 2\n", "line two\nand more\n");
    git(dir.path(), &["commit", "-q", "-a", "-m", "second"]);
    edit("a.toml", "line 9\n", "line nine\n");
    git(dir.path(), &["add", "."]);
    edit("a.toml", "line 15\n", "");
    edit("a.toml", "line 20\n", "line twenty\n");
    std::fs::rename(folder.join("site/b.toml"), folder.join("site/c.toml")).unwrap();
    edit("site/c.toml", "line 5\n", "line five\n");
    std::fs::create_dir(folder.join("new")).unwrap();
    std::fs::write(folder.join("new/d.toml"), "one\ntwo\n").unwrap();
    std::fs::write(folder.join("new/e.bin"), [0, 1, 2]).unwrap();
    std::fs::remove_file(folder.join("gone.toml")).unwrap();
    std::fs::write(dir.path().join("other.toml"), "y\n").unwrap();
    // What the language does not read is not compared either.
    std::fs::create_dir(folder.join(".cache")).unwrap();
    std::fs::write(folder.join(".cache/x.toml"), "x\n").unwrap();

    let found = compared(&folder, "main").unwrap();
    let before: Vec<_> = found.before.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(before, ["a.toml", "gone.toml", "site/b.toml"]);
    let lines: Vec<_> = found
        .lines
        .iter()
        .map(|(path, lines)| (path.as_str(), lines.clone()))
        .collect();
    assert_eq!(
        lines,
        [
            ("a.toml", vec![3..=4, 11..=11, 21..=21]),
            ("new/d.toml", vec![1..=2]),
            ("new/e.bin", vec![1..=u32::MAX]),
            ("site/c.toml", vec![6..=6]),
        ]
    );
    let renamed: Vec<_> = found.renamed.into_iter().collect();
    assert_eq!(renamed, [("site/c.toml".to_owned(), "site/b.toml".to_owned())]);

    // From the root, everything is named from there.
    let whole = compared(dir.path(), "main").unwrap();
    assert_eq!(whole.base, found.base);
    assert_eq!(whole.lines["fleets/lab/new/d.toml"], [1..=2]);
    assert_eq!(whole.lines["other.toml"], [1..=1]);
    // A folder that was not there had no files.
    assert_eq!(compared(&folder.join("new"), "main").unwrap().before.files, []);
}

#[test]
fn a_work_tree_that_cannot_be_compared() {
    let dir = work_tree();
    let at = dir.path();
    assert!(matches!(compared(at, "nothing"), Err(SinceError::Unknown { .. })));
    git(at, &["checkout", "-q", "--orphan", "alone"]);
    assert!(matches!(compared(at, "main"), Err(SinceError::NoBase { .. })));
    let bare = tempfile::tempdir().unwrap();
    git(bare.path(), &["init", "-q", "--bare"]);
    assert!(matches!(
        compared(bare.path(), "main"),
        Err(SinceError::NoWorkTree { .. })
    ));
    let none = tempfile::tempdir().unwrap();
    assert!(matches!(
        compared(none.path(), "main"),
        Err(SinceError::NoWorkTree { .. })
    ));
}

#[test]
fn a_change_of_too_many_files_is_refused() {
    let dir = work_tree();
    let paths: Vec<_> = (0..2001).map(|number| format!("{number}.toml")).collect();
    let now = |count: usize| paths.iter().take(count).map(|path| (path.as_str(), &b""[..]));
    // Those that are gone count as well.
    let gone = compared(dir.path(), "main").unwrap().before.files.len();
    assert!(since(dir.path(), "main", &now(2000 - gone).collect()).is_ok());
    assert!(matches!(
        since(dir.path(), "main", &now(2001 - gone).collect()),
        Err(SinceError::TooMany { changed: 2001, .. })
    ));
}
