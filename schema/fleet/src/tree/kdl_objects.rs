//! Where one top-level node of a KDL file ends and the next begins.
//!
//! Each is parsed alone: a slip in one hides nothing in the others, and the parser, which recurses
//! without a limit of its own, never sees more openings than its stack can take. This scanner knows
//! strings, comments and braces (KDL 2.0 §3) and nothing else; what is malformed it passes on.

use std::ops::Range;

/// The byte ranges of the top-level nodes, in order, without what lies between them.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    let mut pieces = Vec::new();
    while scanner.at < scanner.bytes.len() {
        let start = scanner.at;
        scanner.node();
        let piece = &text[start..scanner.at];
        let blank = piece.len() - piece.trim_start_matches(BLANK).len();
        if !piece.trim_matches(BLANK).is_empty() {
            pieces.push(start + blank..scanner.at);
        }
    }
    pieces
}

/// What may stand between nodes; the byte order mark only at the very start.
const BLANK: [char; 6] = [' ', '\t', '\r', '\n', ';', '\u{feff}'];

/// How often a piece opens something the parser recurses on, wherever it stands.
pub(super) fn openings(piece: &str) -> usize {
    piece.matches('{').count() + piece.matches("/*").count() + piece.matches("/-").count()
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    /// Moves behind one node and its end.
    fn node(&mut self) {
        let mut depth = 0_usize;
        // Whether anything but blanks, comments and `/-` was met: before that, a line end ends nothing.
        let mut begun = false;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    begun = true;
                    self.string(0);
                    continue;
                }
                b'#' => {
                    begun = true;
                    self.hashes();
                    continue;
                }
                b'/' if self.sees(b"//") => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.sees(b"/*") => {
                    self.comment();
                    continue;
                }
                b'/' if self.sees(b"/-") => {
                    begun = false;
                    self.at += 2;
                    continue;
                }
                b'\\' => self.continued_line(),
                b'{' => {
                    begun = true;
                    depth += 1;
                }
                b'}' => depth = depth.saturating_sub(1),
                b'\n' | b';' if depth == 0 && begun => {
                    self.at += 1;
                    return;
                }
                b' ' | b'\t' | b'\r' | b'\n' | b';' => {}
                _ => begun = true,
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
    }

    fn sees(&self, what: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(what)
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    /// A backslash at a line's end joins the next line, even behind a comment; the loop steps over
    /// the line end itself.
    fn continued_line(&mut self) {
        let rest = &self.bytes[self.at + 1..];
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
            .count();
        let comment = rest[blanks..].starts_with(b"//");
        if comment {
            self.skip_line();
        } else if rest.get(blanks) == Some(&b'\n') {
            self.at += 1 + blanks;
        }
    }

    /// Block comments nest; one that is never closed reaches to the end.
    fn comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            if self.sees(b"/*") {
                depth += 1;
                self.at += 2;
            } else if self.sees(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// `#"…"#`, or a keyword such as `#true`.
    fn hashes(&mut self) {
        let hashes = self.bytes[self.at..]
            .iter()
            .take_while(|byte| **byte == b'#')
            .count();
        self.at += hashes;
        if self.sees(b"\"") {
            self.string(hashes);
        }
    }

    /// A string, raw if there are hashes around it. One on a single line ends with the line at the
    /// latest, one on several lines with the file.
    fn string(&mut self, hashes: usize) {
        let quotes: &[u8] = if self.sees(b"\"\"\"") { b"\"\"\"" } else { b"\"" };
        self.at += quotes.len();
        while let Some(byte) = self.bytes.get(self.at) {
            if *byte == b'\n' && quotes.len() == 1 {
                return;
            }
            if *byte == b'\\' && hashes == 0 {
                self.at += 2;
                continue;
            }
            let closes = self.sees(quotes)
                && self.bytes[self.at + quotes.len()..]
                    .iter()
                    .take_while(|b| **b == b'#')
                    .count()
                    >= hashes;
            if closes {
                self.at += quotes.len() + hashes;
                return;
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn pieces(text: &str) -> Vec<&str> {
        split(text)
            .into_iter()
            .map(|range| text[range].trim_end())
            .collect()
    }

    #[test]
    fn nodes_end_where_the_language_says() {
        assert_eq!(pieces("a 1\nb 2; c 3\n"), ["a 1", "b 2;", "c 3"]);
        assert_eq!(pieces("a {\n b 1\n}\n\nc\n"), ["a {\n b 1\n}", "c"]);
        assert_eq!(pieces("a \"{\" \\\n  2\nb"), ["a \"{\" \\\n  2", "b"]);
        assert_eq!(pieces("a \\ // why\n 2\nb"), ["a \\ // why\n 2", "b"]);
        assert_eq!(pieces("a #\"\"{\"# 1\nb"), ["a #\"\"{\"# 1", "b"]);
        assert_eq!(pieces("a \"\"\"\n {\n \"\"\"\nb"), ["a \"\"\"\n {\n \"\"\"", "b"]);
        assert_eq!(pieces("/-\na {\n}\nb"), ["/-\na {\n}", "b"]);
        assert_eq!(
            pieces("/* { /* */ */ a\nb // {\nc"),
            ["/* { /* */ */ a", "b // {", "c"]
        );
        assert_eq!(pieces("\u{feff}a\r\nb #true\r\n"), ["a", "b #true"]);
        assert_eq!(pieces("  \n;\n"), [""; 0]);
    }
}
