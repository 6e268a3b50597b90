//! `muster fmt`: fleet files as they shall look, in their own syntax or in the other.
//!
//! It is a shell over `schema_fleet::format`, which loses nothing. All that is to be written is made before anything
//! is: of a conversion the whole folder is read before and after, in memory, and must say the same. Files are put in
//! place by a rename; nothing is written through a symbolic link or over a file that is in the way.

mod place;

use crate::arguments::{Fmt, Syntax as Named};
use crate::check;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json, tell};
use schema_fleet::{Diagnostic, SourceFile, Syntax, parse, render};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// More is no fleet file: the reader's own limit, and one byte by which it is exceeded.
const INPUT_BYTES_MAX: u64 = (4 << 20) + 1;

/// A fleet file and what becomes of it.
struct Change {
    old: PathBuf,
    new: PathBuf,
    before: String,
    after: String,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// Files that are looked at.
    files: usize,
    changes: Vec<Change>,
    /// What cannot be read, and why not.
    diagnostics: Vec<Diagnostic>,
    sources: Vec<SourceFile>,
}

/// Formats, or says what it would format.
pub(crate) fn run(wish: &Fmt, json: bool) -> Result<Exit, Failure> {
    if wish.paths.iter().any(|path| path.as_os_str() == "-") {
        return standard_input(wish);
    }
    if wish.syntax.is_some() {
        return Err(Failure::Usage("--syntax is for standard input, `-`".into()));
    }
    let found = look(wish)?;
    if wish.to.is_some() {
        same_fleets(wish, &found.changes)?;
    }
    let writes = !wish.check && !wish.diff;
    if writes {
        for change in &found.changes {
            place::put(&change.old, &change.new, &change.after)?;
        }
    }
    tell_all(wish, &found, json)?;
    let unlike = wish.check && !found.changes.is_empty();
    Ok(if unlike || !found.diagnostics.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// For editors: standard input as it shall look.
fn standard_input(wish: &Fmt) -> Result<Exit, Failure> {
    let (Some(syntax), [_]) = (wish.syntax, wish.paths.as_slice()) else {
        return Err(Failure::Usage(
            "`-` stands alone, and its syntax is said: muster fmt --syntax toml -".into(),
        ));
    };
    let mut bytes = Vec::new();
    let failed = |source| Failure::File {
        what: "read",
        path: "standard input".into(),
        source,
    };
    let input = std::io::stdin().lock().take(INPUT_BYTES_MAX);
    { input }.read_to_end(&mut bytes).map_err(failed)?;
    let from = of(syntax);
    let file = SourceFile {
        path: "standard input".into(),
        bytes,
    };
    let (before, after) = match formatted(&file, from, wish.to.map_or(from, of)) {
        Ok(texts) => texts,
        Err(diagnostics) => {
            tell(render::plain(&diagnostics, &[file]));
            return Ok(Exit::Failed);
        }
    };
    let unlike = before != after;
    if wish.diff {
        say(diff(&file.path, &before, &after))?;
    } else if !wish.check {
        say(after)?;
    }
    Ok(if wish.check && unlike {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// A file's text as it is and as it shall be.
fn formatted(file: &SourceFile, from: Syntax, to: Syntax) -> Result<(String, String), Vec<Diagnostic>> {
    let Ok(text) = String::from_utf8(file.bytes.clone()) else {
        // The reader has the words for that.
        return Err(parse(std::slice::from_ref(file)).diagnostics);
    };
    let after = schema_fleet::format(&file.path, &text, from, to)?;
    Ok((text, after))
}

/// Reads and formats all files that are meant.
fn look(wish: &Fmt) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in files(&wish.paths)? {
        let name = path.display().to_string();
        let Some(from) = Syntax::of(&name) else {
            return Err(Failure::Usage(format!(
                "{name} is no fleet file: *.toml or *.kdl"
            )));
        };
        let bytes = std::fs::read(&path).map_err(|source| Failure::File {
            what: "read",
            path: path.clone(),
            source,
        })?;
        let file = SourceFile { path: name, bytes };
        let to = wish.to.map_or(from, of);
        found.files += 1;
        match formatted(&file, from, to) {
            Ok((before, after)) if before != after || from != to => found.changes.push(Change {
                new: path.with_extension(to.extension()),
                old: path,
                before,
                after,
            }),
            Ok(_) => {}
            Err(diagnostics) => {
                found.diagnostics.extend(diagnostics);
                found.sources.push(file);
            }
        }
    }
    for change in &found.changes {
        if change.new != change.old && change.new.symlink_metadata().is_ok() {
            return Err(Failure::Other(format!(
                "{} is in the way of {}, and nothing is written over: take one of them away first",
                change.new.display(),
                change.old.display()
            )));
        }
    }
    Ok(found)
}

/// The files that are meant, each once, in order. What is named must be a file of its own, not a link to one.
fn files(paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut files = BTreeSet::new();
    for path in paths {
        let kind = path.symlink_metadata().map_err(|source| Failure::File {
            what: "read",
            path: path.clone(),
            source,
        })?;
        if kind.is_file() {
            files.insert(plain(path));
        } else if path.is_dir() {
            let below = check::files_of(path)?;
            let read = schema_fleet::fleet_files(&below).into_iter();
            files.extend(read.map(|file| plain(&path.join(file))));
        } else {
            return Err(Failure::Other(format!(
                "{} is neither a file nor a folder, and links are not followed",
                path.display()
            )));
        }
    }
    Ok(files)
}

/// `./fleet.toml` is `fleet.toml`, as people name it.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    parts.filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// Reads the folders before and after a conversion: what they say must be the same. A file that is named alone belongs
/// to the current folder, or to its own where that is elsewhere.
fn same_fleets(wish: &Fmt, changes: &[Change]) -> Result<(), Failure> {
    let mut roots: BTreeSet<&Path> = BTreeSet::new();
    for path in &wish.paths {
        let is_below = path.is_relative() && !path.components().any(|part| part == Component::ParentDir);
        roots.insert(match path.parent() {
            _ if path.is_dir() => path,
            Some(parent) if !is_below => parent,
            _ => Path::new("."),
        });
    }
    for root in roots {
        let before = check::files_of(root)?;
        let becomes: BTreeMap<_, _> = changes.iter().map(|change| (&change.old, change)).collect();
        let after: Vec<_> = before
            .iter()
            .map(|file| match becomes.get(&plain(&root.join(&file.path))) {
                Some(change) => SourceFile {
                    path: Path::new(&file.path)
                        .with_extension(change.new.extension().unwrap_or_default())
                        .display()
                        .to_string(),
                    bytes: change.after.clone().into_bytes(),
                },
                None => file.clone(),
            })
            .collect();
        let (before, after) = (parse(&before), parse(&after));
        if before.fleet != after.fleet || titles(&before.diagnostics) != titles(&after.diagnostics) {
            return Err(Failure::Other(format!(
                "{} would not say the same any more, so nothing is written; `muster check` says what it says",
                root.display()
            )));
        }
    }
    Ok(())
}

/// What is said, wherever it is said.
fn titles(diagnostics: &[Diagnostic]) -> Vec<(&'static str, &str)> {
    let mut titles: Vec<_> = diagnostics
        .iter()
        .map(|one| (one.code.as_str(), one.title.as_str()))
        .collect();
    titles.sort_unstable();
    titles
}

fn tell_all(wish: &Fmt, found: &Found, json: bool) -> Result<(), Failure> {
    if json {
        let changes: Vec<_> = found
            .changes
            .iter()
            .map(|change| {
                serde_json::json!({
                    "file": change.old.display().to_string(),
                    "becomes": change.new.display().to_string(),
                })
            })
            .collect();
        let refused: Vec<_> = found
            .diagnostics
            .iter()
            .map(|one| {
                serde_json::json!({
                    "code": one.code.as_str(),
                    "at": one.primary.span.to_string(),
                    "title": one.title,
                })
            })
            .collect();
        return say_json(serde_json::json!({
            "format": "muster.fmt/1.0",
            "files": found.files,
            "written": !wish.check && !wish.diff,
            "changes": changes,
            "refused": refused,
        }));
    }
    tell(render::plain(&found.diagnostics, &found.sources));
    for change in &found.changes {
        if wish.diff {
            say(diff(
                &change.old.display().to_string(),
                &change.before,
                &change.after,
            ))?;
        } else if change.old == change.new {
            say(change.old.display())?;
        } else {
            say(format_args!(
                "{} -> {}",
                change.old.display(),
                change.new.display()
            ))?;
        }
    }
    Ok(())
}

fn diff(path: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff()
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}

fn of(named: Named) -> Syntax {
    match named {
        Named::Toml => Syntax::Toml,
        Named::Kdl => Syntax::Kdl,
    }
}
