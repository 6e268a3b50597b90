//! `muster-rackd`: DHCP, TFTP, HTTP boot and power for one rack, as its daemon says.
//!
//! It keeps the daemon's last word and answers every packet from memory: a stopped daemon does not stop
//! machines from booting. What it decides is decided in `rack-proto`; here are the sockets, the disk and
//! the tasks. Each task is joined before the process ends.

mod artefacts;
mod cache;
mod clock;
mod daemon;
mod dhcp;
mod enrol;
mod error_chain;
mod failpoint;
mod host_stop;
mod http;
mod identity;
mod interfaces;
mod journal;
mod kept;
mod places;
mod power;
mod rack;
mod renewal;
mod router_advertisement;
mod serving;
mod settings;
mod start;
mod sync;
mod tftp;

use clap::Parser;
use error_chain::Chain;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Threads that send artefacts. Two keep a fast network full from the page cache; more would wait for the
/// same disk.
const SENDERS: usize = 2;

fn main() -> ExitCode {
    let words = settings::Words::parse();
    let filter = EnvFilter::try_from_env("MUSTER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %Chain(error.as_ref()), "cannot run");
            ExitCode::FAILURE
        }
    }
}

fn run(words: settings::Words) -> Result<(), Box<dyn std::error::Error>> {
    match &words.command {
        Some(settings::Command::Stop(wish)) => return Ok(host_stop::stop(wish)?),
        Some(settings::Command::Resume(wish)) => return Ok(host_stop::resume(wish)?),
        Some(settings::Command::Enrol(_)) | None => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(settings::Command::Enrol(wish)) = &words.command {
        let identity = runtime.block_on(enrol::run(wish))?;
        let (name, ends) = (&identity.standing.name, identity.standing.ends);
        tracing::info!(%name, %ends, "enrolled; a running agent takes this identity when it is started again");
        return Ok(());
    }
    let (settings, identity) = words.flags.complete()?;
    let senders = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SENDERS)
        .thread_name("senders")
        .enable_all()
        .build()?;
    runtime.block_on(start::run(settings, identity, senders.handle().clone()))?;
    Ok(())
}
