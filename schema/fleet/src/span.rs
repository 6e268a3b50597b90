//! Places in the repository: what every value, name and message points at.
//!
//! A span carries its file and both its byte offsets and its line and column, so that a plan can
//! print `catalog/images.toml:7` long after the text is gone. Spans never take part in comparisons
//! of the model: moving a line changes nothing.

use std::{borrow::Borrow, cmp::Ordering, fmt, ops::Deref, sync::Arc};

/// One end of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Bytes from the start of the file.
    pub byte: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
}

/// A piece of one file, `start` inclusive, `end` exclusive. Printed as `file:line:column`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The path in the repository.
    pub file: Arc<str>,
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

impl Span {
    /// The very beginning of a file, for what concerns the file as a whole.
    pub fn start_of(file: impl Into<Arc<str>>) -> Self {
        let start = Position {
            byte: 0,
            line: 1,
            column: 1,
        };
        Self {
            file: file.into(),
            start,
            end: start,
        }
    }

    /// From the start of this span to the end of `last`, which lies in the same file.
    #[must_use]
    pub(crate) fn to(&self, last: &Self) -> Self {
        Self {
            file: self.file.clone(),
            start: self.start,
            end: last.end,
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.start.line, self.start.column)
    }
}

/// A value and the place where it was written. Compares by value alone.
#[derive(Clone)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)?;
        write!(f, " @ {}", self.span)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Ord> Ord for Spanned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: Ord> PartialOrd for Spanned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As the value alone: both are ordered and compared alike.
impl<T> Borrow<T> for Spanned<T> {
    fn borrow(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A value that has a default, and the place where it was written if somebody did. Compares by value alone.
#[derive(Clone)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it was written; none if it is the default.
    pub span: Option<Span>,
}

impl<T> Given<T> {
    /// The value that nobody wrote.
    pub(crate) fn by_default(value: T) -> Self {
        Self { value, span: None }
    }
}

impl<T: PartialEq> PartialEq for Given<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Where an object or a table comes from. All origins are equal: two models that say the same are
/// the same, wherever they were written.
#[derive(Clone)]
pub enum Origin {
    /// Written in the repository.
    Git {
        /// The object's name, or the table's head.
        span: Span,
    },
    /// Asked for through the API, in a pool that a commit delegates.
    Claim {
        /// The claim's id.
        id: schema_ids::Name,
    },
}

impl Origin {
    /// The place in the repository, if it comes from there.
    pub fn span(&self) -> Option<&Span> {
        match self {
            Self::Git { span } => Some(span),
            Self::Claim { .. } => None,
        }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { span } => span.fmt(f),
            Self::Claim { id } => write!(f, "claim {id}"),
        }
    }
}
