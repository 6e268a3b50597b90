//! A person's mistake: what, where, why, and what to do about it.
//!
//! One diagnostic may point into several files; how it is drawn is the renderers' business.

use crate::{code::Code, span::Span};

/// One message about the fleet files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, without a full stop.
    pub title: String,
    /// The object it was found in: `machine.node-01`.
    pub object: Option<String>,
    /// The place to look at first.
    pub primary: Label,
    /// Other places that take part, each with the reason why.
    pub secondary: Vec<Label>,
    /// Facts that help to understand.
    pub notes: Vec<String>,
    /// What a person can do.
    pub help: Option<String>,
    /// Edits that would put it right.
    pub fixes: Vec<Fix>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// There is no fleet until it is put right.
    Error,
    /// The fleet is understood, but probably not as meant.
    Warning,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What, in a few words; may be empty.
    pub text: String,
}

/// A change that would put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does: `replace with "mirror-root"`.
    pub title: String,
    /// Whether a program may do it unasked.
    pub applicability: Applicability,
    /// The pieces to replace.
    pub edits: Vec<Edit>,
}

/// Whether a program may apply a fix unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applicability {
    /// It restores what was certainly meant.
    Safe,
    /// A person should look.
    Maybe,
}

/// A piece of text to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What to take out.
    pub span: Span,
    /// What to put in.
    pub text: String,
}

impl Diagnostic {
    /// An error at a place.
    pub(crate) fn error(code: Code, title: impl Into<String>, span: &Span, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title: cut(title.into()),
            object: None,
            primary: Label {
                span: span.clone(),
                text: cut(label.into()),
            },
            secondary: Vec::new(),
            notes: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// A warning at a place.
    pub(crate) fn warning(
        code: Code,
        title: impl Into<String>,
        span: &Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, title, span, label)
        }
    }

    /// The object it belongs to: `machine.node-01`.
    pub(crate) fn in_object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(cut(object.into()));
        self
    }

    /// Another place that takes part.
    pub(crate) fn also(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label {
            span: span.clone(),
            text: cut(text.into()),
        });
        self
    }

    /// What a person can do.
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(cut(text.into()));
        self
    }

    /// An edit of one place that puts it right.
    pub(crate) fn fix(
        mut self,
        applicability: Applicability,
        title: impl Into<String>,
        span: &Span,
        text: impl Into<String>,
    ) -> Self {
        let edits = vec![Edit {
            span: span.clone(),
            text: text.into(),
        }];
        self.fixes.push(Fix {
            title: cut(title.into()),
            applicability,
            edits,
        });
        self
    }
}

/// Bytes of one text of a message. What is longer quotes a file that nobody wrote to be read.
const TEXT_BYTES_MAX: usize = 2000;

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}
