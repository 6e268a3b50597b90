//! Between columns and the domain's types, where a cast could go wrong.

use crate::StoreError;
use schema_ids::{Generation, Timestamp};
use std::fmt::Display;
use std::str::FromStr;

/// Reads a column's canonical text.
pub(crate) fn read<T: FromStr<Err: Display>>(
    table: &'static str,
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error: T::Err| unreadable(table, column, &error))
}

/// Reads a count.
pub(crate) fn count<T: TryFrom<i64, Error: Display>>(
    table: &'static str,
    column: &'static str,
    value: i64,
) -> Result<T, StoreError> {
    T::try_from(value).map_err(|error| unreadable(table, column, &error))
}

pub(crate) fn unreadable(table: &'static str, column: &'static str, why: &dyn Display) -> StoreError {
    StoreError::Unreadable {
        table,
        column,
        why: why.to_string(),
    }
}

/// Writes a number that must fit.
pub(crate) fn number(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange { what, value })
}

/// Writes a generation.
pub(crate) fn generation(value: Generation) -> Result<i64, StoreError> {
    number("generation", value.0)
}

/// Writes what only orders and filters, and stands in full in the body: held to the range.
pub(crate) fn held(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a time.
pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// Postgres' text takes every character but NUL, which comes from broken firmware and hostile peers.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Writes a document. It is bound as its text (`$1::text::json`): a JSON parameter would travel as `jsonb`,
/// which refuses a NUL.
pub(crate) fn document<T: serde::Serialize>(
    what: &'static str,
    value: &T,
) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|source| StoreError::Unwritable { what, source })
}

/// Reads a document.
pub(crate) fn read_document<T: serde::de::DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    value: serde_json::Value,
) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| unreadable(table, column, &error))
}
