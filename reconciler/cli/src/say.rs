//! Standard output and standard error.
//!
//! A reader that is gone (`muster … | head -1`) has seen enough: that is no error, and the command's own
//! end stands.

use crate::exit::Failure;
use crate::letters;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints an answer, and ends its line if it does not.
pub(crate) fn say(text: impl Display) -> Result<(), Failure> {
    heard(print(&mut io::stdout().lock(), &letters::text(&text.to_string()))).map(drop)
}

/// Prints an answer that is a JSON document.
pub(crate) fn say_json(document: impl Display) -> Result<(), Failure> {
    stream_json(document).map(drop)
}

/// Prints an answer that is XML.
pub(crate) fn say_xml(document: impl Display) -> Result<(), Failure> {
    heard(print(
        &mut io::stdout().lock(),
        &letters::xml(&document.to_string()),
    ))
    .map(drop)
}

/// Prints lines of an answer that goes on; gives whether anybody still reads.
pub(crate) fn stream(text: impl Display) -> Result<bool, Failure> {
    heard(print(&mut io::stdout().lock(), &letters::text(&text.to_string())))
}

/// Prints JSON documents of an answer that goes on; gives whether anybody still reads.
pub(crate) fn stream_json(documents: impl Display) -> Result<bool, Failure> {
    heard(print(
        &mut io::stdout().lock(),
        &letters::document(&documents.to_string()),
    ))
}

/// Tells a person what goes on, beside the answer, and ends its line if it does not.
pub(crate) fn tell(text: impl Display) {
    // There is nowhere left to complain to.
    drop(print(&mut io::stderr().lock(), &letters::text(&text.to_string())));
}

/// Asks a person; the answer follows on the same line.
pub(crate) fn ask(question: &str) {
    drop(io::stderr().lock().write_all(letters::text(question).as_bytes()));
}

/// Whether anybody reads; it is a failure only if it could not be written to whoever does.
fn heard(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::File {
            what: "write to",
            path: "standard output".into(),
            source: error,
        }),
    }
}

fn print(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    to.flush()
}
