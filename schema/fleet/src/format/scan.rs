//! The comments of a file that can be read, each with what it stands in: the statement and the brackets around it.
//!
//! A statement is what a line of TOML outside of brackets says, or a node of KDL. Strings and comments are stepped over
//! by `tree::comments`; here are brackets, the ends of statements, and `/-`, which takes something out and is a
//! comment to a formatter.

use crate::tree::{
    Syntax,
    comments::{Scanner, is_kdl_end},
};
use std::ops::Range;

/// What a comment is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// From its sign to the end of the line.
    Line,
    /// `/* … */`.
    Block,
    /// `/-` and what it takes out.
    Slashdash,
}

/// A comment as it stands.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) form: Form,
    /// Nothing else is on its lines.
    pub(super) own_line: bool,
    /// The first byte of the statement it stands in or behind.
    pub(super) statement: Option<usize>,
    /// Which brackets it stands in, the innermost.
    pub(super) within: Option<usize>,
}

/// A pair of brackets.
#[derive(Debug)]
pub(super) struct Bracket {
    pub(super) range: Range<usize>,
    /// The statement that they belong to.
    pub(super) statement: Option<usize>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) comments: Vec<Found>,
    pub(super) brackets: Vec<Bracket>,
    /// First bytes of the statements outside of brackets.
    pub(super) statements: Vec<usize>,
}

/// What is known on one level of brackets.
#[derive(Debug, Default)]
struct Level {
    bracket: Option<usize>,
    statement: Option<usize>,
    /// The statement that ended on this line, or whose bracket opened on it.
    last: Option<usize>,
}

/// Looks through a text.
pub(super) fn scan(text: &str, syntax: Syntax) -> Scan {
    let mut walk = Walk {
        scanner: Scanner { text, at: 0 },
        syntax,
        levels: Vec::new(),
        level: Level::default(),
        continued: false,
        found: Scan::default(),
    };
    while let Some(character) = walk.scanner.peek() {
        walk.step(character);
    }
    walk.found
}

struct Walk<'t> {
    scanner: Scanner<'t>,
    syntax: Syntax,
    /// The levels around this one.
    levels: Vec<Level>,
    level: Level,
    /// A backslash joins the next line to this one.
    continued: bool,
    found: Scan,
}

