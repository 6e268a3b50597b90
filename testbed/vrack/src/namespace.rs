//! The network namespace of a run: one bridge, one tap for each machine interface, addresses of BMCs.
//!
//! All sockets of a run are in here, so ports are fixed numbers and two runs never meet. Made with the
//! `ip` program; never touches the host's own interfaces.

use crate::error::{Result, RigError, failed};
use crate::program;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// `ip` answers in milliseconds; a loaded host gets a minute.
const IP_MAX: Duration = Duration::from_secs(60);

/// The bridge that all machines are on.
pub(crate) const BRIDGE: &str = "br0";

/// Its own address.
const BRIDGE_MAC: &str = "52:54:00:77:ff:01";

/// The one interface of a host beside it.
pub(crate) const UPLINK: &str = "uplink";

/// What the namespace holds.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Address of the bridge and of everything we serve.
    pub(crate) address: (Ipv4Addr, u8),
    /// Its second address; needed for router advertisements, which save 16 s a boot.
    pub(crate) address6: (Ipv6Addr, u8),
    /// Tap devices, all ports of the bridge.
    pub(crate) taps: Vec<String>,
    /// Addresses of BMCs, on the loopback.
    pub(crate) bmcs: Vec<Ipv4Addr>,
}

/// Makes the namespace and all in it.
pub(crate) fn create(name: &str, layout: &Layout) -> Result<()> {
    ip(&["netns", "add", name])?;
    lines(name, &commands(layout, Path::new("/proc/sys/net/ipv6").exists()))
}

/// Has `ip` do each of these in a namespace.
fn lines(name: &str, lines: &[String]) -> Result<()> {
    for line in lines {
        let mut words = vec!["-n", name];
        words.extend(line.split(' '));
        ip(&words)?;
    }
    Ok(())
}

fn commands(layout: &Layout, has_ipv6: bool) -> Vec<String> {
    let mut lines = vec![
        "link set lo up".to_owned(),
        // Without spanning tree: its port delay would cost each boot 30 s. With an address of its own: otherwise it takes
        // the lowest of its ports', another one whenever something is plugged in, and its neighbours lose it.
        format!("link add {BRIDGE} address {BRIDGE_MAC} type bridge stp_state 0 forward_delay 0"),
        format!("addr add {}/{} dev {BRIDGE}", layout.address.0, layout.address.1),
    ];
    if has_ipv6 {
        lines.push(format!(
            "addr add {}/{} dev {BRIDGE} nodad",
            layout.address6.0, layout.address6.1
        ));
    }
    lines.push(format!("link set {BRIDGE} up"));
    for tap in &layout.taps {
        lines.push(format!("tuntap add {tap} mode tap"));
        lines.push(format!("link set {tap} master {BRIDGE} up"));
    }
    lines.extend(
        layout
            .bmcs
            .iter()
            .map(|address| format!("addr add {address}/32 dev lo")),
    );
    lines
}

/// Makes a host of its own on the link of the first: one interface, with this address.
pub(crate) fn create_beside(first: &str, name: &str, address: (Ipv4Addr, u8)) -> Result<()> {
    ip(&["netns", "add", name])?;
    let cable = format!("link add beside type veth peer name {UPLINK} netns {name}");
    let port = format!("link set beside master {BRIDGE} up");
    lines(first, &[cable, port])?;
    let address = format!("addr add {}/{} dev {UPLINK}", address.0, address.1);
    lines(
        name,
        &[
            "link set lo up".to_owned(),
            address,
            format!("link set {UPLINK} up"),
        ],
    )
}

/// Pulls the cable of the host beside, or plugs it in again.
pub(crate) fn cable_beside(first: &str, state: &str) -> Result<()> {
    lines(first, &[format!("link set beside {state}")])
}

/// Plugs so many strangers into the link, `c0` and on: interfaces without an address, which do not answer for those of
/// the host that they are on.
pub(crate) fn plug_strangers(name: &str, count: usize) -> Result<()> {
    for number in 0..count {
        let mac = stranger(number);
        let cable = format!("link add c{number} address {mac} type veth peer name p{number}");
        let port = format!("link set p{number} master {BRIDGE} up");
        lines(name, &[cable, port, format!("link set c{number} arp off up")])?;
    }
    Ok(())
}

/// The MAC address of a stranger.
pub(crate) fn stranger(number: usize) -> String {
    format!("52:54:00:99:00:{number:02x}")
}

/// Whether a namespace of this name exists.
pub(crate) fn exists(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

/// All named namespaces of this host.
pub(crate) fn all() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The processes in it.
pub(crate) fn pids(name: &str) -> Result<Vec<u32>> {
    let text = ip(&["netns", "pids", name])?;
    text.split_whitespace()
        .map(|word| {
            word.parse().map_err(|_| RigError::Answer {
                whom: "`ip netns pids`".to_owned(),
                found: text.clone(),
            })
        })
        .collect()
}

/// Removes it. It must be empty: processes in a removed namespace live on where nobody finds them.
pub(crate) fn delete(name: &str) -> Result<()> {
    ip(&["netns", "del", name]).map(drop)
}

/// Puts the calling thread into it.
pub(crate) fn enter(name: &str) -> Result<()> {
    let file = fs::File::open(Path::new("/run/netns").join(name))
        .map_err(failed(format!("open namespace {name}")))?;
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(kind))
        .map_err(|errno| failed(format!("enter namespace {name}"))(errno.into()))
}

fn ip(words: &[&str]) -> Result<String> {
    program::run(Command::new("ip").args(words), IP_MAX)
}
