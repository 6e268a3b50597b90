//! The command line as a person meets it, where no daemon is needed. What needs one is tested with the daemon.

mod ascii;
mod check;
mod check_observed;
mod check_since;
mod codes;
mod fmt;
mod guide;
mod hostile;
mod init;
mod lesson;
mod offline;
mod show;
mod terminal;
mod tutorial;
mod tutorial_plan;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn muster(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(words)
        .env_remove("MUSTER_SOCKET")
        .output()
        .expect("muster starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Its standard output; it must end with this code.
fn says(words: &[&str], code: i32) -> String {
    let output = muster(words);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{words:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn every_code_that_is_listed_is_explained() {
    let list = says(&["explain", "--list"], 0);
    let (list, waiting) = list
        .split_once("\n\n")
        .expect("what is not carried out stands below");
    for what in ["  storage.luks\n", "  secret.store = \"sops\"\n"] {
        assert!(waiting.contains(what), "{waiting}");
    }
    let codes: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for code in ["M0101", "NO_BOOT", "STATE_RESTORED"] {
        assert!(codes.contains(&code), "{code} is not listed");
    }
    // One in ten: each is a process, and they are all found in the same way.
    for code in codes.iter().step_by(10) {
        let page = says(&["explain", code], 0);
        assert!(page.starts_with(&format!("# {code}")), "{page}");
        assert!(
            page.contains("## What") || page.contains("**What to do.**"),
            "{page}"
        );
    }
    assert_eq!(codes::listed().len(), codes.len());
}

#[test]
fn a_code_is_found_however_it_is_written_and_guessed_when_wrong() {
    assert!(says(&["explain", "no-boot"], 0).starts_with("# NO_BOOT"));
    assert!(says(&["explain", "m0101"], 0).starts_with("# M0101"));
    assert!(says(&["explain", "boot-1"], 0).starts_with("# BOOT-1: "));
    let wrong = muster(&["explain", "NO_BOOTS"]);
    assert_eq!(wrong.status.code(), Some(64));
    let said = text(&wrong.stderr);
    assert!(said.contains("Did you mean NO_BOOT?"), "{said}");
}

#[test]
fn completions_are_accepted_by_their_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("muster.bash");
    fs::write(&script, says(&["completions", "bash"], 0)).expect("write");
    let ask = format!(
        "source {}; COMP_WORDS=(muster pl); COMP_CWORD=1; _muster muster pl muster; echo ${{COMPREPLY[@]}}",
        script.display()
    );
    let output = Command::new("bash")
        .args(["-c", &ask])
        .output()
        .expect("bash starts");
    assert_eq!(text(&output.stdout).trim(), "plan", "{}", text(&output.stderr));
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    says(&["man", &folder.path().display().to_string()], 0);
    for name in ["muster.1", "muster-plan.1", "muster-image-build.1"] {
        let page = fs::read_to_string(folder.path().join(name)).expect("the page");
        assert!(page.contains(".TH"), "{name}: {page}");
    }
}

#[test]
fn exit_codes_tell_how_it_ended() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/one-machine/toml");
    says(&["check", &example.display().to_string()], 0);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fleet.toml"), "[rack.r1]\nunitz = 42\n").expect("write");
    let wrong = folder.path().display().to_string();
    let output = muster(&["check", &wrong]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("fleet.toml:2"), "{said}");
    says(&["no-such-command"], 64);
    let nobody = folder.path().join("socket").display().to_string();
    says(&["--socket", &nobody, "status"], 6);
    let said = says(&["--json", "--socket", &nobody, "status"], 6);
    assert_eq!(document(&said)["error"]["code"], "UNREACHABLE");
}

/// What it says is one JSON document.
fn document(said: &str) -> serde_json::Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn apply_is_one_document_even_where_nobody_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = folder.path().join("socket").display().to_string();
    let file = folder.path().join("ci").display().to_string();
    let words = [
        "--json",
        "--socket",
        &nobody,
        "apply",
        "--wait",
        "--output-file",
        &file,
    ];
    let said = document(&says(&words, 6));
    assert_eq!(said["format"], "muster.apply/1.0");
    assert_eq!(said["outcome"], "unreachable");
    assert_eq!(said["stopped"]["code"], "UNREACHABLE");
    assert!(said["plan"].is_null());
    let lines = fs::read_to_string(file).expect("the file");
    assert_eq!(
        lines,
        "outcome=unreachable\ndestructive=false\nblocked=false\nplan-id=\nwipe-set=\n"
    );
}

#[test]
fn a_part_is_not_asked_to_be_empty() {
    let output = muster(&["plan", "--only", "machine:node-04", "--expect-empty"]);
    assert_eq!(output.status.code(), Some(64));
    let said = text(&output.stderr);
    assert!(said.contains("--expect-empty is about the whole fleet"), "{said}");
}

#[test]
fn a_hold_that_cannot_be_is_not_printed_as_a_patch() {
    let add = [
        "hold",
        "add",
        "machine:node-01",
        "--effect",
        "no-destructive",
        "--as-patch",
    ];
    for (rest, wanted) in [
        (["--until", "2h", "--reason", "a\nb"], "a reason is one line"),
        (
            ["--until", "2020-01-01T00:00:00Z", "--reason", "a"],
            "is over already: --until",
        ),
    ] {
        let output = muster(&[&add[..], &rest[..]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(wanted) && !said.contains("Diagnostic"), "{said}");
    }
}

#[test]
fn the_schema_of_plans_is_printed() {
    let schema = document(&says(&["schema", "--of", "plan"], 0));
    assert_eq!(schema["properties"]["format"]["const"], "muster.plan/1.0");
    says(&["schema", "--of", "plan", "--defaults"], 64);
}

#[test]
fn removed_prints_fleet_lines_or_a_document() {
    let words = [
        "removed", "machine", "node-01", "--disks", "retain", "--reason", "RMA",
    ];
    let toml = says(&words, 0);
    assert!(toml.starts_with("[removed.machine.\"node-01\"]\n"), "{toml}");
    let said = document(&says(&[&["--json"], &words[..]].concat(), 0));
    assert_eq!(said["object"], "removed.machine.node-01");
    assert_eq!(said["toml"], toml.as_str());
}

#[test]
fn what_is_wrong_is_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("fleet.toml"),
        "[fleet.lab]\nschema = 1\nx = 1\n",
    )
    .expect("write");
    let said = says(
        &["check", "--format", "plain", &folder.path().display().to_string()],
        1,
    );
    assert_eq!(said.matches("2 errors, 0 warnings").count(), 1, "{said}");
    assert_eq!(said.matches("0 warnings").count(), 1, "{said}");
}

