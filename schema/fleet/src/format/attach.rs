//! Which comment belongs to which piece.
//!
//! - A comment behind something on its line belongs to that.
//! - One on lines of its own belongs to what follows it in the same brackets, or closes them when nothing follows.
//! - TOML has no brackets around the body of a `[header]`: comments right beneath its last line close it, if a blank
//!   line, or the end, sets them off from the next header.
//! - In KDL the items of a list of tables, and the names of a map, stand side by side: comments right beneath the
//!   last, with a blank line behind them, close the list.

use super::{
    piece::{Body, Comment, Document, Piece, Trivia},
    read::{Anchor, Read},
    scan::{Form, Found, Scan},
};
use crate::tree::Syntax;
use std::{collections::BTreeMap, ops::Range};

/// Where a comment goes.
enum Slot {
    Lead(usize),
    Tail(usize),
    Closing(usize),
    End,
}

/// Gives all comments to the document.
pub(super) fn attach(read: Read, scan: &Scan, text: &str, syntax: Syntax) -> Document {
    let Read {
        mut document,
        anchors,
        values,
    } = read;
    let mut order: Vec<_> = anchors.iter().collect();
    // What is around something begins no later, and has the smaller number.
    order.sort_by_key(|anchor| (anchor.at, anchor.id));
    let takers: Vec<_> = order.iter().copied().filter(|anchor| anchor.takes).collect();
    let lines = lines(&order, text, syntax);
    let place = Place {
        text,
        syntax,
        scan,
        anchors: &anchors,
        takers,
        values: &values,
    };
    let mut trivia: Vec<Trivia> = anchors.iter().map(|_| Trivia::default()).collect();
    for run in runs(&scan.comments, text) {
        let slot = place.slot(run);
        for found in run {
            let comment = comment(found, text, syntax);
            match slot {
                Slot::Lead(id) => trivia[id].lead.extend(in_line(comment, found)),
                Slot::Tail(id) => trivia[id].tail.extend(comment.lines()),
                Slot::Closing(id) => trivia[id].closing.extend(in_line(comment, found)),
                Slot::End => document.closing.extend(in_line(comment, found)),
            }
        }
    }
    for object in &mut document.objects {
        give(&mut object.piece, &mut trivia, &lines);
    }
    document
}

/// Comments on lines of their own right beneath each other go together; all others alone.
fn runs<'f>(comments: &'f [Found], text: &str) -> Vec<&'f [Found]> {
    let together = |one: &Found, next: &Found| {
        let between = &text[one.range.end..next.range.start];
        one.own_line
            && next.own_line
            && one.within == next.within
            && between.trim().is_empty()
            && between.matches('\n').count() < 2
    };
    comments.chunk_by(together).collect()
}

fn comment(found: &Found, text: &str, syntax: Syntax) -> Comment {
    let raw = &text[found.range.clone()];
    let raw = match (found.form, syntax) {
        (Form::Line, Syntax::Toml) => &raw[1..],
        (Form::Line, Syntax::Kdl) => &raw[2..],
        (Form::Block | Form::Slashdash, _) => raw,
    };
    Comment {
        form: found.form,
        text: raw.trim_end().to_owned(),
        blank: found.own_line && blank_above(text, found.range.start),
    }
}

/// Only what has its lines for itself can stay what it is; all else becomes lines.
fn in_line(comment: Comment, found: &Found) -> Vec<Comment> {
    if found.own_line && found.statement.is_none() {
        vec![comment]
    } else {
        comment.lines()
    }
}

struct Place<'t> {
    text: &'t str,
    syntax: Syntax,
    scan: &'t Scan,
    anchors: &'t [Anchor],
    /// Those that take comments, in the order of writing.
    takers: Vec<&'t Anchor>,
    values: &'t BTreeMap<usize, usize>,
}

