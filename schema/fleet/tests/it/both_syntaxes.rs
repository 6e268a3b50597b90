//! What is written in both syntaxes is one model: for every kind, field and word of the table.
//!
//! The files are made of values, by a printer of KDL that is this test's own and knows nothing of the formatter's. What
//! is compared is all that was decoded and all that `check` says of it.

use crate::{dice::Dice, revision::file};
use proptest::{collection, prelude::*};
use schema_fleet::{Draft, FieldRow, Shape, Syntax, decoded, format, kinds, parse};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fmt::Write as _};

/// Prints values as KDL; whether a single value is a property or a node is for the dice.
struct Printer<'d> {
    out: String,
    dice: Dice<'d>,
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Bool(value) => format!("#{value}"),
        Value::String(text) => {
            let escape = |c: char| match c {
                '"' | '\\' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                ' '..='~' => c.to_string(),
                c => format!("\\u{{{:x}}}", u32::from(c)),
            };
            format!("\"{}\"", text.chars().map(escape).collect::<String>())
        }
        number => number.to_string(),
    }
}

fn is_single(shape: &Shape) -> bool {
    !matches!(shape, Shape::Table(_) | Shape::Map(_) | Shape::List(_))
}

impl Printer<'_> {
    fn file(&mut self, root: &Value) {
        for (key, named) in root.as_object().unwrap() {
            for (name, value) in named.as_object().unwrap() {
                match kinds().iter().find(|row| row.name == *key) {
                    Some(row) => self.table(&format!("{key} \"{name}\""), row.fields, value),
                    None if key == "defaults" => {
                        let row = kinds().iter().find(|row| row.name == *name).unwrap();
                        self.table(&format!("defaults {name}"), row.fields, value);
                    }
                    None => {
                        let kind = format!("{key}.{name}");
                        let row = kinds().iter().find(|row| row.name == kind).unwrap();
                        for (own, value) in value.as_object().unwrap() {
                            self.table(&format!("{key} {name} \"{own}\""), row.fields, value);
                        }
                    }
                }
            }
        }
    }

    fn table(&mut self, words: &str, fields: &[FieldRow], value: &Value) {
        self.out.push_str(words);
        let mut children = Vec::new();
        for (key, value) in value.as_object().unwrap() {
            match fields.iter().find(|field| field.key == key) {
                None => write!(self.out, " {key}=1").unwrap(),
                Some(field) if is_single(field.shape) && self.dice.roll(2) == 0 => {
                    write!(self.out, " {key}={}", scalar(value)).unwrap();
                }
                Some(field) => children.push((key, field.shape, value)),
            }
        }
        self.out.push_str(" {\n");
        for (key, shape, value) in children {
            self.child(key, shape, value);
        }
        self.out.push_str("}\n");
    }

    fn child(&mut self, words: &str, shape: &Shape, value: &Value) {
        match (shape, value) {
            (Shape::Table(fields), _) => self.table(words, fields, value),
            (Shape::Map(inner), Value::Object(named)) if is_single(inner) && self.dice.roll(2) == 0 => {
                let pairs = named
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", scalar(value)));
                writeln!(self.out, "{words}{}", pairs.collect::<String>()).unwrap();
            }
            (Shape::Map(inner), Value::Object(named)) => {
                for (name, value) in named {
                    self.child(&format!("{words} \"{name}\""), inner, value);
                }
            }
            (Shape::List(Shape::Table(fields)), Value::Array(items)) => {
                items.iter().for_each(|item| self.table(words, fields, item));
            }
            (_, Value::Array(items)) => {
                let items: String = items.iter().map(|item| format!(" {}", scalar(item))).collect();
                writeln!(self.out, "{words}{items}").unwrap();
            }
            (_, value) => writeln!(self.out, "{words} {}", scalar(value)).unwrap(),
        }
    }
}

/// Empty lists of tables have no form in KDL, where none is none.
fn without_nothing(value: &mut Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Table(fields), Value::Object(table)) => {
            let of = |key: &str| {
                fields
                    .iter()
                    .find(|field| field.key == key)
                    .map(|field| field.shape)
            };
            table.retain(|key, value| {
                let empty = value.as_array().is_some_and(Vec::is_empty);
                !(empty && matches!(of(key), Some(Shape::List(Shape::Table(_)))))
            });
            for (key, value) in table {
                if let Some(shape) = of(key) {
                    without_nothing(value, shape);
                }
            }
        }
        (Shape::Map(inner), Value::Object(named)) => {
            named.values_mut().for_each(|value| without_nothing(value, inner));
        }
        (Shape::List(inner), Value::Array(items)) => {
            items.iter_mut().for_each(|item| without_nothing(item, inner));
        }
        _ => {}
    }
}

