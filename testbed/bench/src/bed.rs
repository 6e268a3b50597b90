//! Two network namespaces and a cable: the servers' side and the clients'.
//!
//! Nothing is reachable from outside, so ports are fixed numbers. All of it goes when the bed is dropped;
//! what a killed run leaves behind is found by `cargo xtask sweep`.

use crate::error::{BenchError, Result, failed};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed_scratch::Scratch;

/// The servers' address. A /16, since `perfdhcp` asks for tens of thousands of leases.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// The clients' address; perfdhcp plays a relay there.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Clients that load servers have an address each: ours gives one address a handful of transfers at a time.
pub(crate) const CLIENTS_MAX: usize = 100;
/// The servers' interface.
pub(crate) const INTERFACE: &str = "s0";

/// The bed.
#[derive(Debug)]
pub(crate) struct Bed {
    scratch: Scratch,
    server: String,
    client: String,
}

impl Bed {
    /// Makes it.
    pub(crate) fn make() -> Result<Self> {
        testbed_scratch::assert_root("network namespaces");
        let scratch = Scratch::new();
        let (server, client) = (scratch.namespace("server"), scratch.namespace("client"));
        let bed = Self {
            scratch,
            server,
            client,
        };
        let (server, client) = (&bed.server, &bed.client);
        let mut lines = vec![
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("-n {server} link set lo up"),
            format!("-n {client} link set lo up"),
            format!("-n {server} link add {INTERFACE} type veth peer name c0 netns {client}"),
            format!("-n {server} addr add {SERVER}/16 dev {INTERFACE}"),
            format!("-n {client} addr add {CLIENT}/16 dev c0"),
            format!("-n {server} link set {INTERFACE} up"),
            format!("-n {client} link set c0 up"),
        ];
        let addresses = (0..CLIENTS_MAX).map(client_address);
        lines.extend(addresses.map(|address| format!("-n {client} addr add {address}/16 dev c0")));
        for line in lines {
            ip(&line)?;
        }
        Ok(bed)
    }

    /// A path in the bed's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The bed's directory.
    pub(crate) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// A program on the servers' side. `ip` becomes the program, so its pid is the program's.
    pub(crate) fn server(&self, program: &Path) -> Command {
        self.within(&self.server, program)
    }

    /// A program on the clients' side.
    pub(crate) fn client(&self, program: &Path) -> Command {
        self.within(&self.client, program)
    }

    fn within(&self, namespace: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command.current_dir(self.directory());
        command
    }

    /// Puts the calling thread on the clients' side for good.
    pub(crate) fn enter_client(&self) -> Result<()> {
        enter(&self.client)
    }

    /// Puts the calling thread on the servers' side for good.
    pub(crate) fn enter_server(&self) -> Result<()> {
        enter(&self.server)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.client] {
            // What cannot be removed now is left to the next sweep.
            let _removed = ip(&format!("netns del {namespace}"));
        }
    }
}

/// The address of one of the clients; all are below those that are leased.
pub(crate) fn client_address(number: usize) -> Ipv4Addr {
    let last = u8::try_from(100 + number % CLIENTS_MAX).unwrap_or(u8::MAX);
    Ipv4Addr::new(10, 99, 0, last)
}

fn enter(namespace: &str) -> Result<()> {
    let file = File::open(Path::new("/run/netns").join(namespace)).map_err(failed("open a namespace"))?;
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(kind))
        .map_err(|errno| failed("enter a namespace")(errno.into()))
}

fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(line.split(' '))
        .output()
        .map_err(failed("run ip"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BenchError::Ended {
        program: format!("ip {line}"),
        status: output.status.to_string(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
