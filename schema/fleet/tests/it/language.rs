//! The language as its own table says it: a change of a key, a default or an effect shows here.

use schema_fleet::{FieldRow, Shape, Word, kinds};
use std::fmt::Write;

#[test]
fn the_table_of_the_language() {
    let mut out = String::new();
    for kind in kinds() {
        let later = if kind.carried_out { "" } else { " (later)" };
        writeln!(out, "{}{later}:{}", kind.name, kind.doc).unwrap();
        rows(&mut out, kind.fields, 1);
    }
    insta::assert_snapshot!(out);
}

fn rows(out: &mut String, fields: &[FieldRow], depth: usize) {
    for field in fields {
        assert!(!field.doc.trim().is_empty(), "{}", field.key);
        let need = match (field.required, field.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => format!("default {:?}", default()),
            (false, None) => "optional".to_owned(),
        };
        let (key, effect) = (field.key, field.effect.as_str());
        let later = if field.carried_out { "" } else { ", later" };
        writeln!(
            out,
            "{:indent$}{key}: {}, {need}, {effect}{later}",
            "",
            shape(field.shape),
            indent = 4 * depth
        )
        .unwrap();
        if let Some(fields) = inner(field.shape) {
            rows(out, fields, depth + 1);
        }
    }
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true or false".to_owned(),
        Shape::Integer { min, max } => format!("{min} to {max}"),
        Shape::Text { what, .. } => (*what).to_owned(),
        Shape::Words(words) => words.iter().map(word).collect::<Vec<_>>().join(" | "),
        Shape::Reference(kind) => format!("name of a {kind}"),
        Shape::List(inner) => format!("list of {}", self::shape(inner)),
        Shape::Table(_) => "table".to_owned(),
        Shape::Map(inner) => format!("names with {}", self::shape(inner)),
        Shape::Scalar => "true or false, number or string".to_owned(),
        Shape::Share(max) => format!("0 to {max}, or a share"),
    }
}

fn word(word: &Word) -> String {
    match word.carried_out {
        true => word.word.to_owned(),
        false => format!("{} (later)", word.word),
    }
}

fn inner(shape: &Shape) -> Option<&'static [FieldRow]> {
    match shape {
        Shape::Table(fields) => Some(fields),
        Shape::List(inner) | Shape::Map(inner) => self::inner(inner),
        _ => None,
    }
}
