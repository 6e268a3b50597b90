//! The messages between daemon, rack agent and in-machine agent, and nothing but the messages.
//!
//! Three conversations, all HTTP with JSON bodies:
//! - daemon ◄► rack agent, mutual TLS, the agent calls: [`enrol`] once, [`sync`] (level-triggered, long poll), a live
//!   go for a job's boot, a go for the first write, artefacts by digest;
//! - rack agent ◄► in-machine agent, plain HTTP on the boot link with a token per boot: [`machine`];
//! - installed system ► rack agent: one phone-home per boot.
//!
//! Every message is a whole statement of what is wanted or what was seen, so that sending it twice
//! changes nothing. No clock, no I/O, no decisions.

pub mod boot_order;
pub mod config;
pub mod enrol;
pub mod fact;
pub mod inventory;
pub mod job;
pub mod machine;
pub mod network;
pub mod order;
pub mod ownership;
pub mod stop;
pub mod sync;
pub mod volume;
pub mod writes;

/// Paths served by musterd to rack agents.
pub mod daemon_path {
    /// `POST` [`crate::sync::SyncRequest`], answered by [`crate::sync::SyncResponse`], or by 409 and
    /// [`crate::sync::NumbersTaken`].
    pub const SYNC: &str = "/rack/v1/sync";
    /// `POST` [`crate::sync::BootGoRequest`], answered by [`crate::sync::BootGo`].
    pub const BOOT_GO: &str = "/rack/v1/boot-go";
    /// `POST` [`crate::machine::GoRequest`] with the token already verified, answered by
    /// [`crate::machine::GoAnswer`].
    pub const GO: &str = "/rack/v1/go";
    /// `POST` [`crate::enrol::EnrolRequest`] with any certificate of the agent's key, answered by
    /// [`crate::enrol::Enrolled`].
    pub const ENROL: &str = "/rack/v1/enrol";
    /// `POST` an empty body with a certificate of the enrolled key, an expired one too, answered by
    /// [`crate::enrol::Enrolled`].
    pub const RENEW: &str = "/rack/v1/renew";
    /// `GET` the authorities to trust, in PEM, the newest first: another list is the sign to renew.
    pub const ROOTS: &str = "/rack/v1/roots";
    /// `GET` the bytes of an artefact: this and the 64 digits of its SHA-256. Supports ranges.
    pub const ARTEFACT: &str = "/rack/v1/artefact/";
}

/// Paths served by the rack agent on a boot link.
pub mod rack_path {
    /// `GET` the script that every iPXE is sent to first; it chains to [`BOOT`] with its MAC.
    pub const BOOT_FIRST: &str = "/boot.ipxe";
    /// `GET` one machine's script: this, the MAC with hyphens, `.ipxe`.
    pub const BOOT: &str = "/boot/";
    /// `GET` an artefact: this and the 64 digits of its SHA-256. Supports ranges.
    pub const ARTEFACT: &str = "/artefact/";
    /// `GET` the in-machine agent as an initrd archive holding `/muster-inmachine`.
    pub const AGENT: &str = "/agent.cpio";
    /// `POST` [`crate::machine::Hello`], answered by [`crate::machine::HelloAnswer`].
    pub const HELLO: &str = "/job/v1/hello";
    /// `POST` [`crate::machine::Report`], answered by an empty 200 once the facts are on disk.
    pub const REPORT: &str = "/job/v1/report";
    /// `POST` [`crate::machine::GoRequest`], answered by [`crate::machine::GoAnswer`]; 503 while the
    /// daemon is out of reach.
    pub const GO: &str = "/job/v1/go";
    /// `POST` [`crate::machine::PhoneHome`] from the installed system, answered by an empty 200.
    pub const PHONE_HOME: &str = "/phone-home";
}

/// Words of the kernel command line by which the ephemeral system finds its rack agent. Addresses,
/// never names: the static agent has no resolver.
pub mod kernel_argument {
    /// `muster.server=http://10.77.0.1:8080`: the rack agent on this link.
    pub const SERVER: &str = "muster.server";
    /// `muster.token=…`: the boot's token.
    pub const TOKEN: &str = "muster.token";
    /// `muster.mac=52:54:00:77:00:01`: the interface that booted.
    pub const MAC: &str = "muster.mac";
    /// `muster.ip=10.77.0.17/24`: the interface's address, so that the early system needs no DHCP.
    pub const ADDRESS: &str = "muster.ip";
    /// `muster.gw=10.77.0.1`: its gateway, where there is one.
    pub const GATEWAY: &str = "muster.gw";
    /// `muster.rootfs=http://…`: the ephemeral root's squashfs.
    pub const ROOTFS: &str = "muster.rootfs";
    /// `muster.rootfs-sha256=…`: its 64 digits.
    pub const ROOTFS_SHA256: &str = "muster.rootfs-sha256";
}

/// The TCP port of the rack agent's HTTP server on boot links.
pub const RACK_HTTP_PORT: u16 = 8080;
