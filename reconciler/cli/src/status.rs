//! `muster status`: where every machine stands.

use crate::arguments::Past;
use crate::client::{ANSWER_MAX, Client};
use crate::exit::{Exit, Failure};
use crate::hold;
use crate::progress::left;
use crate::say::{say, say_json, tell};
use comfy_table::{ContentArrangement, Table, presets};
use reconciler_core::admit::BudgetTold;
use reconciler_core::hold::Stop;
use reconciler_core::people::{self, Status};
use reconciler_core::phase::Phase;
use reconciler_core::status::MachineStatus;

/// Shows it.
pub(crate) fn run(client: &Client, json: bool) -> Result<Exit, Failure> {
    client.answer_within(ANSWER_MAX);
    let status: Status = client.get(people::STATUS)?;
    if json {
        let text = serde_json::to_string_pretty(&status).expect("views are plain data and always serialise");
        say_json(text)?;
        return Ok(Exit::Done);
    }
    say(render(&status))?;
    Ok(Exit::Done)
}

/// Shows it as it was.
pub(crate) fn then(client: &Client, at: Past, json: bool) -> Result<Exit, Failure> {
    let status = was(client, at)?;
    if json {
        let text = serde_json::to_string_pretty(&status).expect("views are plain data and always serialise");
        say_json(text)?;
        return Ok(Exit::Done);
    }
    say(render(&status))?;
    tell(format_args!(
        "\nAs it was at {}. Which agents were heard then is not kept: they count as heard.",
        status.now
    ));
    Ok(Exit::Done)
}

/// The status as it was.
pub(crate) fn was(client: &Client, at: Past) -> Result<Status, Failure> {
    let at = match at {
        Past::At(at) => at,
        Past::Ago(_) => at.at(client.get::<Status>(people::STATUS)?.now),
    };
    client.get(&format!("{}{at}", people::STATUS_AT))
}

/// A phase in a word.
pub(crate) fn word(phase: &Phase) -> String {
    match phase {
        Phase::Failed { step } => format!("failed ({step})"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// One machine on one line, for logs.
pub(crate) fn line(machine: &MachineStatus) -> String {
    format!(
        "{:<20} {:<14} {}",
        machine.name,
        word(&machine.phase),
        doing(machine)
    )
}

fn doing(machine: &MachineStatus) -> String {
    // A step's evidence says how far it is itself.
    let says = |percent: &str| matches!(&machine.wait, Some(wait) if wait.evidence.ends_with(percent));
    let percent = machine.percent.map(|percent| format!(" {percent} %"));
    let percent = percent.filter(|percent| !says(percent)).unwrap_or_default();
    match (&machine.wait, &machine.proposed) {
        (Some(wait), _) => format!("{}  {}{percent}", wait.condition.code(), wait.evidence),
        (None, Some(proposed)) => proposed.clone(),
        (None, None) => String::new(),
    }
}

/// What people stopped and hold, each with an empty line before it.
fn restraints(status: &Status) -> Vec<String> {
    let stop = |stop: &Stop| {
        let Stop {
            scope,
            by,
            since,
            reason,
            ..
        } = stop;
        let end = stop.how_to_end();
        format!("\nSTOPPED {scope} by {by} since {since}: {reason}\nNothing is ordered there until {end}.")
    };
    let holds = (!status.holds.is_empty())
        .then(|| format!("\n{}", hold::render(&status.holds, status.now).trim_end()));
    let halted = status.budgets.iter().filter_map(|budget| {
        let halt = budget.halted.as_ref()?;
        let (name, failures, end) = (&budget.name, halt.failures.join("; "), &halt.end);
        Some(format!(
            "\nHALTED budget {name}: {failures}\nNothing more of it is begun. {end}"
        ))
    });
    let budgets = (!status.budgets.is_empty()).then(|| format!("\n{}", budgets(status).trim_end()));
    status
        .stops
        .iter()
        .map(stop)
        .chain(halted)
        .chain(budgets)
        .chain(holds)
        .collect()
}

/// A line for each budget: how many of its machines are out of service, which, and when it begins anything.
fn budgets(status: &Status) -> String {
    let line = |budget: &BudgetTold| {
        let BudgetTold {
            name,
            machines,
            max_unavailable,
            out,
            opens,
            ..
        } = budget;
        let opens = opens.map_or_else(String::new, |at| format!("   window opens {at}"));
        let out_of = format!("{} of {max_unavailable} out of service", out.len());
        let who: String = out.iter().map(|why| format!("\n  {why}")).collect();
        format!("budget {name}   {machines} machines   {out_of}{opens}{who}\n")
    };
    status.budgets.iter().map(line).collect()
}

/// The whole fleet as text.
pub(crate) fn render(status: &Status) -> String {
    let mut out = String::new();
    let mut say = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let fleet = status
        .fleet
        .as_ref()
        .map_or("no fleet yet".to_owned(), |fleet| format!("fleet {fleet}"));
    match &status.adopted {
        Some(adopted) => {
            let commit = adopted.commit.as_deref().unwrap_or_default();
            say(format!(
                "{fleet}   plan {}   commit {:.12}   {}",
                adopted.plan, commit, status.now
            ));
        }
        None => say(format!("{fleet}: nothing was adopted")),
    }
    if let Some(trouble) = &status.source {
        say(format!("\nSOURCE: {trouble}"));
    }
    if let Some(slow) = &status.slow {
        say(format!("\n{slow}"));
    }
    if let Some(restored) = &status.restored {
        say(format!(
            "\nSTATE_RESTORED: {restored}\nNothing is ordered until `muster recover`."
        ));
    }
    restraints(status).into_iter().for_each(&mut say);
    if let Some(revision) = &status.revision
        && let Some(stopped) = &revision.stopped
    {
        let commit = &revision.commit;
        say(format!(
            "\nRevision {commit:.12} \"{}\" stopped after {}:",
            revision.summary,
            revision.stage.as_str()
        ));
        say(format!("{}: {}", stopped.code, stopped.message));
    }
    let short = status
        .deployments
        .iter()
        .filter_map(|deployment| Some((&deployment.name, deployment.lacks.as_ref()?)));
    for (name, (code, text)) in short {
        let first = text.lines().next().unwrap_or_default();
        say(format!(
            "\ndeployment.{name}  {code}: {first}\nSee `muster why deployment.{name}`."
        ));
    }
    if status.machines.is_empty() {
        return out;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["MACHINE", "PHASE", "WANTED", "MARKS", "DOING"]);
    for machine in &status.machines {
        let marks: Vec<_> = machine
            .marks
            .iter()
            .map(|mark| format!("{mark:?}").to_lowercase())
            .collect();
        let row = [
            machine.name.to_string(),
            word(&machine.phase),
            machine.wanted.clone(),
            marks.join(" "),
            match left(machine, status.now) {
                Some(left) => format!("{}   to run: {left}", doing(machine)),
                None => doing(machine),
            },
        ];
        table.add_row(row);
    }
    say(format!("\n{table}"));
    out
}
