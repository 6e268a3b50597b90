//! The fleet language from outside: files in, a model or diagnostics out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad;
mod examples;
mod format;
mod format_random;
mod language;
mod pages;
mod properties;
mod random_fleet;
mod readme;
mod render;
mod revision;
