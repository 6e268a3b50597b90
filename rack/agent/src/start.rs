//! Puts the agent together, runs its tasks, and takes it apart again.

use crate::{
    artefacts,
    cache::Cache,
    clock,
    daemon::{ClientError, Daemon},
    dhcp,
    error_chain::Chain,
    http,
    identity::{Identity, IdentityError},
    interfaces::{Interface, InterfaceError, Netlink},
    journal::Journal,
    kept::{self, StateDir, StateError},
    power,
    rack::{MESSAGES_MAX, Rack, Served, lock},
    renewal, router_advertisement,
    settings::Settings,
    sync::Sync,
    tftp,
};
use rack_proto::{
    boot::BootLog,
    cpio::{Executable, archive},
    dhcp::{LOADER_BIOS, LOADER_GRUB, LOADER_SHIM, LOADER_UEFI},
    session::{Kept, Session},
};
use schema_ids::Uuid;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Where Debian's packages put the loaders that firmware with Secure Boot starts.
const SIGNED_SHIM: &str = "/usr/lib/shim/shimx64.efi.signed";
const SIGNED_GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
/// Interfaces come and go with cables and drivers; clients wait longer than this.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Boot summaries that are due are told this often; each boot's own pace is slower.
const BOOTS_EVERY: Duration = Duration::from_millis(500);
/// The in-machine agent is some megabytes; anything longer is another file.
const AGENT_MAX: u64 = 256 << 20;

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot use the state directory")]
    State(#[source] StateError),
    #[error("cannot keep {path}")]
    Journal {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot speak for this agent")]
    Client(#[source] ClientError),
    #[error("cannot open what is sealed to this agent")]
    Identity(#[source] IdentityError),
    #[error("cannot ask the kernel about interfaces")]
    Netlink(#[source] InterfaceError),
    #[error("cannot read the in-machine agent {path}")]
    Agent {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen for signals")]
    Signal(#[source] io::Error),
}

/// The agent, put together and not yet running.
struct Agent {
    rack: Arc<Rack>,
    sync: Sync,
    leases: Journal,
    /// The threads of the journals, which end with the last of their askers.
    writers: [JoinHandle<()>; 2],
    interfaces: watch::Sender<BTreeMap<String, Interface>>,
}

/// Runs until SIGTERM or SIGINT. Artefacts are sent by the threads of `senders`.
pub(crate) async fn run(settings: Settings, identity: Identity, senders: Handle) -> Result<(), StartError> {
    let stop = stop_on_signal()?;
    let (netlink, connection) = Netlink::open().map_err(StartError::Netlink)?;
    let carrier = tokio::spawn(connection);
    let Agent {
        rack,
        sync,
        leases,
        writers,
        interfaces,
    } = assemble(settings, &identity, netlink, senders)?;
    tracing::info!(rack = %rack.settings.name, daemon = %rack.settings.daemon, "rack agent starts");

    // The sync stops after the others, so that their last facts reach the disk.
    let sync_stop = CancellationToken::new();
    let sync = tokio::spawn(sync.run(sync_stop.clone()));
    let mut tasks = JoinSet::new();
    tasks.spawn(watch_interfaces(Arc::clone(&rack), interfaces, stop.clone()));
    tasks.spawn(tell_boots(Arc::clone(&rack), stop.clone()));
    tasks.spawn(renewal::run(Arc::clone(&rack), identity, stop.clone()));
    tasks.spawn(power::run(Arc::clone(&rack), stop.clone()));
    tasks.spawn(artefacts::run(Arc::clone(&rack), stop.clone()));
    for link in rack.settings.links.keys().cloned() {
        let (journal, stop) = (leases.clone(), &stop);
        tasks.spawn(dhcp::run(Arc::clone(&rack), link.clone(), journal, stop.clone()));
        tasks.spawn(tftp::run(Arc::clone(&rack), link.clone(), stop.clone()));
        tasks.spawn(router_advertisement::run(
            Arc::clone(&rack),
            link.clone(),
            stop.clone(),
        ));
        tasks.spawn(http::run(Arc::clone(&rack), link, stop.clone()));
    }
    drop(leases);
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            // A task that panics is our own bug; the process restarts whole rather than go on in part.
            tracing::error!(%error, "a task ended badly, stopping");
            stop.cancel();
        }
    }
    sync_stop.cancel();
    join(sync).await;
    drop(rack);
    carrier.abort();
    for writer in writers {
        join(tokio::task::spawn_blocking(move || writer.join().is_ok())).await;
    }
    tracing::info!("rack agent stopped");
    Ok(())
}

/// Reads what was kept and makes all that the tasks share.
fn assemble(
    settings: Settings,
    identity: &Identity,
    netlink: Netlink,
    senders: Handle,
) -> Result<Agent, StartError> {
    let state = StateDir::open(&settings.state_dir).map_err(StartError::State)?;
    let mut word = state.read_word().map_err(StartError::State)?;
    let is_lost = word.orders.incarnation().is_none();
    word.orders
        .limit(settings.wipes_per_hour, is_lost, clock::now(), clock::steady());
    let daemon = Daemon::new(settings.daemon.clone(), identity).map_err(StartError::Client)?;
    let session = Arc::new(Mutex::new(Session::new(Kept {
        agent: settings.name.clone(),
        boot: Uuid::from_bytes(rand::random()),
        orders: word.orders.clone(),
        spool: state.read_spool().map_err(StartError::State)?,
    })));
    let leases = Arc::new(Mutex::new(state.read_leases().map_err(StartError::State)?));
    let (spool_journal, spool_writer) = {
        let session = Arc::clone(&session);
        journal(state.spool(), move || kept::spool_lines(&lock(&session)))?
    };
    let (lease_journal, lease_writer) = {
        let leases = Arc::clone(&leases);
        journal(state.leases(), move || {
            lock(&leases)
                .snapshot()
                .iter()
                .flat_map(kept::lease_line)
                .collect()
        })?
    };
    let (served_sender, served) =
        watch::channel(Arc::new(Served::new(word.config.clone(), &word.orders, false)));
    let (interfaces_sender, interfaces) = watch::channel(BTreeMap::new());
    let (to_sync, messages) = mpsc::channel(MESSAGES_MAX);
    let sync = Sync {
        session,
        spool: spool_journal,
        daemon: daemon.clone(),
        messages,
        served: served_sender,
        config: word.config,
        state: state.clone(),
        unsealer: identity.unsealer().map_err(StartError::Identity)?,
        lease: None,
    };
    let rack = Rack {
        cache: Cache::new(state.artefacts(), daemon.clone()),
        daemon,
        netlink,
        senders,
        agent_archive: agent_archive(&settings.agent_binary)?.into(),
        loaders: loaders(&settings.ipxe_dir),
        served,
        interfaces,
        to_sync,
        leases,
        boots: Mutex::new(BootLog::default()),
        ended: Mutex::default(),
        enlisted: Mutex::default(),
        settings,
    };
    Ok(Agent {
        rack: Arc::new(rack),
        sync,
        leases: lease_journal,
        writers: [spool_writer, lease_writer],
        interfaces: interfaces_sender,
    })
}

async fn join<T>(task: tokio::task::JoinHandle<T>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a task ended badly");
    }
}

fn journal(
    path: PathBuf,
    snapshot: impl Fn() -> Vec<u8> + Send + 'static,
) -> Result<(Journal, JoinHandle<()>), StartError> {
    Journal::start(path.clone(), Box::new(snapshot)).map_err(|source| StartError::Journal { path, source })
}

fn stop_on_signal() -> Result<CancellationToken, StartError> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signal)?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}

fn agent_archive(path: &Path) -> Result<Vec<u8>, StartError> {
    let failed = |source| StartError::Agent {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > AGENT_MAX {
        return Err(failed(io::Error::other("it is too long for an agent")));
    }
    let contents = std::fs::read(path).map_err(failed)?;
    let file = Executable {
        name: "muster-inmachine",
        contents: &contents,
    };
    archive(&[file]).ok_or_else(|| failed(io::Error::other("it does not fit an initrd archive")))
}

/// A missing loader is no reason not to serve the clients that need none.
fn loaders(directory: &Path) -> BTreeMap<&'static str, Arc<[u8]>> {
    let files = [
        (LOADER_BIOS, directory.join(LOADER_BIOS), "ipxe"),
        (LOADER_UEFI, directory.join(LOADER_UEFI), "ipxe"),
        (LOADER_SHIM, PathBuf::from(SIGNED_SHIM), "shim-signed"),
        (LOADER_GRUB, PathBuf::from(SIGNED_GRUB), "grub-efi-amd64-signed"),
    ];
    let read = |(name, path, package): (&'static str, PathBuf, &str)| match std::fs::read(&path) {
        Ok(contents) => Some((name, contents.into())),
        // Few racks have machines that start signed loaders only.
        Err(error) if package != "ipxe" => {
            tracing::info!(loader = name, path = %path.display(), %error, package, "no loader for Secure Boot");
            None
        }
        Err(error) => {
            tracing::warn!(loader = name, path = %path.display(), %error, package, "loader missing");
            None
        }
    };
    files.into_iter().filter_map(read).collect()
}

async fn watch_interfaces(
    rack: Arc<Rack>,
    found: watch::Sender<BTreeMap<String, Interface>>,
    stop: CancellationToken,
) {
    let wanted: Vec<String> = rack.settings.links.values().cloned().collect();
    let mut missing: Vec<String> = Vec::new();
    while !stop.is_cancelled() {
        match rack.netlink.interfaces(&wanted).await {
            Ok(mut now) => {
                // An interface without an address cannot be a server.
                now.retain(|_, interface| !interface.addresses.is_empty());
                let absent: Vec<String> = wanted
                    .iter()
                    .filter(|name| !now.contains_key(*name))
                    .cloned()
                    .collect();
                if absent != missing {
                    if !absent.is_empty() {
                        tracing::warn!(interfaces = ?absent, "interfaces are missing or have no IPv4 address");
                    }
                    missing = absent;
                }
                found.send_if_modified(|before| {
                    let differs = *before != now;
                    *before = now;
                    differs
                });
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "cannot look at interfaces"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn tell_boots(rack: Arc<Rack>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(BOOTS_EVERY);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = pace.tick() => {
                let due = rack.boots().due(clock::now());
                rack.tell(due);
            }
        }
    }
}
