//! The machine's network card: one end of a cable whose other end is a port of the run's bridge.
//!
//! The machine's own end is in the namespace of its process and goes with it, and the other end with that. The
//! address comes from a DHCP client that is not ours, busybox's `udhcpc`, with the options of an iPXE ROM.

use crate::error::{Result, failed};
use crate::namespace::BRIDGE;
use crate::program;
use crate::scripted::{Board, answer};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The machine's end.
const CARD: &str = "boot0";

/// `ip` answers in milliseconds; a loaded host gets a minute.
const IP_MAX: Duration = Duration::from_secs(60);

/// Longer than `udhcpc` tries.
const LEASE_MAX: Duration = Duration::from_secs(30);

/// Six packets, one a second.
const TRIES: [&str; 4] = ["-t", "6", "-T", "1"];

/// What an iPXE ROM on a PC BIOS says of itself: vendor class (RFC 4578 §2), user class `iPXE`, architecture 0.
const IPXE: [&str; 6] = [
    "-V",
    "PXEClient:Arch:00000:UNDI:002001",
    "-x",
    "0x4d:69505845",
    "-x",
    "0x5d:0000",
];

/// Called by `udhcpc` with the lease in its environment.
const NOTE: &str = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nenv >\"$LEASE\"\n";

/// What the DHCP server said.
#[derive(Debug)]
pub(super) struct Lease {
    /// The boot file (option 67, else the packet's own field).
    pub(super) boot_file: String,
}

/// Plugs the cable in.
pub(super) fn plug(board: &Board) -> Result<()> {
    let Board { mac, tap, .. } = board;
    let beside = |words: &str| {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", board.namespace))
            .arg("ip");
        program::run(command.args(words.split(' ')), IP_MAX)
    };
    // The end that an earlier power-on left goes with its namespace, a moment after the power.
    let _ = beside(&format!("link del {tap}"));
    let own = std::process::id();
    beside(&format!(
        "link add {tap} type veth peer name {CARD} address {mac} netns {own}"
    ))?;
    beside(&format!("link set {tap} master {BRIDGE} up"))?;
    ip(&format!("link set {CARD} up"))
}

/// Asks for an address, as iPXE does, and takes it.
pub(super) fn lease(board: &Board, directory: &Path) -> Result<Lease> {
    ip(&format!("-4 addr flush dev {CARD}"))?;
    let (note, lease) = (directory.join("lease.sh"), directory.join("lease"));
    fs::write(&note, NOTE).map_err(failed("write the lease's script"))?;
    fs::set_permissions(&note, fs::Permissions::from_mode(0o755))
        .map_err(failed("allow the lease's script"))?;
    let uuid = board.uuid.to_string().replace('-', "");
    // A power cut ends the client too.
    let mut client = Command::new("setpriv");
    client
        .args(["--pdeathsig", "KILL", "busybox", "udhcpc", "-f", "-n", "-q"])
        .args(["-i", CARD])
        .args(TRIES)
        .args(IPXE)
        .args(["-x", &format!("0x61:00{uuid}"), "-O", "bootfile"])
        .arg("-s")
        .arg(&note)
        .env("LEASE", &lease);
    let said = program::outcome(&mut client, LEASE_MAX)?;
    if !said.status.success() {
        return Err(answer(&"udhcpc", &said.errors.trim()));
    }
    let text = fs::read_to_string(&lease).map_err(failed("read the lease"))?;
    let values: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| {
        let found = values.get(key).filter(|value| !value.is_empty());
        found.ok_or_else(|| answer(&"the DHCP server", &format!("no {key} in {values:?}")))
    };
    let (address, prefix) = (value("ip")?, value("mask")?);
    ip(&format!("addr replace {address}/{prefix} dev {CARD}"))?;
    let boot_file = value("bootfile").or_else(|_| value("boot_file"))?;
    println!("{} has {address}/{prefix}, boot file {boot_file}", board.mac);
    Ok(Lease {
        boot_file: (*boot_file).to_owned(),
    })
}

fn ip(words: &str) -> Result<()> {
    program::run(Command::new("ip").args(words.split(' ')), IP_MAX).map(drop)
}
