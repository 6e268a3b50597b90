//! The formatter: each case in both syntaxes, what is refused, and that the examples are as it writes them.

use schema_fleet::{Syntax, format};
use std::{fs, path::Path};

const BOTH: [Syntax; 2] = [Syntax::Toml, Syntax::Kdl];

/// A file's text in its own syntax and in the other, each stable when it is formatted again.
fn in_both(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let from = Syntax::of(path.to_str().unwrap()).unwrap();
    let mut out = String::new();
    for to in BOTH {
        out += &format!("=== {}\n", to.name());
        match format("case", &text, from, to) {
            Ok(printed) => {
                let again = format("again", &printed, to, to).unwrap();
                if again != printed {
                    out += "NOT STABLE\n";
                    out += &again;
                    out += "-----\n";
                }
                out += &printed;
            }
            Err(told) => {
                for one in told {
                    out += &format!("{} {} {}\n", one.code, one.primary.span, one.title);
                }
            }
        }
    }
    out
}

#[test]
fn each_case_in_both_syntaxes() {
    insta::glob!("../cases/fmt", "*.*", |path| insta::assert_snapshot!(in_both(
        path
    )));
}
