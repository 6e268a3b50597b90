//! What chance writes over the table of the language, as values: objects of any kind with any fields, right or wrong.

use schema_fleet::{FieldRow, Shape, kinds};
use serde_json::{Map, Value, json};

/// Names of objects and keys; few, so that references meet what they name.
const NAMES: [&str; 3] = ["a", "b", "node-01"];

/// Texts that a writer or a reader may trip over; `muster check` takes some of them nowhere, and says so.
const TEXTS: [&str; 6] = [
    "text",
    "two words",
    "a \"quoted\" \\ text",
    "it's \"#\" é",
    "line one\n  line \"\"\"two\n\n\tlast\\",
    "true",
];

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
pub(crate) struct Dice<'d> {
    numbers: std::slice::Iter<'d, u8>,
    /// One value of so many is wrong; 0 for none.
    wrong: usize,
    /// Whether these are defaults, in which lists must be whole though nobody takes them.
    is_default: bool,
    /// Whether no key may be missing.
    is_whole: bool,
}

impl<'d> Dice<'d> {
    pub(crate) fn new(numbers: &'d [u8], wrong: usize) -> Self {
        Self {
            numbers: numbers.iter(),
            wrong,
            is_default: false,
            is_whole: false,
        }
    }
}

impl Dice<'_> {
    /// Below `sides`; 0 when the numbers are used up.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
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
            Shape::Text { what: "a string", .. } => json!(self.one_of(&TEXTS)),
            Shape::Text { example, .. } => json!(example),
            Shape::Words(words) => json!(words[self.roll(words.len())].word),
            Shape::Reference(_) => json!(self.one_of(&NAMES)),
            Shape::Scalar => self.one_of(&[|| json!(1), || json!("1"), || json!(true)] as &[fn() -> Value])(),
            Shape::Share(max) => self.one_of(&[json!(max), json!("10%")].each_ref()).clone(),
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
    pub(crate) fn file(&mut self) -> Value {
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
