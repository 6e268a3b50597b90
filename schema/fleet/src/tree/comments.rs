//! Where the comments of a file stand, in either syntax.
//!
//! It knows strings and comments (TOML 1.0 "Comment" and "String"; KDL 2.0 §3.11 to §3.17) and nothing else, so it
//! finds the comments of a file that cannot be read too. `/-` of KDL is no comment here: what it takes out is
//! still written as a node, and is read and formatted as one.

use super::Syntax;
use std::ops::Range;

/// The byte ranges of all comments, in order, each from its sign to its end; the end of the line is not part of it.
/// A block comment is one, whatever it holds.
pub(crate) fn comments(text: &str, syntax: Syntax) -> Vec<Range<usize>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut found = Vec::new();
    while let Some(character) = scanner.peek() {
        let start = scanner.at;
        if scanner.step(character, syntax) {
            found.push(start..scanner.at);
        }
    }
    found
}

/// Steps through a text, over strings and comments as a whole.
pub(crate) struct Scanner<'t> {
    pub(crate) text: &'t str,
    /// Where it is, in bytes.
    pub(crate) at: usize,
}

impl Scanner<'_> {
    /// What stands next.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Steps over one comment, string or other character, which is the next; says whether it was a comment.
    pub(crate) fn step(&mut self, character: char, syntax: Syntax) -> bool {
        match syntax {
            Syntax::Toml => self.toml(character),
            Syntax::Kdl => self.kdl(character),
        }
    }

    /// Steps over one comment, string or other character of TOML; says whether it was a comment.
    fn toml(&mut self, character: char) -> bool {
        match character {
            '#' => {
                self.line(is_toml_end);
                return true;
            }
            // A quote or two may stand right before the end: `"""a""""` holds `a"`.
            '"' if self.take("\"\"\"") => self.string("\"\"\"", true, |_| false),
            '\'' if self.take("'''") => self.string("'''", false, |_| false),
            '"' if self.take("\"") => self.string("\"", true, is_toml_end),
            '\'' if self.take("'") => self.string("'", false, is_toml_end),
            other => self.at += other.len_utf8(),
        }
        false
    }

    /// The same of KDL.
    fn kdl(&mut self, character: char) -> bool {
        match character {
            '/' if self.sees("//") => {
                self.line(is_kdl_end);
                return true;
            }
            '/' if self.sees("/*") => {
                self.block();
                return true;
            }
            '"' | '#' => self.kdl_string(),
            other => self.at += other.len_utf8(),
        }
        false
    }

    /// A string of KDL with the hashes around it, or a keyword such as `#true`.
    fn kdl_string(&mut self) {
        let hashes = self.rest().bytes().take_while(|byte| *byte == b'#').count();
        self.at += hashes;
        let end = |quotes: &str| format!("{quotes}{}", "#".repeat(hashes));
        let escapes = hashes == 0;
        // Three quotes begin a string of several lines only where the line ends behind them.
        let behind = self.rest().strip_prefix("\"\"\"");
        if behind.is_some_and(|behind| behind.starts_with(is_kdl_end)) {
            self.at += 3;
            self.string(&end("\"\"\""), escapes, |_| false);
        } else if self.take("\"") {
            self.string(&end("\""), escapes, is_kdl_end);
        }
    }

    /// Steps behind the end of a string, which a line's end ends too if `breaks` says so: it was never closed.
    fn string(&mut self, end: &str, escapes: bool, breaks: fn(char) -> bool) {
        while let Some(character) = self.rest().chars().next() {
            if self.take(end) {
                // More quotes than end it belong to what it holds, two at most; KDL lets none stand there.
                if matches!(end, "\"\"\"" | "'''") {
                    for _ in 0..2 {
                        self.take(&end[..1]);
                    }
                }
                return;
            }
            if breaks(character) {
                return;
            }
            self.at += character.len_utf8();
            if character == '\\'
                && escapes
                && let Some(escaped) = self.rest().chars().next()
            {
                // KDL lets a string go on in the next line behind a backslash.
                self.at += escaped.len_utf8();
            }
        }
    }

    /// Steps to the end of the line.
    fn line(&mut self, ends: fn(char) -> bool) {
        let rest = self.rest();
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        // The return of CRLF; of TOML alone, whose line ends with the line feed.
        if self.text[..self.at].ends_with('\r') {
            self.at -= 1;
        }
    }

    /// Steps behind a block comment. They nest, and one that is never closed reaches to the end.
    fn block(&mut self) {
        let mut depth = 0_usize;
        while let Some(character) = self.rest().chars().next() {
            if self.take("/*") {
                depth += 1;
            } else if self.take("*/") {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += character.len_utf8();
            }
        }
    }

    fn take(&mut self, what: &str) -> bool {
        let taken = self.sees(what);
        if taken {
            self.at += what.len();
        }
        taken
    }

    pub(crate) fn sees(&self, what: &str) -> bool {
        self.rest().starts_with(what)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

/// A line of TOML ends so; a return before it is no part of a comment.
fn is_toml_end(character: char) -> bool {
    character == '\n'
}

/// The ends of a line of KDL (2.0 §3.19).
pub(crate) fn is_kdl_end(character: char) -> bool {
    matches!(
        character,
        '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests {
    use super::{Syntax, comments};
    use proptest::{collection, prelude::*};

    fn toml(text: &str) -> Vec<&str> {
        let found = comments(text, Syntax::Toml);
        found.into_iter().map(|range| &text[range]).collect()
    }

    fn kdl(text: &str) -> Vec<&str> {
        let found = comments(text, Syntax::Kdl);
        found.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn comments_of_toml() {
        assert_eq!(toml("# a\nb = 1 # c # d\r\n#\n#e"), ["# a", "# c # d", "#", "#e"]);
        assert_eq!(toml("a = \"# no\" # ä"), ["# ä"]);
        assert_eq!(toml(r##"a = "\"# no\\" # yes"##), ["# yes"]);
        assert_eq!(toml(r"a = '# no\' # yes"), ["# yes"]);
        assert_eq!(
            toml("a = \"\"\"\n# no \"\" \\\"\"\" # no\n\"\"\" # yes"),
            ["# yes"]
        );
        assert_eq!(toml("a = '''\n# no '' \\''' # yes"), ["# yes"]);
        // Quotes right before the end belong to the string.
        assert_eq!(
            toml("a = \"\"\"x\"\"\"\"\" # yes\nb = '''x'''' # yes"),
            ["# yes", "# yes"]
        );
        assert_eq!(toml("a = \"\"\"\"\"\" # yes\nb = \"\" # too"), ["# yes", "# too"]);
        assert_eq!(toml("\"a#b\".'c#d' = 1 # yes"), ["# yes"]);
        // Never closed: the line ends it, or nothing does.
        assert_eq!(toml("a = \"no # no\nb = 1 # yes"), ["# yes"]);
        assert_eq!(toml("a = '''no # no\nb = 1 # no"), [""; 0]);
        assert_eq!(toml("a = \"\\"), [""; 0]);
    }

    #[test]
    fn comments_of_kdl() {
        assert_eq!(kdl("// a\nb 1 // c // d\r\n//"), ["// a", "// c // d", "//"]);
        assert_eq!(kdl("a \"// no\" // ä\u{2028}b"), ["// ä"]);
        assert_eq!(
            kdl("a /* b\n/* c */ \" */ \"/* no */\" // d"),
            ["/* b\n/* c */ \" */", "// d"]
        );
        assert_eq!(kdl("a #\"\\\" // no \"# // yes"), ["// yes"]);
        assert_eq!(kdl("a ##\"\"# // no \"## #true // yes"), ["// yes"]);
        assert_eq!(
            kdl("a \"\"\"\n // no \" \\\"\"\" // no\n\"\"\" // yes"),
            ["// yes"]
        );
        assert_eq!(kdl("a #\"\"\"\n \"\"\" // no\n\"\"\"# // yes"), ["// yes"]);
        assert_eq!(kdl("a \"\\\\\" // yes"), ["// yes"]);
        assert_eq!(kdl("a \"\" // yes\n/- b 1 /-c"), ["// yes"]);
        assert_eq!(kdl("a \\ // yes\n  1"), ["// yes"]);
        assert_eq!(kdl("a \"x\\\n  // no\" // yes"), ["// yes"]);
        assert_eq!(kdl("a \"no // no\nb // yes"), ["// yes"]);
        assert_eq!(
            kdl("/* never /* closed */ // no"),
            ["/* never /* closed */ // no"]
        );
    }

    /// Whatever is written between quotes: the signs of both languages, and what escapes and ends strings.
    fn content() -> impl Strategy<Value = String> {
        let pieces = ["#", "//", "/*", "*/", "'", "\"", "\"#", "\\", "a", "ä", " ", "\n"];
        collection::vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
    }

    fn escaped(text: &str) -> String {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    }

    /// A string of TOML that holds something like `text`, in one of its four ways.
    fn toml_string(text: &str, way: u8) -> String {
        match way % 4 {
            0 => format!("\"{}\"", escaped(text)),
            1 => format!("'{}'", text.replace(['\'', '\n'], "#")),
            2 => {
                let text = text.replace('\\', "\\\\").replace("\"\"\"", "\"\"\\\"");
                format!("\"\"\"{text}\"\"\"")
            }
            _ => format!("'''{}'''", text.replace("'''", "''#")),
        }
    }

    /// A string of KDL likewise: quoted or raw, on one line or several.
    fn kdl_string(text: &str, way: u8) -> String {
        let hashes = "#".repeat(1 + text.len());
        let one_line = text.replace('\n', "#");
        match way % 4 {
            0 => format!("\"{}\"", escaped(text)),
            // Raw strings of one line begin with no quote (KDL 2.0 §3.13).
            1 => format!("{hashes}\"a{one_line}\"{hashes}"),
            2 => format!("\"\"\"\n{}\n\"\"\"", escaped(text)),
            _ => format!("{hashes}\"\"\"\n{text}\n\"\"\"{hashes}"),
        }
    }

    proptest! {
        /// Nothing between quotes is a comment, and what was written as one is found, whole.
        #[test]
        fn comments_are_those_that_were_written(
            lines in collection::vec((content(), any::<u8>(), content()), 1..6),
        ) {
            let (mut in_toml, mut in_kdl) = (String::new(), String::new());
            let (mut of_toml, mut of_kdl) = (Vec::new(), Vec::new());
            for (number, (value, way, said)) in lines.iter().enumerate() {
                let said = said.replace('\n', " ");
                let comment = format!("#{said}");
                in_toml.push_str(&format!("a{number} = {} {comment}\n", toml_string(value, *way)));
                of_toml.push(comment);
                let comment = match way % 3 {
                    0 => format!("/* {} /* */*/", said.replace('/', "|")),
                    _ => format!("//{said}"),
                };
                in_kdl.push_str(&format!("a {} {comment}\n", kdl_string(value, *way)));
                of_kdl.push(comment);
            }
            prop_assert!(toml::de::DeTable::parse(&in_toml).is_ok(), "{}", in_toml);
            prop_assert_eq!(toml(&in_toml), of_toml, "{}", in_toml);
            // The parser refuses some raw strings of several lines that hold quotes.
            if kdl::KdlDocument::parse_v2(&in_kdl).is_ok() {
                prop_assert_eq!(kdl(&in_kdl), of_kdl, "{}", in_kdl);
            }
        }
    }
}
