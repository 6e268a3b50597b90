//! Files drawn at random from the table of the language, right and wrong: what the JSON Schema rejects, `muster
//! check` does not take, and what is wrong by its type, the schema rejects.

use crate::{dice::Dice, revision::file};
use jsonschema::Validator;
use proptest::{collection, prelude::*};
use schema_fleet::{Code, parse, schema::json_schema};
use serde_json::Value;
use std::sync::LazyLock;

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
        let mut dice = Dice::new(&numbers, wrong);
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
        let by_type = told.iter().find(|(code, _)| {
            matches!(code, Code::M0002 | Code::M0003)
        });
        prop_assert!(
            by_type.is_none() || !rejected.is_empty(),
            "the schema takes:\n{}\n{:?}", text, by_type
        );
    }
}
