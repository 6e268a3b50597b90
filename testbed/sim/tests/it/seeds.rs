//! Whole runs in which everything fails.

use crate::number;
use std::panic::catch_unwind;
use testbed_sim::{Settings, Shipped, run};

/// What a change must pass; a night has more.
const RUNS: u64 = 20;

#[test]
fn seeds_hold() {
    let settings = Settings::default();
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_RUNS").unwrap_or(RUNS),
    };
    let (mut writes, mut broken) = (0, Vec::new());
    for seed in seeds.clone() {
        let again = format!("  again: SIM_SEED={seed} cargo test -p testbed-sim seeds_hold -- --nocapture\n");
        match catch_unwind(|| run(seed, &settings, &Shipped)) {
            Ok(Ok(report)) => {
                println!("seed {seed}: {report:#?}");
                writes += report.writes;
            }
            Ok(Err(violation)) => broken.push(format!("{violation}{again}")),
            Err(_) => broken.push(format!("seed {seed} panicked, see above\n{again}")),
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    // One run may have nothing to install; many that install little prove little.
    let few = 4 * seeds.count();
    assert!(few < 10 || writes > few, "only {writes} installations");
}

#[test]
fn one_seed_is_one_run() {
    let settings = Settings::default();
    assert_eq!(run(7, &settings, &Shipped), run(7, &settings, &Shipped));
}
