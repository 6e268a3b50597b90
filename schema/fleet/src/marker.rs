//! The root marker, `muster.toml` or `muster.kdl`: it says which files are read, so it is read before them.

use crate::{
    code::Code,
    decode::Decoder,
    diagnostic::Diagnostic,
    kinds::marker::Marker,
    source::{SourceFile, Text},
    span::Span,
    tree::Syntax,
    value::pattern::Pattern,
};
use std::collections::BTreeMap;

/// The versions of the language that this program knows.
pub(crate) const SCHEMA: u32 = 1;

/// Where the marker stands.
pub(crate) const PATHS: [&str; 2] = ["muster.toml", "muster.kdl"];

/// Which fleet files are read.
#[derive(Debug, Default)]
pub(crate) struct Included(Vec<Pattern>);

impl Included {
    /// Reads the marker of a revision, if there is one.
    pub(crate) fn read(files: &BTreeMap<&str, &[u8]>, decoder: &mut Decoder) -> Self {
        let mut included = Self::default();
        for path in PATHS {
            let text = files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let (Some(text), Some(syntax)) = (text, Syntax::of(path)) else {
                continue;
            };
            // What cannot be read is told when the file is read with the others.
            let root = syntax.read(&Text::new(path, text), &mut Vec::new());
            let Some(entry) = root.get("muster") else { continue };
            "muster".clone_into(&mut decoder.object);
            let Some(marker) = decoder.value::<Marker>(&entry.node) else {
                continue;
            };
            if marker.schema.value != SCHEMA {
                decoder.report(unknown_schema(marker.schema.value, &marker.schema.span));
            }
            let fleet_files = || files.keys().filter(|path| Syntax::of(path).is_some());
            for pattern in &marker.include {
                let is_covered = ways(&pattern.value).any(|way| fleet_files().any(|path| way.matches(path)));
                if !is_covered {
                    let title = format!("no fleet file is covered by \"{}\"", pattern.value);
                    decoder.report(
                        Diagnostic::warning(Code::M0014, title, &pattern.span, "nothing is read by this")
                            .help("a pattern covers the whole path: `site/*` is everything below site"),
                    );
                }
            }
            let patterns = marker.include.iter();
            included
                .0
                .extend(patterns.flat_map(|pattern| ways(&pattern.value)));
        }
        included
    }

    /// Whether a fleet file is read.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.0.is_empty() || PATHS.contains(&path) || self.0.iter().any(|pattern| pattern.matches(path))
    }
}

/// A pattern, and without the folders that `**/` may stand for: it stands for none as well.
fn ways(pattern: &Pattern) -> impl Iterator<Item = Pattern> + use<> {
    let written = pattern.to_string();
    let shorter = written.strip_prefix("**/").map(str::to_owned);
    let shorter = shorter.or_else(|| written.contains("/**/").then(|| written.replace("/**/", "/")));
    [
        Some(pattern.clone()),
        shorter.and_then(|shorter| shorter.parse().ok()),
    ]
    .into_iter()
    .flatten()
}

/// The paths of the fleet files that are read of these files, by the marker among them.
pub fn fleet_files(files: &[SourceFile]) -> Vec<&str> {
    let by_path = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    // What is wrong with the marker is told when it is checked.
    let included = Included::read(&by_path, &mut Decoder::default());
    let paths = files.iter().map(|file| file.path.as_str());
    paths
        .filter(|path| Syntax::of(path).is_some() && included.covers(path))
        .collect()
}

/// A version of the language that another program knows.
pub(crate) fn unknown_schema(found: u32, span: &Span) -> Diagnostic {
    let title = format!("schema {found} is not known");
    Diagnostic::error(
        Code::M0010,
        title,
        span,
        format!("this program reads schema {SCHEMA}"),
    )
}

/// Reports a marker that nobody would read.
pub(crate) fn elsewhere(span: &Span, decoder: &mut Decoder) {
    if !PATHS.contains(&&*span.file) {
        decoder.report(
            Diagnostic::error(
                Code::M0013,
                "`muster` is not said here",
                span,
                "it is read from the root alone",
            )
            .help("write it into muster.toml at the root of the repository"),
        );
    }
}
