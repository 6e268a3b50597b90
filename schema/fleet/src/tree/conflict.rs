//! What git leaves in a file that two people changed: which of both is meant is for a person to say.

use crate::{code::Code, diagnostic::Diagnostic, source::Text};

/// The first conflict that nobody resolved.
pub(super) fn find(text: &Text<'_>) -> Option<Diagnostic> {
    let begins = |sign: &str, from: usize| {
        let rest = &text.text[from..];
        let at_start = (from == 0 && rest.starts_with(sign)).then_some(0);
        at_start.or_else(|| rest.find(&format!("\n{sign}")).map(|at| from + at + 1))
    };
    let ours = begins("<<<<<<< ", 0)?;
    let between = begins("=======", ours)?;
    let theirs = begins(">>>>>>> ", between)?;
    let line = |at: usize| at..at + text.text[at..].lines().next().map_or(0, str::len);
    let title = "two branches were merged here, and nobody said which one counts";
    let told = Diagnostic::error(Code::M0001, title, &text.span(line(ours)), "from here");
    let told = told.also(&text.span(line(theirs)), "to here");
    Some(told.help("keep what is meant, and take the three lines of signs out"))
}
