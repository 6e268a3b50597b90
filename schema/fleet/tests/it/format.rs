//! The formatter: each case in both syntaxes, what is refused, and that the examples are as it writes them.

use crate::revision::read_directory;
use schema_fleet::{Code, Syntax, format};
use std::{fs, path::Path};

const BOTH: [Syntax; 2] = [Syntax::Toml, Syntax::Kdl];

/// A file's text in its own syntax and in the other, each stable when it is formatted again.
fn in_both(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let from = Syntax::of(path.to_str().unwrap()).unwrap();
    let mut out = String::new();
    for to in BOTH {
        out += &format!("=== {}\n", to.extension());
        match format("case", &text, from, to) {
            Ok(printed) => {
                assert_eq!(format("again", &printed, to, to).unwrap(), printed);
                out += &printed;
            }
            Err(told) => {
                for one in told {
                    out += &format!("{} {} {}\n", one.code, one.primary.span, one.title);
                }
            }
        }
    }
    out
}

#[test]
fn each_case_in_both_syntaxes() {
    insta::glob!("../cases/fmt", "*.*", |path| insta::assert_snapshot!(in_both(
        path
    )));
}

#[test]
fn the_examples_are_as_they_shall_be() {
    let mut looked = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["examples", "reconciler/cli/src/init"] {
        for file in read_directory(&root.join(folder)) {
            let Some(syntax) = Syntax::of(&file.path) else {
                continue;
            };
            let text = String::from_utf8(file.bytes).unwrap();
            assert_eq!(
                format(&file.path, &text, syntax, syntax).unwrap(),
                text,
                "{folder}/{}: run `muster fmt {folder}`",
                file.path
            );
            looked += 1;
        }
    }
    assert!(looked > 15);
}

/// What is told of a text, and where.
fn told(text: &str, from: Syntax, to: Syntax) -> Vec<(Code, String)> {
    let told = format("case", text, from, to).unwrap_err();
    told.into_iter()
        .map(|one| (one.code, format!("{}: {}", one.primary.span, one.title)))
        .collect()
}

#[test]
fn what_would_lose_something_is_refused() {
    use Syntax::{Kdl, Toml};
    let cases = [
        ("[machine.a]\nserial = 1 2", Toml, Toml, Code::M0001, ":2:"),
        ("machine a { serial 10.0.0.1 }", Kdl, Kdl, Code::M0006, ":1:20"),
        // Read as less than what is written.
        ("rack r1 { units 1 2; }", Kdl, Kdl, Code::M0003, ":1:17"),
        ("rack r1 { units { a 1; }; }", Kdl, Kdl, Code::M0003, ":1:11"),
        ("machine a { boot 1; }", Kdl, Kdl, Code::M0003, ":1:18"),
        ("machine a b", Kdl, Kdl, Code::M0003, ":1:11"),
        ("(x)machine a", Kdl, Kdl, Code::M0003, ":1:4"),
        (
            "machine a { x-free (date)\"2026-01-01\"; }",
            Kdl,
            Kdl,
            Code::M0003,
            ":1:20",
        ),
        ("machine a { nic { - p0; }; }", Kdl, Kdl, Code::M0003, ":1:13"),
        ("[rack]\nr1 = 1\n", Toml, Toml, Code::M0003, ":2:6"),
        ("rack = 1\n", Toml, Toml, Code::M0003, ":1:8"),
        ("[machine.a]\ntags = \"b\"\n", Toml, Kdl, Code::M0003, ":2:8"),
        ("[machin.a]\n", Toml, Kdl, Code::M0002, ":1:2"),
        // Said in one syntax alone.
        (
            "[machine.a]\nx-day = 2026-03-01\n",
            Toml,
            Kdl,
            Code::M0020,
            ":2:9",
        ),
        ("[storage.a]\npartition = []\n", Toml, Kdl, Code::M0020, ":2:13"),
        ("[machine.a]\nnic = {}\n", Toml, Kdl, Code::M0020, ":2:7"),
        ("machine a x-nothing=#null", Kdl, Toml, Code::M0020, ":1:21"),
        ("machine a\nmachine a", Kdl, Toml, Code::M0020, ":1:1"),
    ];
    for (text, from, to, code, at) in cases {
        let told = told(text, from, to);
        assert_eq!(told[0].0, code, "{text}: {told:?}");
        assert!(told[0].1.contains(at), "{text}: {told:?}");
    }
    // In their own syntax they stay.
    for text in [
        "[machine.a]\nx-day = 2026-03-01\n",
        "[storage.a]\npartition = []\n",
        "[machine.a]\nnic = {}\n",
    ] {
        assert_eq!(format("case", text, Toml, Toml).unwrap(), text);
    }
    for text in ["machine a x-nothing=#null\n", "machine a\nmachine a\n"] {
        assert_eq!(format("case", text, Kdl, Kdl).unwrap(), text);
    }
}

#[test]
fn files_with_nothing_but_comments_stay() {
    for text in ["", "# one\n", "# one\n\n# two\n"] {
        assert_eq!(format("case", text, Syntax::Toml, Syntax::Toml).unwrap(), text);
        let kdl = text.replace('#', "//");
        assert_eq!(format("case", text, Syntax::Toml, Syntax::Kdl).unwrap(), kdl);
        assert_eq!(format("case", &kdl, Syntax::Kdl, Syntax::Toml).unwrap(), text);
    }
    let windows = "\u{feff}# one\r\n\r\n[rack.a]\r\nunits = 1 # two\r\n";
    let unix = "# one\n\n[rack.a]\nunits = 1 # two\n";
    assert_eq!(format("case", windows, Syntax::Toml, Syntax::Toml).unwrap(), unix);
}

/// The guide shows one fleet in both syntaxes.
#[test]
fn the_guide_shows_the_same_in_both_syntaxes() {
    let page = include_str!("../../../../docs/guide/formatting.md");
    let block = |language: &str| {
        let rest = page.split_once(&format!("```{language}\n")).unwrap().1;
        rest.split_once("```").unwrap().0
    };
    let [toml, kdl] = ["toml", "kdl"].map(block);
    assert_eq!(format("guide", toml, Syntax::Toml, Syntax::Kdl).unwrap(), kdl);
    assert_eq!(format("guide", kdl, Syntax::Kdl, Syntax::Toml).unwrap(), toml);
}
