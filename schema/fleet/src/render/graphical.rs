//! The graphical form, for terminals, in miette's themes.

use super::{Block, LINE_MAX, LINE_MIN, SHOWN_MAX, Sources, blocks, safe, summary};
use crate::{
    diagnostic::{Diagnostic, Severity},
    source::SourceFile,
};
use miette::GraphicalTheme;
use std::fmt::{self, Write};

/// Renders the first diagnostics and a summary; nothing for none. `files` are those that were parsed.
/// Theme and width are the caller's: it knows the terminal and whether colour is wanted. A line of source that is
/// wider is cut, so that its labels stay under what they mean.
pub fn graphical(
    diagnostics: &[Diagnostic],
    files: &[SourceFile],
    theme: &GraphicalTheme,
    columns: usize,
) -> String {
    let shown = &diagnostics[..diagnostics.len().min(SHOWN_MAX)];
    let mut sources = Sources::of(shown, files);
    sources.line_max = columns.saturating_sub(BESIDE).clamp(LINE_MIN, LINE_MAX);
    let mut out = String::new();
    for diagnostic in shown {
        one(&mut out, diagnostic, &sources, theme).expect("writing to a string does not fail");
    }
    if !diagnostics.is_empty() {
        out.push_str(&summary(diagnostics));
        out.push('\n');
    }
    out
}

/// Columns beside a line of source: its number, up to 9,999, the bar, and the sign that it was cut.
const BESIDE: usize = 9;

fn one(
    out: &mut String,
    diagnostic: &Diagnostic,
    sources: &Sources<'_>,
    theme: &GraphicalTheme,
) -> fmt::Result {
    let (style, sign) = match diagnostic.severity {
        Severity::Error => (theme.styles.error, &theme.characters.error),
        Severity::Warning => (theme.styles.warning, &theme.characters.warning),
    };
    writeln!(out, "{}\n", style.style(diagnostic.code))?;
    writeln!(out, "  {} {}", style.style(sign), safe(&diagnostic.title))?;
    let blocks = blocks(diagnostic, sources);
    let width = blocks
        .iter()
        .flat_map(|block| &block.lines)
        .map(|line| line.number)
        .max()
        .unwrap_or(0);
    let width = width.to_string().len() + 1;
    for (index, block) in blocks.iter().enumerate() {
        let corner = if index == 0 {
            theme.characters.ltop
        } else {
            theme.characters.lcross
        };
        let place = theme.styles.link.style(safe(&block.head.to_string())).to_string();
        writeln!(out, "{:width$} {corner}{}[{place}]", "", theme.characters.hbar)?;
        lines(out, block, theme, width)?;
    }
    let bar = String::from(theme.characters.hbar).repeat(4);
    writeln!(out, "{:width$} {}{bar}", "", theme.characters.lbot)?;
    for note in &diagnostic.notes {
        writeln!(out, "  {} {}", theme.styles.advice.style("note:"), safe(note))?;
    }
    let fix = diagnostic.fixes.first().map(|fix| &fix.title);
    if let Some(help) = diagnostic.help.as_ref().or(fix) {
        writeln!(out, "  {} {}", theme.styles.help.style("help:"), safe(help))?;
    }
    writeln!(out)
}

fn lines(out: &mut String, block: &Block<'_>, theme: &GraphicalTheme, width: usize) -> fmt::Result {
    let characters = &theme.characters;
    for line in &block.lines {
        let number = format!("{:>width$}", line.number);
        writeln!(
            out,
            "{} {} {}",
            theme.styles.linum.style(number),
            characters.vbar,
            line.text
        )?;
        let styles = theme.styles.highlights.iter().cycle();
        for (mark, style) in line.marks.iter().zip(styles) {
            let bar = String::from(if mark.primary {
                characters.underline
            } else {
                characters.hbar
            });
            let label = format!("{} {}", bar.repeat(mark.width), safe(mark.text));
            let label = style.style(label.trim_end()).to_string();
            writeln!(
                out,
                "{:width$} {} {:indent$}{label}",
                "",
                characters.vbar_break,
                "",
                indent = mark.indent
            )?;
        }
    }
    Ok(())
}