impl Place<'_> {
    fn slot(&self, run: &[Found]) -> Slot {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let range = first.range.start..last.range.end;
        let within = first.within.map(|index| &self.scan.brackets[index]);
        let level = within.map_or(0..self.text.len(), |bracket| bracket.range.clone());
        let owner = within.and_then(|bracket| self.owner(bracket.range.start, bracket.statement));
        if !first.own_line || (self.syntax == Syntax::Kdl && first.statement.is_some()) {
            let behind = match (self.syntax, owner) {
                (Syntax::Toml, Some(owner)) => self.behind_item(owner, level.start, range.start),
                _ => first
                    .statement
                    .and_then(|at| self.behind_statement(at, range.start)),
            };
            if let Some(slot) = behind {
                return slot;
            }
        }
        let next = self.next(range.start).filter(|next| next.at < level.end);
        let closed = match self.syntax {
            Syntax::Toml if within.is_none() => self.closed_header(&range),
            Syntax::Toml => None,
            Syntax::Kdl => self.closed_list(&range, level.start, next),
        };
        match (closed, next, owner) {
            (Some(id), _, _) => Slot::Closing(id),
            (None, Some(next), _) => Slot::Lead(next.id),
            (None, None, Some(owner)) => Slot::Closing(owner),
            (None, None, None) => Slot::End,
        }
    }

    /// The first piece from a byte on that takes comments.
    fn next(&self, at: usize) -> Option<&Anchor> {
        let index = self.takers.partition_point(|anchor| anchor.at < at);
        self.takers.get(index).copied()
    }

    /// The last piece before a byte that takes comments.
    fn last(&self, at: usize) -> Option<&Anchor> {
        let index = self.takers.partition_point(|anchor| anchor.at < at);
        index.checked_sub(1).map(|index| self.takers[index])
    }

    /// The piece to which brackets belong.
    fn owner(&self, bracket: usize, statement: Option<usize>) -> Option<usize> {
        match self.syntax {
            Syntax::Toml => self.values.get(&bracket).copied(),
            Syntax::Kdl => statement
                .and_then(|at| self.next(at))
                .filter(|next| next.at < bracket)
                .map(|next| next.id),
        }
    }

    /// A comment behind a statement on its line.
    fn behind_statement(&self, statement: usize, at: usize) -> Option<Slot> {
        let found = self.next(statement).filter(|next| next.at < at)?;
        // A list that stands here whole: what is behind it is not behind its first item.
        let list = found.parent.map(|id| &self.anchors[id]);
        let whole = self.syntax == Syntax::Toml
            && list.is_some_and(|list| {
                list.members > 1 && !list.dotted && (statement..found.at).contains(&list.at)
            });
        Some(if whole {
            Slot::Lead(found.id)
        } else {
            Slot::Tail(found.id)
        })
    }

    /// A comment behind an item within brackets of TOML, or behind the opening one.
    fn behind_item(&self, owner: usize, bracket: usize, at: usize) -> Option<Slot> {
        let mut best = None;
        let mut here = self.last(at).filter(|last| last.at > bracket);
        while let Some(anchor) = here {
            if anchor.takes {
                best = Some(anchor.id);
            }
            here = anchor
                .parent
                .filter(|id| *id != owner)
                .map(|id| &self.anchors[id]);
        }
        match best {
            Some(id) => Some(Slot::Tail(id)),
            None => self.anchors[owner].takes.then_some(Slot::Tail(owner)),
        }
    }

    /// The header in TOML whose body a run of comments closes.
    fn closed_header(&self, range: &Range<usize>) -> Option<usize> {
        if blank_above(self.text, range.start) || !blank_below(self.text, range.end) {
            return None;
        }
        let statements = &self.scan.statements;
        let next = statements.partition_point(|at| *at < range.start);
        let is_header = |at: &&usize| self.text[**at..].starts_with('[');
        let before = statements[..next].iter().rev();
        if statements.get(next).is_some_and(|at| !is_header(&at)) {
            return None;
        }
        let header = before.clone().find(is_header)?;
        self.values
            .get(header)
            .copied()
            .filter(|id| self.anchors[*id].members == 0)
    }

    /// The list or map in KDL that a run of comments closes.
    fn closed_list(&self, range: &Range<usize>, level: usize, next: Option<&Anchor>) -> Option<usize> {
        if blank_above(self.text, range.start) || !blank_below(self.text, range.end) {
            return None;
        }
        let mut here = self.last(range.start)?;
        while let Some(parent) = here.parent.map(|id| &self.anchors[id]) {
            if parent.at < level {
                break;
            }
            here = parent;
        }
        // The end of the brackets may set comments off from nothing.
        let more = next.is_some_and(|next| next.parent == Some(here.id));
        (here.members > 0 && here.at > level && !more && range.end < self.text.trim_end().len())
            .then_some(here.id)
    }
}

