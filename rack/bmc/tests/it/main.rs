//! BMCs over real sockets: `ipmi_sim` as an implementation that is not ours, `ipmitool` as the judge of our own
//! responder, and a relay between that loses and repeats packets.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod against_responder;
mod against_sim;
mod bad_network;
mod queue;
mod relay;
mod responder;
mod sim;
