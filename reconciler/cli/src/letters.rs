//! Which characters and colours go out: with `--ascii` none beyond ASCII, without a terminal no colour.
//!
//! Nothing is lost by it: what has a usual spelling gets it, the rest is written as `\u{…}` in text and as
//! JSON's own escape in documents.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, before anything is printed: all printing goes through here, and no command decides it.
static ASCII_ONLY: AtomicBool = AtomicBool::new(false);

/// How what we write ourselves is spelled in ASCII; frames and other texts' characters that are common.
const SPELLINGS: [(&str, &str); 12] = [
    ("…", "..."),
    ("–—−─", "-"),
    ("→►▶", "->"),
    ("←◄◀", "<-"),
    ("“”„", "\""),
    ("‘’", "'"),
    ("·•", "*"),
    ("×", "x"),
    ("≤", "<="),
    ("≥", ">="),
    ("│║┃", "|"),
    ("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
];

/// Nothing beyond ASCII from now on.
pub(crate) fn ascii_only() {
    ASCII_ONLY.store(true, Ordering::Relaxed);
}

/// Whether nothing beyond ASCII goes out.
pub(crate) fn is_ascii_only() -> bool {
    ASCII_ONLY.load(Ordering::Relaxed)
}

/// Whether standard output takes colours: it is a terminal that can, and nobody asked for none
/// (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && screen()
}

/// Whether standard output is a terminal whose cursor can be moved.
pub(crate) fn screen() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb")
}

/// The size of the screen: columns and rows. A terminal that does not tell has the least that is common.
pub(crate) fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        Ok(_) | Err(_) => (80, 24),
    }
}

/// Text as it goes out.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    fit(text, |out, character| {
        let spelled = SPELLINGS.iter().find(|(letters, _)| letters.contains(character));
        match spelled {
            Some((_, spelled)) => out.push_str(spelled),
            None => out.extend(character.escape_unicode()),
        }
    })
}

/// A JSON document as it goes out: beyond ASCII are strings only (RFC 8259 §7).
pub(crate) fn document(text: &str) -> Cow<'_, str> {
    fit(text, |out, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("writing into a string does not fail");
        }
    })
}

/// An XML document as it goes out: beyond ASCII are character references only (XML 1.0 §4.1).
pub(crate) fn xml(text: &str) -> Cow<'_, str> {
    fit(text, |out, character| {
        write!(out, "&#{};", u32::from(character)).expect("writing into a string does not fail");
    })
}

fn fit(text: &str, spell: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !is_ascii_only() || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            spell(&mut out, character);
        }
    }
    Cow::Owned(out)
}
