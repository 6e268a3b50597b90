//! Image HTTP beside nginx with sendfile, out of the page cache.

use crate::bed::Bed;
use crate::error::{Result, failed};
use crate::http_client;
use crate::load::{self, Size, mib};
use crate::peer::Peers;
use crate::rackd;
use crate::server::Server;
use crate::table::{Rounds, Sample, Words};
use rack_api::rack_path;
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The file.
const LENGTH: u64 = 256 << 20;
/// Clients, and how much of the file each reads: a round is 1 to 5 GiB.
const LOADS: [(usize, u64); 3] = [(1, 256 << 20), (20, 256 << 20), (100, 40 << 20)];
/// One client reads the file that often.
const TIMES: [u32; 3] = [8, 1, 1];
const SERVERS: [&str; 2] = ["muster-rackd", "nginx 1.22"];

/// Measures, and prints as it goes.
pub(crate) fn run(bed: &Arc<Bed>, program: &Path, peers: &Peers, size: Size) -> Result<String> {
    let root = bed.path("www");
    fs::create_dir_all(root.join("artefact")).map_err(failed("make the HTTP root"))?;
    let file = bed.path("image");
    let whole = size.bytes(LENGTH);
    let loads = LOADS.map(|(clients, part)| (clients, size.bytes(part)));
    let digest = make(&file, whole)?;
    fs::hard_link(&file, root.join("artefact").join(digest.hex())).map_err(failed("link the image"))?;
    let path = format!("{}{}", rack_path::ARTEFACT, digest.hex());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut samples = Rounds::default();
    for round in 1..=size.rounds {
        for (number, name) in SERVERS.into_iter().enumerate() {
            // Held for its drop, which stops the played daemon.
            let mut ours = None;
            let mut theirs = None;
            let server: &Server = if number == 0 {
                &ours
                    .insert(rackd::start(bed, program, None, &[(digest, &file)])?)
                    .server
            } else {
                theirs.insert(peers.nginx(bed, &root, cores)?)
            };
            // Once before: ours verifies the digest of what it serves first after a start.
            let warm = path.clone();
            load::run(bed, 1, move |client| {
                http_client::read(client, name, warm.clone(), 0..whole)
            })?;
            for (load, ((clients, part), times)) in loads.into_iter().zip(TIMES).enumerate() {
                let before = server.cpu();
                let (mut bytes, mut seconds) = (0, 0.0);
                for _ in 0..size.count(times) {
                    let path = path.clone();
                    let (read, wall) = load::run(bed, clients, move |client| {
                        // Spread over the file.
                        let from = (client as u64 * part) % (whole - part + 1);
                        http_client::read(client, name, path.clone(), from..from + part)
                    })?;
                    bytes += read;
                    seconds += wall.as_secs_f64();
                }
                let cpu = server.cpu() - before;
                let sample = Sample {
                    rate: bytes as f64 / 1e6 / seconds,
                    cpu: cpu.as_secs_f64() * 1e3 / (bytes as f64 / f64::from(1 << 30)),
                };
                eprintln!("http round {round}, {clients} clients, {name}: {sample:?}");
                samples.add(load, number, sample);
            }
            eprintln!("{name}: at most {} KiB", server.memory_kib());
        }
    }
    let loads = loads.map(|(clients, part)| format!("{clients} x {}", mib(part)));
    let words = Words {
        load: "clients",
        loads: &loads,
        servers: &SERVERS,
        rate: "MB/s",
        cpu: "CPU ms/GiB",
    };
    Ok(format!(
        "### Image HTTP, a file of {} in the page cache\n\n{}",
        mib(whole),
        samples.table(&words)?
    ))
}

/// Writes the image and gives its digest.
fn make(path: &Path, length: u64) -> Result<Digest> {
    let mut file = File::create(path).map_err(failed("make the image"))?;
    let mut hash = Sha256::new();
    for number in 0..length >> 20 {
        let block = number.to_le_bytes().repeat(1 << 17);
        hash.update(&block);
        file.write_all(&block).map_err(failed("write the image"))?;
    }
    file.sync_all().map_err(failed("write the image"))?;
    Ok(Digest(hash.finalize().into()))
}
