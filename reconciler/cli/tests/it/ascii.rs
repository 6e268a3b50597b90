//! `--ascii`: no byte beyond ASCII in anything that any command says without a daemon, and nothing lost.

use super::{document, muster, says};
use std::fs;

/// A reason, as people write them.
const REASON: &str = "Gerät zurück → RMA 😀";

/// All commands, by the words before `--help`.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(words) = found.get(next).cloned() {
        next += 1;
        let asked: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = says(&asked, 0);
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
        let listed = listed.split("\n\n").next().unwrap_or_default();
        for line in listed.lines() {
            let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '));
            if let Some(name) = name.and_then(|line| line.split_whitespace().next()) {
                found.push([words.clone(), vec![name.to_owned()]].concat());
            }
        }
    }
    found
}

/// What it says, which must be ASCII on both ways out.
fn ascii(words: &[&str]) -> String {
    let output = muster(&[&["--ascii"], words].concat());
    for said in [&output.stdout, &output.stderr] {
        assert!(said.is_ascii(), "{words:?}: {}", String::from_utf8_lossy(said));
    }
    assert!(
        !output.stdout.is_empty() || !output.stderr.is_empty() || words[0] == "man",
        "{words:?}"
    );
    String::from_utf8(output.stdout).expect("ASCII")
}

#[test]
fn no_command_says_more_than_ascii() {
    let commands = commands();
    assert!(commands.len() > 18, "{commands:?}");
    for words in &commands {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        ascii(&words);
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        ascii(&["completions", shell]);
    }
    ascii(&["--version"]);
    ascii(&["Gerät"]);
    ascii(&["explain", "Gerät"]);
    ascii(&[
        "removed", "machine", "m1", "--disks", "retain", "--reason", "\u{7f}ä",
    ]);
    ascii(&["--socket", "/nowhere/Gerät", "status"]);
    ascii(&["--json", "--socket", "/nowhere/Gerät", "apply"]);
    ascii(&["image", "add", "/nowhere/Gerät"]);
    ascii(&["init", "/proc/Gerät"]);
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man").display().to_string();
    ascii(&["man", &pages]);
    for page in fs::read_dir(&pages).expect("the pages") {
        let page = page.expect("a page").path();
        assert!(fs::read(&page).expect("a page").is_ascii(), "{}", page.display());
    }
    let inside = folder.path().join("Gerät").display().to_string();
    ascii(&["init", &inside]);
    ascii(&["init", &inside]);
    let file = folder.path().join("Gerät/fleet.toml");
    assert!(fs::read(&file).expect("the fleet").is_ascii());
    fs::write(&file, "[fleet.lab]\nschema = 1\nGerät = \"größer\"\n[rack.ü]\n").expect("write");
    for format in ["human", "plain", "json", "sarif", "github", "gitlab", "junit"] {
        ascii(&["check", "--format", format, &inside]);
    }
}

#[test]
fn every_page_of_explain_is_spelled_in_ascii() {
    let whole = document(&says(&["--json", "explain", "--list"], 0));
    assert_eq!(document(&ascii(&["--json", "explain", "--list"])), whole);
    ascii(&["explain", "--list"]);
    let pages = whole.as_array().expect("a list");
    let beyond = pages
        .iter()
        .filter(|page| !page["page"].as_str().expect("text").is_ascii());
    for page in beyond {
        ascii(&["explain", page["code"].as_str().expect("a code")]);
    }
}

#[test]
fn nothing_is_lost() {
    let words = [
        "removed", "machine", "m1", "--disks", "retain", "--reason", REASON,
    ];
    assert_eq!(
        document(&ascii(&[&["--json"], &words[..]].concat())),
        document(&says(&[&["--json"], &words[..]].concat(), 0))
    );
    let toml = ascii(&words);
    assert!(
        toml.contains(r#"reason = "Ger\u{e4}t zur\u{fc}ck -> RMA \u{1f600}""#),
        "{toml}"
    );
}
