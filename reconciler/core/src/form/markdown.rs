//! A plan as a comment on a pull request.
//!
//! One comment, found again by the marker in its first line. What is lost is never folded away and never cut: if
//! that alone is too long, there is no comment, and the change is too much to be reviewed.

use crate::form::block::{Block, Totals, blocks};
use crate::form::text::{self, place};
use crate::form::under_way::{UnderWay, nothing};
use crate::form::{Detail, Setting, counted};
use crate::plan::{Cause, Change, ChangeAction, Origin, Plan, size_text, told_by};
use schema_ids::ContentId;
use std::fmt::{self, Write as _};

/// The longest comment, in bytes; GitHub refuses one of more than 65,536 characters.
pub const BYTES_MAX: usize = 60_000;

/// What cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "what this plan erases takes {bytes} bytes to tell, and a comment holds {BYTES_MAX}: too much to review at once. \
     Split the change"
)]
pub struct TooMuch {
    /// How many bytes the part takes that may not be cut.
    pub bytes: usize,
}

/// The comment.
///
/// # Errors
/// When the part that may not be cut is too long.
pub fn render(plan: &Plan, setting: &Setting) -> Result<String, TooMuch> {
    let mut fixed = String::new();
    fixed_part(&mut fixed, plan, setting).expect("writing into a string does not fail");
    let mut end = String::new();
    end_part(&mut end, plan, setting).expect("writing into a string does not fail");
    let bytes = fixed.len() + end.len() + SHORTENED.len();
    if bytes > BYTES_MAX {
        return Err(TooMuch { bytes });
    }
    let mut out = fixed;
    let mut room = BYTES_MAX - bytes;
    for folded in folded_parts(plan, setting) {
        if folded.len() > room {
            out.push_str(SHORTENED);
            break;
        }
        room -= folded.len();
        out.push_str(&folded);
    }
    out.push_str(&end);
    Ok(out)
}

/// The first line of a comment whose fleet is not known.
pub const MARKER_OF_ANY: &str = "<!-- muster:plan -->";
/// Of a reason, so many letters are shown.
const WHY_MAX: usize = 1000;

/// The comment where there is no plan of this commit, in place of one of an earlier commit that would be taken for it.
pub fn no_plan(commit: Option<&str>, why: &str) -> String {
    let of = commit.map_or("Of this change".to_owned(), |commit| {
        format!("Of {}", code(&short(commit)))
    });
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = why.chars().take(WHY_MAX).collect();
    let more = if shown.len() < why.len() { "…" } else { "" };
    format!(
        "{MARKER_OF_ANY}\n### muster plan: no plan\n\n{of} there is none: {}{more}\n\n**Nobody can review this.** The log of \
         the job says more.\n",
        escaped(&shown)
    )
}

/// A commit's id as people write it.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

const SHORTENED: &str = "\n_Shortened: `muster show` of this plan has the rest._\n";

fn fixed_part(out: &mut String, plan: &Plan, setting: &Setting) -> fmt::Result {
    writeln!(out, "<!-- muster:plan fleet={} -->", plan.fleet)?;
    let all = Totals::of(plan, &plan.changes);
    let headline = match (plan.applicable(), all.machines) {
        (false, _) => "**blocked**".to_owned(),
        (true, 0) if plan.changes.is_empty() && UnderWay::of(plan).is_some() => {
            "no changes to what is carried out".to_owned()
        }
        (true, 0) if plan.changes.is_empty() => "no changes".to_owned(),
        (true, 0) => "nothing is erased".to_owned(),
        (true, machines) => format!("**{} will be erased**", counted(machines, "machine")),
    };
    writeln!(out, "### muster plan: {headline}\n")?;
    if let Some(only) = &setting.only {
        writeln!(
            out,
            "Only {}: a plan of a part, which nobody can agree to.\n",
            code(only)
        )?;
    }
    let is_told = setting.only.is_some() || UnderWay::of(plan).is_some();
    if plan.changes.is_empty() && is_told {
        for line in nothing(plan, setting) {
            writeln!(out, "{}\n", escaped(&line))?;
        }
    }
    if !all.actions.is_empty() {
        let words: Vec<&str> = all.actions.keys().map(|action| action.word()).collect();
        let counts: Vec<String> = all.actions.values().map(ToString::to_string).collect();
        writeln!(out, "| {} | disks erased |", words.join(" | "))?;
        writeln!(out, "|{}---:|", "---:|".repeat(words.len()))?;
        let size = match all.bytes {
            0 => String::new(),
            bytes => format!(" ({})", size_text(bytes)),
        };
        writeln!(out, "| {} | {}{size} |\n", counts.join(" | "), all.disks)?;
    }
    if let Some(time) = text::time(plan, setting) {
        writeln!(out, "Takes {time}.\n")?;
    }
    for (name, budget) in &plan.budgets {
        if let Some(words) = budget.goes_on() {
            writeln!(out, "Budget `{name}` {}.\n", escaped(&words))?;
        }
    }
    for guard in &plan.guards {
        if let Some((code, reason)) = &guard.blocked {
            writeln!(
                out,
                "**Blocked by `{}`**: `{code}` {}\n",
                guard.guard,
                escaped(reason)
            )?;
        }
    }
    let lost: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.destructive())
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    writeln!(out, "**Destructive**\n")?;
    writeln!(out, "| | machine | serial | what is erased | kept | why |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    lost.into_iter()
        .try_for_each(|change| row(out, plan, setting, change))?;
    writeln!(out)
}

