//! The fleet language from outside: files in, a model or diagnostics out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad;
mod changed;
mod examples;
mod fix;
mod forges;
mod language;
mod pages;
mod properties;
mod readme;
mod render;
mod revision;
