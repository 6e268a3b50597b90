//! The agent's decisions and renderings as data, and its conversation with a rack agent over TCP.
//!
//! What needs disks, a kernel or a boot loader is proven in virtual machines by the testbed.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod conversation;
mod erase;
mod family;
mod fence;
mod inventory;
mod job;
mod network;
mod ownership;
mod plan;
mod rack_agent;
mod sample;
mod tree;
mod unpack;
