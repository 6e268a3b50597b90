//! The file of those who may sign: ssh-keygen(1), ALLOWED SIGNERS.
//!
//! Read strictly: a line that cannot be read makes the whole file unusable, so that nobody is locked out, or let in, by
//! a slip of the pen. Times end with `Z`, because without it they would mean something else on another host.

use crate::signature::Signed;
use crate::sshsig::is_taken;
use schema_ids::Timestamp;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// What commits are signed for.
pub(crate) const NAMESPACE: &str = "git";

/// Those who may sign; by default nobody.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    lines: Vec<Line>,
}

/// A line of the file.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Where in the file, counted from 1.
    at: usize,
    principals: String,
    key: KeyData,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSigners {
    /// A line of it.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// It names nobody.
    #[error("it names nobody who may sign")]
    Empty,
    /// Nobody could sign a commit by it.
    #[error("it lets nobody sign a commit now: {why}")]
    Nobody {
        /// What is wrong with its lines.
        why: String,
    },
}

/// So many lines are told that let nobody sign: more would say the same.
const TOLD_MAX: usize = 3;

impl AllowedSigners {
    /// Reads the file.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, BadSigners> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = Line::parse(line, at + 1);
            lines.push(read.map_err(|why| BadSigners::Line { line: at + 1, why })?);
        }
        match lines.is_empty() {
            true => Err(BadSigners::Empty),
            false => Ok(Self { lines }),
        }
    }

    /// Whether somebody could sign a commit that is made now.
    ///
    /// # Errors
    /// Why no line lets anybody.
    pub fn let_somebody_sign(&self, now: Timestamp) -> Result<(), BadSigners> {
        let mut whys = Vec::new();
        for line in &self.lines {
            match line.lets_nobody_sign(now) {
                None => return Ok(()),
                Some(why) => whys.push(format!("line {} {why}", line.at)),
            }
        }
        let more = whys.len().saturating_sub(TOLD_MAX);
        whys.truncate(TOLD_MAX);
        if more > 0 {
            whys.push(format!("and {more} more"));
        }
        Err(match whys.is_empty() {
            true => BadSigners::Empty,
            false => BadSigners::Nobody { why: whys.join("; ") },
        })
    }

    /// The lines that name this key.
    pub(crate) fn lines_of(&self, key: &KeyData) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.key == *key)
    }
}

impl Line {
    /// The people it names, as written.
    pub(crate) fn principals(&self) -> &str {
        &self.principals
    }

    /// What keeps this line from letting the commit through.
    pub(crate) fn objection(&self, commit: &Signed<'_>) -> Option<String> {
        if !matches_list(&self.principals, commit.committer) {
            return Some(format!(
                "and committed as {:?}, which is not theirs",
                commit.committer
            ));
        }
        let namespaces = self.namespaces.as_deref();
        if let Some(other) = namespaces.filter(|list| !matches_list(list, NAMESPACE)) {
            return Some(format!("which may sign for {other:?} only, not for {NAMESPACE}"));
        }
        if let Some(after) = self.valid_after.filter(|after| commit.time < *after) {
            return Some(format!(
                "which counts from {after} on; the commit is of {}",
                commit.time
            ));
        }
        let not_before = commit.window.not_before;
        let latest = commit.time.max(not_before);
        self.valid_before
            .filter(|before| latest > *before)
            .map(|before| match commit.time > before {
                true => format!("which counted until {before}; the commit is of {}", commit.time),
                false => format!(
                    "which counted until {before}; the commit says {}, and comes after one of {}",
                    commit.time, not_before
                ),
            })
    }

    /// What keeps this line from letting anybody sign a commit that is made now.
    fn lets_nobody_sign(&self, now: Timestamp) -> Option<String> {
        if !somebody_matches(&self.principals) {
            return Some(format!("means nobody by {:?}", self.principals));
        }
        let namespaces = self.namespaces.as_deref();
        if let Some(other) = namespaces.filter(|list| !matches_list(list, NAMESPACE)) {
            return Some(format!("is for {other:?} only, not for {NAMESPACE}"));
        }
        if let Some(after) = self.valid_after.filter(|after| now < *after) {
            return Some(format!("counts from {after} on"));
        }
        let before = self.valid_before.filter(|before| now >= *before);
        before.map(|before| format!("counted until {before}"))
    }

    /// What keeps this line from vouching for a document that this principal signed, at this time.
    pub(crate) fn objection_to_document(
        &self,
        principal: &str,
        namespace: &str,
        at: Timestamp,
    ) -> Option<String> {
        if !matches_list(&self.principals, principal) {
            return Some(format!("which is {:?}'s, not {principal}'s", self.principals));
        }
        let namespaces = self.namespaces.as_deref();
        if let Some(other) = namespaces.filter(|list| !matches_list(list, namespace)) {
            return Some(format!("which may sign for {other:?} only, not for {namespace}"));
        }
        if let Some(after) = self.valid_after.filter(|after| at < *after) {
            return Some(format!("which counts from {after} on"));
        }
        let before = self.valid_before.filter(|before| at > *before);
        before.map(|before| format!("which counted until {before}"))
    }

