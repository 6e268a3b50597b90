//! The fleet language from outside: files in, a model or diagnostics out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad;
mod both_syntaxes;
mod cache;
mod changed;
mod dice;
mod drawn;
mod examples;
mod fix;
mod forges;
mod format;
mod format_random;
mod fuzz;
mod index;
mod intake;
mod language;
mod pages;
mod patterns;
mod properties;
mod random_fleet;
mod readme;
mod reference;
mod render;
mod revise;
mod revision;
mod schema;
