//! A BMC double: the server's side of IPMI 2.0 over the LAN (RMCP+), with suites 3 and 17.
//!
//! `ipmi_sim` is an implementation that is not ours, but has neither suite 17 nor faults on request; this one has
//! both ([`Manners`]). It is written from the specification and shares no line with the driver in `rack/bmc`, and
//! `ipmitool` judges it in its own tests. The machine behind it is a [`Chassis`]: a value in memory, or a program
//! that speaks as `ipmi_sim`'s `chassis_control` does, so that one can stand in for the other.
//!
//! It carries out one datagram after the other, as small boards do, and never sends unasked. It keeps no password
//! safe and is for tests only.

mod chassis;
mod cipher;
mod command;
mod double;
mod handshake;
mod manners;
mod session;
mod state;

pub use chassis::{Chassis, InMemory, Program};
pub use double::Double;
pub use manners::{Manners, records};
pub use state::State;
