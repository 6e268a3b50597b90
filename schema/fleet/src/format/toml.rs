//! TOML: a header for each object, its values beneath, small tables on one line, then the headers of its larger
//! tables.
//!
//! TOML wants values before headers, so the order of keys may change; that of the members of a map and of the items
//! of a list does not: all of them stand on lines, or all under headers.

use super::{
    WIDTH,
    layout::Layout,
    piece::{Body, Comment, Document, Object, Piece, Scalar},
    quote::{toml_key, toml_lines, toml_path, toml_scalar, toml_text},
};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    tree::{Syntax, Value},
};

/// The document's text, or what in it TOML cannot say.
pub(super) fn print(document: &Document) -> Result<String, Diagnostic> {
    let mut printer = Printer {
        out: Layout::new(Syntax::Toml),
        refused: None,
    };
    printer.out.comments(&document.head, true);
    printer.out.blank();
    let is_table = |object: &&Object| matches!(object.piece.body.known(), Body::Table(_));
    for object in document.objects.iter().filter(|object| !is_table(object)) {
        printer.value(&toml_path(&object.path), &object.piece);
    }
    for object in document.objects.iter().filter(is_table) {
        printer.header(&object.path, &object.piece, ["[", "]"]);
    }
    printer.out.blank();
    printer.out.comments(&document.closing, true);
    printer.refused.map_or(Ok(printer.out.text), Err)
}

struct Printer {
    out: Layout,
    refused: Option<Diagnostic>,
}

impl Printer {
    /// A table under its header.
    fn header(&mut self, path: &[String], piece: &Piece, [open, close]: [&str; 2]) {
        self.out.blank();
        self.out.above(piece);
        self.out
            .line(&format!("{open}{}{close}", toml_path(path)), &piece.trivia.tail);
        let (beneath, behind): (Vec<_>, Vec<_>) =
            piece.body.pieces().iter().partition(|entry| self.is_line(entry));
        if !beneath.is_empty() {
            self.out.begin();
        }
        for entry in beneath {
            self.entry(entry);
        }
        // What closes a list that has no brackets closes the table that it is in.
        self.out.comments(&piece.trivia.closing, false);
        for entry in piece.body.pieces() {
            if entry.body.is_container() && !self.has_brackets(entry) {
                self.out.comments(&entry.trivia.closing, false);
            }
        }
        for entry in behind {
            let path = [path, std::slice::from_ref(&entry.key)].concat();
            match entry.body.known() {
                Body::Map(members) => {
                    for member in members {
                        let path = [path.as_slice(), std::slice::from_ref(&member.key)].concat();
                        self.header(&path, member, ["[", "]"]);
                    }
                }
                Body::Tables(items) => items
                    .iter()
                    .for_each(|item| self.header(&path, item, ["[[", "]]"])),
                _ => self.header(&path, entry, ["[", "]"]),
            }
        }
    }

    /// Whether an entry stands among the values of its table, not under headers of its own.
    fn is_line(&self, entry: &Piece) -> bool {
        match entry.body.known() {
            Body::Scalar(_) | Body::List(_) => true,
            Body::Table(_) => self.is_dotted(entry) || self.inline(&toml_key(&entry.key), entry).is_some(),
            Body::Map(members) => members.iter().all(|member| {
                member.is_leaf() || {
                    let key = format!("{}.{}", toml_key(&entry.key), toml_key(&member.key));
                    self.inline(&key, member).is_some()
                }
            }),
            Body::Tables(items) => items.iter().all(|item| self.inline("   ", item).is_some()),
            Body::Free(_) => false,
        }
    }

    /// Whether a list of tables is written in brackets of its own.
    fn has_brackets(&self, entry: &Piece) -> bool {
        matches!(entry.body.known(), Body::Tables(_)) && self.is_line(entry)
    }

