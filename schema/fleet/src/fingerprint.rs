//! What tells one diagnostic from another wherever it stands: code, object and title, but no line.
//!
//! A forge that keeps alerts across commits knows them by it, so a line that moves makes no new alert; and so is
//! known which mistakes were there before a change.

use crate::diagnostic::Diagnostic;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt::Write as _};

/// Bytes of the digest that are kept: 128 bits, as forges use them.
const BYTES: usize = 16;

/// What a diagnostic is about: its code, its object (its file, if it has none), its title.
pub(crate) type About<'d> = (&'static str, &'d str, &'d str);

/// What this one is about.
pub(crate) fn about(diagnostic: &Diagnostic) -> About<'_> {
    let object = diagnostic.object.as_deref();
    (
        diagnostic.code.as_str(),
        object.unwrap_or(&diagnostic.primary.span.file),
        &diagnostic.title,
    )
}

/// A fingerprint for each, all different: of those that are about the same, the later ones get a number.
pub(crate) fn fingerprints(diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut met: BTreeMap<About<'_>, usize> = BTreeMap::new();
    let of = |diagnostic| {
        let about = about(diagnostic);
        let number = met.entry(about).or_default();
        *number += 1;
        digest(about, *number)
    };
    diagnostics.iter().map(of).collect()
}

/// The parts with their lengths, so that no two lists of parts look alike.
fn digest((code, object, title): About<'_>, number: usize) -> String {
    let number = number.to_string();
    let mut hash = Sha256::new();
    for part in [code, object, title, &number] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().take(BYTES).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
