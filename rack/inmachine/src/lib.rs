//! The in-machine agent: PID 1 of the ephemeral system, and the phone-home of the installed one.
//!
//! It asks its rack agent for one job at a time and reports steps and facts. Every choice was made in
//! the plan; what is here looks, compares and carries out. It is small and blocking on purpose, since
//! it travels to each machine on each boot.
//!
//! What it never does: write a disk outside a deployment or an erasure, write one in it before the
//! daemon's go for this boot, assemble or mount anything it did not make, set up a network, write a variable of the
//! firmware but its boot order and muster's own mark.

pub mod agent;
pub mod artefact;
pub mod boot_entries;
pub mod console;
pub mod content;
pub mod deploy;
pub mod disk;
pub mod early;
pub mod erase;
pub mod family;
pub mod fence;
pub mod inventory;
pub mod job;
pub mod kernel_arguments;
pub mod marker;
pub mod ownership;
pub mod partition_table;
pub mod phone_home;
pub mod plan_check;
pub mod power;
pub mod program;
pub mod rack;
pub mod step;
pub mod sysfs;
pub mod target;
