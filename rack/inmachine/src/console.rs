//! The console: one line per event, so that a person before the screen and a serial log read the
//! same story. A console that cannot be written to is no reason to stop.

use std::fmt::{Arguments, Write as _};
use std::io::Write as _;

/// A line is cut here: some serial consoles run at 9600 baud.
const LINE_CHARS_MAX: usize = 1000;

/// Prints `muster: ` and the text on one line of standard error: the console for PID 1, the journal
/// for a unit.
pub fn say(text: Arguments<'_>) {
    let mut line = String::from("muster: ");
    // Writing into a String does not fail.
    let _ = line.write_fmt(text);
    let line: String = line
        .trim_end()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LINE_CHARS_MAX)
        .chain(['\n'])
        .collect();
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// An error with all its causes, `: ` between them.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Infallible for a String.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Formats and says one line.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::console::say(format_args!($($part)*)) };
}
