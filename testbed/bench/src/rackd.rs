//! `muster-rackd` as it is shipped, with a played daemon: a release build, the log at its usual level.

use crate::bed::{Bed, CLIENT, INTERFACE, SERVER};
use crate::daemon::{Daemon, PORT};
use crate::error::{Result, failed};
use crate::server::Server;
use rack_api::config::{AddressRange, Desired, Enlist, Link, RackConfig, Relay, Subnet};
use schema_ids::{Digest, Incarnation, Uuid};
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

/// The link that it serves.
const LINK: &str = "bench/boot";
/// The addresses that it leases; Kea gets the same.
pub(crate) const RANGE: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(10, 99, 1, 0), Ipv4Addr::new(10, 99, 255, 250));
/// Of a lease, in seconds; Kea gives the same.
pub(crate) const LEASE_SECONDS: u32 = 3600;

/// The agent with its daemon.
pub(crate) struct Rackd {
    pub(crate) server: Server,
    /// Outlives the agent.
    _daemon: Daemon,
}

/// Starts it with fresh state; `artefacts` are in its cache already, `loader` is what TFTP serves.
pub(crate) fn start(
    bed: &Arc<Bed>,
    program: &Path,
    loader: Option<&Path>,
    artefacts: &[(Digest, &Path)],
) -> Result<Rackd> {
    let state = bed.path("state");
    if state.exists() {
        fs::remove_dir_all(&state).map_err(failed("remove the agent's state"))?;
    }
    fs::create_dir_all(state.join("artefacts")).map_err(failed("make the agent's state"))?;
    for (digest, path) in artefacts {
        fs::hard_link(path, state.join("artefacts").join(digest.hex()))
            .map_err(failed("put an artefact into the agent's cache"))?;
    }
    let ipxe = bed.path("ipxe");
    fs::create_dir_all(&ipxe).map_err(failed("make the loaders' directory"))?;
    if let Some(loader) = loader {
        fs::copy(loader, ipxe.join("snponly.efi")).map_err(failed("copy the loader"))?;
    }
    fs::write(bed.path("inmachine"), b"#!/bin/true\n").map_err(failed("write a stand-in"))?;
    let daemon = Daemon::listen(
        bed,
        desired(artefacts.iter().map(|(digest, _)| *digest).collect()),
    )?;
    enrol(bed, &state)?;
    let mut command = bed.server(program);
    command
        .args(["--link", &format!("{LINK}={INTERFACE}"), "--state-dir"])
        .arg(&state)
        .arg("--agent-binary")
        .arg(bed.path("inmachine"))
        .arg("--ipxe-dir")
        .arg(&ipxe)
        .env("NO_COLOR", "1");
    let mut server = Server::start("muster-rackd", command, bed.path("rackd.log"))?;
    server.await_true("it serves", |server| {
        let log = server.log();
        [
            "answering DHCP",
            "answering TFTP",
            "answering HTTP",
            "new word of the daemon",
        ]
        .iter()
        .all(|line| log.contains(line))
    })?;
    Ok(Rackd {
        server,
        _daemon: daemon,
    })
}

/// Makes a state folder that of an agent enrolled with the played daemon, from the files that this wrote.
fn enrol(bed: &Bed, state: &Path) -> Result<()> {
    let folder = state.join("identity");
    fs::create_dir_all(&folder).map_err(failed("make the agent's identity"))?;
    for (from, to) in [
        ("ca.pem", "roots.pem"),
        ("agent.pem", "agent.pem"),
        ("agent.key", "agent.key"),
    ] {
        fs::copy(bed.path(from), folder.join(to)).map_err(failed(format!("copy {from}")))?;
    }
    let key = age::x25519::Identity::generate().to_string();
    let standing = serde_json::json!({
        "name": "rackd-1",
        "daemon": format!("https://127.0.0.1:{PORT}"),
        "issued": "2026-01-01T00:00:00.000Z",
        "ends": "2996-01-01T00:00:00.000Z",
    });
    for (name, text) in [
        ("age.key", age::secrecy::ExposeSecret::expose_secret(&key)),
        ("agent.json", standing.to_string().as_str()),
    ] {
        fs::write(folder.join(name), text).map_err(failed(format!("write {name}")))?;
    }
    Ok(())
}

fn desired(artefacts: BTreeSet<Digest>) -> Desired {
    let subnet = Subnet {
        network: Ipv4Addr::new(10, 99, 0, 0).into(),
        prefix: 16,
        gateway: Some(SERVER.into()),
        dns: Vec::new(),
        dynamic: vec![AddressRange {
            from: RANGE.0.into(),
            to: RANGE.1.into(),
        }],
        lease_seconds: LEASE_SECONDS,
    };
    let link = Link {
        dhcp: true,
        enlist: Enlist::Known,
        // What perfdhcp plays.
        relay: Some(Relay {
            giaddr: [CLIENT].into(),
        }),
        subnets: vec![subnet],
    };
    Desired {
        incarnation: Incarnation {
            number: 1,
            uuid: Uuid::from_bytes([1; 16]),
        },
        config: RackConfig {
            links: [(LINK.to_owned(), link)].into(),
            artefacts,
            token_key: "00112233445566778899aabbccddeeff".to_owned(),
            ..RackConfig::default()
        },
        orders: Vec::new(),
    }
}
