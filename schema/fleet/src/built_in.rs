//! The lowest layer: what the language itself gives where nothing is written.

use crate::{
    kind::{FieldRow, Shape},
    kinds::kinds,
};
use serde_json::Value;

/// The values that the language gives where nothing is written, by path and in the order of the reference. `NAME`
/// stands for names that a fleet chooses, `[]` for each item of a list.
pub fn built_in() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for kind in kinds() {
        collect(kind.name, kind.fields, &mut found);
    }
    found
}

fn collect(path: &str, fields: &[FieldRow], found: &mut Vec<(String, Value)>) {
    for field in fields {
        let mut path = format!("{path}.{}", field.key);
        if let Some(default) = field.default {
            found.push((path.clone(), field.shape.value_of(default())));
        }
        let mut shape = field.shape;
        loop {
            match shape {
                Shape::List(inner) => {
                    path.push_str("[]");
                    shape = inner;
                }
                Shape::Map(inner) => {
                    path.push_str(".NAME");
                    shape = inner;
                }
                Shape::Table(fields) => break collect(&path, fields, found),
                _ => break,
            }
        }
    }
}
