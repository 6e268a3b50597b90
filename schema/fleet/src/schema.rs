//! The JSON Schema of a fleet file, for editors: made from the table of kinds and from nothing else.
//!
//! It never rejects a file that `muster check` accepts, with one exception that is worth it: a wrong value in
//! `defaults` that no object of the file takes. What only several files together can say (references, duplicates,
//! addresses) it does not know.
//!
//! Which keys must be there is the one hard part, since a layer beneath an object may give them: the file's
//! `defaults`, and for machines their profile. So the description of a kind requires nothing; what an object must
//! have is required at the root, where it can be seen that no layer is in play. Lists replace each other whole:
//! what stands in one must be complete, and says so itself.
//!
//! Words are `oneOf` with `const` and `description`, which Tombi and Taplo show one by one. No `$ref` stands beside
//! other keywords but for whole objects, and every object says its `additionalProperties`: Taplo looks no further
//! than a `$ref`, and Tombi takes silence for `false`.

use crate::{
    decode::{Decode, Kind},
    kind::{FieldRow, KindRow, Shape},
    kinds::{kinds, machine::Machine, marker::Marker, profile::Profile},
};
use schema_ids::Name;
use serde_json::{Map, Value, json};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Whether something beneath may complete a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A layer may: nothing is required here.
    Layer,
    /// Nothing may.
    Whole,
}

/// The schema of one fleet file in TOML; what a KDL file means has the same form.
pub fn json_schema() -> Value {
    let (mut properties, mut groups) = (Map::new(), Map::new());
    let (mut defaults, mut definitions) = (Map::new(), Map::new());
    let mut complete = Vec::new();
    for kind in kinds() {
        let definition = json!({ "$ref": format!("#/$defs/{}", kind.name) });
        let objects = names_of(&understood(kind.doc, kind.carried_out), &definition);
        let part = match kind.name.split_once('.') {
            Some((group, inner)) => {
                let group = groups.entry(group).or_insert_with(|| json!({}));
                group[inner] = objects;
                // `defaults` knows kinds of one word.
                Part::Whole
            }
            None => {
                properties.insert(kind.name.to_owned(), objects);
                defaults.insert(kind.name.to_owned(), definition);
                complete.extend(completeness(kind));
                Part::Layer
            }
        };
        definitions.insert(kind.name.to_owned(), definition_of(kind, part));
    }
    for (group, inner) in groups {
        properties.insert(
            group,
            json!({ "type": "object", "properties": inner, "additionalProperties": false }),
        );
    }
    properties.insert(
        "defaults".to_owned(),
        json!({
            "description": "What the objects of this file take where they and their profile say nothing, by kind.",
            "type": "object",
            "properties": defaults,
            "additionalProperties": false,
        }),
    );
    properties.insert(
        "muster".to_owned(),
        described(
            Value::Object(table(Marker::FIELDS, Part::Whole)),
            "What holds for the repository as a whole; it stands in `muster.toml` at its root.",
        ),
    );
    json!({
        "$schema": DIALECT,
        "title": "A fleet file of muster",
        "type": "object",
        "properties": properties,
        "patternProperties": free(),
        "additionalProperties": false,
        "allOf": complete,
        "$defs": definitions,
    })
}

/// Objects by name.
fn names_of(doc: &str, object: &Value) -> Value {
    json!({
        "description": doc.trim(),
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": object,
    })
}

fn definition_of(kind: &KindRow, part: Part) -> Value {
    let mut definition = table(kind.fields, part);
    definition.insert("title".to_owned(), kind.name.into());
    if !kind.carried_out {
        definition.insert("x-muster-carried-out".to_owned(), false.into());
    }
    described(Value::Object(definition), &understood(kind.doc, kind.carried_out))
}

/// What something says, and whether anything comes of it.
fn understood(doc: &str, carried_out: bool) -> String {
    let later = if carried_out {
        ""
    } else {
        "\n\nUnderstood, but not carried out by this version."
    };
    format!("{}{later}", doc.trim())
}

/// Requires what an object must have, where no layer beneath it can have given it: the file has no `defaults` of
/// its kind, and, for keys that profiles know too, the machine has no profile.
fn completeness(kind: &KindRow) -> Option<Value> {
    let of_profiles: Vec<&str> = kinds()
        .iter()
        .filter(|row| kind.name == Machine::KIND && row.name == Profile::KIND)
        .flat_map(|row| row.fields.iter().map(|field| field.key))
        .collect();
    let mut object = needs(kind.fields.iter())?;
    if !of_profiles.is_empty() {
        let own = kind
            .fields
            .iter()
            .filter(|field| !of_profiles.contains(&field.key));
        object = json!({
            "if": { "required": ["profile"], "additionalProperties": true },
            "then": needs(own).unwrap_or(true.into()),
            "else": object,
        });
    }
    Some(json!({
        "if": {
            "required": ["defaults"],
            "properties": { "defaults": { "required": [kind.name], "additionalProperties": true } },
            "additionalProperties": true,
        },
        "else": {
            "properties": { kind.name: { "additionalProperties": object } },
            "additionalProperties": true,
        },
    }))
}

