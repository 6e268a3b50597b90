//! The rack's protocols as values: bytes and time in, bytes and facts out.
//!
//! DHCP, TFTP, router advertisements, boot answers, order acceptance, the agent's exchange with the
//! daemon and the driving of a BMC are here as functions and state machines, so that the binary, the
//! simulator and the tests run the same ones. Nothing here opens a socket or a file, reads a clock or
//! throws dice; `muster-rackd` does that, and decides nothing.

pub mod boot;
pub mod cpio;
pub mod dhcp;
pub mod orders;
pub mod power;
pub mod router_advertisement;
pub mod session;
pub mod tftp;
pub mod token;
pub mod wipes;
