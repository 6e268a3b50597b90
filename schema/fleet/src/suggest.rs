//! Did-you-mean: the nearest of the names that exist.

use crate::diagnostic::Applicability;

/// The candidate that `text` is most likely a slip of; `None` where none is near. At most a third of
/// the letters may differ: further off, a suggestion confuses more than it helps.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).max(1);
    let folded = plain(text);
    candidates
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(text, candidate);
            // Another case or another dash is no distance at all.
            (if plain(candidate) == folded { 0 } else { distance }, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters that a word must have before one slip in it leaves no doubt.
const LETTERS_MIN: usize = 4;

/// Whether `near` alone can have been meant: it differs in case or dashes only, or it is the only candidate within one
/// slip of a word that is long enough. Digits are never taken for slips: `10` is not a wrong `1`.
pub(crate) fn is_certain<'a>(
    text: &str,
    near: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Applicability {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let is_slip = |candidate: &str| strsim::damerau_levenshtein(text, candidate) <= 1;
    let same = plain(text) == plain(near);
    let long = text.chars().count() >= LETTERS_MIN && near.chars().count() >= LETTERS_MIN;
    let alone = long && is_slip(near) && candidates.filter(|one| is_slip(one)).count() == 1;
    if digits(text) == digits(near) && (same || alone) {
        Applicability::Safe
    } else {
        Applicability::Maybe
    }
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::{Applicability, is_certain, nearest};

    fn judged(text: &str, candidates: &[&str]) -> Option<(String, Applicability)> {
        let near = nearest(text, candidates.iter().copied())?;
        Some((
            near.to_owned(),
            is_certain(text, near, candidates.iter().copied()),
        ))
    }

    #[test]
    fn certain_is_what_leaves_one_meaning() {
        let safe = |text, candidates, wanted: &str| {
            assert_eq!(
                judged(text, candidates),
                Some((wanted.to_owned(), Applicability::Safe))
            );
        };
        let maybe = |text, candidates, wanted: &str| {
            assert_eq!(
                judged(text, candidates),
                Some((wanted.to_owned(), Applicability::Maybe))
            );
        };
        safe("serail", &["serial", "rack"], "serial");
        safe("ON", &["on", "off"], "on");
        safe("Min_Size", &["min-size", "max-size"], "min-size");
        maybe("mix-size", &["min-size", "max-size"], "max-size");
        maybe("o", &["on"], "on");
        maybe("raid-11", &["raid-1", "raid-10"], "raid-1");
        maybe("M0202", &["M0201"], "M0201");
        safe("m0201", &["M0201", "M0202"], "M0201");
        maybe("posiiton-of", &["position-in"], "position-in");
        assert_eq!(judged("tags", &["serial"]), None);
    }
}
