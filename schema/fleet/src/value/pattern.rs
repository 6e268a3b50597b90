//! Patterns with `*` and `?`.

use crate::{decode::scalar::text_value, value::BadValue};
use std::{fmt, str::FromStr};

/// A pattern over a whole text: `*` is any run of characters, `?` is any one, everything else is
/// itself. Case matters. 1 to 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Whether the pattern covers the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        // The last star met, and where its run ends so far: going back there suffices, so the time is
        // at most the product of both lengths.
        let (mut p, mut t, mut star) = (0, 0, None);
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match star {
                    Some((at, run)) => {
                        star = Some((at, run + 1));
                        p = at + 1;
                        t = run + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl FromStr for Pattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if (1..=100).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadValue("it is 1 to 100 characters long"))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Pattern, M0009, "a pattern", "SAMSUNG MZQL2*", r"^[\s\S]+$");