/// As `muster … | head -1` does, only sooner.
#[test]
fn a_reader_that_is_gone_is_no_error() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/one-machine/toml");
    let example = example.display().to_string();
    let commands: [&[&str]; 9] = [
        &["completions", "bash"],
        &["explain", "--list"],
        &["explain", "M0101"],
        &["check", &example],
        &["schema"],
        &["show", "machine", "--folder", &example],
        &["--json", "check", &example],
        &["removed", "machine", "m1", "--disks", "retain", "--reason", "RMA"],
        &["--help"],
    ];
    for words in commands {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(words)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .expect("muster starts");
        assert_eq!(text(&output.stderr), "", "{words:?}");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
    }
    // Both gone: the end is the command's own.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["explain", "M9999"])
        .stdout(Stdio::null())
        .stderr(writer)
        .status()
        .expect("muster starts");
    assert_eq!(status.code(), Some(64));
}

#[test]
fn a_rename_is_printed_in_both_syntaxes() {
    let words = ["moved", "machine", "node-01", "web-01"];
    assert_eq!(says(&words, 0), "[moved.machine.\"node-01\"]\nto = \"web-01\"\n");
    let kdl = says(&[&words[..], &["--format", "kdl"]].concat(), 0);
    assert_eq!(kdl, "moved machine \"node-01\" to=\"web-01\"\n");
    let object = document(&says(&[&["--json"], &words[..]].concat(), 0));
    assert_eq!(object["object"], "moved.machine.node-01");
    says(&["moved", "deployment", "web", "web"], 64);
    let schema = document(&says(&["schema", "--of", "events"], 0));
    assert_eq!(schema["properties"]["format"]["const"], "muster.event/1.0");
}
