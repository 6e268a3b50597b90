//! A plan as text: destructive first, disks by name, what is kept, the cause with file and line, the
//! guards, and the total last. Colour-free, so that `[WIPE]` can be searched for.

use reconciler_core::plan::{Change, ChangeAction, Plan};
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn sign(action: ChangeAction) -> (&'static str, &'static str) {
    match action {
        ChangeAction::Redeploy => ("-/+", "redeploy"),
        ChangeAction::Deploy => ("+", "deploy"),
        ChangeAction::Release => ("-", "release"),
        ChangeAction::Enlist => ("+", "enlist"),
        ChangeAction::Update => ("~", "update"),
        ChangeAction::Orphan => ("?", "orphan"),
        ChangeAction::Rename => (">", "rename"),
        ChangeAction::Label => (">", "label"),
    }
}

/// The whole text.
pub(crate) fn render(plan: &Plan) -> String {
    let mut out = String::new();
    write(&mut out, plan).expect("writing into a string does not fail");
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
    let (wiped, rest): (Vec<_>, Vec<_>) = plan.changes.iter().partition(|change| change.destructive());
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
    let tag = if change.destructive() { "   [WIPE]" } else { "" };
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
        let nothing = match plan.notes.is_empty() {
            true => "No changes. The fleet is as this revision wants it.",
            false => "No changes now. What git wants beyond that is listed under NOT DONE.",
        };
        return writeln!(out, "{nothing}");
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

#[cfg(test)]
#[path = "../tests/it/lesson.rs"]
mod lesson;

#[cfg(test)]
mod tests {
    use super::lesson::{Step, change, steps};
    use reconciler_core::observed::{DiskContents, Observed};
    use reconciler_core::plan::{Change, ChangeAction, Desired, GuardReport, Note, Origin, Plan};
    use schema_fleet::SourceFile;
    use schema_ids::{Incarnation, Timestamp, Uuid};
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    const EXAMPLE: &str = include_str!("../../../examples/one-machine/toml/fleet.toml");

    /// The example's first plan: nothing was observed yet.
    fn first_plan() -> Plan {
        first_plan_of(&[SourceFile {
            path: "fleet.toml".to_owned(),
            bytes: EXAMPLE.into(),
        }])
    }

    fn first_plan_of(files: &[SourceFile]) -> Plan {
        let fleet = schema_fleet::parse(files).fleet.expect("the fleet is sound");
        let at = Timestamp::from_unix_ms(1_795_000_000_000);
        let uuid = Uuid::from_bytes([7; 16]);
        let observed = Observed {
            at,
            fleet_uid: uuid,
            incarnation: Incarnation { number: 1, uuid },
            machines: BTreeMap::new(),
            bindings: BTreeMap::new(),
            discovered: BTreeMap::new(),
            addresses_in_use: BTreeMap::new(),
            restored: None,
            restraints: reconciler_core::hold::Restraints::default(),
        };
        let desired = Desired {
            fleet: &fleet,
            commit: "0123456789abcdef0123456789abcdef01234567",
        };
        reconciler_core::plan::plan(&desired, &observed, &Plan::empty(fleet.name.clone()), at)
    }

    /// The text, with a name for its id, which is a digest of everything in it.
    fn render(plan: &Plan) -> String {
        super::render(plan).replace(&plan.id, "p-ID")
    }

    #[test]
    fn a_first_plan() {
        insta::assert_snapshot!(render(&first_plan()));
    }

    /// What the tutorial shows of a plan is the one of the fleet that its reader has by then.
    #[test]
    fn the_plan_of_the_tutorial() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/tutorial.md");
        let page = fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let begun = include_str!("init/fleet.toml").replace("FLEET", "lab");
        fs::write(folder.path().join("fleet.toml"), begun).unwrap();
        let (mut is_planned, mut shown) = (false, None);
        for step in steps(&page) {
            change(&step, folder.path());
            match step {
                // What it put right there.
                Step::Run(line) if line == "muster check --fix" => {
                    let file = folder.path().join("machines.toml");
                    let right = fs::read_to_string(&file).unwrap().replace("seral", "serial");
                    fs::write(&file, right).unwrap();
                }
                Step::Run(line) => is_planned = line.starts_with("muster plan"),
                Step::Said { at, .. } if is_planned => shown = Some(at),
                _ => {}
            }
        }
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            SourceFile {
                path: path.file_name().unwrap().to_str().unwrap().to_owned(),
                bytes: fs::read(&path).unwrap(),
            }
        });
        let plan = first_plan_of(&files.collect::<Vec<_>>());
        let mut now = page.clone();
        now.replace_range(shown.expect("the tutorial shows a plan"), &render(&plan));
        if std::env::var_os("MUSTER_UPDATE_PAGES").is_some() {
            fs::write(&path, &now).unwrap();
        }
        assert!(
            page == now,
            "the tutorial shows another plan than:\n{}",
            render(&plan)
        );
    }

    #[test]
    fn what_is_erased_comes_first_and_what_blocks_is_said() {
        let mut plan = first_plan();
        let machine = plan.machines.keys().next().copied();
        let origin = Some(Origin {
            file: "fleet.toml".to_owned(),
            line: 90,
        });
        plan.changes.push(Change {
            object: "deployment.first[1]".to_owned(),
            action: ChangeAction::Redeploy,
            machine,
            why: "image debian-12-old -> debian-12-new".to_owned(),
            origin: origin.clone(),
            erases: vec![DiskContents {
                disk: "serial:SSD_1".parse().unwrap(),
                content: "data:gpt-ext4+0011223344556677".parse().unwrap(),
            }],
            keeps: vec!["wwn:0x5000".parse().unwrap()],
        });
        plan.guards.push(GuardReport {
            guard: "limits".to_owned(),
            blocked: Some((
                "LIMIT_EXCEEDED".to_owned(),
                "1 machine would be destroyed, 0 are allowed".to_owned(),
            )),
            detail: String::new(),
        });
        plan.notes.push(Note {
            object: "machine.node-02".to_owned(),
            code: "UNEXPECTED_CONTENTS".to_owned(),
            text: "disk serial:SSD_2 holds data nobody named\nadd its consent".to_owned(),
            origin,
        });
        insta::assert_snapshot!(render(&plan));
    }
}
