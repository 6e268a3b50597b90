//! The `muster` commands of README and guide are understood, and what needs no daemon is done.
//!
//! What needs one is refused for want of it here and carried out by the demo (`testbed/vrack/src/demo`); that each is, is
//! looked at by `cargo xtask tidy`.

use super::text;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that no daemon takes part in.
const OFFLINE: [&str; 11] = [
    "init",
    "check",
    "fmt",
    "removed",
    "moved",
    "explain",
    "completions",
    "man",
    "schema",
    "show rack",
    "hold add --as-patch",
];
/// These would work for long, or for ever, or want what only a daemon, a forge or a fleet gives: their words alone are
/// tried, by asking for help.
const LONG: [&str; 6] = [
    "image build",
    "status --watch",
    "plan --offline",
    "comment",
    "unpin",
    "adopt",
];
/// A command that musterd does not answer.
const UNREACHABLE: i32 = 6;

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let guide = fs::read_dir(root.join("docs/guide")).expect("there is a guide");
    let guide = guide.map(|entry| entry.expect("its entries can be read").path());
    // The reference, in a folder of its own, has no commands; what is followed as a whole is tried there.
    let is_followed = |path: &PathBuf| super::tutorial::PAGES.iter().any(|page| path.ends_with(page));
    pages.extend(guide.filter(|path| path.is_file() && !is_followed(path)));
    pages
}

/// The lines of a page's `sh` blocks.
fn commands(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("```sh\n").skip(1);
    blocks.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines())
}

/// A fleet lies in a repository; what a page types may ask what changed in it.
fn repository(folder: &Path) {
    let author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    for words in [
        &["init", "-q", "-b", "main"][..],
        &["commit", "-q", "--allow-empty", "-m", "first"],
    ] {
        let mut git = Command::new("git");
        git.args(author).args(words).current_dir(folder);
        let status = git.env("GIT_CONFIG_GLOBAL", "/dev/null").status();
        assert!(status.expect("git starts").success());
    }
}

/// The lines of CI files, with what CI would put in: each must do for a right fleet.
#[test]
fn the_lines_for_ci_do() {
    let page = include_str!("../../../../docs/guide/checking.md");
    let blocks = page.split("```yaml\n").skip(1);
    let lines = blocks.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines());
    let mut tried = 0;
    for line in lines.filter_map(|line| Some(&line[line.find("muster check")?..])) {
        let folder = tempfile::tempdir().expect("a folder");
        repository(folder.path());
        let line = line.replace("origin/", "");
        let script = format!("set -e; muster() {{ \"$MUSTER\" \"$@\"; }}; muster init fleet; {line}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("MUSTER", env!("CARGO_BIN_EXE_muster"))
            .env("GITHUB_BASE_REF", "main")
            .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", "main")
            .current_dir(folder.path())
            .output()
            .expect("sh starts");
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        tried += 1;
    }
    assert_eq!(tried, 2);
}

#[test]
fn the_commands_of_the_guide_are_understood() {
    let mut tried = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).expect("a page");
        let folder = tempfile::tempdir().expect("a folder");
        repository(folder.path());
        // What the daemon told of machines, of which there are none yet.
        fs::write(folder.path().join("machines.json"), "").expect("write");
        for line in commands(&page).filter(|line| line.starts_with("muster ")) {
            let words = line.strip_prefix("muster ").expect("it begins so");
            let is_long = LONG.iter().any(|long| words.starts_with(long));
            let wanted = match OFFLINE.iter().any(|offline| words.starts_with(offline)) || is_long {
                true => 0,
                false => UNREACHABLE,
            };
            let help = if is_long { " --help" } else { "" };
            // By a shell, since a person's would take the quotes away too.
            let output = Command::new("sh")
                .args([
                    "-c",
                    &format!("muster() {{ \"$MUSTER\" \"$@\"; }}; muster {words}{help}"),
                ])
                .env("MUSTER", env!("CARGO_BIN_EXE_muster"))
                .env("MUSTER_SOCKET", folder.path().join("nobody.sock"))
                .current_dir(folder.path())
                .output()
                .expect("sh starts");
            let said = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(wanted),
                "{}: {line}: {said}",
                path.display()
            );
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} commands were found");
}
