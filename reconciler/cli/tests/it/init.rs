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
    let text = text
        .strip_prefix("#:schema .muster/schema.json\n\n")
        .unwrap_or(text);
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

/// Runs a line as a forge or git does: in the repository, with muster on the PATH.
fn sh(folder: &Path, line: &str) -> std::process::Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_muster"))
        .parent()
        .expect("a folder");
    let path = std::env::var("PATH").expect("a PATH");
    std::process::Command::new("sh")
        .args(["-ec", line])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .envs([
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@b"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@b"),
        ])
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ])
        .output()
        .expect("sh starts")
}

#[test]
fn what_it_writes_for_forges_runs() {
    let forges = [
        ("github", ".github/workflows/fleet.yml"),
        ("gitlab", ".gitlab-ci.yml"),
        ("forgejo", ".forgejo/workflows/fleet.yml"),
    ];
    for (forge, file) in forges {
        for syntax in ["toml", "kdl"] {
            let folder = tempfile::tempdir().expect("a folder");
            let inside = folder.path().display().to_string();
            says(
                &[
                    "init", &inside, "--ci", forge, "--format", syntax, "--owners", "@me",
                ],
                0,
            );
            let owners = fs::read_to_string(folder.path().join("CODEOWNERS")).expect("owners");
            assert!(owners.ends_with("*  @me\n"), "{owners}");
            let text = fs::read_to_string(folder.path().join(file)).expect("the forge's file");
            let events = saphyr_parser::Parser::new_from_str(&text).collect::<Result<Vec<_>, _>>();
            assert!(events.is_ok(), "{events:?}");
            let lines: Vec<&str> = text
                .lines()
                .filter_map(|line| {
                    line.trim_start()
                        .strip_prefix("- run: ")
                        .or(line.strip_prefix("    - "))
                })
                // The plan wants a daemon's snapshot: the daemon's tests run it.
                .filter(|line| line.starts_with("muster fmt") || line.starts_with("muster check"))
                .collect();
            assert_eq!(lines.len(), 2, "{text}");
            for line in lines {
                let output = sh(folder.path(), line);
                assert!(output.status.success(), "{line}: {}", text_of(&output));
            }
        }
    }
}

/// The guide shows what is written, to the letter.
#[test]
fn the_guide_shows_the_files_of_the_forges() {
    let page = include_str!("../../../../docs/guide/ci.md");
    for (file, text) in [
        (
            ".github/workflows/fleet.yml",
            include_str!("../../src/init/github.yml"),
        ),
        (".gitlab-ci.yml", include_str!("../../src/init/gitlab.yml")),
        (
            ".forgejo/workflows/fleet.yml",
            include_str!("../../src/init/forgejo.yml"),
        ),
    ] {
        let block = format!("```yaml\n# {file}\n{text}```\n");
        assert!(
            page.contains(&block),
            "{file} is shown otherwise than it is written"
        );
    }
}

/// The token that GitLab's jobs have is within reach of whoever may push a branch.
#[test]
fn gitlab_is_given_no_more_than_a_reporters_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().display().to_string();
    let said = says(&["init", &inside, "--ci", "gitlab"], 0);
    let file = fs::read_to_string(folder.path().join(".gitlab-ci.yml")).expect("the forge's file");
    for text in [file.replace("\n#", ""), said.replace("\n    ", "")] {
        for part in ["role Reporter, never above", "may push a branch can read it"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

fn text_of(output: &std::process::Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn its_hook_refuses_a_wrong_fleet() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().display().to_string();
    says(&["init", &inside], 0);
    let begin =
        "git init -q -b main && git config core.hooksPath .githooks && git add . && git commit -q -m begin";
    let output = sh(folder.path(), begin);
    assert!(output.status.success(), "{}", text_of(&output));
    let output = sh(
        folder.path(),
        "echo '[zone.a]' >> fleet.toml && echo 'seriall = 1' >> fleet.toml && git commit -q -am wrong",
    );
    assert!(!output.status.success());
    assert!(text_of(&output).contains("M0002"), "{}", text_of(&output));
    let output = sh(folder.path(), "git rev-list --count HEAD");
    assert_eq!(text(&output.stdout).trim(), "1");
}

#[test]
fn it_asks_a_person_at_a_terminal_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let answered = |inside: &str, flags: &str| {
        let command = format!(
            "{} init {}/{inside} {flags}",
            env!("CARGO_BIN_EXE_muster"),
            folder.path().display()
        );
        let script =
            format!("printf 'ams1\\nkdl\\ngitlab\\n@ops\\nno\\n' | script -qec '{command}' /dev/null");
        text_of(&sh(folder.path(), &script))
    };
    let said = answered("asked", "");
    assert!(said.contains("What is the fleet called? [lab]"), "{said}");
    let there = |path: &str| folder.path().join(path).exists();
    assert!(
        there("asked/fleet.kdl") && there("asked/.gitlab-ci.yml") && there("asked/CODEOWNERS"),
        "{said}"
    );
    assert!(
        !there("asked/.githooks/pre-commit") && !there("asked/.muster/schema.json"),
        "{said}"
    );
    let said = answered("silent", "--yes");
    assert!(
        !said.contains("called?") && there("silent/fleet.toml") && there("silent/.githooks/pre-commit"),
        "{said}"
    );
}

#[test]
fn one_file_in_the_way_and_none_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("CODEOWNERS"), "mine").expect("write");
    let inside = folder.path().display().to_string();
    says(&["init", &inside], 1);
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("read")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["CODEOWNERS"]);
}
