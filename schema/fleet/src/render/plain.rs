//! The plain form, for logs and CI.

use super::{Block, SHOWN_MAX, Sources, blocks, safe, summary, word};
use crate::{
    diagnostic::{Applicability, Diagnostic},
    source::SourceFile,
};
use std::fmt::{self, Write};

/// Renders the first diagnostics and a summary; nothing for none. `files` are those that were parsed.
pub fn plain(diagnostics: &[Diagnostic], files: &[SourceFile]) -> String {
    let shown = &diagnostics[..diagnostics.len().min(SHOWN_MAX)];
    let sources = Sources::of(shown, files);
    let mut out = String::new();
    for diagnostic in shown {
        one(&mut out, diagnostic, &sources).expect("writing to a string does not fail");
    }
    if !diagnostics.is_empty() {
        out.push_str(&summary(diagnostics));
        out.push('\n');
    }
    out
}

/// One diagnostic, with a blank line behind it.
pub(super) fn one(out: &mut String, diagnostic: &Diagnostic, sources: &Sources<'_>) -> fmt::Result {
    let severity = word(diagnostic.severity);
    writeln!(
        out,
        "{severity}[{}]: {}",
        diagnostic.code,
        safe(&diagnostic.title)
    )?;
    for (index, block) in blocks(diagnostic, sources).iter().enumerate() {
        let arrow = if index == 0 { "-->" } else { ":::" };
        writeln!(out, "   {arrow} {}", safe(&block.head.to_string()))?;
        lines(out, block)?;
    }
    for note in &diagnostic.notes {
        writeln!(out, "  note: {}", safe(note))?;
    }
    if let Some(help) = &diagnostic.help {
        writeln!(out, "  help: {}", safe(help))?;
    }
    for fix in &diagnostic.fixes {
        let applicability = match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Maybe => "maybe",
        };
        writeln!(out, "  fix ({applicability}): {}", safe(&fix.title))?;
    }
    writeln!(out)
}

fn lines(out: &mut String, block: &Block<'_>) -> fmt::Result {
    for line in &block.lines {
        writeln!(out, "{:>3} | {}", line.number, line.text)?;
        for mark in &line.marks {
            let under = if mark.primary { "^" } else { "-" }.repeat(mark.width);
            let label = format!("{:indent$}{under} {}", "", safe(mark.text), indent = mark.indent);
            writeln!(out, "    | {}", label.trim_end())?;
        }
    }
    Ok(())
}
