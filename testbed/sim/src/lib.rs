//! A whole world in one process, on virtual time: the shipped decisions and state machines, a model of
//! everything around them, and faults drawn from a seed.
//!
//! What is shipped runs as it is: `plan`, `tick`, `next`, `admit`, `fence`, `rack::desired`, the agent's
//! session, order acceptance, power lanes and boot answers. What is modelled: the store (with its
//! compare-and-sets), the network (loses, repeats, reorders), agents' disks, machines with their disks,
//! BMCs (silent, deaf, lying) and people. Daemons and agents may die between any two effects. Wherever
//! the world is looked at, the checker's [`Invariant`]s hold; a run ends with: faults stop, the fleet
//! converges, and then nothing more happens.
//!
//! One seed is one run, event for event. No clock, no threads, no randomness but the seed's.
//!
//! # Running it
//!
//! `cargo test -p testbed-sim` runs 20 seeds, 10 of a fleet under a budget, a crash at each effect of a
//! small fleet, and planted bugs that the invariants must find. These environment variables ask for more,
//! or for one run again:
//!
//! | variable | what it does |
//! |---|---|
//! | `SIM_RUNS=1000` | `seeds_hold` and `budgets_hold` hunt over so many seeds, from 0 |
//! | `SIM_SEED=17` | they run that seed alone and print what it did |
//! | `SIM_CRASH=230` | the crash sweeps run that crash alone |
//!
//! For example `SIM_SEED=17 cargo test -p testbed-sim seeds_hold -- --nocapture`. A violation says which
//! of them to set, and tells the last things that happened before it.

mod agent;
mod bmc;
mod budget;
mod check;
mod code;
mod crash;
mod daemon;
mod dice;
pub mod expected;
mod fault;
mod invariant;
mod machine;
mod people;
mod planned;
mod report;
mod rpc;
mod settings;
mod store;
mod world;

pub use code::{Code, Shipped};
pub use crash::{Crash, Who};
pub use invariant::Invariant;
pub use report::{Report, Violation};
pub use settings::{Commits, Settings};
pub use world::run;
