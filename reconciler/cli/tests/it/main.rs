//! The command line as a person meets it, where no daemon is needed. What needs one is tested with the daemon.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
        assert!(page.contains("## What"), "{page}");
    }
    let lines: Vec<serde_json::Value> =
        serde_json::from_str(&says(&["--json", "explain", "--list"], 0)).expect("a JSON list");
    assert_eq!(lines.len(), codes.len());
}

#[test]
fn a_code_is_found_however_it_is_written_and_guessed_when_wrong() {
    assert!(says(&["explain", "no-boot"], 0).starts_with("# NO_BOOT"));
    assert!(says(&["explain", "m0101"], 0).starts_with("# M0101"));
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
    let document: serde_json::Value = serde_json::from_str(&said).expect("a JSON document");
    assert_eq!(document["error"]["code"], "UNREACHABLE");
}
