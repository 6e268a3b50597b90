//! Sizes and durations as people write them elsewhere, as they are written here.

/// The units of durations, by what they begin with elsewhere.
const DURATIONS: [(&[&str], &str); 4] = [
    (&["s", "sec", "secs", "second", "seconds"], "s"),
    (&["m", "min", "mins", "minute", "minutes"], "m"),
    (&["h", "hr", "hrs", "hour", "hours"], "h"),
    (&["d", "day", "days"], "d"),
];

/// The prefixes of sizes, the next smaller one before each.
const PREFIXES: [&str; 5] = ["", "K", "M", "G", "T"];

/// What may have been meant by a size or a duration that cannot be read, the likeliest first. Not all of it can be.
pub(crate) fn meant(text: &str) -> Vec<String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_lowercase();
    let mut found = Vec::new();
    if number.is_empty() {
        if strsim::damerau_levenshtein(&unit.chars().take(8).collect::<String>(), "rest") <= 1 {
            found.push("rest".to_owned());
        }
        return found;
    }
    let duration = DURATIONS.iter().find(|(words, _)| words.contains(&unit.as_str()));
    found.extend(duration.map(|(_, short)| format!("{number}{short}")));
    let prefix = PREFIXES
        .iter()
        .rposition(|prefix| unit.starts_with(&prefix.to_lowercase()))
        .unwrap_or(0);
    if prefix > 0 {
        // `M` and `megs` are most often meant as binary, `mb` is a slip of the case.
        let is_decimal = unit.ends_with('b') && !unit.contains('i');
        let (step, end) = if is_decimal { (1000, "B") } else { (1024, "iB") };
        found.extend(
            whole(number, step).map(|(number, down)| format!("{number}{}{end}", PREFIXES[prefix - down])),
        );
    }
    found
}

/// A number as a whole one, of this unit or of the next smaller one.
fn whole(number: &str, step: u64) -> Option<(u64, usize)> {
    let Some((before, after)) = number.split_once('.') else {
        return Some((number.parse().ok()?, 0));
    };
    let tens = 10_u64.checked_pow(u32::try_from(after.len()).ok()?)?;
    let parts = before.parse::<u64>().ok()?.checked_mul(tens)?;
    let all = parts.checked_add(after.parse().ok()?)?.checked_mul(step)?;
    all.is_multiple_of(tens).then_some((all / tens, 1))
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn what_is_meant_is_offered() {
        for (text, wanted) in [
            ("512mb", "512MB"),
            ("512 megs", "512MiB"),
            ("20G", "20GiB"),
            ("20gib", "20GiB"),
            ("1.5GiB", "1536MiB"),
            ("1.5TB", "1500GB"),
            ("90 sec", "90s"),
            ("2 hours", "2h"),
            ("reset", "rest"),
        ] {
            assert!(
                meant(text).contains(&wanted.to_owned()),
                "{text}: {:?}",
                meant(text)
            );
        }
        for text in [
            "20",
            "",
            "1.3GiB",
            "many",
            "99999999999999999999G",
            "1.99999999999999999999999G",
        ] {
            assert!(meant(text).is_empty(), "{text}: {:?}", meant(text));
        }
    }
}
