//! The reference of the guide: a page for each kind, printed from the table of the language, with an example in both
//! syntaxes from `cases/reference/`.
//!
//! With `MUSTER_UPDATE_PAGES=1` the pages are written instead of compared.

use crate::revision::file;
use schema_fleet::{
    Code, Effect, FieldRow, Index, KindRow, Severity, Shape, kinds, parse, render, schema::json_schema,
};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

const EFFECTS: [Effect; 5] = [
    Effect::Live,
    Effect::NextDeploy,
    Effect::Reboot,
    Effect::Redeploy,
    Effect::Wipe,
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/reference")
}

/// The example of a kind in one syntax.
fn example(kind: &KindRow, syntax: &str) -> String {
    let name = format!("tests/cases/reference/{}.{syntax}", kind.name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a field or an item looks like.
fn look(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Integer { min, max } if *max >= i64::from(u32::MAX) => format!("a whole number from {min}"),
        Shape::Integer { min, max } => format!("a whole number, {min} to {max}"),
        Shape::Text { what: "a string", .. } => "a text".to_owned(),
        Shape::Text { what: "a name", .. } => "a name".to_owned(),
        Shape::Text { what, example, .. } => format!("{}, such as `{}`", cell(what), cell(example)),
        Shape::Words(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{}`", word.word)).collect();
            words.join(" or ")
        }
        Shape::Reference(kind) => format!("the name of a [{kind}]({kind}.md)"),
        Shape::List(inner) => match inner {
            Shape::Table(_) => "a list of tables, below".to_owned(),
            _ => format!("a list, each {}", look(inner)),
        },
        Shape::Table(_) => "a table, below".to_owned(),
        Shape::Map(inner) => match inner {
            Shape::Table(_) => "tables by name, below".to_owned(),
            _ => format!("by name, each {}", look(inner)),
        },
        Shape::Scalar => "`true` or `false`, a whole number, or a text".to_owned(),
        Shape::Share(max) => format!("a whole number, 0 to {max}, or a share such as `10%`"),
    }
}

/// A text within a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

/// Marks what is only understood.
fn later(carried_out: bool) -> &'static str {
    if carried_out {
        ""
    } else {
        " **Not carried out by this version.**"
    }
}

/// A table of fields, the meanings of their words, and a section for each table in it.
fn fields(out: &mut String, path: &str, fields: &[FieldRow]) {
    writeln!(
        out,
        "| Key | What it says | Value | Without it | A change |\n|---|---|---|---|---|"
    )
    .unwrap();
    for field in fields {
        let without = match (field.required, field.default) {
            (true, _) => "**must be there**".to_owned(),
            (false, Some(default)) => format!("`{}`", cell(&default())),
            (false, None) if field.implied => "as its keys say".to_owned(),
            (false, None) => "-".to_owned(),
        };
        let later = later(field.carried_out);
        let (doc, look, effect) = (cell(field.doc), look(field.shape), field.effect.as_str());
        writeln!(
            out,
            "| `{}` | {doc}{later} | {look} | {without} | {effect} |",
            field.key
        )
        .unwrap();
    }
    for field in fields {
        if let Some(words) = words(field.shape) {
            writeln!(out, "\n`{}` is one of:\n", field.key).unwrap();
            for word in words {
                let later = later(word.carried_out);
                writeln!(out, "- `{}`: {}{later}", word.word, word.doc.trim()).unwrap();
            }
        }
    }
    for field in fields {
        let (mut inner, mut name) = (field.shape, format!("{path}{}", field.key));
        let fields = loop {
            match inner {
                Shape::List(each) => {
                    name.push_str("[]");
                    inner = each;
                }
                Shape::Map(each) => {
                    name.push_str(".NAME");
                    inner = each;
                }
                Shape::Table(fields) => break *fields,
                _ => break &[],
            }
        };
        if !fields.is_empty() {
            writeln!(out, "\n## `{name}`\n\n{}\n", field.doc.trim()).unwrap();
            self::fields(out, &format!("{name}."), fields);
        }
    }
}

fn words(shape: &Shape) -> Option<&'static [schema_fleet::Word]> {
    match shape {
        Shape::Words(words) => Some(words),
        Shape::List(inner) | Shape::Map(inner) => words(inner),
        _ => None,
    }
}

const MADE: &str =
    "<!-- Made of the table of the language: MUSTER_UPDATE_PAGES=1 cargo test -p schema-fleet reference -->";

fn page(kind: &KindRow) -> String {
    let mut out = format!(
        "{MADE}\n# {}\n\n{}{}\n",
        kind.name,
        kind.doc.trim(),
        later(kind.carried_out)
    );
    let (toml, kdl) = (example(kind, "toml"), example(kind, "kdl"));
    write!(
        out,
        "\n```toml\n{toml}```\n\nThe same in KDL:\n\n```kdl\n{kdl}```\n\n"
    )
    .unwrap();
    writeln!(
        out,
        "## Keys\n\nThe last column is explained in the [index](README.md).\n"
    )
    .unwrap();
    fields(&mut out, "", kind.fields);
    out
}

fn index() -> String {
    let mut out = format!(
        "{MADE}\n# Reference\n\nEvery kind of object of a fleet file. What stands here an editor can show too: \
         [editors](../editor.md).\n\n| Kind | What it is |\n|---|---|\n"
    );
    for kind in kinds() {
        let (name, doc, later) = (kind.name, cell(kind.doc), later(kind.carried_out));
        writeln!(out, "| [{name}]({name}.md) | {doc}{later} |").unwrap();
    }
    out += "\n## What a change does\n\n";
    for effect in EFFECTS {
        writeln!(out, "- **{}**: {}.", effect.as_str(), effect.meaning()).unwrap();
    }
    out += "\n## Everywhere\n\nKeys that begin with `x-`, and `annotations`, are yours: muster does not look at them. \
            Every other key that it does not know is a mistake.\n";
    out
}

#[test]
fn each_kind_has_its_page() {
    let mut pages: Vec<_> = kinds()
        .iter()
        .map(|kind| (format!("{}.md", kind.name), page(kind)))
        .collect();
    pages.push(("README.md".to_owned(), index()));
    let update = std::env::var_os("MUSTER_UPDATE_PAGES").is_some();
    if update {
        std::fs::create_dir_all(folder()).unwrap();
    }
    for (name, text) in &pages {
        let path = folder().join(name);
        if update {
            std::fs::write(&path, text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let stale = text
            .lines()
            .find(|line| !found.lines().any(|other| other == *line));
        assert!(
            found == *text,
            "{name} is stale: run with MUSTER_UPDATE_PAGES=1. It wants {stale:?}"
        );
    }
    let known: BTreeSet<_> = pages.into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} is the page of no kind");
    }
}

/// Each example is right but for what it names and does not bring, and says the same in both syntaxes.
#[test]
fn each_example_is_right() {
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    for kind in kinds() {
        let files = ["toml", "kdl"].map(|syntax| [file(&format!("a.{syntax}"), &example(kind, syntax))]);
        let said = files.each_ref().map(|files| {
            let mut wrong = parse(files).diagnostics;
            wrong.retain(|one| {
                let elsewhere = matches!(
                    one.code,
                    Code::M0101
                        | Code::M0106
                        | Code::M0204
                        | Code::M0511
                        | Code::M0515
                        | Code::M0702
                        | Code::M0801
                        | Code::M0807
                );
                one.severity == Severity::Error && !elsewhere
            });
            assert!(wrong.is_empty(), "{}", render::plain(&wrong, files));
            let (index, mut rows) = (Index::read(files), Vec::new());
            for other in kinds() {
                for (name, _) in index.names(other.name) {
                    assert_eq!(other.name, kind.name);
                    let blame = index.blame(other.name, name).unwrap();
                    rows.extend(
                        blame
                            .rows
                            .into_iter()
                            .map(|row| (name.to_owned(), row.path, row.value)),
                    );
                }
            }
            rows
        });
        assert!(!said[0].is_empty(), "{}", kind.name);
        assert_eq!(said[0], said[1], "{}", kind.name);
        let document: serde_json::Value = toml::from_str(&example(kind, "toml")).unwrap();
        let rejected: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(rejected.is_empty(), "{}: {rejected:?}", kind.name);
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/reference");
    assert_eq!(std::fs::read_dir(examples).unwrap().count(), 2 * kinds().len());
}