    /// A table with one value that is none itself: `boot.mode = "uefi"`.
    #[expect(
        clippy::unused_self,
        reason = "it belongs with the others that decide on a form"
    )]
    fn is_dotted(&self, entry: &Piece) -> bool {
        match entry.body.known() {
            Body::Table(entries) => {
                matches!(entries.as_slice(), [only] if only.is_leaf()) && !entry.holds_comments()
            }
            _ => false,
        }
    }

    /// `key = { … }`, if all of it is single values, fits on a line and has no comment in it.
    fn inline(&self, key: &str, piece: &Piece) -> Option<String> {
        let Body::Table(entries) = piece.body.known() else {
            return None;
        };
        if piece.holds_comments() || piece.holds_lines() || !entries.iter().all(Piece::is_leaf) {
            return None;
        }
        let line = format!("{key} = {}", self.nested(piece));
        (line.chars().count() <= WIDTH).then_some(line)
    }

    fn entry(&mut self, entry: &Piece) {
        let key = toml_key(&entry.key);
        match entry.body.known() {
            Body::Table(entries) => {
                if let ([only], true) = (entries.as_slice(), self.is_dotted(entry)) {
                    self.out.above(entry);
                    let key = format!("{key}.{}", toml_key(&only.key));
                    self.assign(&key, only, &entry.trivia.tail);
                } else {
                    self.value(&key, entry);
                }
            }
            Body::Map(members) if !members.is_empty() => {
                for member in members {
                    self.value(&format!("{key}.{}", toml_key(&member.key)), member);
                }
            }
            Body::Tables(items) if !items.is_empty() => self.tables(&key, entry, items),
            _ => self.value(&key, entry),
        }
    }

    fn value(&mut self, key: &str, piece: &Piece) {
        self.out.above(piece);
        self.assign(key, piece, &piece.trivia.tail);
    }

    /// `key = value`, a list that does not fit with an item on each line.
    fn assign(&mut self, key: &str, piece: &Piece, tail: &[Comment]) {
        self.refuse_nothing(piece);
        if let Body::Scalar(Scalar {
            value: Value::Text(text),
            ..
        }) = piece.body.known()
            && text.contains('\n')
        {
            self.out.line(&format!("{key} = {}", toml_lines(text)), tail);
            return;
        }
        let line = format!("{key} = {}", self.nested(piece));
        let Body::List(items) = piece.body.known() else {
            self.out.line(&line, tail);
            return;
        };
        let fits = items.len() == 1 || line.chars().count() <= WIDTH;
        if fits && !piece.holds_comments() && !piece.holds_lines() {
            self.out.line(&line, tail);
            return;
        }
        // In TOML what is behind the bracket that opens is not behind the list.
        self.out.open(&format!("{key} = ["), &[]);
        for item in items {
            self.out.comments(&item.trivia.lead, false);
            if !matches!(item.body.known(), Body::Scalar(_)) {
                self.inner_comments(item);
            }
            let value = match item.body.known() {
                Body::Scalar(Scalar {
                    value: Value::Text(text),
                    ..
                }) if text.contains('\n') => toml_lines(text),
                _ => self.nested(item),
            };
            self.out.line(&format!("{value},"), &item.trivia.tail);
        }
        self.out.comments(&piece.trivia.closing, false);
        self.out.close_with("]", tail);
    }

    /// Comments in what stands on one line whatever is in it.
    fn inner_comments(&mut self, piece: &Piece) {
        for inner in piece.body.pieces() {
            self.out.comments(&inner.trivia.lead, false);
            self.inner_comments(inner);
            self.out.comments(&inner.trivia.tail, false);
        }
        self.out.comments(&piece.trivia.closing, false);
    }

    /// A list of small tables: one alone on the line of its key, several on a line each.
    fn tables(&mut self, key: &str, piece: &Piece, items: &[Piece]) {
        self.out.above(&items[0]);
        if let [only] = items
            && piece.trivia.closing.is_empty()
        {
            let line = format!("{key} = [{}]", self.nested(only));
            if line.chars().count() <= WIDTH {
                self.refuse_nothing(only);
                self.out.line(&line, &only.trivia.tail);
                return;
            }
        }
        self.out.open(&format!("{key} = ["), &[]);
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.out.comments(&item.trivia.lead, false);
            }
            self.refuse_nothing(item);
            self.out
                .line(&format!("{},", self.nested(item)), &item.trivia.tail);
        }
        self.out.comments(&piece.trivia.closing, false);
        self.out.close("]");
    }

    /// A value on one line.
    fn nested(&self, piece: &Piece) -> String {
        match piece.body.known() {
            Body::Scalar(scalar) => match &scalar.value {
                Value::Text(text) => toml_text(text),
                _ => toml_scalar(scalar).unwrap_or_default(),
            },
            Body::List(items) | Body::Tables(items) => {
                let items: Vec<_> = items.iter().map(|item| self.nested(item)).collect();
                format!("[{}]", items.join(", "))
            }
            body => {
                let entry = |entry: &Piece| format!("{} = {}", toml_key(&entry.key), self.nested(entry));
                let entries: Vec<_> = body.pieces().iter().map(entry).collect();
                match entries.is_empty() {
                    true => "{}".to_owned(),
                    false => format!("{{ {} }}", entries.join(", ")),
                }
            }
        }
    }

    fn refuse_nothing(&mut self, piece: &Piece) {
        if let Body::Scalar(scalar) = piece.body.known()
            && matches!(scalar.value, Value::Null)
        {
            self.refused.get_or_insert_with(|| {
                Diagnostic::error(
                    Code::M0020,
                    "TOML cannot say #null",
                    &piece.span,
                    "this has no form in TOML",
                )
            });
        }
        piece
            .body
            .pieces()
            .iter()
            .for_each(|inner| self.refuse_nothing(inner));
    }
}
