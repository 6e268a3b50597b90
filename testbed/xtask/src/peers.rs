//! Other people's servers, unpacked and never installed.
//!
//! Debian's packages of servers start and enable what they bring; some exclude each other. So their files are
//! unpacked below the cache, with the libraries that a Debian with our [`packages`](crate::packages) lacks, and run
//! from there by whoever measures beside them. Nothing is left running or enabled on the host.

use crate::cargo;
use crate::packages;
use crate::sudo;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are unpacked, as a root directory of their own.
const ROOT: &str = "/var/cache/muster/peers";

/// A package, a file of it by which it is known to be here, and what it is for.
const PEERS: [(&str, &str, &str); 10] = [
    (
        "kea-dhcp4-server",
        "usr/sbin/kea-dhcp4",
        "measured beside our DHCP",
    ),
    (
        "kea-common",
        "usr/share/doc/kea-common/copyright",
        "libraries of Kea",
    ),
    (
        "kea-admin",
        "usr/sbin/perfdhcp",
        "asks for DHCP leases in numbers",
    ),
    (
        "liblog4cplus-2.0.5",
        "usr/share/doc/liblog4cplus-2.0.5/copyright",
        "a library of Kea",
    ),
    (
        "libmariadb3",
        "usr/share/doc/libmariadb3/copyright",
        "a library of Kea",
    ),
    ("nginx", "usr/sbin/nginx", "measured beside our HTTP"),
    ("tftpd-hpa", "usr/sbin/in.tftpd", "measured beside our TFTP"),
    ("atftpd", "usr/sbin/atftpd", "measured beside our TFTP"),
    (
        "libwrap0",
        "usr/share/doc/libwrap0/copyright",
        "a library of both TFTP servers",
    ),
    (
        "libpcre3",
        "usr/share/doc/libpcre3/copyright",
        "a library of atftpd",
    ),
];

/// The directory that they are unpacked in.
pub(crate) fn root() -> &'static Path {
    Path::new(ROOT)
}

/// Unpacks what is missing.
pub(crate) fn unpack() -> Result<(), String> {
    let missing: Vec<_> = PEERS
        .iter()
        .filter(|(_, file, _)| !root().join(file).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !sudo::is_root() {
        let own = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
        return cargo::succeed(sudo::as_root(own, &[]).arg("peers"));
    }
    for (name, _, reason) in &missing {
        println!("unpacking {name}: {reason}");
    }
    let names: Vec<&str> = missing.iter().map(|(name, _, _)| *name).collect();
    let archives = PathBuf::from(ROOT).join("archives");
    let failed = |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", archives.display());
    fs::create_dir_all(&archives).map_err(|error| failed("make", error))?;
    packages::download(&names, &archives)?;
    for entry in fs::read_dir(&archives).map_err(|error| failed("read", error))? {
        let archive = entry.map_err(|error| failed("read", error))?.path();
        cargo::succeed(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(ROOT))?;
    }
    fs::remove_dir_all(&archives).map_err(|error| failed("remove", error))
}
