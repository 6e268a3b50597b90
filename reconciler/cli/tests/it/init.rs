//! `muster init`: what it writes is a fleet, in either syntax the same, and it writes over nothing.

use super::{document, muster, says, text};
use schema_fleet::{Fleet, SourceFile, parse, render};
use std::fs;
use std::path::Path;

/// A key as they are, in place of the one that is left out.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@lab";

/// The file that it writes for this syntax and name, checked by the program.
fn written(syntax: &str, name: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("new/fleet").display().to_string();
    let said = says(&["init", &inside, "--format", syntax, "--name", name], 0);
    assert!(
        said.contains(&format!("fleet.{syntax}")) && said.contains("muster check"),
        "{said}"
    );
    let checked = says(&["check", "--deny", "warnings", &inside], 0);
    assert_eq!(checked, format!("fleet {name}: 0 machines, 0 deployments\n"));
    assert_eq!(says(&["fmt", "--check", &inside], 0), "");
    fs::read_to_string(Path::new(&inside).join(format!("fleet.{syntax}"))).expect("the file")
}

/// The model of these files, which must be without a word.
fn fleet(files: &[(String, String)]) -> Fleet {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| SourceFile {
            path: path.clone(),
            bytes: text.clone().into_bytes(),
        })
        .collect();
    let parsed = parse(&files);
    assert_eq!(render::plain(&parsed.diagnostics, &files), "");
    parsed.fleet.expect("a fleet")
}

/// The file with its commented objects put to use: what follows an empty comment, once the head is over.
fn used(text: &str, comment: &str) -> String {
    let (mut is_head, mut is_object) = (true, false);
    let mut out = String::new();
    for line in text.lines() {
        let commented = line.strip_prefix(comment);
        is_head &= commented.is_some();
        is_object = match commented {
            Some("") => !is_head,
            Some(_) => is_object,
            None => false,
        };
        let object = commented.filter(|_| is_object);
        out += object.map_or(line, |object| object.strip_prefix(' ').unwrap_or(object));
        out.push('\n');
    }
    out.replace("ssh-ed25519 AAAA... you@example", KEY)
}

#[test]
fn it_passes_check_and_says_the_same_in_both_syntaxes() {
    for name in ["lab", "r1.7", "1x", "true"] {
        let (toml, kdl) = (written("toml", name), written("kdl", name));
        assert!(toml.is_ascii() && kdl.is_ascii());
        let (toml, kdl) = ([("fleet.toml".to_owned(), toml)], [("fleet.kdl".to_owned(), kdl)]);
        let model = fleet(&toml);
        assert_eq!(model.name.as_str(), name);
        assert_eq!(model, fleet(&kdl));
    }
}

#[test]
fn its_commented_lines_can_be_used_as_they_are() {
    let models = [("toml", "#"), ("kdl", "//")].map(|(syntax, comment)| {
        let text = used(&written(syntax, "lab"), comment);
        fleet(&[(format!("fleet.{syntax}"), text)])
    });
    let [toml, kdl] = models;
    assert_eq!((toml.machines.len(), toml.deployments.len()), (1, 1));
    assert_eq!(toml, kdl);
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().display().to_string();
    let said = document(&says(&["--json", "init", &inside], 0));
    let file = folder.path().join("fleet.toml");
    assert_eq!(said["written"][0], file.display().to_string());
    fs::write(&file, "mine").expect("write");
    for syntax in ["toml", "kdl"] {
        let output = muster(&["init", &inside, "--format", syntax]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(
            said.contains(&format!("{} is in the way", file.display())),
            "{said}"
        );
    }
    assert_eq!(fs::read_to_string(&file).expect("the file"), "mine");
    assert!(!folder.path().join("fleet.kdl").exists());
    // A dangling link is in the way as well: what it points to is not ours to make.
    let other = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink("/nowhere/fleet", other.path().join("fleet.toml")).expect("a link");
    says(&["init", &other.path().display().to_string()], 1);
    says(&["init", &inside, "--name", "No Name"], 64);
}
