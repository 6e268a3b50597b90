//! Standard output and standard error.
//!
//! A reader that is gone (`muster … | head -1`) has seen enough: that is no error, and the command's own
//! end stands.

use crate::exit::Failure;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints an answer, and ends its line if it does not.
pub(crate) fn say(text: impl Display) -> Result<(), Failure> {
    match print(&mut io::stdout().lock(), &text.to_string()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::File {
            what: "write to",
            path: "standard output".into(),
            source: error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells a person what goes on, beside the answer, and ends its line if it does not.
pub(crate) fn tell(text: impl Display) {
    // There is nowhere left to complain to.
    drop(print(&mut io::stderr().lock(), &text.to_string()));
}

/// Asks a person; the answer follows on the same line.
pub(crate) fn ask(question: &str) {
    drop(io::stderr().lock().write_all(question.as_bytes()));
}

fn print(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    to.flush()
}
