//! Whole runs in which everything fails.

use crate::number;
use std::panic::catch_unwind;
use testbed_sim::{Settings, Shipped, run};

/// What a change must pass; a night has more.
const RUNS: u64 = 20;

#[test]
fn seeds_hold() {
    let (seeds, writes) = held("seeds_hold", &Settings::default(), RUNS);
    // One run may have nothing to install; many that install little prove little.
    let few = 4 * seeds;
    assert!(few < 10 || writes > few, "only {writes} installations");
}

/// A fleet is reinstalled a few times under a budget.
#[test]
fn budgets_hold() {
    let (seeds, writes) = held("budgets_hold", &Settings::rolling(), RUNS / 2);
    // Up to six machines are installed, and most of them again.
    assert!(seeds < 3 || writes > 9 * seeds, "only {writes} installations");
}

/// One machine after the other is removed, as many within a day as may be: the others follow when it is over.
#[test]
fn day_limits_hold() {
    let (seeds, _) = held("day_limits_hold", &Settings::removing(), RUNS / 4);
    let limited = (0..3).map(|seed| run(seed, &Settings::removing(), &Shipped).unwrap());
    assert!(
        seeds < 3
            || limited
                .into_iter()
                .any(|report| report.limited > 0 && report.erasures > 2)
    );
}

/// How many seeds were run, none of which was broken, and the installations of all.
fn held(test: &str, settings: &Settings, runs: u64) -> (usize, usize) {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_RUNS").unwrap_or(runs),
    };
    let (mut writes, mut broken) = (0, Vec::new());
    for seed in seeds.clone() {
        let again = format!("  again: SIM_SEED={seed} cargo test -p testbed-sim {test} -- --nocapture\n");
        match catch_unwind(|| run(seed, settings, &Shipped)) {
            Ok(Ok(report)) => {
                println!("seed {seed}: {report:#?}");
                writes += report.writes;
            }
            Ok(Err(violation)) => broken.push(format!("{violation}{again}")),
            Err(_) => broken.push(format!("seed {seed} panicked, see above\n{again}")),
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    (seeds.count(), writes)
}

#[test]
fn one_seed_is_one_run() {
    let settings = Settings::default();
    assert_eq!(run(7, &settings, &Shipped), run(7, &settings, &Shipped));
}