impl Walk<'_> {
    fn step(&mut self, character: char) {
        let start = self.scanner.at;
        match (self.syntax, character) {
            (Syntax::Kdl, '/') if self.scanner.sees("/-") => {
                self.slashdash();
                self.comment(start, Form::Slashdash);
            }
            (Syntax::Kdl, '\\') => {
                self.continued = true;
                self.scanner.at += 1;
            }
            (Syntax::Kdl, ';') => {
                self.end_statement();
                self.scanner.at += 1;
            }
            (Syntax::Kdl, '{') | (Syntax::Toml, '{' | '[') => self.open(),
            (Syntax::Kdl, '}') | (Syntax::Toml, '}' | ']') => self.close(),
            (Syntax::Kdl, end) if is_kdl_end(end) => self.end_line(end),
            (Syntax::Toml, '\n') => self.end_line('\n'),
            (_, blank) if blank.is_whitespace() || blank == '\u{feff}' => {
                self.scanner.at += blank.len_utf8();
            }
            (_, other) => {
                if !self.scanner.step(other, self.syntax) {
                    self.begin(start);
                } else if self.scanner.text[start..].starts_with("/*") {
                    self.comment(start, Form::Block);
                } else {
                    self.comment(start, Form::Line);
                }
            }
        }
    }

    fn begin(&mut self, at: usize) {
        // In brackets of TOML there are no lines to speak of.
        if self.level.statement.is_some() || (self.syntax == Syntax::Toml && !self.levels.is_empty()) {
            return;
        }
        self.level.statement = Some(at);
        if self.levels.is_empty() {
            self.found.statements.push(at);
        }
    }

    fn end_statement(&mut self) {
        self.level.last = self.level.statement.take().or(self.level.last);
    }

    fn end_line(&mut self, end: char) {
        self.scanner.at += end.len_utf8();
        // The line ends behind both of `\r\n`.
        let whole = end != '\r' || !self.scanner.sees("\n");
        if whole && !std::mem::take(&mut self.continued) {
            self.level.statement = None;
            self.level.last = None;
        }
    }

    fn open(&mut self) {
        self.begin(self.scanner.at);
        let statement = self.level.statement;
        let bracket = Bracket {
            range: self.scanner.at..self.scanner.text.len(),
            statement,
        };
        self.found.brackets.push(bracket);
        let inner = Level {
            bracket: Some(self.found.brackets.len() - 1),
            statement: None,
            last: statement,
        };
        self.levels.push(std::mem::replace(&mut self.level, inner));
        self.scanner.at += 1;
    }

    fn close(&mut self) {
        if let Some(outer) = self.levels.pop() {
            let inner = std::mem::replace(&mut self.level, outer);
            if let Some(bracket) = inner.bracket {
                self.found.brackets[bracket].range.end = self.scanner.at;
            }
        }
        self.scanner.at += 1;
    }

    fn comment(&mut self, start: usize, form: Form) {
        let text = self.scanner.text;
        let is_end = |c: char| match self.syntax {
            Syntax::Toml => c == '\n',
            Syntax::Kdl => is_kdl_end(c),
        };
        let before = text[..start].rsplit(is_end).next().unwrap_or_default();
        let behind = text[self.scanner.at..].split(is_end).next().unwrap_or_default();
        let is_blank = |piece: &str| {
            piece
                .chars()
                .all(|c| c.is_whitespace() || matches!(c, '\u{feff}' | '\\'))
        };
        self.found.comments.push(Found {
            range: start..self.scanner.at,
            form,
            own_line: is_blank(before) && is_blank(behind),
            statement: self.level.statement.or(self.level.last),
            within: self.level.bracket,
        });
    }

    /// Steps behind `/-` and what it takes out: a whole node where one may begin, else a value, a property or a
    /// block.
    fn slashdash(&mut self) {
        self.scanner.at += 2;
        let is_node = self.level.statement.is_none();
        self.skip(|c| c.is_whitespace() || c == '\\');
        if is_node {
            while self.scanner.sees("//") || self.scanner.sees("/*") {
                self.scanner.step('/', self.syntax);
                self.skip(char::is_whitespace);
            }
            self.node();
        } else if self.scanner.sees("{") {
            self.block();
        } else {
            self.skip(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '='));
            let end = self.scanner.at;
            self.skip(|c| matches!(c, ' ' | '\t'));
            if self.scanner.sees("=") {
                self.scanner.at += 1;
                self.skip(|c| matches!(c, ' ' | '\t'));
                self.skip(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';'));
            } else {
                self.scanner.at = end;
            }
        }
        let taken = self.scanner.text[..self.scanner.at].trim_end();
        self.scanner.at = taken.len();
    }

    /// Steps over characters that fit, over strings and comments as a whole.
    fn skip(&mut self, fits: fn(char) -> bool) {
        while let Some(character) = self.scanner.peek()
            && fits(character)
        {
            self.scanner.step(character, self.syntax);
        }
    }

    /// Steps to the end of a node and of its line.
    fn node(&mut self) {
        let mut continued = false;
        while let Some(character) = self.scanner.peek() {
            match character {
                ';' | '}' => return,
                '{' => self.block(),
                end if is_kdl_end(end) && !continued => return,
                _ => {
                    if !character.is_whitespace() || is_kdl_end(character) {
                        continued = character == '\\';
                    }
                    self.scanner.step(character, self.syntax);
                }
            }
        }
    }

    /// Steps over a block with everything in it.
    fn block(&mut self) {
        let mut depth = 0_usize;
        while let Some(character) = self.scanner.peek() {
            self.scanner.step(character, self.syntax);
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}
