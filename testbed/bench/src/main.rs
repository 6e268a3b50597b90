//! `muster-bench`: muster-rackd measured beside other servers, in one run, round by round.
//!
//! Every round starts a fresh server, and the servers take turns, so that what else the host does falls on
//! all alike. Printed are medians, ours over theirs, and what they were measured on. It runs as root in
//! network namespaces of its own; the peers come unpacked, and nothing of them is left running.

mod bed;
mod daemon;
mod dhcp;
mod error;
mod host;
mod http;
mod http_client;
mod load;
mod peer;
mod rackd;
mod server;
mod table;
mod tftp;
mod tftp_client;

use clap::{Parser, ValueEnum};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Measures muster-rackd beside other servers; prints Markdown on its standard output.
#[derive(Debug, Parser)]
struct Flags {
    /// What to measure.
    #[arg(required = true)]
    what: Vec<What>,
    /// Rounds of each; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A sixteenth of each load: shows that all of it runs, and measures nothing.
    #[arg(long)]
    small: bool,
    /// The built muster-rackd.
    #[arg(long)]
    rackd: PathBuf,
    /// Where the peers are unpacked.
    #[arg(long)]
    peers: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Dhcp,
    Tftp,
    Http,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> error::Result<()> {
    let bed = Arc::new(bed::Bed::make()?);
    let peers = peer::Peers(flags.peers.clone());
    let rackd = flags
        .rackd
        .canonicalize()
        .map_err(error::failed("find muster-rackd"))?;
    let size = load::Size {
        rounds: flags.rounds,
        is_small: flags.small,
    };
    println!("Before: {}.\n", host::facts());
    for what in &flags.what {
        let text = match what {
            What::Dhcp => dhcp::run(&bed, &rackd, &peers, size),
            What::Tftp => tftp::run(&bed, &rackd, &peers, size),
            What::Http => http::run(&bed, &rackd, &peers, size),
        }?;
        println!("{text}");
    }
    println!("After: {}.", host::facts());
    Ok(())
}
