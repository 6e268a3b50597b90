//! The first fleet lines that anyone reads are fleet lines.

use schema_fleet::{Code, SourceFile};
use std::fmt::Write as _;

const README: &str = include_str!("../../../../README.md");
const EXAMPLE: &str = include_str!("../../../../examples/one-machine/toml/fleet.toml");

/// The fenced blocks of this language.
fn snippets<'t>(page: &'t str, language: &str) -> Vec<&'t str> {
    let opening = format!("```{language}\n");
    page.split(opening.as_str())
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

#[test]
fn the_snippets_of_the_readme_are_a_fleet_s() {
    let snippets = snippets(README, "toml");
    assert!(!snippets.is_empty(), "the README shows no fleet");
    for snippet in snippets {
        let file = SourceFile {
            path: "README.md".to_owned(),
            bytes: snippet.as_bytes().into(),
        };
        let parsed = schema_fleet::parse(&[file]);
        // A piece names what stands elsewhere, and is not the whole fleet.
        let mut wrong = String::new();
        for diagnostic in &parsed.diagnostics {
            if !matches!(diagnostic.code, Code::M0101 | Code::M0106) {
                writeln!(wrong, "{}: {}", diagnostic.code, diagnostic.title).unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}{snippet}");
        // It says of itself that the whole is the example.
        for line in snippet.lines() {
            assert!(EXAMPLE.contains(line), "the example has no line {line:?}");
        }
    }
}
