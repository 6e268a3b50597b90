//! Seeds, and bugs that seeds must find.
//!
//! `SIM_RUNS=1000` hunts over more seeds; `SIM_SEED=17` runs one and prints what it did.

use std::panic::catch_unwind;
use testbed_sim::{Plant, Settings, run};

/// What a change must pass; a night has more.
const RUNS: u64 = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn seeds_hold() {
    let settings = Settings::default();
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let outcome = catch_unwind(|| run(seed, &settings));
        let report = match outcome {
            Ok(Ok(report)) => report,
            Ok(Err(violation)) => panic!("SIM_SEED={seed}: {violation}"),
            Err(_) => panic!("SIM_SEED={seed}: a panic, see above"),
        };
        println!("seed {seed}: {report:?}");
        assert!(report.writes > 0, "SIM_SEED={seed} wrote nothing");
    }
}

#[test]
fn one_seed_is_one_run() {
    let settings = Settings::default();
    assert_eq!(run(7, &settings), run(7, &settings));
}

/// Runs seeds with a bug in the world until one finds it.
fn found(plant: Plant) -> &'static str {
    let settings = Settings {
        plant: Some(plant),
        ..Settings::default()
    };
    let mut violations = (0..40).filter_map(|seed| run(seed, &settings).err());
    violations
        .next()
        .unwrap_or_else(|| panic!("no seed finds {plant:?}"))
        .invariant
}

#[test]
fn a_missing_fence_is_found() {
    assert_eq!(found(Plant::NoFence), "no write without agreement");
}
