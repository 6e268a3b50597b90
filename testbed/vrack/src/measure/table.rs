//! The figures as Markdown. Pure.

use crate::accelerator::Accelerator;
use crate::measure::Round;
use crate::measure::steps::{Cost, Deployment, Step};
use std::fmt::Write as _;

/// Medians of these rounds.
pub(crate) fn text(rounds: &[Round], accelerator: Accelerator) -> String {
    format!(
        "### A deployment, step by step\n\nMachines run by `{}`, rounds: {}.\n\n{}\n{}",
        accelerator.argument(),
        rounds.len(),
        steps(rounds),
        between(rounds)
    )
}

fn steps(rounds: &[Round]) -> String {
    let mut text = String::from(
        "| step | muster, s | muster, CPU s | script, s | script, CPU s | CPU, muster/script |\n|---|---|---|---|---|---|\n",
    );
    let side = |of: fn(&Round) -> &Deployment, step: Step| {
        let mut costs = Vec::new();
        for round in rounds {
            let found = of(round).steps.iter().find(|(known, _)| *known == step);
            costs.push(found.map(|(_, cost)| *cost)?);
        }
        median_cost(&costs)
    };
    for step in Step::ALL {
        let (ours, theirs) = (side(|round| &round.muster, step), side(|round| &round.bare, step));
        row(&mut text, step.title(), ours, theirs);
    }
    let total = |of: fn(&Round) -> &Deployment| {
        let costs: Vec<Cost> = rounds.iter().map(|round| of(round).total).collect();
        median_cost(&costs)
    };
    row(
        &mut text,
        "**power on to a system that is up**",
        total(|round| &round.muster),
        total(|round| &round.bare),
    );
    text
}

fn row(text: &mut String, title: &str, ours: Option<Cost>, theirs: Option<Cost>) {
    let cells = |cost: Option<Cost>| {
        cost.map_or(" | ".to_owned(), |cost| {
            format!("{:.1} | {:.1}", cost.seconds, cost.cpu_seconds)
        })
    };
    let ratio = match (ours, theirs) {
        // Of what is hardly there a ratio says nothing.
        (Some(ours), Some(theirs)) if theirs.cpu_seconds >= 0.1 => {
            format!("{:.2}x", ours.cpu_seconds / theirs.cpu_seconds)
        }
        _ => String::new(),
    };
    writeln!(
        text,
        "| {title} | {} | {} | {ratio} |",
        cells(ours),
        cells(theirs)
    )
    .expect("a string takes all text");
}

/// A title, and the milliseconds of a round.
type Row = (&'static str, fn(&Round) -> i64);

fn between(rounds: &[Round]) -> String {
    let mut text = String::from("| what muster does between | s |\n|---|---|\n");
    let rows: [Row; 9] = [
        ("commit merged to plan adopted", |round| {
            round.between.adopted_ms - round.between.merged_ms
        }),
        ("plan adopted to the order to switch on", |round| {
            round.between.ordered_ms - round.between.adopted_ms
        }),
        ("that order to power", |round| {
            round.muster.on_ms - round.between.ordered_ms
        }),
        (
            "agent up to the question whether it may write: devices, job",
            |round| round.muster.begins_ms(Step::Fence) - round.muster.begins_ms(Step::Devices),
        ),
        (
            "that question to the first write of the table: go, marker",
            |round| round.muster.begins_ms(Step::Partition) - round.muster.begins_ms(Step::Fence),
        ),
        ("the last write to \"installed\" on record", |round| {
            round.between.installed_ms - round.muster.begins_ms(Step::Restart)
        }),
        ("\"installed\" to power off", |round| {
            round.between.off_ms - round.between.installed_ms
        }),
        ("power off to power on", |round| {
            round.between.on_ms - round.between.off_ms
        }),
        ("**commit merged to Deployed**", |round| {
            round.between.up_ms - round.between.merged_ms
        }),
    ];
    for (title, of) in rows {
        let seconds = median(rounds.iter().map(|round| of(round) as f64 / 1e3).collect());
        writeln!(text, "| {title} | {:.1} |", seconds.unwrap_or(f64::NAN)).expect("a string takes all text");
    }
    if let Some(Round {
        starts_before,
        starts_after,
        ..
    }) = rounds.last()
    {
        writeln!(
            text,
            "\nStarts of the machine: {starts_before} to be inspected before anything is planned for it, {starts_after} \
             for the deployment; the script: 2."
        )
        .expect("a string takes all text");
    }
    text
}

fn median_cost(costs: &[Cost]) -> Option<Cost> {
    Some(Cost {
        seconds: median(costs.iter().map(|cost| cost.seconds).collect())?,
        cpu_seconds: median(costs.iter().map(|cost| cost.cpu_seconds).collect())?,
    })
}

/// The value in the middle, or between the two there.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}
