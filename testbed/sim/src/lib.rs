//! A whole world in one process, on virtual time: the shipped decisions and state machines, a model of
//! everything around them, and faults drawn from a seed.
//!
//! What is shipped runs as it is: `plan`, `tick`, `next`, `admit`, `fence`, `rack::desired`, the agent's
//! session, order acceptance, power lanes and boot answers. What is modelled: the store (with its
//! compare-and-sets), the network (loses, repeats, reorders), agents' disks, machines with their disks,
//! BMCs (silent, deaf, lying) and people. After every event the [`check`] module looks at the world
//! from outside; a run ends with: faults stop, the fleet converges, and then nothing more happens.
//!
//! One seed is one run, event for event. No clock, no threads, no randomness but the seed's.

mod agent;
mod check;
mod daemon;
mod dice;
mod fault;
mod machine;
mod people;
mod rpc;
mod store;
mod world;

pub use check::Violation;
pub use world::{Plant, Report, Settings, run};
