//! Whatever is written, formatting it loses nothing: not a value, not a comment, not the place of one.

use crate::{random_fleet, revision::parse_one};
use proptest::{collection, prelude::*};
use schema_fleet::{
    Syntax::{self, Kdl, Toml},
    format,
};

/// Statements and comments, whole and in pieces, some of which say something together.
const PIECES: [&str; 32] = [
    "[machine.a]\n",
    "[machine.a.x-b]\n",
    "[[storage.s.partition]]\n",
    "[storage.s.select.os]\n",
    "x-c = 1\n",
    "x-d = [",
    "]\n",
    "\"text\", ",
    "nic.p0 = { mac = \"m\" }",
    "tags = [\"a\"]",
    "machine a {\n",
    "machine b x-c=1",
    "nic p0 mac=m {\n",
    "tags a b",
    "x-d",
    " 1",
    "- 2",
    " {",
    "}\n",
    "}",
    "\n",
    "\n",
    "\r\n",
    ";",
    "# c\n",
    "// c\n",
    "/* c */",
    "/* c\n d */\n",
    "/- ",
    "/-x-e 1\n",
    " \\\n",
    "\u{feff}",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    collection::vec(any::<u8>(), 0..400)
}

fn formatted(text: &str, from: Syntax, to: Syntax) -> String {
    format("case", text, from, to).unwrap_or_else(|told| panic!("{from:?} to {to:?}: {told:?}\n{text}"))
}

/// What `check` says of a file, wherever it says it.
fn meaning(text: &str, syntax: Syntax) -> Vec<String> {
    let path = match syntax {
        Toml => "case.toml",
        Kdl => "case.kdl",
    };
    let mut titles: Vec<_> = parse_one(path, text)
        .diagnostics
        .into_iter()
        .map(|one| format!("{} {}", one.code, one.title.replace(path, "case")))
        .collect();
    titles.sort();
    titles
}

/// The numbers of all comments, which the generator counts; in order or not.
fn comments(text: &str) -> Vec<String> {
    let mut words: Vec<_> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.ends_with('c') && word.len() > 1)
        .filter(|word| word[..word.len() - 1].bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    words.sort();
    words
}

/// In canonical TOML: each comment with the line that it is about.
fn neighbours(text: &str) -> Vec<(String, String)> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let marks = comments(line);
        let [mark] = marks.as_slice() else { continue };
        let code = if is_code(line) {
            line.rsplit_once(" # ").map_or("", |(code, _)| code).to_owned()
        } else {
            let next = lines[at..]
                .iter()
                .find(|line| is_code(line))
                .copied()
                .unwrap_or_default();
            let above = lines[..at].iter().rposition(|line| !line.starts_with('#'));
            let closes = above.is_some_and(|above| is_code(&lines[above]));
            let header = |line: &&&str| line.starts_with('[') && !line.ends_with(',');
            if closes && (next.is_empty() || next.starts_with('[')) {
                let own = lines[..at].iter().rfind(header).copied().unwrap_or_default();
                format!("end of {}", own.rsplit_once(" # ").map_or(own, |(code, _)| code))
            } else {
                next.rsplit_once(" # ").map_or(next, |(code, _)| code).to_owned()
            }
        };
        // A number is a number in the other syntax, and single values come first there.
        let code = code.replace("1_000", "1000");
        let mut words: Vec<_> = code.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        found.push((mark.clone(), words.join(" ")));
    }
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn toml_loses_nothing(bytes in bytes()) {
        let text = random_fleet::toml(&bytes);
        let toml = formatted(&text, Toml, Toml);
        prop_assert_eq!(&formatted(&toml, Toml, Toml), &toml, "not stable\n{}", text);
        prop_assert_eq!(meaning(&text, Toml), meaning(&toml, Toml), "{}\n{}", text, toml);
        prop_assert_eq!(comments(&text), comments(&toml), "{}\n{}", text, toml);
        let kdl = formatted(&text, Toml, Kdl);
        prop_assert_eq!(&formatted(&kdl, Kdl, Kdl), &kdl, "not stable\n{}", text);
        prop_assert_eq!(meaning(&text, Toml), meaning(&kdl, Kdl), "{}\n{}", text, kdl);
        prop_assert_eq!(comments(&text), comments(&kdl), "{}\n{}", text, kdl);
        let back = formatted(&kdl, Kdl, Toml);
        prop_assert_eq!(neighbours(&toml), neighbours(&back), "{}\n===\n{}\n===\n{}\n===\n{}", text, toml, kdl, back);
    }

    #[test]
    fn kdl_loses_nothing(bytes in bytes()) {
        let text = random_fleet::kdl(&bytes);
        let kdl = formatted(&text, Kdl, Kdl);
        prop_assert_eq!(&formatted(&kdl, Kdl, Kdl), &kdl, "not stable\n{}", text);
        prop_assert_eq!(meaning(&text, Kdl), meaning(&kdl, Kdl), "{}\n{}", text, kdl);
        prop_assert_eq!(comments(&text), comments(&kdl), "{}\n{}", text, kdl);
        let toml = formatted(&text, Kdl, Toml);
        prop_assert_eq!(&formatted(&toml, Toml, Toml), &toml, "not stable\n{}", text);
        prop_assert_eq!(meaning(&text, Kdl), meaning(&toml, Toml), "{}\n{}", text, toml);
        prop_assert_eq!(comments(&text), comments(&toml), "{}\n{}", text, toml);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Of what is no fleet nothing is asked but an answer.
    #[test]
    fn anything_is_answered(
        pieces in collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        from in prop::sample::select(vec![Toml, Kdl]),
    ) {
        let text = pieces.concat();
        for to in [Toml, Kdl] {
            if let Ok(printed) = format("case", &text, from, to) {
                prop_assert_eq!(&formatted(&printed, to, to), &printed, "not stable\n{}", text);
                prop_assert_eq!(meaning(&text, from), meaning(&printed, to), "{}\n{}", text, printed);
            }
        }
    }
}
