//! A crash between any two effects changes nothing but time: a small fleet is deployed and deployed anew,
//! once for each place at which a daemon, or an agent, may die, and always ends as it does without.

use crate::number;
use testbed_sim::{Crash, Report, Settings, Shipped, Who, run};

/// Two machines, of which one is on and one is off to begin with.
const SEED: u64 = 1;

fn small_run(crash: Option<Crash>) -> Result<Report, String> {
    let settings = Settings {
        crash,
        ..Settings::small()
    };
    run(SEED, &settings, &Shipped).map_err(|violation| violation.to_string())
}

/// Crashes `who` at each of its places; fewer than `least` would be no sweep.
fn sweep(who: Who, test: &str, least: u64) {
    let calm = small_run(None).unwrap_or_else(|broken| panic!("without any crash\n{broken}"));
    let places = calm.places[&who];
    println!("{places} places, {calm:#?}");
    assert!(places >= least, "only {places} places");
    let wanted = number("SIM_CRASH").map_or(1..=places, |at| at..=at);
    let broken: Vec<String> = wanted
        .filter_map(|at| {
            let what = match small_run(Some(Crash { who, at })) {
                Err(broken) => broken,
                Ok(report) if report.end != calm.end => {
                    format!("another end: {:#?}\nthan without: {:#?}\n", report.end, calm.end)
                }
                Ok(report) if report.faults.values().sum::<u32>() != 1 => "nobody died\n".to_owned(),
                Ok(_) => return None,
            };
            let again = format!("SIM_CRASH={at} cargo test -p testbed-sim {test} -- --nocapture");
            Some(format!(
                "{who:?} dies at place {at} of {places}: {what}  again: {again}\n"
            ))
        })
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {places} places\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn the_daemon_dies_at_every_effect() {
    sweep(Who::Daemon, "the_daemon_dies_at_every_effect", 100);
}

#[test]
fn an_agent_dies_at_every_effect() {
    sweep(Who::Agent, "an_agent_dies_at_every_effect", 100);
}
