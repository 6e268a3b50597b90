//! Files drawn at random from the table of the language, right and wrong: what the JSON Schema rejects, `muster
//! check` does not take, and what is wrong by its type, the schema rejects.

use crate::revision::file;
use jsonschema::Validator;
use proptest::{collection, prelude::*};
use schema_fleet::{Code, FieldRow, Shape, kinds, parse, schema::json_schema};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Names of objects and keys; few, so that references meet what they name.
const NAMES: [&str; 3] = ["a", "b", "node-01"];

/// Wrong nearly everywhere.
const WRONG: [fn() -> Value; 8] = [
    || json!(17),
    || json!(-1),
    || json!("no such thing!"),
    || json!(""),
    || json!(true),
    || json!(1.5),
    || json!([]),
    || json!({}),
];

/// Numbers in place of chance: a shorter list makes a plainer file.
struct Dice<'d> {
    numbers: std::slice::Iter<'d, u8>,
    /// One value of so many is wrong; 0 for none.
    wrong: usize,
    /// Whether these are defaults, in which lists must be whole though nobody takes them.
    is_default: bool,
    /// Whether no key may be missing.
    is_whole: bool,
}

impl Dice<'_> {
    /// Below `sides`; 0 when the numbers are used up.
    fn roll(&mut self, sides: usize) -> usize {
        self.numbers
            .next()
            .map_or(0, |number| usize::from(*number) % sides.max(1))
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.roll(things.len())]
    }

    fn is_wrong(&mut self) -> bool {
        self.wrong > 0 && self.roll(self.wrong) == self.wrong - 1
    }

    fn value(&mut self, shape: &Shape) -> Value {
        if self.is_wrong() {
            return self.one_of(&WRONG)();
        }
        match shape {
            Shape::Bool => json!(self.roll(2) == 1),
            Shape::Integer { min, max } => json!(self.one_of(&[*min, min + 1, *max])),
            Shape::Text { example, .. } => json!(example),
            Shape::Words(words) => json!(words[self.roll(words.len())].word),
            Shape::Reference(_) => json!(self.one_of(&NAMES)),
            Shape::Scalar => self.one_of(&[|| json!(1), || json!("1"), || json!(true)] as &[fn() -> Value])(),
            Shape::List(inner) => {
                let before = std::mem::replace(&mut self.is_whole, self.is_default);
                let items = (0..self.roll(3)).map(|_| self.value(inner)).collect();
                self.is_whole = before;
                items
            }
            Shape::Table(fields) => Value::Object(self.table(fields, 2)),
            Shape::Map(inner) => self.named(|dice| dice.value(inner)),
        }
    }

    /// Every key that must be there, but for one in twelve, and one in so many of the others.
    fn table(&mut self, fields: &[FieldRow], rare: usize) -> Map<String, Value> {
        let mut table = Map::new();
        for field in fields {
            let is_there = match field.required {
                // A layer may give it all the same.
                true => self.roll(12) != 11 || self.is_whole,
                false => self.roll(rare + 1) == rare,
            };
            if is_there {
                table.insert(field.key.to_owned(), self.value(field.shape));
            }
        }
        if self.is_wrong() {
            table.insert("unheard-of".to_owned(), json!(1));
        }
        if self.roll(9) == 8 {
            table.insert("x-own".to_owned(), json!({ "a": [1] }));
        }
        table
    }

    fn named(&mut self, mut value: impl FnMut(&mut Self) -> Value) -> Value {
        let mut named = Map::new();
        for _ in 0..=self.roll(2) {
            let name = if self.is_wrong() {
                "No Name"
            } else {
                self.one_of(&NAMES)
            };
            named.insert(name.to_owned(), value(self));
        }
        Value::Object(named)
    }

    /// A file of some kinds; one in three has defaults, which are right: a wrong one that no object takes is the
    /// one thing that only the schema rejects.
    fn file(&mut self) -> Value {
        let mut root = Map::new();
        let mut defaults = Map::new();
        for _ in 0..=self.roll(4) {
            let kind = self.one_of(kinds());
            let objects = self.named(|dice| Value::Object(dice.table(kind.fields, 4)));
            match kind.name.split_once('.') {
                Some((group, inner)) => {
                    root.entry(group).or_insert_with(|| json!({}))[inner] = objects;
                }
                None => {
                    root.insert(kind.name.to_owned(), objects);
                    if self.roll(3) == 2 {
                        let wrong = std::mem::take(&mut self.wrong);
                        self.is_default = true;
                        defaults.insert(kind.name.to_owned(), Value::Object(self.table(kind.fields, 3)));
                        self.wrong = wrong;
                        self.is_default = false;
                    }
                }
            }
        }
        if !defaults.is_empty() {
            root.insert("defaults".to_owned(), Value::Object(defaults));
        }
        Value::Object(root)
    }
}

/// What a file says that is wrong in itself, whatever the other objects are.
fn mistakes(text: &str) -> Vec<(Code, String)> {
    let diagnostics = parse(&[file("a.toml", text)]).diagnostics;
    let of_values = diagnostics.into_iter().filter(|one| {
        matches!(
            one.code,
            Code::M0002 | Code::M0003 | Code::M0004 | Code::M0005 | Code::M0009 | Code::M0705
        )
    });
    of_values.map(|one| (one.code, one.title)).collect()
}

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&json_schema()).unwrap());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_schema_and_the_decoder_agree(
        numbers in collection::vec(any::<u8>(), 0..300),
        wrong in prop_oneof![Just(0), Just(8), Just(40)],
    ) {
        let mut dice = Dice { numbers: numbers.iter(), wrong, is_default: false, is_whole: false };
        let text = toml::to_string(&dice.file()).unwrap();
        // As it is read: what a writer makes of numbers is its own business.
        let document: Value = toml::from_str(&text).unwrap();
        let rejected: Vec<_> = VALIDATOR
            .iter_errors(&document)
            .map(|one| format!("{}: {one}", one.instance_path()))
            .collect();
        let told = mistakes(&text);
        prop_assert!(
            rejected.is_empty() || !told.is_empty(),
            "only the schema rejects:\n{}\n{:#?}", text, rejected
        );
        let by_type = told.iter().find(|(code, title)| {
            // A share is a scalar to the table, of which it takes two of three sorts.
            matches!(code, Code::M0002 | Code::M0003) && !title.starts_with("a number of machines")
        });
        prop_assert!(
            by_type.is_none() || !rejected.is_empty(),
            "the schema takes:\n{}\n{:?}", text, by_type
        );
    }
}
