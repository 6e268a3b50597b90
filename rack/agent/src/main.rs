//! `muster-rackd`: the rack agent.
//!
//! A thin shell: sockets, a lease journal, a fact spool, an artefact cache and BMCs around the state
//! machines of `rack-proto`. It answers every packet from memory, with or without a daemon, and decides
//! nothing of its own.

mod cache;
mod clock;
mod daemon;
mod dhcp;
mod error_chain;
mod http;
mod interfaces;
mod journal;
mod kept;
mod power;
mod rack;
mod router_advertisement;
mod settings;
mod sync;
mod tftp;

use crate::{
    cache::Cache,
    daemon::Daemon,
    error_chain::Chain,
    interfaces::Netlink,
    journal::Journal,
    kept::StateDir,
    rack::{Rack, Served, lock},
    settings::{Flags, Settings},
    sync::Sync,
};
use bytes::Bytes;
use clap::Parser as _;
use rack_proto::{
    cpio::{Executable, archive},
    session::{Kept, Session},
};
use schema_ids::Uuid;
use std::{
    collections::BTreeMap,
    error::Error,
    process::ExitCode,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Loaders that are served where they are installed (Debian's package `ipxe`).
const LOADERS: [&str; 2] = ["snponly.efi", "undionly.kpxe"];
/// Interfaces come and go with cables and VLANs.
const INTERFACES_EVERY: Duration = Duration::from_secs(1);
/// Boot summaries that are due are looked for so often.
const BOOTS_EVERY: Duration = Duration::from_millis(500);
/// The cache is swept so often; what it removes is at least a day old.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match Flags::parse().complete().map_err(Into::into).and_then(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-rackd: {}", Chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let journals = runtime.block_on(run(settings))?;
    // The last asker is gone with the runtime's tasks; what was appended reaches the disk.
    drop(runtime);
    for journal in journals {
        if journal.join().is_err() {
            return Err("a journal ended badly".into());
        }
    }
    Ok(())
}

/// Starts every task, waits for a signal, and joins them. Returns the journals' threads.
async fn run(settings: Settings) -> Result<Vec<JoinHandle<()>>, Box<dyn Error>> {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let state = StateDir::open(&settings.state_dir)?;
    let daemon = Daemon::new(&settings)?;
    let word = state.read_word()?;
    let (served_sender, served) = watch::channel(Arc::new(Served::new(word.config.clone(), &word.orders)));
    let kept = Kept {
        agent: settings.name.clone(),
        boot: Uuid::from_bytes(rand::random()),
        orders: word.orders,
        spool: state.read_spool()?,
    };
    let session = Arc::new(Mutex::new(Session::new(kept)));
    let leases = Arc::new(Mutex::new(state.read_leases()?));
    let (told, kept_leases) = (Arc::clone(&session), Arc::clone(&leases));
    let (spool, spool_thread) =
        Journal::start(state.spool(), Box::new(move || kept::spool_lines(&lock(&told))))?;
    let lease_lines = move || {
        lock(&kept_leases)
            .snapshot()
            .iter()
            .flat_map(kept::lease_line)
            .collect()
    };
    let (lease_journal, lease_thread) = Journal::start(state.leases(), Box::new(lease_lines))?;
    let (netlink, netlink_messages) = Netlink::open()?;
    tasks.spawn(until_stopped(netlink_messages, stop.clone()));
    let (interface_sender, interfaces) = watch::channel(BTreeMap::new());
    let (to_sync, messages) = mpsc::unbounded_channel();
    let rack = Arc::new(Rack {
        daemon: daemon.clone(),
        netlink: netlink.clone(),
        cache: Cache::new(state.artefacts(), daemon.clone()),
        agent_archive: agent_archive(&settings)?,
        loaders: loaders(&settings),
        served,
        interfaces,
        to_sync,
        leases,
        boots: Mutex::default(),
        ended: Mutex::default(),
        enlisted: Mutex::default(),
        settings,
    });
    let sync = Sync {
        session,
        spool,
        state,
        daemon,
        messages,
        served: served_sender,
        config: word.config,
    };
    tasks.spawn(sync.run(stop.clone()));
    tasks.spawn(watch_interfaces(
        Arc::clone(&rack),
        interface_sender,
        stop.clone(),
    ));
    for link in rack.settings.links.keys() {
        tasks.spawn(dhcp::run(
            Arc::clone(&rack),
            link.clone(),
            lease_journal.clone(),
            stop.clone(),
        ));
        tasks.spawn(tftp::run(Arc::clone(&rack), link.clone(), stop.clone()));
        tasks.spawn(router_advertisement::run(
            Arc::clone(&rack),
            link.clone(),
            stop.clone(),
        ));
    }
    drop(lease_journal);
    tasks.spawn(http::run(Arc::clone(&rack), stop.clone()));
    tasks.spawn(power::run(Arc::clone(&rack), stop.clone()));
    tasks.spawn(tell_boots(Arc::clone(&rack), stop.clone()));
    tasks.spawn(fetch_ahead(Arc::clone(&rack), stop.clone()));
    tracing::info!(agent = %rack.settings.name, links = rack.settings.links.len(), "muster-rackd is up");
    drop(rack);
    stopped().await?;
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    tracing::info!("muster-rackd is down");
    Ok(vec![spool_thread, lease_thread])
}

async fn until_stopped(work: impl Future<Output = ()>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn stopped() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The in-machine agent as an archive that the kernel unpacks beside the ephemeral system's.
fn agent_archive(settings: &Settings) -> Result<Bytes, Box<dyn Error>> {
    let path = &settings.agent_binary;
    let contents = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let files = [Executable {
        name: "muster-inmachine",
        contents: &contents,
    }];
    let bytes = archive(&files).ok_or_else(|| format!("{} has 4 GiB or more", path.display()))?;
    Ok(Bytes::from(bytes))
}

fn loaders(settings: &Settings) -> BTreeMap<&'static str, Arc<[u8]>> {
    let mut found = BTreeMap::new();
    for name in LOADERS {
        match std::fs::read(settings.ipxe_dir.join(name)) {
            Ok(bytes) => {
                found.insert(name, Arc::from(bytes));
            }
            Err(error) => tracing::warn!(name, %error, "a loader is missing; install the package ipxe"),
        }
    }
    found
}

/// Keeps the interfaces' addresses known.
async fn watch_interfaces(
    rack: Arc<Rack>,
    known: watch::Sender<BTreeMap<String, interfaces::Interface>>,
    stop: CancellationToken,
) {
    let wanted: Vec<String> = rack.settings.links.values().cloned().collect();
    let mut said: Vec<String> = Vec::new();
    while !stop.is_cancelled() {
        match rack.netlink.interfaces(&wanted).await {
            Ok(now) => {
                let missing: Vec<_> = wanted
                    .iter()
                    .filter(|name| !now.contains_key(*name))
                    .cloned()
                    .collect();
                if missing != said {
                    for name in &missing {
                        tracing::warn!(interface = name, "no such interface; its link is not served");
                    }
                    said = missing;
                }
                known.send_if_modified(|before| {
                    let changed = *before != now;
                    *before = now;
                    changed
                });
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "interfaces cannot be read"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(INTERFACES_EVERY) => {}
        }
    }
}

/// Tells the daemon of boots as they grow.
async fn tell_boots(rack: Arc<Rack>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BOOTS_EVERY) => {}
        }
        let due = rack.boots().due(clock::now());
        rack.tell(due);
    }
}

/// Fetches what will be asked for, whenever the daemon's word changes, and removes what nobody wants.
async fn fetch_ahead(rack: Arc<Rack>, stop: CancellationToken) {
    let mut served = rack.served.clone();
    loop {
        let named = served.borrow_and_update().named();
        tokio::select! {
            () = stop.cancelled() => return,
            () = cache::prefetch(&rack.cache, &named) => {}
        }
        if let Err(error) = rack.cache.sweep(&named) {
            tracing::warn!(%error, "the artefact cache cannot be swept");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = served.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}
