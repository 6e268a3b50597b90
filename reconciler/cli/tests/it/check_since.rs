//! `muster check --changed-since`: a person in CI is told of their change, and of nothing that was wrong before.

use super::{check::fleet, document, muster, says, text};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Wrong in two ways, which nobody has to do with.
const OLD: &str = "[zone.old]\ndescriptoin = \"x\"\n\n[machine.old]\nrack = \"gone\"\n";

fn git(folder: &Path, words: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
}

/// A repository whose branch `main` has old mistakes, in a folder of its own, with `change` checked out.
fn repository() -> TempDir {
    let folder = fleet("");
    let inside = folder.path().join("fleets/lab");
    fs::create_dir_all(&inside).expect("folders");
    fs::rename(folder.path().join("fleet.toml"), inside.join("fleet.toml")).expect("move");
    fs::remove_file(folder.path().join("more.toml")).expect("remove");
    fs::write(inside.join("old.toml"), OLD).expect("write");
    fs::write(
        inside.join("rack.toml"),
        "[rack.r9]\nagents = [\"a\"]\n[machine.m1]\nrack = \"r9\"\n",
    )
    .expect("write");
    git(folder.path(), &["init", "-q", "-b", "main"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "first"]);
    git(folder.path(), &["checkout", "-q", "-b", "change"]);
    folder
}

fn write(folder: &TempDir, file: &str, text: &str) {
    fs::write(folder.path().join("fleets/lab").join(file), text).expect("write");
}

fn since(folder: &TempDir, code: i32) -> serde_json::Value {
    let inside = folder.path().join("fleets/lab").display().to_string();
    document(&says(
        &["--json", "check", "--changed-since", "main", &inside],
        code,
    ))
}

/// What is shown: its places and codes.
fn shown(folder: &TempDir, code: i32) -> Vec<String> {
    let said = since(folder, code);
    let all = said["diagnostics"].as_array().expect("a list");
    let one = |one: &serde_json::Value| {
        let at = &one["primary"];
        format!(
            "{}:{} {}",
            at["file"].as_str().expect("a file"),
            at["start"]["line"],
            one["code"].as_str().expect("a code")
        )
    };
    all.iter().map(one).collect()
}

#[test]
fn nothing_changed_is_nothing_wrong() {
    let folder = repository();
    let said = since(&folder, 0);
    assert_eq!(said["diagnostics"], serde_json::json!([]));
    assert_eq!(said["summary"]["older"]["errors"], 2);
    let inside = folder.path().join("fleets/lab").display().to_string();
    let said = says(&["check", "--changed-since", "main", &inside], 0);
    assert!(
        said.starts_with("2 errors and ") && said.contains(" were there before and are not shown"),
        "{said}"
    );
    says(&["check", &inside], 1);
}

/// New files, changed lines, committed or not, and what is missed elsewhere.
#[test]
fn what_the_change_brings_about_is_shown() {
    let folder = repository();
    write(&folder, "new.toml", "[zone.new]\nx = 1\n");
    assert_eq!(shown(&folder, 1), ["new.toml:2 M0002"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "second"]);
    assert_eq!(shown(&folder, 1), ["new.toml:2 M0002"]);
    write(&folder, "new.toml", "[zone.new]\n");
    write(&folder, "rack.toml", "[machine.m1]\nrack = \"r9\"\n");
    assert_eq!(shown(&folder, 1), ["rack.toml:2 M0101"]);
    // Of the old mistakes the one on a line that is another one now, and whatever is about that object.
    git(folder.path(), &["checkout", "-q", "."]);
    write(&folder, "new.toml", "[zone.new]\n");
    write(&folder, "old.toml", &OLD.replace("\"x\"", "\"y\""));
    assert_eq!(shown(&folder, 1), ["old.toml:2 M0002"]);
}

#[test]
fn what_moves_is_not_new() {
    let folder = repository();
    // Lines above move what is below.
    write(&folder, "old.toml", &format!("# said before\n\n{OLD}"));
    assert_eq!(shown(&folder, 0), [""; 0]);
    git(folder.path(), &["checkout", "-q", "."]);
    git(
        folder.path(),
        &["mv", "fleets/lab/old.toml", "fleets/lab/renamed.toml"],
    );
    assert_eq!(shown(&folder, 0), [""; 0]);
    git(folder.path(), &["commit", "-q", "-m", "renamed"]);
    assert_eq!(shown(&folder, 0), [""; 0]);
    // What came onto the branch since is not of this change either.
    git(folder.path(), &["checkout", "-q", "main"]);
    write(&folder, "theirs.toml", "[zone.theirs]\nx = 1\n");
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "theirs"]);
    git(folder.path(), &["checkout", "-q", "change"]);
    assert_eq!(shown(&folder, 0), [""; 0]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = repository();
    let inside = folder.path().join("fleets/lab").display().to_string();
    let refused = |name: &str| {
        let output = muster(&["check", "--changed-since", name, &inside]);
        assert_eq!(output.status.code(), Some(64), "{name}");
        text(&output.stderr)
    };
    assert!(refused("nothing").contains("no branch, tag or commit \"nothing\""));
    git(folder.path(), &["checkout", "-q", "--orphan", "other"]);
    git(folder.path(), &["commit", "-q", "-m", "alone"]);
    assert!(refused("main").contains("no commit in common"));
    let alone = fleet("");
    let path = alone.path().display().to_string();
    let output = muster(&["check", "--changed-since", "main", &path]);
    assert!(text(&output.stderr).contains("is in no work tree of git"));
}
