//! KDL: the names and single values of a node on its line while they fit and nothing is said about them, all else in
//! its block.

use super::{
    WIDTH,
    layout::Layout,
    piece::{Body, Document, Piece, Scalar},
    quote::{kdl_lines, kdl_scalar, kdl_text},
};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    tree::{Syntax, Value, kdl_free::ITEM},
};

/// The document's text, or what in it KDL cannot say.
pub(super) fn print(document: &Document) -> Result<String, Diagnostic> {
    let mut out = Layout::new(Syntax::Kdl);
    out.comments(&document.head, true);
    out.blank();
    let mut several = false;
    for object in &document.objects {
        let words: Vec<_> = object.path.iter().map(|word| kdl_text(word)).collect();
        // What takes several lines is set off from what is around it.
        let mut alone = Printer {
            out: Layout::new(Syntax::Kdl),
            refused: None,
        };
        alone.node(&words.join(" "), &object.piece, false);
        if let Some(refused) = alone.refused {
            return Err(refused);
        }
        let lines = alone.out.text;
        let apart = object.piece.trivia.lead.first().is_some_and(|lead| lead.blank);
        let more = lines.matches('\n').count() > 1;
        if several || more || apart || object.piece.blank {
            out.blank();
        }
        several = more;
        out.paste(&lines);
    }
    out.blank();
    out.comments(&document.closing, true);
    Ok(out.text)
}

struct Printer {
    out: Layout,
    refused: Option<Diagnostic>,
}

impl Printer {
    /// A node that begins with these words. In free content nothing but the text tells a list from a value.
    fn node(&mut self, words: &str, piece: &Piece, free: bool) {
        let free = free || matches!(piece.body, Body::Free(_));
        match piece.body.known() {
            // Single values by name are properties, as those of a table are.
            Body::Map(members) if let Some(line) = self.pairs(words, members, piece) => {
                self.out.above(piece);
                self.out.line(&line, &piece.trivia.tail);
            }
            Body::Map(members) if !members.is_empty() => {
                for member in members {
                    self.node(&format!("{words} {}", kdl_text(&member.key)), member, free);
                }
                self.close_list(piece);
            }
            Body::Tables(items) if !items.is_empty() => {
                items.iter().for_each(|item| self.node(words, item, free));
                self.close_list(piece);
            }
            Body::Map(_) | Body::Tables(_) => self.refuse(piece, "an empty list or table of names"),
            Body::Scalar(scalar) => {
                self.out.above(piece);
                let value = self.scalar(scalar, piece);
                self.out.line(&format!("{words} {value}"), &piece.trivia.tail);
            }
            Body::List(items) => self.list(words, piece, items, free),
            Body::Table(entries) => self.table(words, piece, entries, free),
            Body::Free(body) => unreachable!("free content is free once: {body:?}"),
        }
    }

    /// What closes a list that has no block of its own is set off from what comes next.
    fn close_list(&mut self, piece: &Piece) {
        self.out.comments(&piece.trivia.closing, false);
        if !piece.trivia.closing.is_empty() {
            self.out.blank();
        }
    }

    fn list(&mut self, words: &str, piece: &Piece, items: &[Piece], free: bool) {
        self.out.above(piece);
        if items.is_empty() {
            self.out.comments(&piece.trivia.closing, false);
            self.out.line(words, &piece.trivia.tail);
            return;
        }
        // In free content one value is a value.
        let plain = piece.is_leaf() && !piece.holds_comments() && !piece.holds_lines();
        if plain && (!free || items.len() > 1) {
            let mut line = words.to_owned();
            for item in items {
                if let Body::Scalar(scalar) = item.body.known() {
                    line.push(' ');
                    line.push_str(&self.scalar(scalar, item));
                }
            }
            if items.len() == 1 || self.fits(&line) {
                self.out.line(&line, &piece.trivia.tail);
                return;
            }
        }
        self.out.open(&format!("{words} {{"), &piece.trivia.tail);
        items.iter().for_each(|item| self.node(ITEM, item, true));
        self.out.comments(&piece.trivia.closing, true);
        self.out.close("}");
    }

    fn table(&mut self, words: &str, piece: &Piece, entries: &[Piece], free: bool) {
        self.out.above(piece);
        let line = self.properties(words, entries);
        let children: Vec<_> = entries
            .iter()
            .filter(|entry| line.is_none() || !matches!(entry.body.known(), Body::Scalar(_)))
            .collect();
        let head = line.unwrap_or_else(|| words.to_owned());
        if children.is_empty() && piece.trivia.closing.is_empty() {
            let empty = if free && entries.is_empty() { " {}" } else { "" };
            self.out.line(&format!("{head}{empty}"), &piece.trivia.tail);
            return;
        }
        self.out.open(&format!("{head} {{"), &piece.trivia.tail);
        for child in children {
            let is_list = free && child.key == ITEM;
            match child.body.known() {
                // Beside other keys, children named so are one list.
                Body::List(items) if is_list => items.iter().for_each(|item| self.node(ITEM, item, true)),
                _ => self.node(&kdl_text(&child.key), child, free),
            }
        }
        self.out.comments(&piece.trivia.closing, true);
        self.out.close("}");
    }

    /// The head of a table with its single values, if they all fit and none has a comment.
    fn properties(&mut self, words: &str, entries: &[Piece]) -> Option<String> {
        let mut line = words.to_owned();
        let mut children = false;
        for entry in entries {
            let Body::Scalar(scalar) = entry.body.known() else {
                children = true;
                continue;
            };
            let trivia = &entry.trivia;
            if !trivia.lead.is_empty() || !trivia.tail.is_empty() || entry.holds_lines() {
                return None;
            }
            let value = self.scalar(scalar, entry);
            line.push_str(&format!(" {}={value}", kdl_text(&entry.key)));
        }
        let brace = if children { " {" } else { "" };
        self.fits(&format!("{line}{brace}")).then_some(line)
    }

    /// A map of single values on one line, if nothing is said about any of them.
    fn pairs(&mut self, words: &str, members: &[Piece], piece: &Piece) -> Option<String> {
        let single = |member: &Piece| matches!(member.body.known(), Body::Scalar(_));
        let fits = !members.is_empty() && members.iter().all(single) && piece.trivia.closing.is_empty();
        fits.then(|| self.properties(words, members)).flatten()
    }

    fn fits(&self, line: &str) -> bool {
        self.out.indent() + line.chars().count() <= WIDTH
    }

    fn scalar(&mut self, scalar: &Scalar, piece: &Piece) -> String {
        match &scalar.value {
            Value::Text(text) if text.contains('\n') => kdl_lines(text, self.out.indent() + 4),
            _ => kdl_scalar(scalar).unwrap_or_else(|| {
                self.refuse(piece, "a date or time");
                String::new()
            }),
        }
    }

    fn refuse(&mut self, piece: &Piece, what: &str) {
        self.refused.get_or_insert_with(|| {
            Diagnostic::error(
                Code::M0020,
                format!("KDL cannot say {what}"),
                &piece.span,
                "this has no form in KDL",
            )
        });
    }
}
