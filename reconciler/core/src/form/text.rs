//! A plan as text: what is lost first, each disk by name with what it holds, what is kept, the cause with file and
//! line, what is nobody's doing here, the guards, and the total last. Without colour: `[WIPE` can be searched for.

mod time;

use crate::form::block::{Block, Totals, blocks};
use crate::form::standing::next;
use crate::form::under_way::nothing;
use crate::form::{Detail, Setting, counted, short};
use crate::plan::{Budget, Cause, Change, ChangeAction, Effect, Note, Origin, Plan, size_text, told_by};
use crate::times::{Estimate, Pace};
use schema_ids::{ContentId, DiskId, MachineId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;
pub(super) use time::time;
use time::{both, slowest};

/// Of equal changes by which nothing is lost, so many machines are named.
const SAMPLE: usize = 5;

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The whole text.
pub fn render(plan: &Plan, setting: &Setting, detail: Detail) -> String {
    let mut text = Text {
        out: String::new(),
        plan,
        setting,
        pace: setting.pace(plan),
        detail,
    };
    text.write().expect("writing into a string does not fail");
    seen(&text.out)
}

struct Text<'a> {
    out: String,
    plan: &'a Plan,
    setting: &'a Setting,
    pace: Pace<'a>,
    detail: Detail,
}

