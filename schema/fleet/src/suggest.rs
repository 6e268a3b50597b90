//! Did-you-mean: the nearest of the names that exist.

/// The candidate that `text` is most likely a slip of; `None` where none is near. At most a third of
/// the letters may differ: further off, a suggestion confuses more than it helps.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}
