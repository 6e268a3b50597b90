//! The rack's protocols, driven by case files and by chance.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod boot;
mod dhcp;
mod dhcp_properties;
mod guide;
mod orders;
mod power;
mod session;
mod session_properties;
mod tftp;
mod token_and_archive;
mod wipes;
