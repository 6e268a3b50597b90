//! TFTP beside tftpd-hpa and atftpd: lock-step, and windows where a server has them.

use crate::bed::Bed;
use crate::error::{Result, failed};
use crate::load::{self, Size, mib};
use crate::peer::Peers;
use crate::rackd;
use crate::server::Server;
use crate::table::{Rounds, Sample, Words};
use crate::tftp_client::{self, Ask};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// As OVMF asks, and the largest in an Ethernet frame.
const BLOCK: u16 = 1468;
/// Blocks per acknowledgement in the second half.
const WINDOW: u16 = 16;
/// Clients, and bytes for each: some 100 MiB a round.
const LOADS: [(usize, u64); 3] = [(1, 64 << 20), (20, 8 << 20), (100, 2 << 20)];
const SERVERS: [&str; 3] = ["muster-rackd", "tftpd-hpa", "atftpd"];
/// All servers know it by this name; ours serves no others.
const FILE: &str = "snponly.efi";

/// Measures, and prints as it goes.
pub(crate) fn run(bed: &Arc<Bed>, program: &Path, peers: &Peers, size: Size) -> Result<String> {
    let root = bed.path("tftp");
    fs::create_dir_all(&root).map_err(failed("make the TFTP root"))?;
    let loads = LOADS.map(|(clients, bytes)| (clients, size.bytes(bytes)));
    let mut lock_step = Rounds::default();
    let mut windows = Rounds::default();
    for round in 1..=size.rounds {
        for (load, (clients, bytes)) in loads.into_iter().enumerate() {
            // Not a multiple of the block, so that the end is a short block and not an empty one.
            let length = bytes + 1;
            let file = root.join(FILE);
            fs::write(&file, vec![7; usize::try_from(length).unwrap_or(usize::MAX)])
                .map_err(failed("write the file"))?;
            for (number, name) in SERVERS.into_iter().enumerate() {
                // Held for its drop, which stops the played daemon.
                let mut ours = None;
                let mut theirs = None;
                let server: &Server = match number {
                    0 => &ours.insert(rackd::start(bed, program, Some(&file), &[])?).server,
                    1 => theirs.insert(peers.tftpd_hpa(bed, &root)?),
                    _ => theirs.insert(peers.atftpd(bed, &root)?),
                };
                for (samples, window) in [(&mut lock_step, None), (&mut windows, Some(WINDOW))] {
                    let ask = Ask {
                        block: BLOCK,
                        window,
                        length,
                    };
                    let before = server.cpu();
                    let (bytes, wall) = load::run(bed, clients, move |number| {
                        tftp_client::read(number, name, FILE, ask)
                    })?;
                    let cpu = server.cpu() - before;
                    let mb = bytes as f64 / 1e6;
                    let sample = Sample {
                        rate: mb / wall.as_secs_f64(),
                        cpu: cpu.as_secs_f64() * 1e3 / mb,
                    };
                    eprintln!("tftp round {round}, {clients} clients, window {window:?}, {name}: {sample:?}");
                    samples.add(load, number, sample);
                }
            }
        }
    }
    let loads = loads.map(|(clients, bytes)| format!("{clients} x {}", mib(bytes)));
    let words = Words {
        load: "clients",
        loads: &loads,
        servers: &SERVERS,
        rate: "MB/s",
        cpu: "CPU ms/MB",
    };
    Ok(format!(
        "### TFTP, blocks of {BLOCK}, lock-step\n\n{}\n### TFTP, blocks of {BLOCK}, asked for windowsize {WINDOW}\n\n\
         tftpd-hpa does not know the option and goes on in lock-step.\n\n{}",
        lock_step.table(&words)?,
        windows.table(&words)?
    ))
}