fn row(out: &mut String, plan: &Plan, setting: &Setting, change: &Change) -> fmt::Result {
    let machine = change.machine.and_then(|id| plan.machines.get(&id));
    let name = machine.map_or("", |machine| machine.name.as_str());
    let serial = machine
        .and_then(|machine| machine.serial.as_deref())
        .unwrap_or("");
    let tag = change
        .effect
        .tag()
        .map_or(String::new(), |tag| format!(" **{}**", escaped(tag)));
    let erased: Vec<String> = change
        .erases
        .iter()
        .map(|erased| {
            let known = plan.disks.get(&erased.disk);
            let size = known.map_or(String::new(), |disk| format!(" {}", size_text(disk.bytes)));
            let found = known.map(|disk| disk.holds.as_str());
            let holds = told_by(&erased.content).or(found);
            let holds = holds.filter(|holds| !holds.is_empty());
            let holds = match (&erased.content, holds) {
                (ContentId::Blank, _) => " blank".to_owned(),
                (_, Some(holds)) => format!(" {}", escaped(holds)),
                (content, None) => format!(" {}", code(&content.to_string())),
            };
            format!("{}{size}{holds}", code(&erased.disk.to_string()))
        })
        .collect();
    let kept: Vec<String> = change.keeps.iter().map(|disk| code(&disk.to_string())).collect();
    let or_nothing = |cells: Vec<String>| match cells.is_empty() {
        true => "nothing".to_owned(),
        false => cells.join("<br>"),
    };
    let order = order(plan, change);
    let why = match (&change.origin, change.cause) {
        (Some(at), cause) => format!("{}{}", link(setting, at), without(cause)),
        (None, cause) => format!("{}{}", escaped(&change.why), without(cause)),
    };
    let quarantine = change.quarantine.map(|quarantine| {
        let words = format!("off with its data for {quarantine}; then:");
        format!("{}<br>", escaped(&words))
    });
    let quarantine = quarantine.unwrap_or_default();
    writeln!(
        out,
        "| `{}` {}{tag} | {} | {} | {quarantine}{} | {} | {why}{order} |",
        change.action.sign(),
        change.action.word(),
        escaped(&format!("{} / {name}", slot(&change.object))),
        escaped(serial),
        or_nothing(erased),
        or_nothing(kept),
    )
}

/// The budgets under which a machine is installed again, each with its wave.
fn order(plan: &Plan, change: &Change) -> String {
    let machine = change.machine.filter(|_| change.action == ChangeAction::Redeploy);
    let about = plan.budgets.iter().filter_map(|(name, budget)| {
        let wave = budget.wave_of(machine?)?.name.as_ref();
        let wave = wave.map_or_else(String::new, |wave| format!(", wave {wave}"));
        Some(format!("<br>{}", escaped(&format!("budget {name}{wave}"))))
    });
    about.collect()
}

fn without(cause: Cause) -> &'static str {
    match cause {
        Cause::ThisChange => "",
        Cause::Pending => " (not caused by this change)",
    }
}

fn slot(object: &str) -> &str {
    object.split_once('.').map_or(object, |(_, name)| name)
}

/// A place in the repository, as a link that forges follow from a comment.
fn link(setting: &Setting, at: &Origin) -> String {
    let commit = setting.head.as_ref().map(|head| head.commit.as_str());
    match commit {
        Some(commit) if at.line > 0 => {
            format!(
                "[{}](../blob/{commit}/{}#L{})",
                escaped(&place(at)),
                url(&at.file),
                at.line
            )
        }
        _ => escaped(&place(at)),
    }
}

/// A path within a link.
fn url(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => out.push(char::from(byte)),
            other => write!(out, "%{other:02X}").expect("writing into a string does not fail"),
        }
    }
    out
}

