//! The files of one revision, and where in them a byte stands.
//!
//! Nothing here reads a disk: the files are handed in, by the shell that has them from git or from a
//! working tree.

use crate::span::{Position, Span};
use std::sync::Arc;

/// One file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path in the repository, with `/`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A text and the starts of its lines.
pub(crate) struct Text<'a> {
    pub(crate) path: Arc<str>,
    pub(crate) text: &'a str,
    line_starts: Vec<usize>,
    /// Characters before each block of the text, so that a column costs no walk along a line without end.
    characters: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 1 << 10;

impl<'a> Text<'a> {
    /// Indexes the lines. A text is shorter than 4 GiB: files are limited long before.
    pub(crate) fn new(path: &str, text: &'a str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut before = 0;
        let characters = text.as_bytes().chunks(BLOCK).map(|block| {
            let here = before;
            before += count(block);
            here
        });
        Self {
            path: path.into(),
            text,
            line_starts,
            characters: characters.collect(),
        }
    }

    /// The span of a range of bytes, held to the text and to the borders of its characters.
    pub(crate) fn span(&self, range: std::ops::Range<usize>) -> Span {
        let start = self.position(range.start);
        let end = self.position(range.end.max(range.start));
        Span {
            file: self.path.clone(),
            start,
            end,
        }
    }

    /// A line without its end, by its number from 1.
    pub(crate) fn line(&self, number: u32) -> &'a str {
        let index = number.saturating_sub(1) as usize;
        let start = self.line_starts.get(index).copied().unwrap_or(self.text.len());
        let end = self
            .line_starts
            .get(index + 1)
            .copied()
            .unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The first byte of a line, by its number from 1; the end of the text for one behind it.
    pub(crate) fn start_of_line(&self, number: u32) -> usize {
        let index = number.saturating_sub(1) as usize;
        self.line_starts.get(index).copied().unwrap_or(self.text.len())
    }

    fn characters_before(&self, byte: usize) -> usize {
        // Behind a text of whole blocks there is none.
        let block = (byte / BLOCK).min(self.characters.len().saturating_sub(1));
        let before = self.characters.get(block).copied().unwrap_or(0);
        before + count(&self.text.as_bytes()[block * BLOCK..byte])
    }

    fn position(&self, byte: usize) -> Position {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= byte);
        let start = self.line_starts[line - 1];
        let before = match byte - start {
            0..=BLOCK => count(&self.text.as_bytes()[start..byte]),
            _ => self.characters_before(byte) - self.characters_before(start),
        };
        Position {
            byte: narrow(byte),
            line: narrow(line),
            column: narrow(before + 1),
        }
    }
}

/// Characters that begin in these bytes of UTF-8: all bytes but those that go on with one.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// Held to what a `u32` can say; no file that is read is that long.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
