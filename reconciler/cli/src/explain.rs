//! `muster explain`: what a code means and what to do. Needs no daemon: the pages are in the program.

use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use reconciler_core::condition::Condition;
use reconciler_core::refusal::RefusalCode;
use schema_fleet::{Code, FieldRow, Shape, kinds};

/// The codes that a booting machine shows, a section each.
const BOOT_CODES: &str = include_str!("../../../docs/boot-codes.md");

/// A code with its page.
struct Page {
    code: &'static str,
    text: String,
}

impl Page {
    /// What it is about: the page's first heading without the code, or its first sentence.
    fn subject(&self) -> &str {
        let mut lines = self.text.lines().filter(|line| !line.is_empty());
        let heading = lines.next().unwrap_or_default().trim_start_matches("# ");
        heading
            .strip_prefix(self.code)
            .map(|rest| rest.trim_start_matches(':').trim())
            .filter(|rest| !rest.is_empty())
            .or_else(|| lines.next())
            .unwrap_or(heading)
    }
}

/// Explains one code, or lists all.
pub(crate) fn run(code: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let text = match code {
        Some(code) => {
            let page = find(code)?;
            if json {
                document(&page).to_string() + "\n"
            } else {
                page.text
            }
        }
        None if json => {
            let all: Vec<_> = pages().map(|page| document(&page)).collect();
            serde_json::Value::from(all).to_string() + "\n"
        }
        None => {
            let codes: String = pages()
                .map(|page| format!("{:<24} {}\n", page.code, page.subject()))
                .collect();
            let waiting: String = not_carried_out()
                .into_iter()
                .map(|what| format!("  {what}\n"))
                .collect();
            format!("{codes}\nUnderstood, but not carried out by this version (M0007):\n{waiting}")
        }
    };
    if json {
        say_json(text)?;
    } else {
        say(text)?;
    }
    Ok(Exit::Done)
}

/// What of the language this version only understands: kinds, fields and words, as they are written.
fn not_carried_out() -> Vec<String> {
    let mut found = Vec::new();
    for kind in kinds() {
        if kind.carried_out {
            waiting_fields(kind.name, kind.fields, &mut found);
        } else {
            found.push(kind.name.to_owned());
        }
    }
    found
}

fn waiting_fields(path: &str, fields: &'static [FieldRow], found: &mut Vec<String>) {
    for field in fields {
        let path = format!("{path}.{}", field.key);
        if field.carried_out {
            waiting_shape(&path, field.shape, found);
        } else {
            found.push(path);
        }
    }
}

fn waiting_shape(path: &str, shape: &'static Shape, found: &mut Vec<String>) {
    match shape {
        Shape::Words(words) => {
            let waiting = words.iter().filter(|word| !word.carried_out);
            found.extend(waiting.map(|word| format!("{path} = \"{}\"", word.word)));
        }
        Shape::List(inner) => waiting_shape(path, inner, found),
        Shape::Map(inner) => waiting_shape(&format!("{path}.NAME"), inner, found),
        Shape::Table(fields) => waiting_fields(path, fields, found),
        _ => {}
    }
}

fn document(page: &Page) -> serde_json::Value {
    serde_json::json!({ "code": page.code, "subject": page.subject(), "page": page.text })
}

/// Diagnostics of fleets, then conditions of machines, refusals of requests, codes on consoles.
fn pages() -> impl Iterator<Item = Page> {
    let diagnostics = Code::ALL.iter().map(|code| Page {
        code: code.as_str(),
        text: code.page().to_owned(),
    });
    let conditions = Condition::ALL.iter().map(|condition| Page {
        code: condition.code(),
        text: condition.page(),
    });
    let refusals = RefusalCode::ALL.iter().map(|refusal| Page {
        code: refusal.code(),
        text: refusal.page(),
    });
    let consoles = BOOT_CODES.split("\n## ").skip(1).filter_map(|section| {
        Some(Page {
            code: section.split_once(": ")?.0,
            text: format!("# {}\n", section.trim_end()),
        })
    });
    diagnostics.chain(conditions).chain(refusals).chain(consoles)
}

fn find(wanted: &str) -> Result<Page, Failure> {
    // People write NO-BOOT as well as NO_BOOT, and BOOT_1 as well as BOOT-1.
    let upper = wanted.to_uppercase().replace('-', "_");
    if let Some(page) = pages().find(|page| page.code.replace('-', "_") == upper) {
        return Ok(page);
    }
    let nearest = pages()
        .map(|page| (strsim::damerau_levenshtein(page.code, &upper), page.code))
        .min();
    let guess = nearest
        .filter(|(distance, code)| *distance <= code.len() / 3)
        .map_or(String::new(), |(_, code)| format!(" Did you mean {code}?"));
    Err(Failure::Usage(format!(
        "{wanted:?} is no code of muster's.{guess} `muster explain --list` shows them all"
    )))
}
