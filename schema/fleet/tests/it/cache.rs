//! A cache changes how fast a fleet is read, and nothing else.

use crate::revision::{file, read_case};
use schema_fleet::{Cache, SourceFile, parse};
use std::path::Path;

const BASE: &str = include_str!("../cases/base.toml");

fn is_alike(cache: &mut Cache, files: &[SourceFile], what: &str) {
    let (cached, fresh) = (cache.parse(files), parse(files));
    assert_eq!(cached.diagnostics, fresh.diagnostics, "{what}");
    assert_eq!(cached.fleet, fresh.fleet, "{what}");
    // Spans take no part in comparisons of the model; printed, they do.
    assert_eq!(
        format!("{:?}", cached.fleet),
        format!("{:?}", fresh.fleet),
        "{what}"
    );
}

#[test]
fn every_case_after_every_other_is_told_as_if_it_were_the_first() {
    let mut cache = Cache::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bad");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    for case in &cases {
        let mut files = read_case(case);
        files.push(file("base.toml", BASE));
        let what = case.display().to_string();
        is_alike(&mut cache, &files, &what);
        is_alike(&mut cache, &files, &format!("{what}, again"));
    }
}

fn fleet(profile: &str, first: &str, second: &str) -> Vec<SourceFile> {
    vec![
        file("base.toml", BASE),
        file("catalog.toml", profile),
        file("one.toml", first),
        file("two.kdl", second),
    ]
}

#[test]
fn what_changes_is_made_anew_with_all_that_stands_on_it() {
    let mut cache = Cache::default();
    let profile = "[profile.p]\nrack = \"r1\"\ntags = [\"a\"]\n";
    let one = "[machine.m1]\nprofile = \"p\"\nserial = \"1\"\n";
    let two = "machine m2 profile=p serial=\"2\"\n";
    let steps = [
        ("first", fleet(profile, one, two)),
        ("nothing changed", fleet(profile, one, two)),
        (
            "a machine changed",
            fleet(profile, &one.replace("\"1\"", "\"3\""), two),
        ),
        ("a line moved", fleet(profile, &format!("\n\n{one}"), two)),
        (
            "the profile changed",
            fleet(&profile.replace("\"a\"", "\"b\""), one, two),
        ),
        (
            "the profile is wrong",
            fleet(&profile.replace("r1", "r9"), one, two),
        ),
        ("the profile is gone", fleet("", one, two)),
        (
            "written twice",
            fleet(profile, one, &format!("{two}machine m1 serial=\"9\"\n")),
        ),
        ("written once again", fleet(profile, one, two)),
        (
            "twice the same serial",
            fleet(profile, one, &two.replace("\"2\"", "\"1\"")),
        ),
        (
            "not read to the end",
            fleet(profile, &format!("{one}[machine"), two),
        ),
        ("not UTF-8", {
            let mut files = fleet(profile, one, two);
            files[2].bytes.push(0xff);
            files
        }),
        (
            "moved to another file",
            fleet(profile, "", &format!("{two}machine m1 profile=p serial=\"1\"\n")),
        ),
        ("nothing is left", Vec::new()),
    ];
    for (what, files) in &steps {
        is_alike(&mut cache, files, what);
    }
    for (what, files) in steps.iter().rev() {
        is_alike(&mut cache, files, what);
    }
}
