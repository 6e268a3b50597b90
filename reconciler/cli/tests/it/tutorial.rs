//! The pages of the guide that are followed from the first line to the last: every file, edit and command in their
//! order, and whatever they show is what the program says.
//!
//! `MUSTER_UPDATE_PAGES=1 cargo test -p reconciler-cli tutorial` writes what it says now into the pages. Plans are
//! made by a daemon; what the tutorial shows of one is compared in `tutorial_plan.rs`.

use super::lesson::{Step, change, steps};
use super::text;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pages, of which the test of single commands leaves the commands to this one.
pub(crate) const PAGES: [&str; 7] = [
    "tutorial.md",
    "fleets.md",
    "networks.md",
    "storage.md",
    "deployments.md",
    "removing.md",
    "secrets.md",
];

/// A command that musterd does not answer.
const UNREACHABLE: i32 = 6;

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/guide")
        .join(page)
}

/// Types a line in the folder.
fn typed(line: &str, folder: &Path) -> (String, Option<i32>) {
    assert!(line.starts_with("muster "), "only muster is typed here: {line}");
    let output = Command::new("sh")
        .args(["-c", &format!("muster() {{ \"$MUSTER\" \"$@\"; }}; {line}")])
        .env("MUSTER", env!("CARGO_BIN_EXE_muster"))
        .env("MUSTER_SOCKET", folder.join("nobody.sock"))
        .current_dir(folder)
        .output()
        .expect("sh starts");
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

/// Follows a page; what it shows, in the order from its end, with what is said instead.
fn follow(page: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shown = Vec::new();
    let mut last = None;
    for step in &steps(page) {
        change(step, folder.path());
        match step {
            Step::Run(line) => {
                let (said, code) = typed(line, folder.path());
                let is_plan = line.starts_with("muster plan");
                let wanted = match is_plan {
                    true => UNREACHABLE,
                    false => i32::from(said.contains("error[")),
                };
                assert_eq!(code, Some(wanted), "{line}: {said}");
                last = (!is_plan).then_some(said);
            }
            Step::Said { at, .. } => shown.extend(last.clone().map(|said| (at.clone(), said))),
            Step::Write { .. } | Step::Edit { .. } => {}
        }
    }
    shown.reverse();
    shown
}

#[test]
fn what_the_pages_show_is_what_is_said() {
    let mut stale = Vec::new();
    for name in PAGES {
        let path = path(name);
        let page = fs::read_to_string(&path).expect("the page");
        let mut now = page.clone();
        let shown = follow(&page);
        assert!(!shown.is_empty(), "{name} shows nothing");
        for (at, said) in shown {
            if page[at.clone()] != said {
                stale.push(format!("{name}: {said}"));
            }
            now.replace_range(at, &said);
        }
        if std::env::var_os("MUSTER_UPDATE_PAGES").is_some() {
            fs::write(&path, &now).expect("write");
        }
    }
    assert_eq!(stale, [""; 0], "the pages show something else than is said");
}
