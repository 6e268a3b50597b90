//! Colours and frames: on a terminal, and only as it wants them.

use std::fs;
use std::process::Command;

/// What `muster check` says of a wrong fleet on a terminal of this kind, with this in its environment.
fn on_a_terminal(words: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fleet.toml"), "[rack.r1]\nunitz = 42\n").expect("write");
    let command = format!(
        "{} {words} check {}",
        env!("CARGO_BIN_EXE_muster"),
        folder.path().display()
    );
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .output()
        .expect("script, of bsdutils, starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(said.contains("fleet.toml:2") && said.contains("unitz"), "{said}");
    said
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let coloured = on_a_terminal("", &[]);
    assert!(coloured.contains("\x1b[") && !coloured.is_ascii(), "{coloured}");
    // Empty counts as not set.
    assert!(on_a_terminal("", &[("NO_COLOR", "")]).contains("\x1b["));
    let bare = on_a_terminal("", &[("NO_COLOR", "1")]);
    assert!(!bare.contains("\x1b[") && !bare.is_ascii(), "{bare}");
    assert!(!on_a_terminal("", &[("TERM", "dumb")]).contains("\x1b["));
    let ascii = on_a_terminal("--ascii", &[]);
    assert!(ascii.is_ascii() && ascii.contains("\x1b["), "{ascii}");
}

#[test]
fn a_file_gets_no_colours() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fleet.toml"), "[rack.r1]\nunitz = 42\n").expect("write");
    for format in ["human", "plain"] {
        let output = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["check", "--format", format])
            .arg(folder.path())
            .output()
            .expect("muster starts");
        assert!(!output.stdout.contains(&0x1b), "{format}");
    }
}

#[test]
fn help_is_held_to_the_same() {
    for (words, variable, coloured) in [
        ("--help", "", true),
        ("--help", "1", false),
        ("--ascii --help", "", false),
    ] {
        let output = Command::new("script")
            .args([
                "-qec",
                &format!("{} {words}", env!("CARGO_BIN_EXE_muster")),
                "/dev/null",
            ])
            .env("TERM", "xterm")
            .env("NO_COLOR", variable)
            .output()
            .expect("script, of bsdutils, starts");
        assert_eq!(output.stdout.contains(&0x1b), coloured, "{words} {variable:?}");
    }
}
