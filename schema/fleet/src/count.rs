//! Numbers of things, as people write them.

/// `1 place`, `2 places`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
