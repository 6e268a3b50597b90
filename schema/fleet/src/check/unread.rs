//! A file that looks like one of a fleet and is not read: M0018.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, span::Span, tree::Syntax};

/// Ends of names that people and their programs give to such files.
const ALIKE: [&str; 6] = [".toml", ".kdl", ".tml", ".toml.txt", ".kdl.txt", ".toml.bak"];

/// So many are told; the others are of one kind with these.
const TOLD_MAX: usize = 10;

/// Looks at the names of the files that are none of the fleet's.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let alike = subject.files.keys().filter(|path| {
        // A byte that begins no character ends none of these.
        let is = |end: &&str| {
            let from = path.len().checked_sub(end.len());
            from.and_then(|from| path.get(from..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        Syntax::of(path).is_none() && ALIKE.iter().any(is)
    });
    found.extend(alike.take(TOLD_MAX).map(|path| {
        let title = format!("{path} is not read");
        let span = Span::start_of(*path);
        Diagnostic::warning(
            Code::M0018,
            title,
            &span,
            "its name does not end in .toml or .kdl",
        )
        .help("rename it, in small letters; if it is none of the fleet's, give it another ending")
    }));
}