/// How a piece's own line begins.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    blank_above: bool,
    is_header: bool,
}

/// By id; what is not the first on its line has no line of its own.
fn lines(order: &[&Anchor], text: &str, syntax: Syntax) -> Vec<Line> {
    let mut lines = vec![Line::default(); order.len()];
    let (mut start, mut before) = (0, None);
    for anchor in order {
        let since = before.unwrap_or(0);
        let new = text[since..anchor.at].rfind('\n').map(|at| since + at + 1);
        start = new.unwrap_or(start);
        if new.is_some() || before.is_none() {
            lines[anchor.id] = Line {
                blank_above: blank_above(text, anchor.at),
                is_header: syntax == Syntax::Toml && text[start..].trim_start().starts_with('['),
            };
        }
        before = Some(anchor.at);
    }
    lines
}

fn give(piece: &mut Piece, trivia: &mut [Trivia], lines: &[Line]) {
    piece.trivia = std::mem::take(&mut trivia[piece.id]);
    piece.blank = lines[piece.id].blank_above;
    while piece.trivia.tail.len() > 1 {
        let mut first = piece.trivia.tail.remove(0);
        if piece.trivia.lead.is_empty() {
            first.blank = std::mem::take(&mut piece.blank);
        }
        piece.trivia.lead.push(first);
    }
    for inner in piece.body.pieces_mut() {
        give(inner, trivia, lines);
    }
    if piece.body.is_empty_list() {
        let closing = std::mem::take(&mut piece.trivia.closing);
        piece.trivia.lead.extend(closing);
    }
    let container = piece.body.is_container();
    let blank = piece.blank;
    for (number, inner) in piece.body.pieces_mut().iter_mut().enumerate() {
        // It has no line but that of its first member.
        inner.blank |= container && number == 0 && blank;
        // Between headers there is always a blank line: it sets nothing off.
        if lines[inner.id].is_header {
            match inner.trivia.lead.first_mut() {
                Some(first) => first.blank = false,
                None => inner.blank = false,
            }
        }
    }
    if matches!(piece.body.known(), Body::Table(_)) {
        piece.body.pieces_mut().iter_mut().for_each(settle);
    }
}

/// The comments of a table's only value go to the table: both syntaxes write the two in one line.
fn settle(table: &mut Piece) {
    if !matches!(table.body.known(), Body::Table(_)) {
        return;
    }
    let [only] = table.body.pieces_mut() else { return };
    if !only.is_leaf() {
        return;
    }
    let (blank, trivia) = (only.blank, &mut only.trivia);
    let (lead, tail) = (std::mem::take(&mut trivia.lead), std::mem::take(&mut trivia.tail));
    only.blank = false;
    table.blank |= blank;
    table.trivia.lead.extend(lead);
    if table.trivia.tail.is_empty() {
        table.trivia.tail = tail;
    } else {
        table.trivia.lead.extend(tail);
    }
}

/// Whether the line above that of a byte is blank; the first line has none above it.
fn blank_above(text: &str, at: usize) -> bool {
    let above = text[..at].rsplit('\n').nth(1);
    above.is_some_and(|line| line.trim().is_empty())
}

/// Whether the line below that of a byte is blank, or there is none.
fn blank_below(text: &str, at: usize) -> bool {
    let below = text[at..].split('\n').nth(1);
    below.is_none_or(|line| line.trim().is_empty())
}
