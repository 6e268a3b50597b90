//! What is written, asked about: what holds for an object and who says so, and what stands at a place.

use crate::revision::{file, read_case, read_directory};
use schema_fleet::{Index, SourceFile, kinds, parse};
use std::{fmt::Write as _, path::Path};

/// Everything that holds for each object, with its layer and its place.
fn blamed(files: &[SourceFile]) -> String {
    let index = Index::read(files);
    let mut out = String::new();
    for kind in kinds() {
        for (name, span) in index.names(kind.name) {
            let blame = index.blame(kind.name, name).unwrap();
            assert_eq!((blame.kind, &blame.span), (kind.name, span));
            writeln!(out, "{} {name} @ {span}", kind.name).unwrap();
            for row in blame.rows {
                let place = row.span.map_or(String::new(), |span| format!(" @ {span}"));
                writeln!(out, "    {} = {} ({}{place})", row.path, row.value, row.layer).unwrap();
            }
        }
    }
    out
}

#[test]
fn every_value_has_its_layer_and_place() {
    insta::glob!("../cases/blame", "*.*", |path| insta::assert_snapshot!(blamed(
        &read_case(path)
    )));
}

#[test]
fn what_is_written_nowhere_is_not_found() {
    let index = Index::read(&[file("a.toml", "[rack.r1]\nunits = 42\n")]);
    assert!(index.blame("rack", "r2").is_none() && index.blame("rock", "r1").is_none());
    assert_eq!(index.names("rack").count(), 1);
    assert_eq!(index.names("machine").count(), 0);
}

/// What holds is what `parse` makes of it: the values of a machine in its model are those of its rows.
#[test]
fn the_rows_are_what_the_model_has() {
    let files = read_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/one-rack/toml"));
    let fleet = parse(&files).fleet.unwrap();
    let index = Index::read(&files);
    assert_eq!(index.names("machine").count(), fleet.machines.len());
    for (name, machine) in &fleet.machines {
        let rows = index.blame("machine", name.as_str()).unwrap().rows;
        let value = |path: &str| {
            rows.iter()
                .find(|row| row.path == path)
                .map(|row| row.value.clone())
        };
        assert_eq!(value("boot.mode").unwrap(), machine.boot.mode.as_str());
        assert_eq!(value("boot.timeout").unwrap(), machine.boot.timeout.to_string());
        let rack = machine.rack.as_ref().map(|rack| rack.name.to_string());
        assert_eq!(value("rack"), rack.map(Into::into));
        let mut tags: Vec<String> = rows
            .iter()
            .filter(|row| row.path == "tags")
            .flat_map(|row| match row.value.as_array() {
                Some(items) => items.clone(),
                None => vec![row.value.clone()],
            })
            .map(|tag| tag.as_str().unwrap().to_owned())
            .collect();
        tags.sort();
        tags.dedup();
        assert!(
            tags.iter().eq(machine.tags.iter().map(|tag| tag.as_str())),
            "{name}: {tags:?}"
        );
    }
}

/// What stands at each place of a file, a line for each run of places with the same answer.
fn map(files: &[SourceFile], path: &str) -> String {
    let index = Index::read(files);
    let text = files.iter().find(|file| file.path == path).unwrap();
    let mut runs: Vec<(String, String)> = Vec::new();
    for (line, text) in (1..).zip(std::str::from_utf8(&text.bytes).unwrap().lines()) {
        for (column, letter) in (1..).zip(text.chars()) {
            let found = index.at(path, line, column);
            let said = found.map_or("nothing".to_owned(), |at| {
                let effect = at.field.map_or("-", |field| field.effect.as_str());
                let value = at.value.map_or(String::new(), |value| format!(" = {value}"));
                let name = at.name.unwrap_or("(defaults)");
                format!("{}.{name} {} [{effect}]{value}", at.kind.name, at.path)
            });
            match runs.last_mut() {
                Some((letters, last)) if *last == said => letters.push(letter),
                _ => runs.push((letter.to_string(), said)),
            }
        }
    }
    let mut out = String::new();
    for (letters, said) in runs {
        writeln!(out, "{letters:?}: {said}").unwrap();
    }
    out
}

#[test]
fn each_place_is_answered() {
    let toml = "\
[defaults.machine]\n\
rack = \"r1\"\n\
[machine.m1]\n\
tags = [\"é\", \"b\"]\n\
nic.p0 = { mac = \"52:54:00:77:00:01\", x-port = 7 }\n\
consent = [{ disk = \"wwn:0x1\" }]\n";
    let kdl = "rack r1 units=42 {\n    agents a b\n}\n";
    let files = [file("a.toml", toml), file("b.kdl", kdl)];
    insta::assert_snapshot!("places_of_toml", map(&files, "a.toml"));
    insta::assert_snapshot!("places_of_kdl", map(&files, "b.kdl"));
    assert!(Index::read(&files).at("c.toml", 1, 1).is_none());
    assert!(Index::read(&files).at("a.toml", 100, 1).is_none());
}