impl Text<'_> {
    fn write(&mut self) -> fmt::Result {
        self.head()?;
        let plan = self.plan;
        let mine = blocks(plan, Cause::ThisChange);
        let (lost, rest): (Vec<_>, Vec<_>) = mine.into_iter().partition(Block::destructive);
        self.section("DESTRUCTIVE", &lost)?;
        self.section(if lost.is_empty() { "CHANGES" } else { "OTHER" }, &rest)?;
        self.others()?;
        self.notes()?;
        self.guards()?;
        self.total()
    }

    fn head(&mut self) -> fmt::Result {
        let named = |reference: &crate::form::Reference| match reference.commit.starts_with(&reference.name) {
            true => short(&reference.commit).to_owned(),
            false => format!("{}@{}", reference.name, short(&reference.commit)),
        };
        let head = match &self.setting.head {
            Some(head) => named(head),
            None => self
                .plan
                .commit
                .as_deref()
                .map_or("no commit".to_owned(), |commit| short(commit).to_owned()),
        };
        let base = self
            .setting
            .base
            .as_ref()
            .map(|base| format!("{} .. ", named(base)));
        let base = base.unwrap_or_default();
        writeln!(self.out, "muster plan   fleet {}   {base}{head}", self.plan.fleet)?;
        let silent = match self.setting.silent.len() {
            0 => String::new(),
            silent => format!(", {silent} not reporting"),
        };
        let machines = counted(self.plan.machines.len(), "machine");
        writeln!(self.out, "observed {}   {machines}{silent}", self.plan.made)?;
        if let Some(only) = &self.setting.only {
            writeln!(
                self.out,
                "only {only}: what the rest of the fleet would do is not shown; this plan cannot be applied"
            )?;
        }
        writeln!(self.out)?;
        let all = Totals::of(self.plan, &self.plan.changes);
        let counts: Vec<_> = all.actions.iter().collect();
        for pair in counts.chunks(2) {
            let cells = pair.iter().map(|(action, count)| {
                let words = format!("{:<8}  {}", action.word(), counted(**count, self.noun(**action)));
                format!("{:<3} {words:<28}", action.sign())
            });
            writeln!(self.out, "  {}", cells.collect::<String>().trim_end())?;
        }
        if !counts.is_empty() {
            writeln!(self.out)?;
        }
        self.headline(&all)
    }

    /// What changes of this kind are about.
    fn noun(&self, action: ChangeAction) -> &'static str {
        let mut of_kind = self.plan.changes.iter().filter(|change| change.action == action);
        match of_kind.all(|change| change.machine.is_some()) {
            true => "machine",
            false => "object",
        }
    }

    fn headline(&mut self, all: &Totals) -> fmt::Result {
        if all.disks == 0 {
            return Ok(());
        }
        let (disks, machines) = (counted(all.disks, "DISK"), counted(all.machines, "MACHINE"));
        let pending = self
            .plan
            .changes
            .iter()
            .filter(|change| change.cause == Cause::Pending);
        let pending = Totals::of(self.plan, pending);
        let of_them = match pending.disks {
            0 => String::new(),
            disks if disks == all.disks => " This change asks for none of it.".to_owned(),
            disks => format!(" Of them, {} without this change.", counted(disks, "disk")),
        };
        let size = match all.bytes {
            0 => String::new(),
            bytes => format!(" ({})", size_text(bytes)),
        };
        writeln!(
            self.out,
            "  ERASES {disks} ON {machines}{size}. This cannot be undone.{of_them}\n"
        )
    }

    fn section(&mut self, title: &str, blocks: &[Block<'_>]) -> fmt::Result {
        if blocks.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{title}\n")?;
        blocks.iter().try_for_each(|block| self.block(block))
    }

    fn block(&mut self, block: &Block<'_>) -> fmt::Result {
        let first = block.first();
        let machines: Vec<_> = block.changes.iter().filter_map(|change| change.machine).collect();
        let subject = match (block.subject, machines.as_slice()) {
            (Some(subject), []) => subject.to_owned(),
            (Some(_), [_]) => first.object.clone(),
            (Some(subject), many) => format!("{subject}   {}", counted(many.len(), "machine")),
            (None, [id]) => format!("machine.{}", self.name(*id)),
            (None, many) => counted(many.len(), "machine"),
        };
        let tag = first
            .effect
            .tag()
            .map_or(String::new(), |tag| format!("   {tag}"));
        writeln!(
            self.out,
            "{:<3} {} {subject}{tag}",
            first.action.sign(),
            first.action.word()
        )?;
        if self.detail == Detail::Summary {
            return writeln!(self.out);
        }
        let width = first
            .fields
            .iter()
            .map(|field| field.path.len())
            .max()
            .unwrap_or_default()
            .max(6);
        self.fields(first, width)?;
        self.why(block, width)?;
        self.order(block, width)?;
        self.time(block, width)?;
        if !first.tells.is_empty() {
            let agents: Vec<&str> = first.tells.iter().map(|agent| agent.as_str()).collect();
            writeln!(self.out, "      {:<width$}  {}", "tells", agents.join(", "))?;
        }
        self.machines(block)?;
        writeln!(self.out)
    }

    fn fields(&mut self, first: &Change, width: usize) -> fmt::Result {
        for field in &first.fields {
            let path = &field.path;
            let value = match (&field.before, &field.after) {
                (Some(before), Some(after)) => format!("{before}  ->  {after}"),
                (None, Some(after)) => after.clone(),
                (Some(before), None) => format!("{before}  ->  none"),
                (None, None) => "differs".to_owned(),
            };
            let value = one_line(&value);
            let effect = match field.effect {
                Effect::Live => "   # live",
                Effect::Redeploy => "   # installs",
                Effect::None if field.before.is_none() && field.after.is_none() => {
                    "   # at the next installation"
                }
                Effect::None | Effect::Reboot | Effect::WipeOs | Effect::WipeSelected | Effect::WipeAll => "",
            };
            writeln!(self.out, "      {path:<width$}  {value}{effect}")?;
        }
        Ok(())
    }

    fn why(&mut self, block: &Block<'_>, width: usize) -> fmt::Result {
        let first = block.first();
        let mut places: Vec<String> = Vec::new();
        for origin in block.changes.iter().filter_map(|change| change.origin.as_ref()) {
            let place = place(origin);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let shown = match self.detail {
            Detail::Full => places.len(),
            Detail::Normal | Detail::Summary => places.len().min(SAMPLE),
        };
        let more = match places.len() - shown {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let places = places[..shown].join(", ");
        let why = match first.fields.is_empty() || first.action == ChangeAction::Adopt {
            true => one_line(&first.why),
            false => String::new(),
        };
        let gap = if why.is_empty() || places.is_empty() {
            ""
        } else {
            "   "
        };
        if why.is_empty() && places.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "      {:<width$}  {why}{gap}{places}{more}", "why")
    }

    /// The budgets that say in which order machines are installed again, how many at once, and when.
    fn order(&mut self, block: &Block<'_>, width: usize) -> fmt::Result {
        if block.first().action != ChangeAction::Redeploy {
            return Ok(());
        }
        let plan = self.plan;
        let machines: BTreeSet<MachineId> =
            block.changes.iter().filter_map(|change| change.machine).collect();
        let is_about = |budget: &Budget| budget.members().any(|id| machines.contains(&id));
        for (name, budget) in plan.budgets.iter().filter(|(_, budget)| is_about(budget)) {
            let words = budget.words();
            writeln!(self.out, "      {:<width$}  budget {name}: {words}", "order")?;
        }
        Ok(())
    }

    /// How long it probably takes: all of it, each by itself, and what that is known from.
    fn time(&mut self, block: &Block<'_>, width: usize) -> fmt::Result {
        let times = &self.setting.times;
        let each = block
            .changes
            .iter()
            .filter_map(|change| times.get(&change.machine?));
        let each: Vec<&Estimate> = each.collect();
        let together = self.pace.together(block.changes.iter().copied());
        let Some((together, slowest)) = together.zip(slowest(&each)) else {
            return Ok(());
        };
        let is_same = each.iter().all(|one| **one == *each[0]);
        let up_to = if is_same { "" } else { "up to " };
        let by_itself = match each.len() {
            1 => String::new(),
            _ => format!(", each {up_to}{}", both(slowest.p50, slowest.p90)),
        };
        let at_least = if is_same { "" } else { "at least " };
        writeln!(
            self.out,
            "      {:<width$}  about {}{by_itself}: from {at_least}{} {}",
            "time",
            both(together.p50, together.p90),
            counted(slowest.samples as usize, "installation"),
            slowest.like.words()
        )
    }

    fn machines(&mut self, block: &Block<'_>) -> fmt::Result {
        let tells_disks = |change: &&&Change| !change.erases.is_empty() || !change.keeps.is_empty();
        let is_one = block.changes.len() == 1;
        let shown = match self.detail {
            Detail::Normal if !block.destructive() => block.changes.len().min(SAMPLE),
            Detail::Full | Detail::Normal | Detail::Summary => block.changes.len(),
        };
        for change in &block.changes[..shown] {
            let Some(id) = change.machine else { continue };
            // One machine by itself is named in the heading.
            if !(is_one && block.subject.is_none()) || tells_disks(&change) {
                self.machine(block, change, id)?;
            }
        }
        match block.changes.len() - shown {
            0 => Ok(()),
            more => writeln!(self.out, "      and {more} more; --detail full names them"),
        }
    }

    fn machine(&mut self, block: &Block<'_>, change: &Change, id: MachineId) -> fmt::Result {
        let slot = change.object.split_once('[').map(|(name, slot)| {
            let name = name.strip_prefix("deployment.").unwrap_or(name);
            format!("{name}[{slot}  ")
        });
        let slot = slot.filter(|_| block.subject.is_some()).unwrap_or_default();
        let serial = self
            .plan
            .machines
            .get(&id)
            .and_then(|machine| machine.serial.as_ref());
        let serial = serial.map_or(String::new(), |serial| format!("  {}", one_line(serial)));
        let used = change.in_use_since.map_or(String::new(), |since| {
            format!("   in use for {}", ago(self.plan.made, since))
        });
        writeln!(self.out, "      {slot}{}{serial}{used}", self.name(id))?;
        for erased in &change.erases {
            let words = match &erased.content {
                ContentId::Blank => "blank".to_owned(),
                content => self.holds(&erased.disk, content, change),
            };
            writeln!(self.out, "          erase  {}   {words}", self.disk(&erased.disk))?;
        }
        for disk in &change.keeps {
            let holds = self.plan.disks.get(disk).map(|known| known.holds.as_str());
            let holds = holds.filter(|holds| !holds.is_empty()).unwrap_or("blank");
            writeln!(
                self.out,
                "          keep   {}   {}",
                self.disk(disk),
                one_line(holds)
            )?;
        }
        Ok(())
    }

    /// What is lost on a disk: in words, and as the identity that was agreed to.
    fn holds(&self, disk: &DiskId, content: &ContentId, change: &Change) -> String {
        let found = self.plan.disks.get(disk).map(|known| known.holds.as_str());
        let words = told_by(content).or(found).filter(|words| !words.is_empty());
        match (content, words, self.detail) {
            (ContentId::Marker { .. }, Some(words), Detail::Normal | Detail::Summary)
                if change.in_use_since.is_some() =>
            {
                words.to_owned()
            }
            (content, Some(words), _) => format!("{}   ({content})", one_line(words)),
            (content, None, _) => format!("({content})"),
        }
    }

    fn disk(&self, id: &DiskId) -> String {
        match self.plan.disks.get(id) {
            Some(known) => format!("{id}   {} {}", size_text(known.bytes), one_line(&known.model))
                .trim_end()
                .to_owned(),
            None => id.to_string(),
        }
    }

    fn name(&self, id: MachineId) -> String {
        let machine = self.plan.machines.get(&id);
        machine.map_or_else(|| id.to_string(), |machine| machine.name.to_string())
    }

    /// What happens or stands out without this change.
    fn others(&mut self) -> fmt::Result {
        let pending = blocks(self.plan, Cause::Pending);
        // What becomes outdated by this change is told by it.
        let told: BTreeSet<MachineId> = self
            .plan
            .changes
            .iter()
            .filter_map(|change| change.machine)
            .collect();
        let outdated: Vec<_> = self
            .plan
            .machines
            .iter()
            .filter(|(id, machine)| !machine.outdated.is_empty() && !told.contains(*id))
            .map(|(_, machine)| machine)
            .collect();
        if pending.is_empty() && outdated.is_empty() && self.setting.drift.is_empty() {
            return Ok(());
        }
        let has_lines = !outdated.is_empty() || !self.setting.drift.is_empty();
        writeln!(self.out, "NOT CAUSED BY THIS CHANGE\n")?;
        pending.iter().try_for_each(|block| self.block(block))?;
        for drift in &self.setting.drift {
            let evidence = drift.evidence.lines().next().unwrap_or_default();
            writeln!(self.out, "?   {}   {}   {evidence}", drift.machine, drift.code)?;
        }
        let mut by_fields: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for machine in outdated {
            let fields: Vec<&str> = machine.outdated.iter().map(String::as_str).collect();
            by_fields
                .entry(fields.join(", "))
                .or_default()
                .push(machine.name.as_str());
        }
        for (fields, mut names) in by_fields {
            names.sort_unstable();
            let (count, names) = (names.len(), sample(&names, self.detail));
            let outdated = counted(count, "machine");
            writeln!(
                self.out,
                "!   {outdated} outdated in {fields}: {names}; nothing is done about it"
            )?;
        }
        match has_lines {
            true => writeln!(self.out),
            false => Ok(()),
        }
    }

    fn notes(&mut self) -> fmt::Result {
        if self.plan.notes.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "NOT DONE\n")?;
        let mut by_text: BTreeMap<(&str, &str), Vec<&Note>> = BTreeMap::new();
        for note in &self.plan.notes {
            by_text.entry((&note.code, &note.text)).or_default().push(note);
        }
        for ((code, text), notes) in by_text {
            let objects: Vec<&str> = notes.iter().map(|note| note.object.as_str()).collect();
            let at = notes[0]
                .origin
                .as_ref()
                .map_or(String::new(), |at| format!("   {}", place(at)));
            writeln!(self.out, "    {}   {code}{at}", sample(&objects, self.detail))?;
            text.lines()
                .try_for_each(|line| writeln!(self.out, "        {line}"))?;
        }
        writeln!(self.out)
    }

    fn guards(&mut self) -> fmt::Result {
        writeln!(self.out, "GUARDS")?;
        for guard in &self.plan.guards {
            match &guard.blocked {
                None => writeln!(
                    self.out,
                    "    ok       {:<12} {}",
                    guard.guard,
                    one_line(&guard.detail)
                )?,
                Some((code, reason)) => {
                    writeln!(self.out, "    BLOCKED  {:<12} {code}", guard.guard)?;
                    reason
                        .lines()
                        .try_for_each(|line| writeln!(self.out, "        {line}"))?;
                }
            }
        }
        if let Some(approvals) = &self.setting.approvals {
            let word = if approvals.is_given() { "ok" } else { "needs" };
            writeln!(self.out, "    {word:<8} {:<12} {}", "approval", approvals.line())?;
        }
        writeln!(self.out)
    }

    fn total(&mut self) -> fmt::Result {
        let plan = self.plan;
        if plan.changes.is_empty() {
            let mut lines = nothing(plan, self.setting).into_iter();
            return lines.try_for_each(|line| writeln!(self.out, "{line}"));
        }
        writeln!(self.out, "{}", total(plan))?;
        if let Some(time) = time(plan, self.setting) {
            writeln!(self.out, "      takes {time}")?;
        }
        if let Some(only) = &self.setting.only {
            return writeln!(self.out, "      of {only} only");
        }
        let stale = match plan.reads.len() {
            0 => String::new(),
            reads => format!(
                ", stale once what it read of {} changes",
                counted(reads, "machine")
            ),
        };
        writeln!(
            self.out,
            "      plan {}, wipe-set {}{stale}",
            plan.id, plan.wipe_set.digest
        )?;
        writeln!(self.out, "\n{}", next(plan, self.setting))
    }
}

