//! A page of the guide as its reader would follow it: files that are written, edits, commands and what they say.
//!
//! In order: a `toml` block that begins with a comment that is a file's name is that file; a `diff` block that
//! begins so changes it; each line of a `sh` block is typed; a `text` block is what the last of them said.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// What happens in one block, or line of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write {
        file: String,
        text: String,
    },
    Edit {
        file: String,
        old: String,
        new: String,
    },
    Run(String),
    /// With the bytes of the page where it stands.
    Said {
        text: String,
        at: Range<usize>,
    },
}

/// The steps of a page.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(fence) = page[at..].find("```") {
        let head = at + fence + 3;
        let begin = head + page[head..].find('\n').expect("a fence ends its line") + 1;
        let end = begin + page[begin..].find("```").expect("a fence is closed");
        let text = &page[begin..end];
        match &page[head..begin - 1] {
            "toml" => {
                let file = name(text);
                let text = text.to_owned();
                steps.push(Step::Write { file, text });
            }
            "diff" => steps.push(edit(text)),
            "sh" => steps.extend(text.lines().map(|line| Step::Run(line.to_owned()))),
            "text" => {
                let text = text.to_owned();
                steps.push(Step::Said { text, at: begin..end });
            }
            other => panic!("nothing is known to be done with a block of {other}"),
        }
        at = end + 3;
    }
    steps
}

/// The name in the comment that a block begins with.
fn name(text: &str) -> String {
    let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let is_file = |name: &&str| name.ends_with(".toml");
    name.filter(is_file)
        .unwrap_or_else(|| panic!("it begins with no file's name: {text}"))
        .to_owned()
}

/// A change: lines that go begin with `-`, lines that come with `+`, lines that stay with a blank.
fn edit(text: &str) -> Step {
    let side = |gone: char| -> String {
        let lines = text.lines().skip(1).filter(|line| !line.starts_with(gone));
        lines
            .map(|line| format!("{}\n", line.get(1..).unwrap_or_default()))
            .collect()
    };
    Step::Edit {
        file: name(text),
        old: side('+'),
        new: side('-'),
    }
}

/// Writes or changes a file of the folder. An edit finds what it changes, once.
pub(crate) fn change(step: &Step, folder: &Path) {
    match step {
        Step::Write { file, text } => {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap_or(folder)).expect("its folder");
            fs::write(path, text).expect("write");
        }
        Step::Edit { file, old, new } => {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(
                text.matches(old.as_str()).count(),
                1,
                "{file} has not, or not once:\n{old}\n{text}"
            );
            fs::write(&path, text.replacen(old, new, 1)).expect("write");
        }
        Step::Run(_) | Step::Said { .. } => {}
    }
}
