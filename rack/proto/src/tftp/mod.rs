//! A read-only TFTP server (RFC 1350) as a state machine, with the options blksize (RFC 2348), timeout
//! and tsize (RFC 2349) and windowsize (RFC 7440).
//!
//! It serves loaders only; everything larger goes over HTTP. An ERROR of the client ends a transfer at
//! once: UEFI asks for a size first and aborts with error 8, which is no failure. Nothing is ever
//! written, and a file's name is only a key: there are no paths.

mod packet;
mod packets;
mod transfer;

pub use packet::{ErrorCode, ReadRequest, error};
pub use packets::Packets;
pub use transfer::{Outcome, Step, Transfer};
