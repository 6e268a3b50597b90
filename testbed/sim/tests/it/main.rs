//! Seeds, a crash at every effect of a small fleet, and bugs that the invariants must find.
//!
//! `SIM_RUNS`, `SIM_SEED` and `SIM_CRASH` are told of in the crate's own words.

mod planted;
mod seeds;
mod sweep;

/// What an environment variable asks for.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}
