//! Applies the fixes that are safe, until nothing more can be fixed.
//!
//! Files in, files out: who writes them is the shell's business. A file whose fixes would leave more wrong than they put
//! right stays as it is.

use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic, Edit, Severity},
    fold::is_syntax,
    parse::{Parsed, parse},
    render::safe,
    source::SourceFile,
    span::Span,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

/// What fixing came to.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// All files, as they would be.
    pub files: Vec<SourceFile>,
    /// What they then say.
    pub parsed: Parsed,
    /// What was done, in order.
    pub repairs: Vec<Repair>,
    /// Files that have safe fixes which would bring about more than they put right.
    pub refused: BTreeSet<String>,
}

/// One fix that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong.
    pub code: Code,
    /// Where, in the text as it was when it was fixed.
    pub span: Span,
    /// What was done: `replace with "mirror-root"`.
    pub title: String,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.span.to_string();
        write!(f, "{} {}: {}", safe(&place), self.code, safe(&self.title))
    }
}

/// Each round shows what the one before hid; more than a few follow from no mistake that people make.
const ROUNDS_MAX: usize = 16;

/// Applies every safe fix: of those that overlap the first, and the others if they still stand in the next round.
pub fn fix(files: Vec<SourceFile>) -> Fixed {
    let parsed = parse(&files);
    let mut fixed = Fixed {
        files,
        parsed,
        repairs: Vec::new(),
        refused: BTreeSet::new(),
    };
    for _ in 0..ROUNDS_MAX {
        let wanted = wanted(&fixed);
        if wanted.is_empty() {
            break;
        }
        fixed.take(&wanted.into_iter().collect::<Vec<_>>());
    }
    fixed
}

/// What is to be done to one file.
#[derive(Default)]
struct Work {
    edits: Vec<Edit>,
    /// The pieces that are taken: where each begins, and where it ends.
    taken: BTreeMap<usize, usize>,
    repairs: Vec<Repair>,
}

impl Work {
    /// Whether a piece that is taken overlaps this one. Two empty pieces at one place do too: which comes first is not
    /// for us to say.
    fn overlaps(&self, piece: &Range<usize>) -> bool {
        let before = self.taken.range(..=piece.start).next_back();
        let after = self.taken.range(piece.start..).next();
        before.is_some_and(|(start, end)| *end > piece.start || *start == piece.start)
            || after.is_some_and(|(start, _)| *start < piece.end)
    }
}

/// The safe fixes of each file that do not overlap, first come first served.
fn wanted(fixed: &Fixed) -> BTreeMap<String, Work> {
    let texts: BTreeMap<&str, &[u8]> = fixed
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let mut wanted: BTreeMap<String, Work> = BTreeMap::new();
    for diagnostic in &fixed.parsed.diagnostics {
        let Some((file, edits, title)) = safe_fix(diagnostic) else {
            continue;
        };
        let fits = |edit: &Edit| {
            let old = texts.get(file).and_then(|text| text.get(bytes(&edit.span)));
            old.is_some_and(|old| old != edit.text.as_bytes())
        };
        if fixed.refused.contains(file) || !edits.iter().all(fits) {
            continue;
        }
        let work = wanted.entry(file.to_owned()).or_default();
        if !edits.iter().any(|edit| work.overlaps(&bytes(&edit.span))) {
            work.edits.extend_from_slice(edits);
            let pieces = edits.iter().map(|edit| bytes(&edit.span));
            work.taken.extend(pieces.map(|piece| (piece.start, piece.end)));
            work.repairs.push(Repair {
                code: diagnostic.code,
                span: diagnostic.primary.span.clone(),
                title: title.to_owned(),
            });
        }
    }
    wanted.retain(|_, work| !work.edits.is_empty());
    wanted
}

/// The first safe fix of a diagnostic, if it stays within one file: half of one would be worse than none.
fn safe_fix(diagnostic: &Diagnostic) -> Option<(&str, &[Edit], &str)> {
    let is_safe = |applicability| applicability == Applicability::Safe;
    let mut safe = diagnostic.fixes.iter().filter(|fix| is_safe(fix.applicability));
    let fix = safe.next()?;
    let file: &str = &fix.edits.first()?.span.file;
    let is_one = fix.edits.iter().all(|edit| &*edit.span.file == file);
    is_one.then_some((file, fix.edits.as_slice(), fix.title.as_str()))
}

fn bytes(span: &Span) -> Range<usize> {
    span.start.byte as usize..span.end.byte as usize
}

impl Fixed {
    /// Takes the work over, or as many of its files as make nothing worse: halves are tried where the whole does.
    fn take(&mut self, wanted: &[(String, Work)]) {
        let by_path: BTreeMap<&str, &Work> =
            wanted.iter().map(|(path, work)| (path.as_str(), work)).collect();
        let mut files = self.files.clone();
        for file in &mut files {
            if let Some(work) = by_path.get(file.path.as_str()) {
                file.bytes = edited(&file.bytes, &work.edits);
            }
        }
        let parsed = parse(&files);
        if weight(&parsed) <= weight(&self.parsed) {
            self.files = files;
            self.parsed = parsed;
            self.repairs
                .extend(wanted.iter().flat_map(|(_, work)| work.repairs.clone()));
            return;
        }
        match wanted {
            [] => {}
            [(path, _)] => {
                self.refused.insert(path.clone());
            }
            several => {
                let (first, second) = several.split_at(several.len() / 2);
                self.take(first);
                self.take(second);
            }
        }
    }
}

/// How much is wrong: first what could not be read, since it hides other errors, then errors.
fn weight(parsed: &Parsed) -> (usize, usize) {
    let errors = || {
        let all = parsed.diagnostics.iter();
        all.filter(|one| one.severity == Severity::Error)
    };
    (
        errors().filter(|one| is_syntax(one.code)).count(),
        errors().count(),
    )
}

/// The text with these pieces replaced, none of which overlap.
fn edited(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| bytes(&edit.span).start);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        let piece = bytes(&edit.span);
        out.extend_from_slice(&text[at..piece.start]);
        out.extend_from_slice(edit.text.as_bytes());
        at = piece.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::Work;

    #[test]
    fn pieces_that_overlap_are_taken_once() {
        let mut work = Work::default();
        work.taken.extend([(10, 20), (20, 25), (30, 30)]);
        for free in [0..10, 5..9, 25..30, 26..26, 31..40] {
            assert!(!work.overlaps(&free), "{free:?}");
        }
        for taken in [
            5..11,
            10..10,
            12..13,
            19..22,
            5..40,
            24..26,
            29..31,
            30..30,
            30..35,
        ] {
            assert!(work.overlaps(&taken), "{taken:?}");
        }
    }
}
