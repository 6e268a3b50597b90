//! What a check found, in the form that is asked for, and the exit code that goes with it.
//!
//! What forges read goes to standard output alone; what only a person wants to know then goes to standard error.

use crate::arguments::{Check, CheckFormat, Deny};
use crate::exit::{Exit, Failure};
use crate::letters;
use crate::say::{say, say_json, say_xml, tell};
use miette::{GraphicalTheme, ThemeCharacters, ThemeStyles};
use schema_fleet::render::{self, Place};
use schema_fleet::{Applicability, Brought, Diagnostic, Fleet, Parsed, Repair, Severity, SourceFile};
use std::path::{Path, PathBuf};

/// What is to be said.
pub(super) struct Report<'r> {
    wish: &'r Check,
    format: CheckFormat,
    diagnostics: Vec<Diagnostic>,
    files: &'r [SourceFile],
    fleet: Option<&'r Fleet>,
    /// What is not shown, since it was there before: errors, warnings.
    older: Option<(usize, usize)>,
    repairs: Option<&'r [Repair]>,
}

impl<'r> Report<'r> {
    /// All that was found.
    pub(super) fn new(
        wish: &'r Check,
        format: CheckFormat,
        parsed: &'r Parsed,
        files: &'r [SourceFile],
    ) -> Self {
        Self {
            wish,
            format,
            diagnostics: parsed.diagnostics.clone(),
            files,
            fleet: parsed.fleet.as_ref(),
            older: None,
            repairs: None,
        }
    }

    /// Only what a change brought about.
    pub(super) fn only(&mut self, brought: Brought) {
        self.diagnostics = brought.diagnostics;
        self.older = Some((brought.older_errors, brought.older_warnings));
    }

    /// Says first what was put right.
    pub(super) fn after(&mut self, repairs: &'r [Repair]) {
        self.repairs = Some(repairs);
    }

    /// Says it, and how the check ended.
    pub(super) fn say(&self) -> Result<Exit, Failure> {
        let prefix = prefix(&self.wish.folder);
        let place = Place { prefix: &prefix };
        if let Some(file) = &self.wish.sarif {
            self.write_sarif(file, place)?;
        }
        let is_for_people = matches!(self.format, CheckFormat::Human | CheckFormat::Plain);
        if is_for_people {
            say(self.repaired())?;
        } else if self.format != CheckFormat::Json {
            tell(self.repaired());
        }
        let (diagnostics, files) = (&self.diagnostics, self.files);
        match self.format {
            CheckFormat::Human => {
                let (columns, _) = letters::size();
                say(render::graphical(diagnostics, files, &theme(), columns))?;
            }
            CheckFormat::Plain => say(render::plain(diagnostics, files))?,
            CheckFormat::Json => say_json(self.json())?,
            CheckFormat::Sarif => say_json(render::sarif(diagnostics, place))?,
            CheckFormat::Github => say(render::github(diagnostics, place))?,
            CheckFormat::Gitlab => say_json(render::gitlab(diagnostics, place))?,
            CheckFormat::Junit => say_xml(render::junit(diagnostics, files, place, self.failing()))?,
        }
        if is_for_people {
            say(self.last_lines())?;
        } else if self.format != CheckFormat::Json {
            tell(self.last_lines());
        }
        Ok(self.exit())
    }

    fn exit(&self) -> Exit {
        let has = |severity| self.diagnostics.iter().any(|one| one.severity == severity);
        if has(Severity::Error) {
            Exit::Failed
        } else if has(Severity::Warning) && self.failing() == Severity::Warning {
            Exit::Changes
        } else {
            Exit::Done
        }
    }

    /// The mildest severity that is not tolerated.
    fn failing(&self) -> Severity {
        match self.wish.deny {
            Some(Deny::Warnings) => Severity::Warning,
            None => Severity::Error,
        }
    }

    fn repaired(&self) -> String {
        let repairs = self.repairs.unwrap_or_default().iter();
        repairs.map(|repair| format!("fixed {repair}\n")).collect()
    }

    /// What the fleet is, what can be done about it, and what is not shown of it.
    fn last_lines(&self) -> String {
        let mut text = String::new();
        let is_safe = |one: &&Diagnostic| {
            let mut fixes = one.fixes.iter();
            fixes.any(|fix| fix.applicability == Applicability::Safe)
        };
        let safe = self.diagnostics.iter().filter(is_safe).count();
        if safe > 0 && self.repairs.is_none() {
            text.push_str(&format!("{safe} can be put right by muster check --fix\n"));
        }
        // What is wrong was counted above it.
        if let Some(fleet) = self.fleet {
            text.push_str(&format!(
                "fleet {}: {}, {}\n",
                fleet.name,
                counted(fleet.machines.len(), "machine"),
                counted(fleet.deployments.len(), "deployment")
            ));
        }
        if let Some((errors, warnings)) = self.older.filter(|older| *older != (0, 0)) {
            text.push_str(&format!(
                "{} and {} were there before and are not shown; muster check without --changed-since shows them\n",
                counted(errors, "error"),
                counted(warnings, "warning")
            ));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let mut value = render::json(&self.diagnostics);
        if let Some((errors, warnings)) = self.older {
            value["summary"]["older"] = serde_json::json!({ "errors": errors, "warnings": warnings });
        }
        if let Some(repairs) = self.repairs {
            value["fixed"] = repairs.iter().map(repair).collect();
        }
        value
    }

    fn write_sarif(&self, file: &Path, place: Place<'_>) -> Result<(), Failure> {
        let text = render::sarif(&self.diagnostics, place).to_string();
        std::fs::write(file, text).map_err(|source| Failure::File {
            what: "write",
            path: file.to_owned(),
            source,
        })
    }
}

fn repair(repair: &Repair) -> serde_json::Value {
    serde_json::json!({
        "code": repair.code.as_str(),
        "file": &*repair.span.file,
        "line": repair.span.start.line,
        "column": repair.span.start.column,
        "title": repair.title,
    })
}

/// Frames and colours as standard output takes them.
fn theme() -> GraphicalTheme {
    GraphicalTheme {
        characters: if letters::is_ascii_only() {
            ThemeCharacters::ascii()
        } else {
            ThemeCharacters::unicode()
        },
        styles: if letters::colours() {
            ThemeStyles::ansi()
        } else {
            ThemeStyles::none()
        },
    }
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Where the folder lies in its repository, or below where we are if it is in none: forges name files from there.
pub(crate) fn prefix(folder: &Path) -> String {
    let inside = folder.canonicalize().ok().and_then(|folder| {
        let repository = folder.ancestors().find(|above| above.join(".git").exists());
        let root = repository.map(Path::to_owned);
        let root: PathBuf = root.or_else(|| std::env::current_dir().ok())?;
        folder.strip_prefix(root).ok()?.to_str().map(str::to_owned)
    });
    match inside {
        Some(inside) if !inside.is_empty() => format!("{inside}/"),
        Some(_) | None => String::new(),
    }
}
