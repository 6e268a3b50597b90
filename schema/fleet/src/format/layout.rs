//! Lines that are written one after the other, with their comments and the blank lines between them.

use super::{
    piece::{Comment, Piece},
    scan::Form,
};
use crate::tree::Syntax;

/// A text that grows by lines.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) text: String,
    syntax: Syntax,
    indent: usize,
    /// Nothing was written yet, or a block was opened just now: a blank line would set nothing off.
    fresh: bool,
    /// A blank line is due before whatever comes next.
    due: bool,
}

impl Layout {
    pub(super) fn new(syntax: Syntax) -> Self {
        Self {
            text: String::new(),
            syntax,
            indent: 0,
            fresh: true,
            due: false,
        }
    }

    /// Columns that are taken before a line begins.
    pub(super) fn indent(&self) -> usize {
        self.indent
    }

    /// Asks for a blank line before what comes next, at most one.
    pub(super) fn blank(&mut self) {
        self.due |= !self.fresh;
    }

    /// A line, with the comment behind it.
    pub(super) fn line(&mut self, text: &str, tail: &[Comment]) {
        if std::mem::take(&mut self.due) {
            self.text.push('\n');
        }
        self.fresh = false;
        self.text.push_str(&" ".repeat(self.indent));
        self.text.push_str(text);
        for comment in tail {
            self.text.push(' ');
            self.text.push_str(self.sign());
            self.text.push_str(&comment.text);
        }
        self.text.push('\n');
    }

    /// A line behind which things stand further in.
    pub(super) fn open(&mut self, text: &str, tail: &[Comment]) {
        self.line(text, tail);
        self.indent += 4;
        self.fresh = true;
    }

    pub(super) fn close(&mut self, text: &str) {
        self.close_with(text, &[]);
    }

    pub(super) fn close_with(&mut self, text: &str, tail: &[Comment]) {
        self.indent -= 4;
        self.line(text, tail);
    }

    /// Says that what comes next is the first of something.
    pub(super) fn begin(&mut self) {
        self.fresh = true;
    }

    /// Lines that were written elsewhere.
    pub(super) fn paste(&mut self, lines: &str) {
        if std::mem::take(&mut self.due) {
            self.text.push('\n');
        }
        self.fresh = false;
        self.text.push_str(lines);
    }

    /// Comments on lines of their own, with the blank lines among them or without.
    pub(super) fn comments(&mut self, comments: &[Comment], blanks: bool) {
        for comment in comments {
            if comment.blank && blanks {
                self.blank();
            }
            if comment.form != Form::Line && self.syntax == Syntax::Kdl {
                self.line(&comment.text, &[]);
                continue;
            }
            for line in comment.lines() {
                let text = format!("{}{}", self.sign(), line.text);
                self.line(&text, &[]);
            }
        }
    }

    /// The comments above a piece, and the blank lines.
    pub(super) fn above(&mut self, piece: &Piece) {
        let lead = &piece.trivia.lead;
        // Set off from the piece, they must be set off from what is above them too: else they would close that.
        let apart = !lead.is_empty() && piece.blank || lead.iter().skip(1).any(|comment| comment.blank);
        if apart {
            self.blank();
        }
        self.comments(lead, true);
        if piece.blank {
            self.blank();
        }
    }

    fn sign(&self) -> &'static str {
        match self.syntax {
            Syntax::Toml => "#",
            Syntax::Kdl => "//",
        }
    }
}
