//! The formatter: a file into the tree, its comments to the pieces they belong to, and one printer for each syntax.
//!
//! Formatting is reading and printing in one syntax; converting is reading in one and printing in the other. Nothing
//! is lost: what is printed is read again and compared before it is handed out, and a file that cannot be read, or
//! that says what the other syntax cannot, is refused. Time is linear in the size of the file.

mod attach;
mod compare;
mod kdl;
mod layout;
mod piece;
mod quote;
mod read;
mod scan;
mod toml;

use crate::{
    code::Code,
    diagnostic::{Diagnostic, Severity},
    limit::FILE_BYTES_MAX,
    source::Text,
    span::Span,
    tree::Syntax,
};
use piece::Document;
pub(crate) use quote::kdl_text;

/// The columns of a line that is written; only what cannot be broken goes beyond.
const WIDTH: usize = 100;

/// The canonical text of a fleet file in a syntax: its own, or the other. `path` names the file in diagnostics.
pub fn format(path: &str, text: &str, from: Syntax, to: Syntax) -> Result<String, Vec<Diagnostic>> {
    let document = document(path, text, from)?;
    let printed = match to {
        Syntax::Toml => toml::print(&document),
        Syntax::Kdl => kdl::print(&document),
    };
    let printed = printed.map_err(|refused| vec![refused])?;
    let again = self::document(path, &printed, to).map_err(|told| vec![unlike(path, to, told.first())])?;
    if compare::same(&document, &again) {
        Ok(printed)
    } else {
        Err(vec![unlike(path, to, None)])
    }
}

/// A file with its comments, or why it cannot be read.
fn document(path: &str, text: &str, syntax: Syntax) -> Result<Document, Vec<Diagnostic>> {
    if text.len() > FILE_BYTES_MAX {
        let title = format!("larger than {} MiB", FILE_BYTES_MAX >> 20);
        let at = Span::start_of(path);
        return Err(vec![Diagnostic::error(
            Code::M0008,
            title,
            &at,
            "split this file",
        )]);
    }
    let text = Text::new(path, text);
    let mut diagnostics = Vec::new();
    let root = syntax.read(&text, &mut diagnostics);
    if diagnostics.iter().any(|one| one.severity == Severity::Error) {
        return Err(diagnostics);
    }
    let read = read::read(&root, &text, syntax)?;
    let scan = scan::scan(text.text, syntax);
    let mut document = attach::attach(read, &scan, text.text, syntax);
    take_head(&mut document);
    Ok(document)
}

/// What stands above the first object and is set off from it by a blank line is the head of the file, and so is a
/// directive for editors (`#:schema …`).
fn take_head(document: &mut Document) {
    let Some(first) = document.objects.first_mut() else {
        return;
    };
    let lead = &mut first.piece.trivia.lead;
    let last = if first.piece.blank {
        lead.len()
    } else {
        lead.iter().rposition(|comment| comment.blank).unwrap_or(0)
    };
    let directive = usize::from(
        lead.first()
            .is_some_and(|comment| comment.text.starts_with(":schema")),
    );
    document.head = lead.drain(..last.max(directive)).collect();
    first.piece.blank = false;
    if let Some(comment) = lead.first_mut() {
        comment.blank = false;
    }
    if let Some(comment) = document.head.first_mut() {
        comment.blank = false;
    }
}

/// What is printed does not say the same: the file has a form that cannot be carried over.
fn unlike(path: &str, to: Syntax, told: Option<&Diagnostic>) -> Diagnostic {
    let why = told.map_or("it would not say the same", |told| told.title.as_str());
    Diagnostic::error(
        Code::M0020,
        format!(
            "this file has no form in {}: {why}",
            to.extension().to_ascii_uppercase()
        ),
        &Span::start_of(path),
        "it is left as it is",
    )
}