    /// `principals [options] type key [comment]`.
    fn parse(line: &str, at: usize) -> Result<Self, String> {
        let (principals, rest) = word(line)?;
        if principals.split(',').any(str::is_empty) {
            return Err(format!("the list of people {principals:?} has an empty name"));
        }
        let mut read = Self {
            at,
            principals,
            key: KeyData::Ed25519(ssh_key::public::Ed25519PublicKey([0; 32])),
            namespaces: None,
            valid_after: None,
            valid_before: None,
        };
        let key = match PublicKey::from_openssh(rest) {
            Ok(key) => key,
            Err(_) => {
                let (options, rest) = split_options(rest)?;
                for option in options {
                    read.take(&option)?;
                }
                PublicKey::from_openssh(rest).map_err(|error| format!("its key cannot be read: {error}"))?
            }
        };
        if !is_taken(key.key_data()) {
            return Err(format!(
                "a key of type {} is not taken; ssh-ed25519, ecdsa-sha2-nistp* and ssh-rsa of at least 2048 bits are",
                key.algorithm()
            ));
        }
        read.key = key.key_data().clone();
        Ok(read)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.trim_matches('"'))),
            None => (option, None),
        };
        let slot = match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", _) => {
                return Err("cert-authority: musterd takes no certificates; name each key".to_owned());
            }
            ("namespaces", Some(value)) => {
                self.namespaces = Some(value.to_owned());
                return Ok(());
            }
            ("valid-after", Some(value)) => (&mut self.valid_after, value),
            ("valid-before", Some(value)) => (&mut self.valid_before, value),
            _ => {
                return Err(format!(
                    "the option {option:?} is unknown; namespaces, valid-after and valid-before are known"
                ));
            }
        };
        *slot.0 = Some(time(slot.1)?);
        Ok(())
    }
}

/// The first word, which may be quoted, and the rest.
fn word(line: &str) -> Result<(String, &str), String> {
    let missing = || "it has a person, a key type and a key: anna@example.org ssh-ed25519 AAAA…".to_owned();
    if let Some(quoted) = line.strip_prefix('"') {
        let (word, rest) = quoted.split_once('"').ok_or("a quote is not closed")?;
        return Ok((word.to_owned(), rest.trim_start()));
    }
    let (word, rest) = line.split_once([' ', '\t']).ok_or_else(missing)?;
    Ok((word.to_owned(), rest.trim_start()))
}

/// The options at the beginning, parted at commas outside of quotes, and the rest after the space that ends them.
fn split_options(text: &str) -> Result<(Vec<String>, &str), String> {
    let mut is_quoted = false;
    let mut options = vec![String::new()];
    for (at, mark) in text.char_indices() {
        match mark {
            ' ' | '\t' if !is_quoted => return Ok((options, text[at..].trim_start())),
            ',' if !is_quoted => options.push(String::new()),
            _ => {
                is_quoted ^= mark == '"';
                if let Some(option) = options.last_mut() {
                    option.push(mark);
                }
            }
        }
    }
    Err(match is_quoted {
        true => "a quote is not closed".to_owned(),
        false => "its key is missing".to_owned(),
    })
}

/// `YYYYMMDD[HHMM[SS]]Z`.
fn time(text: &str) -> Result<Timestamp, String> {
    let shape = || format!("{text:?} is no time; it is UTC, such as 20261201Z or 202612011830Z");
    let digits = text.strip_suffix(['Z', 'z']).ok_or_else(|| {
        format!("{text:?} lacks the Z of UTC: without it, it means another time on another host")
    })?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(shape());
    }
    let all = format!("{digits:0<14}");
    let (date, clock) = all.split_at(8);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..]
    );
    written.parse().map_err(|_| shape())
}

/// Whether one of the patterns is met and none of the negated ones (ssh_config(5), PATTERNS).
pub(crate) fn matches_list(list: &str, text: &str) -> bool {
    let mut is_met = false;
    for pattern in list.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => is_met |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    is_met
}

/// Whether there may be somebody who is meant: an address that a pattern is met by, and no negated one. Each pattern is tried
/// as what it says and with a name in the place of its stars; two are negated together only where nobody is left.
fn somebody_matches(list: &str) -> bool {
    let patterns = list.split(',').map(str::trim);
    let meant = patterns.filter(|pattern| !pattern.starts_with('!'));
    let mut tried = meant.flat_map(|pattern| {
        let named = pattern.replace('*', "somebody").replace('?', "x");
        [pattern.to_owned(), named]
    });
    tried.any(|address| matches_list(list, &address))
}

