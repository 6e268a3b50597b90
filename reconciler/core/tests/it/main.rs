//! Case files and properties: the decisions from outside, as the shells call them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adopted;
mod allocation;
mod budget;
mod causes;
mod change_control;
mod decide;
mod discovered;
mod doubted;
mod events;
mod examples;
mod fence;
mod holds;
mod limits;
mod network;
mod ownership;
mod pages;
mod planning;
mod properties;
mod rack;
mod roles;
mod seen;
mod why;
mod window;
mod world;