fn objects_without_nothing(root: &mut Value) {
    let shape_of = |name: &str| {
        kinds()
            .iter()
            .find(|row| row.name == name)
            .map(|row| Shape::Table(row.fields))
    };
    for (key, named) in root.as_object_mut().unwrap() {
        for (name, value) in named.as_object_mut().unwrap() {
            let nested = shape_of(&format!("{key}.{name}"));
            if let Some(shape) = shape_of(key).or_else(|| shape_of(name).filter(|_| key == "defaults")) {
                without_nothing(value, &shape);
            } else if let Some(shape) = nested {
                let own = value.as_object_mut().unwrap().values_mut();
                own.for_each(|value| without_nothing(value, &shape));
            }
        }
    }
}

/// The file in both syntaxes is one model, of which the same is said; and so is what the formatter makes of each. A right
/// one is decoded, be its names known or not.
fn is_one_model(root: &mut Value, numbers: &[u8], is_right: bool) {
    objects_without_nothing(root);
    let toml = toml::to_string(root).unwrap();
    let mut printer = Printer {
        out: String::new(),
        dice: Dice::new(numbers, 0),
    };
    printer.file(root);
    let kdl = printer.out;
    let one = [file("m.toml", &toml)];
    let model = decoded(&one);
    if is_right {
        assert!(model != Draft::default(), "nothing was compared:\n{toml}");
    }
    let mut others = vec![("m.kdl", kdl.clone())];
    for (text, from, path, to) in [
        (&toml, Syntax::Toml, "m.kdl", Syntax::Kdl),
        (&kdl, Syntax::Kdl, "m.toml", Syntax::Toml),
    ] {
        let written = format("m", text, from, to);
        let written = written.unwrap_or_else(|told| panic!("{from:?} {to:?}: {told:?}\n{text}"));
        others.push((path, written));
    }
    let titles = |files: &[_]| {
        let told = parse(files).diagnostics.into_iter();
        let mut titles: Vec<_> = told.map(|one| (one.code, one.title)).collect();
        titles.sort();
        titles
    };
    let said = titles(&one);
    for (path, text) in others {
        let other = [file(path, &text)];
        assert!(
            model == decoded(&other),
            "{toml}\n===\n{kdl}\n===\n{text}\n{model:#?}\n{:#?}",
            decoded(&other)
        );
        assert_eq!(said, titles(&other), "{toml}\n===\n{kdl}\n===\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written(numbers in collection::vec(any::<u8>(), 0..300)) {
        let mut root = Dice::new(&numbers, 0).file();
        is_one_model(&mut root, &numbers, false);
    }
}

/// A right value of each sort that a shape has, by number.
fn nth(shape: &Shape, number: usize, path: &str, met: &mut BTreeSet<String>) -> Value {
    match shape {
        Shape::Bool => json!(number % 2 == 1),
        Shape::Integer { min, max } => json!([min, &(min + 1), max][number % 3]),
        Shape::Text { example, .. } => json!(example),
        Shape::Words(words) => {
            let word = words[number % words.len()].word;
            met.insert(format!("{path}={word}"));
            json!(word)
        }
        Shape::Reference(_) => json!("a"),
        Shape::Scalar => [json!(7), json!("a text"), json!(true)][number % 3].clone(),
        Shape::Share(max) => [json!(max), json!("10%")][number % 2].clone(),
        Shape::List(inner) => (number..=number + 1)
            .map(|number| nth(inner, number, path, met))
            .collect(),
        Shape::Table(fields) => Value::Object(whole(fields, number, path, met)),
        Shape::Map(inner) => {
            let names = ["a", "b.c"].map(|name| (name.to_owned(), nth(inner, number, path, met)));
            Value::Object(names.into_iter().collect())
        }
    }
}

fn whole(fields: &[FieldRow], number: usize, path: &str, met: &mut BTreeSet<String>) -> Map<String, Value> {
    let mut table = Map::new();
    for field in fields {
        let path = format!("{path}.{}", field.key);
        table.insert(field.key.to_owned(), nth(field.shape, number, &path, met));
        met.insert(path);
    }
    table
}

/// Every word of the table, as it is written in the table.
fn wanted(shape: &Shape, path: &str, all: &mut BTreeSet<String>) {
    match shape {
        Shape::Words(words) => all.extend(words.iter().map(|word| format!("{path}={}", word.word))),
        Shape::List(inner) | Shape::Map(inner) => wanted(inner, path, all),
        Shape::Table(fields) => {
            for field in *fields {
                let path = format!("{path}.{}", field.key);
                wanted(field.shape, &path, all);
                all.insert(path);
            }
        }
        _ => {}
    }
}

/// Each field of each kind, with each of its words, in one object.
#[test]
fn every_field_and_word() {
    for kind in kinds() {
        let (mut met, mut all) = (BTreeSet::new(), BTreeSet::new());
        wanted(&Shape::Table(kind.fields), kind.name, &mut all);
        // A number has each of three values.
        for number in 0.. {
            if number > 2 && met == all {
                break;
            }
            let object = Value::Object(whole(kind.fields, usize::from(number), kind.name, &mut met));
            let mut root = match kind.name.split_once('.') {
                Some((group, inner)) => json!({ group: { inner: { "a": object } } }),
                None => json!({ kind.name: { "a": object } }),
            };
            is_one_model(&mut root, &[number; 200], true);
        }
    }
}
