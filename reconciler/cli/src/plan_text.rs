//! A plan as text: destructive first, disks by name, what is kept, the cause with file and line, the
//! guards, and the total last. Colour-free, so that `[WIPE]` can be searched for.

use reconciler_core::plan::{Change, ChangeAction, Plan};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whether a change erases contents that are not blank, or ends a binding.
pub(crate) fn destructive(change: &Change) -> bool {
    let erases_data = change
        .erases
        .iter()
        .any(|disk| disk.content != schema_ids::ContentId::Blank);
    match change.action {
        ChangeAction::Redeploy | ChangeAction::Release => true,
        ChangeAction::Deploy => erases_data,
        ChangeAction::Enlist | ChangeAction::Update | ChangeAction::Orphan | ChangeAction::Rename => false,
    }
}

fn sign(action: ChangeAction) -> (&'static str, &'static str) {
    match action {
        ChangeAction::Redeploy => ("-/+", "redeploy"),
        ChangeAction::Deploy => ("+", "deploy"),
        ChangeAction::Release => ("-", "release"),
        ChangeAction::Enlist => ("+", "enlist"),
        ChangeAction::Update => ("~", "update"),
        ChangeAction::Orphan => ("?", "orphan"),
        ChangeAction::Rename => (">", "rename"),
    }
}

/// The whole text.
pub(crate) fn render(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    drop(write(&mut out, plan));
    out
}

fn write(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let commit = plan
        .commit
        .as_deref()
        .map_or("no commit", |commit| &commit[..commit.len().min(12)]);
    writeln!(
        out,
        "muster plan   fleet {}   {commit}   observed {}\n",
        plan.fleet, plan.made
    )?;
    let (wiped, rest): (Vec<_>, Vec<_>) = plan.changes.iter().partition(|change| destructive(change));
    if !wiped.is_empty() {
        let disks: usize = wiped.iter().map(|change| change.erases.len()).sum();
        writeln!(
            out,
            "ERASES {} ON {}.\n",
            counted(disks, "DISK"),
            counted(wiped.len(), "MACHINE")
        )?;
        writeln!(out, "DESTRUCTIVE\n")?;
        wiped
            .iter()
            .try_for_each(|change| write_change(out, plan, change))?;
    }
    if !rest.is_empty() {
        writeln!(out, "{}\n", if wiped.is_empty() { "CHANGES" } else { "OTHER" })?;
        rest.iter()
            .try_for_each(|change| write_change(out, plan, change))?;
    }
    if !plan.notes.is_empty() {
        writeln!(out, "NOT DONE\n")?;
        for note in &plan.notes {
            let place = note
                .origin
                .as_ref()
                .map_or(String::new(), |at| format!("   {}:{}", at.file, at.line));
            writeln!(out, "    {}   {}{place}", note.object, note.code)?;
            note.text
                .lines()
                .try_for_each(|line| writeln!(out, "        {line}"))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "GUARDS")?;
    for guard in &plan.guards {
        match &guard.blocked {
            None => writeln!(out, "    ok       {:<12} {}", guard.guard, guard.detail)?,
            Some((code, reason)) => {
                writeln!(out, "    BLOCKED  {:<12} {code}", guard.guard)?;
                reason
                    .lines()
                    .try_for_each(|line| writeln!(out, "        {line}"))?;
            }
        }
    }
    writeln!(out)?;
    write_total(out, plan)
}

fn write_change(out: &mut String, plan: &Plan, change: &Change) -> std::fmt::Result {
    let (sign, word) = sign(change.action);
    let tag = if destructive(change) { "   [WIPE]" } else { "" };
    let machine = change
        .machine
        .and_then(|id| plan.machines.get(&id))
        .map_or(String::new(), |machine| {
            let serial = machine
                .serial
                .as_ref()
                .map_or(String::new(), |serial| format!("  {serial}"));
            format!("   on {}{serial}", machine.name)
        });
    writeln!(out, "{sign:<3} {word} {}{machine}{tag}", change.object)?;
    for disk in &change.erases {
        writeln!(out, "        erase  {}  ({})", disk.disk, disk.content)?;
    }
    for disk in &change.keeps {
        writeln!(out, "        keep   {disk}")?;
    }
    let place = change
        .origin
        .as_ref()
        .map_or(String::new(), |at| format!("  {}:{}", at.file, at.line));
    writeln!(out, "        why    {}{place}\n", change.why)
}

fn write_total(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if plan.changes.is_empty() {
        writeln!(out, "No changes. The fleet is as this revision wants it.")?;
        return Ok(());
    }
    let mut counts: BTreeMap<ChangeAction, usize> = BTreeMap::new();
    for change in &plan.changes {
        *counts.entry(change.action).or_default() += 1;
    }
    let parts: Vec<_> = counts
        .iter()
        .map(|(action, count)| format!("{count} to {}", sign(*action).1))
        .collect();
    writeln!(out, "Plan: {}.", parts.join(", "))?;
    writeln!(out, "      plan {}, wipe-set {}", plan.id, plan.wipe_set.digest)?;
    if plan.applicable() {
        writeln!(out, "\nNext: muster apply {}", plan.id)?;
    } else {
        writeln!(out, "\nBlocked by a guard: nothing of it will be carried out.")?;
    }
    Ok(())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "S" })
}
