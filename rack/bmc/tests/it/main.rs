//! BMCs over real sockets: `ipmi_sim` as an implementation that is not ours, `testbed-bmc` with suite 17 and faults,
//! and a relay between that loses and repeats packets.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod against_double;
mod against_sim;
mod bad_network;
mod queue;
mod relay;
mod sim;
