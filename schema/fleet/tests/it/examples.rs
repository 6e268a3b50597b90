//! Every example parses without a word, and says the same in both syntaxes; what is switched off in it by being a
//! comment is right as well.

use crate::revision::read_directory;
use schema_fleet::{Code, Fleet, Severity, SourceFile, parse, render};
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn fleet(directory: &Path) -> Fleet {
    let files = read_directory(directory);
    let parsed = parse(&files);
    let text = render::plain(&parsed.diagnostics, &files);
    assert!(text.is_empty(), "{}\n{text}", directory.display());
    parsed.fleet.unwrap()
}

#[test]
fn both_syntaxes_say_the_same() {
    let mut compared = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let example = entry.unwrap().path();
        let (toml, kdl) = (example.join("toml"), example.join("kdl"));
        if example.is_dir() {
            assert!(fleet(&toml) == fleet(&kdl), "{} differs", example.display());
            compared.push(entry_name(&example));
        }
    }
    compared.sort();
    assert_eq!(
        compared,
        [
            "gpu-lab",
            "homelab",
            "one-machine",
            "one-rack",
            "thousand",
            "two-racks"
        ]
    );
    let table = std::fs::read_to_string(examples().join("README.md")).unwrap();
    for name in &compared {
        assert!(
            table.contains(&format!("| `{name}/` |")),
            "the table lacks {name}"
        );
    }
}

fn entry_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The file with what follows an empty comment at its end as if it were none.
fn switched_on(file: &mut SourceFile, comment: &str) -> bool {
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    let Some((before, off)) = text.rsplit_once(&format!("\n{comment}\n")) else {
        return false;
    };
    let lines = off.lines().map(|line| line.strip_prefix(comment).unwrap());
    file.bytes = format!("{before}\n{}\n", lines.collect::<Vec<_>>().join("\n")).into_bytes();
    true
}

#[test]
fn what_is_switched_off_can_be_switched_on() {
    for (syntax, comment) in [("toml", "#"), ("kdl", "//")] {
        let mut files = read_directory(&examples().join("gpu-lab").join(syntax));
        let file = format!("machines.{syntax}");
        let switched = files.iter_mut().find(|one| one.path == file).unwrap();
        assert!(switched_on(switched, comment), "{file}");
        let parsed = parse(&files);
        let said = render::plain(&parsed.diagnostics, &files);
        let is_all =
            |one: &schema_fleet::Diagnostic| one.code == Code::M0007 && one.severity == Severity::Warning;
        assert!(
            !said.is_empty() && parsed.diagnostics.iter().all(is_all),
            "{said}"
        );
    }
}

#[test]
fn layers_reach_the_machine() {
    let fleet = fleet(&examples().join("one-rack/toml"));
    insta::assert_debug_snapshot!(fleet.machines["ams1-r07-u14"]);
}

#[test]
fn the_first_example_as_a_model() {
    insta::assert_debug_snapshot!(fleet(&examples().join("one-machine/toml")));
}