/// The required keys of a table and of the tables in it; `None` where there are none.
fn needs<'f>(fields: impl Iterator<Item = &'f FieldRow>) -> Option<Value> {
    let (mut required, mut properties) = (Vec::new(), Map::new());
    for field in fields {
        if field.required {
            required.push(field.key);
        }
        if let Some(inner) = needs_of(field.shape) {
            properties.insert(field.key.to_owned(), inner);
        }
    }
    (!required.is_empty() || !properties.is_empty())
        .then(|| json!({ "required": required, "properties": properties, "additionalProperties": true }))
}

fn needs_of(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Table(fields) => needs(fields.iter()),
        Shape::Map(inner) => Some(json!({ "additionalProperties": needs_of(inner)? })),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Text { .. }
        | Shape::Words(_)
        | Shape::Reference(_)
        | Shape::List(_)
        | Shape::Scalar
        | Shape::Share(_) => None,
    }
}

fn table(fields: &[FieldRow], part: Part) -> Map<String, Value> {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|row| (row.key.to_owned(), field(row, part)))
        .collect();
    let mut table = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("patternProperties".to_owned(), free()),
        ("additionalProperties".to_owned(), false.into()),
    ]);
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.key)
        .collect();
    if part == Part::Whole && !required.is_empty() {
        table.insert("required".to_owned(), required.into());
    }
    table
}

/// Keys that are everybody's own.
fn free() -> Value {
    json!({
        "^(x-.*|annotations)$": {
            "description": "Yours: muster does not look at it.",
            "additionalProperties": true,
        },
    })
}

fn field(row: &FieldRow, part: Part) -> Value {
    let mut schema = described(shape(row.shape, part), &description(row));
    schema["x-muster-effect"] = row.effect.as_str().into();
    if let Some(default) = row.default {
        schema["default"] = row.shape.value_of(default());
    }
    if !row.carried_out {
        schema["x-muster-carried-out"] = false.into();
    }
    schema
}

/// What an editor shows beside a key: what it says, what stands in for it, what a change of it does.
fn description(row: &FieldRow) -> String {
    let mut text = understood(row.doc, row.carried_out);
    if let Shape::Text { what, example, .. } = row.shape
        && !is_plain(row.shape)
    {
        text += &format!("\n\nIt is {what}, such as `{example}`.");
    }
    if let Some(default) = row.default {
        text += &format!("\n\nDefault: `{}`.", default());
    }
    if !matches!(row.shape, Shape::Table(_)) {
        let (word, meaning) = (row.effect.as_str(), row.effect.meaning());
        text += &format!("\n\nA change of it ({word}): {meaning}.");
    }
    text
}

fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.trim().into();
    schema
}

/// Whether a text is taken as it is.
fn is_plain(shape: &Shape) -> bool {
    matches!(shape, Shape::Text { what: "a string", .. })
}

/// A name: of an object, or of a key.
fn name() -> Value {
    let mut schema = shape(Name::SHAPE, Part::Whole);
    if let Value::Object(keywords) = &mut schema {
        // Whose name it is, the key says.
        keywords.remove("examples");
    }
    schema
}

fn shape(shape: &Shape, part: Part) -> Value {
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Text { example, pattern, .. } => {
            let mut schema = json!({ "type": "string" });
            if !is_plain(shape) {
                schema["examples"] = json!([example]);
            }
            if let Some(pattern) = pattern {
                schema["pattern"] = (*pattern).into();
            }
            schema
        }
        Shape::Words(words) => {
            let words = words.iter().map(|word| {
                let mut schema = described(
                    json!({ "const": word.word }),
                    &understood(word.doc, word.carried_out),
                );
                if !word.carried_out {
                    schema["x-muster-carried-out"] = false.into();
                }
                schema
            });
            json!({ "oneOf": words.collect::<Vec<_>>() })
        }
        Shape::Reference(kind) => {
            let mut schema = name();
            schema["x-muster-reference"] = (*kind).into();
            schema
        }
        Shape::List(inner) => json!({ "type": "array", "items": self::shape(inner, Part::Whole) }),
        Shape::Table(fields) => Value::Object(table(fields, part)),
        Shape::Map(inner) => json!({
            "type": "object",
            "propertyNames": name(),
            "additionalProperties": self::shape(inner, part),
        }),
        Shape::Scalar => json!({ "type": ["boolean", "integer", "string"] }),
        Shape::Share(max) => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": max },
            { "type": "string", "pattern": "^[+]?0*([1-9][0-9]?|100)%$", "examples": ["10%"] },
        ] }),
    }
}
