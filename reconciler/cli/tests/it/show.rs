//! `muster show KIND NAME` and `muster schema`: what the fleet files say of one object, and what they may say at all.

use super::{document, muster, says, text};
use std::fs;
use std::path::{Path, PathBuf};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/one-rack/toml")
}

/// What `muster show` says of the example.
fn shown(words: &[&str]) -> String {
    let folder = example().display().to_string();
    says(&[&["show"], words, &["--folder", &folder]].concat(), 0)
}

#[test]
fn an_object_is_shown_with_everything_that_holds_for_it() {
    let plain = shown(&["machine", "ams1-r07-u14"]);
    assert!(
        plain.lines().any(|line| line == "boot.mode         uefi"),
        "{plain}"
    );
    insta::assert_snapshot!("blame", shown(&["machine", "ams1-r07-u14", "--blame"]));
    let json = document(&shown(&["machine", "ams1-r07-u14", "--json"]));
    assert_eq!(json["format"], "muster.object/1.0");
    let values = json["values"].as_array().expect("values");
    assert_eq!(values.len(), plain.lines().count());
    let position = values
        .iter()
        .find(|row| row["path"] == "position")
        .expect("a position");
    assert_eq!(position["value"], 14);
    assert_eq!(position["file"], "site/ams1-r07.toml");
    let order = values
        .iter()
        .find(|row| row["path"] == "boot.order")
        .expect("an order");
    assert!(order["file"].is_null() && order["layer"] == "built-in", "{order}");
}

/// The page about layers shows what its own lines give.
#[test]
fn the_guide_s_layers_are_so() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/layers.md");
    let page = fs::read_to_string(page).expect("the page");
    let block = |language: &str| {
        let rest = page.split(&format!("```{language}\n")).nth(1).expect("a block");
        rest.split("```").next().expect("its end").to_owned()
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fleet.toml"), block("toml")).expect("write");
    let folder = folder.path().display().to_string();
    let said = says(
        &["show", "machine", "ams1-r07-u14", "--blame", "--folder", &folder],
        0,
    );
    assert_eq!(block("text"), said);
}

#[test]
fn a_kind_alone_lists_its_names() {
    let names = shown(&["rack"]);
    assert_eq!(names, "ams1-r07  site/ams1.toml:5\n");
    let json = document(&shown(&["rack", "--json"]));
    assert_eq!(json["objects"][0]["name"], "ams1-r07");
    assert_eq!(shown(&["removed", "machine"]), "");
}

#[test]
fn a_kind_of_two_words_is_found_either_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "[removed.machine.node-01]\ndisks = \"retain\"\nreason = \"RMA \\u001b[31m\"\n";
    fs::write(folder.path().join("fleet.toml"), line).expect("write");
    let folder = folder.path().display().to_string();
    let spaced = says(&["show", "removed", "machine", "node-01", "--folder", &folder], 0);
    let dotted = says(&["show", "removed.machine", "node-01", "--folder", &folder], 0);
    // What a file says does not reach into the terminal.
    assert_eq!(spaced, "disks   retain\nreason  RMA \\u{1b}[31m\n");
    assert_eq!(spaced, dotted);
}

#[test]
fn what_is_wrong_elsewhere_is_said_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let text_of = "[rack.r1]\nunits = 42\nzone = \"z\"\n\n[machine.m1]\nseral = 1\n= 2\n";
    fs::write(folder.path().join("fleet.toml"), text_of).expect("write");
    let place = folder.path().display().to_string();
    let output = muster(&["show", "rack", "r1", "--folder", &place]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "zone   z\nunits  42\n");
    let said = text(&output.stderr);
    assert!(
        said.contains("The fleet has ") && said.contains("muster check"),
        "{said}"
    );
    let json = document(&says(&["--json", "show", "rack", "r1", "--folder", &place], 0));
    assert!(json["errors"].as_u64() > Some(1), "{json}");
}

#[test]
fn a_wrong_kind_or_name_is_guessed() {
    let folder = example().display().to_string();
    for (words, code, guess) in [
        (
            ["show", "machin", "ams1-r07-u14"],
            64,
            "Did you mean \"machine\"?",
        ),
        (
            ["show", "machine", "ams1-r07-u41"],
            1,
            "Did you mean \"ams1-r07-u1",
        ),
        (
            ["show", "removed.machin", "x"],
            64,
            "Did you mean \"removed.machine\"?",
        ),
    ] {
        let output = muster(&[&words[..], &["--folder", &folder]].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        let said = text(&output.stderr);
        assert!(said.contains(guess), "{said}");
    }
    // One word that is no kind is what musterd knows: with --blame, that was not meant.
    let nobody = example().join("no-socket").display().to_string();
    says(&["--socket", &nobody, "show", "ams1-r07-u14"], 6);
    says(&["--socket", &nobody, "show", "p-123"], 6);
    says(&["show", "ams1-r07-u14", "--blame"], 64);
    says(&["show"], 64);
}

#[test]
fn the_schema_is_printed_and_written() {
    let printed = says(&["schema"], 0);
    let schema = document(&printed);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["machine"]["properties"]["bmc"].is_object());
    let folder = tempfile::tempdir().expect("a folder");
    let write = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(words)
            .current_dir(folder.path())
            .output()
            .expect("muster starts");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(write(&["schema", "--write"]), "Wrote .muster/schema.json.\n");
    let file = folder.path().join(".muster/schema.json");
    assert_eq!(fs::read_to_string(&file).expect("the schema"), printed);
    // A newer one takes the place of an older one.
    fs::write(&file, "old").expect("write");
    write(&["schema", "--write"]);
    assert_eq!(fs::read_to_string(&file).expect("the schema"), printed);
    let said = document(&write(&["--json", "schema", "--write", "other/schema.json"]));
    assert_eq!(said["written"][0], "other/schema.json");
    assert_eq!(
        fs::read_to_string(folder.path().join("other/schema.json")).expect("it"),
        printed
    );
}

#[test]
fn the_language_s_own_values_are_printed() {
    let printed = says(&["schema", "--defaults"], 0);
    for (path, value) in [("machine.boot.timeout", "10m"), ("fabric.vlan.NAME.mtu", "1500")] {
        let mut lines = printed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(lines.any(|words| words == [path, value]), "{path}: {printed}");
    }
    let json = document(&says(&["--json", "schema", "--defaults"], 0));
    let all = json["defaults"].as_array().expect("a list");
    assert_eq!(all.len(), printed.lines().count());
    assert!(
        all.iter()
            .any(|one| one["path"] == "machine.boot.secure-boot" && one["value"] == false)
    );
    says(&["schema", "--defaults", "--write"], 64);
}