/// Whether a letter moves the cursor, or turns the letters behind it around (Unicode Annex 9): a value of git that had
/// one could draw over what is erased.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A value within a line of ours: it ends none and begins none.
fn one_line(text: &str) -> String {
    text.replace(is_unseen, "\u{fffd}")
}

/// The whole text, with the ends of lines as all that moves anything.
fn seen(text: &str) -> String {
    text.replace(|letter| letter != '\n' && is_unseen(letter), "\u{fffd}")
}

/// The one line that sums it up.
pub(super) fn total(plan: &Plan) -> String {
    let totals = Totals::of(plan, &plan.changes);
    let word = |(action, count): (&ChangeAction, &usize)| format!("{count} to {}", action.word());
    let parts: Vec<String> = totals.actions.iter().map(word).collect();
    format!("Plan: {}.", parts.join(", "))
}

/// A place in git.
pub(super) fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// Names, some of many.
fn sample(names: &[&str], detail: Detail) -> String {
    let shown = match detail {
        Detail::Full => names.len(),
        Detail::Normal | Detail::Summary => names.len().min(SAMPLE),
    };
    match names.len() - shown {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..shown].join(", ")),
    }
}

/// A time that has passed, in its largest unit.
fn ago(now: Timestamp, then: Timestamp) -> String {
    let passed = now.since(then);
    let whole = |unit: Duration| passed.as_secs() / unit.as_secs();
    match passed {
        _ if passed >= DAY => format!("{} d", whole(DAY)),
        _ if passed >= HOUR => format!("{} h", whole(HOUR)),
        _ => format!("{} min", whole(MINUTE)),
    }
}
