//! The fleet language from outside: files in, a model or diagnostics out.

mod bad;
mod examples;
mod language;
mod pages;
mod properties;
mod render;
mod revision;
