//! The shipped binary in a network namespace of its own, against real clients: busybox's udhcpc and
//! tftp, curl, and a daemon that this test plays with mutual TLS. Needs root, as the agent does.

mod boot;
mod daemon;
mod dhcp;
mod rack;
