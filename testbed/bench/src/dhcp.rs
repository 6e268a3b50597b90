//! DHCP beside Kea: full exchanges by `perfdhcp`, which plays a relay and a new client each time.
//!
//! Kea writes each lease to its file and leaves it to the kernel when that reaches the disk; ours has each
//! lease on disk before its acknowledgement leaves.

use crate::bed::{Bed, CLIENT, SERVER};
use crate::error::{BenchError, Result, failed};
use crate::load::Size;
use crate::peer::Peers;
use crate::rackd;
use crate::server::Server;
use crate::table::{Rounds, Sample, Words};
use std::path::Path;
use std::sync::Arc;

/// Seconds of load at each rate.
const SECONDS: u64 = 5;
/// Exchanges offered per second: one that both carry, and more than both can on two cores.
const LOADS: [u32; 3] = [500, 2000, 8000];
const SERVERS: [&str; 2] = ["muster-rackd", "Kea 2.2"];

/// Measures, and prints as it goes.
pub(crate) fn run(bed: &Arc<Bed>, program: &Path, peers: &Peers, size: Size) -> Result<String> {
    let mut samples = Rounds::default();
    let seconds = size.count(SECONDS);
    for round in 1..=size.rounds {
        for (load, rate) in LOADS.into_iter().enumerate() {
            for (number, name) in SERVERS.into_iter().enumerate() {
                // Held for its drop, which stops the played daemon.
                let mut ours = None;
                let mut theirs = None;
                let server: &Server = if number == 0 {
                    &ours.insert(rackd::start(bed, program, None, &[])?).server
                } else {
                    theirs.insert(peers.kea(bed)?)
                };
                let before = server.cpu();
                let acknowledged = exchange(bed, peers, name, (rate, seconds))?;
                let cpu = server.cpu() - before;
                let sample = Sample {
                    rate: acknowledged as f64 / seconds as f64,
                    cpu: cpu.as_secs_f64() * 1e6 / acknowledged as f64,
                };
                eprintln!(
                    "dhcp round {round}, {rate}/s offered, {name}: {sample:?}, at most {} KiB",
                    server.memory_kib()
                );
                samples.add(load, number, sample);
            }
        }
    }
    let loads: Vec<String> = LOADS.iter().map(|rate| format!("{rate}/s")).collect();
    let words = Words {
        load: "offered",
        loads: &loads,
        servers: &SERVERS,
        rate: "exchanges/s",
        cpu: "CPU us/exchange",
    };
    Ok(format!("### DHCP, full exchanges\n\n{}", samples.table(&words)?))
}

/// Offers exchanges at a rate for so many seconds; gives how many were acknowledged.
fn exchange(bed: &Bed, peers: &Peers, server: &str, (rate, seconds): (u32, u64)) -> Result<u64> {
    let command = bed.client(&peers.program("perfdhcp"));
    let output = peers
        .with_libraries(command)
        .args(["-4", "-g", "single", "-r", &rate.to_string(), "-R", "60000"])
        .args(["-b", "mac=00:0c:01:00:00:00", "-p", &seconds.to_string()])
        .args(["-d", "1", "-l", &CLIENT.to_string(), &SERVER.to_string()])
        .output()
        .map_err(failed("run perfdhcp"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Its status is 3 where packets were dropped, which under overload is what is measured.
    let received = said
        .lines()
        .filter_map(|line| line.strip_prefix("received packets: "))
        .next_back()
        .and_then(|count| count.trim().parse().ok());
    match received {
        Some(received) if received > 0 => Ok(received),
        Some(_) | None => Err(BenchError::Wrong {
            server: server.to_owned(),
            what: format!("{said}\n{}", String::from_utf8_lossy(&output.stderr)),
        }),
    }
}
