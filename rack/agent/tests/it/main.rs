//! The shipped binary in a network namespace of its own, against real clients: busybox's udhcpc and
//! tftp, dhclient, dhcpcd, nmap, dhcrelay, tftp-hpa, atftp, curl, SeaBIOS with iPXE, `ipmi_sim`, strace, and a daemon that this test plays with mutual TLS. Needs
//! root, as the agent does.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod boot;
mod clients;
mod daemon;
mod dhcp;
mod failpoint;
mod firmware;
mod full_disk;
mod greedy;
mod group_commit;
mod killed;
mod power;
mod rack;
mod relay;
mod spool;
mod stop;
mod strace;
mod transfer_clients;
mod two_agents;
mod wipes;