/// The parts that a reader opens.
fn folded_parts(plan: &Plan, setting: &Setting) -> Vec<String> {
    let mut parts = Vec::new();
    let is_other = |block: &Block<'_>| !block.destructive();
    let others = blocks(plan, Cause::ThisChange);
    let others: usize = others
        .iter()
        .filter(|block| is_other(block))
        .map(|block| block.changes.len())
        .sum();
    let beside = {
        let pending = blocks(plan, Cause::Pending);
        let pending: usize = pending.iter().map(|block| block.changes.len()).sum();
        let outdated = plan
            .machines
            .values()
            .filter(|machine| !machine.outdated.is_empty())
            .count();
        [
            (pending, "pending"),
            (outdated, "outdated"),
            (setting.drift.len(), "drifted"),
        ]
    };
    let beside: Vec<String> = beside
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let mut summaries = Vec::new();
    if others > 0 {
        summaries.push(format!("{others} other changes"));
    }
    if !beside.is_empty() {
        summaries.push(format!("not caused by this change: {}", beside.join(", ")));
    }
    if !plan.notes.is_empty() {
        summaries.push(format!("{} not done", plan.notes.len()));
    }
    let blocked = plan.guards.iter().filter(|guard| guard.blocked.is_some()).count();
    summaries.push(match blocked {
        0 => "guards: all ok".to_owned(),
        blocked => format!("guards: {blocked} blocked"),
    });
    let whole = text::render(plan, setting, Detail::Normal);
    // A fence longer than any in the text, so that nothing in it ends the block.
    let longest = whole.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    parts.push(format!(
        "<details><summary>{}</summary>\n\n{fence}text\n{whole}{fence}\n\n</details>\n",
        summaries.join("; ")
    ));
    parts
}

fn end_part(out: &mut String, plan: &Plan, setting: &Setting) -> fmt::Result {
    if let Some(approvals) = &setting.approvals {
        let word = if approvals.is_given() {
            "Has its approvals"
        } else {
            "Needs approvals"
        };
        writeln!(out, "\n**{word}**: {}.", escaped(&approvals.line()))?;
    }
    if plan.applicable() && Totals::of(plan, &plan.changes).disks > 0 && setting.only.is_none() {
        writeln!(
            out,
            "\nAgree to wipe-set `{}`: `muster approve {} --wipe-set {}`. The word lapses if the erased set changes; \
             other commits do not matter.",
            plan.wipe_set.digest, plan.id, plan.wipe_set.digest
        )?;
    }
    let head = plan.commit.as_deref().map_or("no commit".to_owned(), short);
    let base = setting
        .base
        .as_ref()
        .map_or(String::new(), |base| format!(" on {}", short(&base.commit)));
    writeln!(
        out,
        "\n<sub>plan {}, {head}{base}, observed {}</sub>",
        plan.id, plan.made
    )
}

/// Text within a table's cell, with nothing that Markdown or HTML would take for its own, nor a forge for somebody's name
/// or the number of an issue: they look for those in what they have drawn, where only a space of no width helps.
fn escaped(text: &str) -> String {
    const APART: &str = "&#8203;";
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let number_follows = letters.peek().is_some_and(char::is_ascii_digit);
        match c {
            '\n' => out.push_str("<br>"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' => {
                write!(out, "&#{};", u32::from(c)).expect("writing into a string does not fail");
            }
            c if is_unseen(c) => {}
            c => out.push(c),
        }
        if c == '@' || (number_follows && matches!(c, '#' | '!')) {
            out.push_str(APART);
        }
    }
    out
}

/// Whether a letter only changes how others are shown: a reader must see what is there, in the order in which it is there.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A word in the forge's type of code, where nothing in it is taken for markup but its own end.
fn code(word: &str) -> String {
    match word.contains(|c| is_unseen(c) || matches!(c, '`' | '|')) {
        true => escaped(word),
        false => format!("`{word}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, escaped, no_plan};

    #[test]
    fn nothing_is_a_mention_nor_markup() {
        for (text, wanted) in [
            ("ask @ada", "ask &#64;&#8203;ada"),
            ("#12 and !7", "&#35;&#8203;12 and !&#8203;7"),
            ("#a !b 12!", "&#35;a !b 12!"),
            ("a\u{202e}b\u{7}c\u{200b}d", "abcd"),
            ("a\nb", "a<br>b"),
            ("<b>|`", "&lt;b&gt;&#124;&#96;"),
        ] {
            assert_eq!(escaped(text), wanted);
        }
        for (word, wanted) in [
            ("/dev/sda", "`/dev/sda`"),
            ("@ada", "`@ada`"),
            ("a\rb", "ab"),
            ("a\u{2066}b@c", "ab&#64;&#8203;c"),
            ("a`b", "a&#96;b"),
        ] {
            assert_eq!(code(word), wanted);
        }
    }

    #[test]
    fn what_is_no_plan_says_so_in_a_line() {
        let shown = no_plan(Some("0123456789abcdef"), "M0101: \n  × <b>one</b>\n\nask @ada\n");
        assert_eq!(
            shown,
            "<!-- muster:plan -->\n### muster plan: no plan\n\nOf `0123456789ab` there is none: M0101: × &lt;b&gt;one&lt;/b&gt; ask \
             &#64;&#8203;ada\n\n**Nobody can review this.** The log of the job says more.\n"
        );
        assert!(no_plan(None, &"@".repeat(100_000)).len() < super::BYTES_MAX);
    }
}
