//! Every example parses without a word, and says the same in both syntaxes.

use crate::revision::read_directory;
use schema_fleet::{Fleet, parse, render};
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
    let mut compared = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let example = entry.unwrap().path();
        let (toml, kdl) = (example.join("toml"), example.join("kdl"));
        if toml.is_dir() && kdl.is_dir() {
            assert_eq!(fleet(&toml), fleet(&kdl), "{}", example.display());
            compared += 1;
        }
    }
    assert!(compared >= 2);
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