/// `*` is any text, `?` one byte. Goes back to the last star alone, so that no pattern takes longer than its length
/// times the text's.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(b'?') => (at, read) = (at + 1, read + 1),
            Some(byte) if *byte == text[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                (at, read) = (back + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{AllowedSigners, matches_list, somebody_matches};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC6bVD9WqKbKqG5xkcoJQRfbKRzsEr6XAXxgZpKQ5xQO";

    #[test]
    fn lines_that_can_be_read_and_lines_that_cannot() {
        let good = [
            format!("ada@example.org {KEY}"),
            format!("# who may\n\n\"ada@example.org,*@ops.example\" {KEY} Ada's laptop"),
            format!("ada namespaces=\"git,file\",valid-after=\"20260101Z\",Valid-Before=202701011200Z {KEY}"),
        ];
        for text in good {
            let read = AllowedSigners::parse(&text).map_err(|error| error.to_string());
            assert_eq!(read.map(|read| read.lines.len()), Ok(1), "{text}");
        }
        let bad = [
            (String::new(), "it names nobody"),
            ("ada".to_owned(), "line 1: it has a person"),
            (
                format!("x {KEY}\nada cert-authority {KEY}"),
                "line 2: cert-authority: musterd takes no",
            ),
            (
                format!("ada verify-required {KEY}"),
                "line 1: the option \"verify-required\" is unknown",
            ),
            (
                format!("ada valid-after=20260101 {KEY}"),
                "line 1: \"20260101\" lacks the Z",
            ),
            (
                format!("ada valid-after=20261332Z {KEY}"),
                "line 1: \"20261332Z\" is no time",
            ),
            (
                format!("ada valid-after=2026Z {KEY}"),
                "line 1: \"2026Z\" is no time",
            ),
            (
                format!("ada namespaces=\"git {KEY}"),
                "line 1: a quote is not closed",
            ),
            (format!("\"ada {KEY}"), "line 1: a quote is not closed"),
            (format!("ada,, {KEY}"), "line 1: the list of people"),
            (
                "ada ssh-ed25519 AAAA".to_owned(),
                "line 1: the option \"ssh-ed25519\" is unknown",
            ),
        ];
        for (text, wanted) in bad {
            let told = AllowedSigners::parse(&text).map(|_| ()).unwrap_err().to_string();
            assert!(told.starts_with(wanted), "{text}: {told}");
        }
    }

    #[test]
    fn patterns_of_people() {
        for (list, text, wanted) in [
            ("ada@example.org", "ada@example.org", true),
            ("ada@example.org", "ada@example.orgx", false),
            ("*@example.org", "ada@example.org", true),
            ("*@example.org,!bob@*", "bob@example.org", false),
            ("!bob@*", "ada@example.org", false),
            ("a?a@*.org", "ada@example.org", true),
            ("*a*b*c", "xxaxxbxbxc", true),
            ("*a*b*c", "xxaxxbxbx", false),
            ("*", "", true),
            ("", "ada", false),
        ] {
            assert_eq!(matches_list(list, text), wanted, "{list} {text}");
        }
    }

    #[test]
    fn whether_somebody_could_sign() {
        let now = "2026-11-01T12:00:00Z".parse().unwrap();
        let told = |lines: &[&str]| {
            let lines = lines.iter().map(|line| format!("{line} {KEY}\n"));
            let read = AllowedSigners::parse(&lines.collect::<String>()).unwrap();
            read.let_somebody_sign(now)
                .map_or_else(|why| why.to_string(), |()| "ok".to_owned())
        };
        let over = "ada valid-before=\"20261101120000Z\"";
        let nobody = "it lets nobody sign a commit now: ";
        for (lines, wanted) in [
            (&["ada"][..], "ok"),
            (&["*@ops,!guest@*"], "ok"),
            (&["ada namespaces=\"file,git\""], "ok"),
            (
                &["ada valid-after=\"20261101Z\",valid-before=\"202611011201Z\""],
                "ok",
            ),
            (&[over, "bob"], "ok"),
            (
                &["m namespaces=\"muster-snapshot@1\""],
                "line 1 is for \"muster-snapshot@1\" only, not for git",
            ),
            (&[over], "line 1 counted until 2026-11-01T12:00:00.000Z"),
            (
                &["ada valid-after=\"20261102Z\""],
                "line 1 counts from 2026-11-02T00:00:00.000Z on",
            ),
            (
                &["!ada", "!ada,!*@ops", "ada,!*"],
                "line 1 means nobody by \"!ada\"; line 2 means nobody by \"!ada,!*@ops\"; line 3 means nobody by \"ada,!*\"",
            ),
            (
                &["!a", "!b", "!c", "!d", "!e"],
                "line 1 means nobody by \"!a\"; line 2 means nobody by \"!b\"; line 3 means nobody by \"!c\"; and 2 more",
            ),
        ] {
            let told = told(lines);
            assert_eq!(told.strip_prefix(nobody).unwrap_or(&told), wanted, "{lines:?}");
        }
        assert!(somebody_matches("*@ops,!?@ops"));
        assert!(!somebody_matches("*,!*"));
    }
}
