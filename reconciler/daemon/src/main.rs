//! `musterd`: the reconciler daemon.
//!
//! A thin shell: it reads the fleet repository, loads the world from Postgres, lets `reconciler-core`
//! decide, performs the effects, and answers rack agents and people. It may be stopped at any
//! instruction; several may run on one database.

mod against_door;
mod agents;
mod approve_door;
mod body;
mod certificates;
mod control;
mod daemon;
mod downloads;
mod enrolment;
mod events_door;
mod failpoint;
mod forge;
mod hold_door;
mod host_stop;
mod images;
mod listener;
mod log;
mod override_door;
mod past_door;
mod people_door;
mod pipeline;
mod plan_door;
mod power_door;
mod rack_door;
mod revision;
mod roles;
mod seal;
mod secrets;
mod served;
mod settings;
mod signatures;
mod snapshot;
mod source;
mod standing;
mod times;
mod trust;
mod vouch_door;
mod webhook;
mod world;

use crate::certificates::Authority;
use crate::daemon::{Daemon, Told};
use crate::forge::Forge;
use crate::images::Images;
use crate::listener::{AgentDoor, HookDoor, PeopleDoor};
use crate::settings::{Command, Run, Settings};
use crate::source::Source;
use crate::trust::{Trust, TrustError};
use crate::webhook::{Hooks, Secrets};
use clap::Parser as _;
use mimalloc::MiMalloc;
use reconciler_core::roles::BmcTimes;
use reconciler_store::{PrivateCluster, Store};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An error with its causes, for a log line or a terminal.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    let done = match settings.command {
        Command::Run(run) => {
            start_logs(run.log_json);
            tokio::runtime::Runtime::new()
                .map_err(|error| format!("cannot start the runtime: {error}"))
                .and_then(|runtime| runtime.block_on(run_daemon(*run)))
        }
        Command::Stop(wish) => host_stop::stop(&wish),
        Command::Resume(wish) => host_stop::resume(&wish),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("musterd: {message}");
            ExitCode::FAILURE
        }
    }
}

fn start_logs(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    if json { logs.json().init() } else { logs.init() }
}

/// Runs until SIGTERM or SIGINT, or until the private database has died.
async fn run_daemon(run: Run) -> Result<(), String> {
    // Set once for the process; a second call would find it set, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let state = &run.state.state_dir;
    let fail = |error: &dyn std::error::Error| chain(error);
    std::fs::create_dir_all(state).map_err(|error| format!("cannot use {}: {error}", state.display()))?;
    let mut addresses = run.advertise.clone();
    addresses.push(run.listen.ip());
    let lasts = Duration::from_secs(run.agent_certificate_seconds);
    let trust = Authority::open_or_create(state)
        .map_err(TrustError::Authority)
        .and_then(|authority| Trust::new(authority, addresses, lasts))
        .map_err(|error| fail(&error))?;
    let trust = Arc::new(trust);
    let images = Images::open(state).map_err(|error| fail(&error))?;
    let source =
        Source::open(state, run.repository.clone(), run.branch.clone()).map_err(|error| fail(&error))?;
    let people = PeopleDoor::bind(
        &run.socket
            .clone()
            .unwrap_or_else(|| run.runtime_dir.join("musterd.sock")),
    )
    .map_err(|error| fail(&error))?;
    let agents = AgentDoor::bind(run.listen, Arc::clone(&trust))
        .await
        .map_err(|error| fail(&error))?;
    let outside = Outside::open(&run).await?;

    let mut cluster = None;
    let store = match &run.database {
        Some(url) => Store::connect_url(url).await,
        None => {
            let own = PrivateCluster::start(state, &run.runtime_dir)
                .await
                .map_err(|error| fail(&error))?;
            let options = own.connect_options();
            cluster = Some(own);
            Store::connect(options).await
        }
    };
    let store = store.map_err(|error| fail(&error))?;
    let identity = store.identity().await.map_err(|error| fail(&error))?;
    tracing::info!(fleet_uid = %identity.fleet_uid, incarnation = identity.incarnation.number, "musterd is up");
    let daemon = Arc::new(Daemon::new(
        store,
        source,
        images,
        Told {
            state_dir: state.clone(),
            secrets_dir: run.secrets_dir.clone(),
            trust_commit: run.trust_commit.clone(),
            snapshot_key: snapshot::key(run.snapshot_key.as_deref(), state).map_err(|error| fail(&error))?,
            trust,
            bmc_times: BmcTimes {
                lease: Duration::from_secs(run.bmc_lease_seconds),
            },
        },
    ));

    let stop = CancellationToken::new();
    let mut tasks = follow_everything(&daemon, &run, outside, &stop);
    tasks.spawn(agents.run(rack_door::router(Arc::clone(&daemon)), stop.clone()));
    tasks.spawn(people.run(people_door::router(Arc::clone(&daemon)), stop.clone()));

    let ended = tokio::select! {
        signal = stopped_by_signal() => signal,
        why = database_died(cluster.as_mut()) => Err(format!("the private database died: {why}")),
        _ = tasks.join_next() => Err("a task ended early; see the log".to_owned()),
    };
    stop.cancel();
    // Ends long polls, which wait on this.
    daemon.announce();
    while tasks.join_next().await.is_some() {}
    daemon.store.close().await;
    if let Some(cluster) = cluster {
        cluster.stop().await.map_err(|error| fail(&error))?;
    }
    tracing::info!("musterd is down");
    ended
}

/// What hears of a forge and tells it, as far as there shall be any.
struct Outside {
    hooks: Option<(HookDoor, Secrets)>,
    forge: Option<Forge>,
}

impl Outside {
    async fn open(run: &Run) -> Result<Self, String> {
        let mut hooks = None;
        if let (Some(address), Some(file)) = (run.webhook, &run.webhook_secret_file) {
            let secrets = Secrets::read(file).map_err(|error| chain(&error))?;
            let door = HookDoor::bind(address).await.map_err(|error| chain(&error))?;
            hooks = Some((door, secrets));
        }
        let forge = run.forge.forge()?;
        Ok(Self { hooks, forge })
    }
}

/// What goes on by itself, until it is stopped: the branch, the control loop, downloads, snapshots, forges.
fn follow_everything(
    daemon: &Arc<Daemon>,
    run: &Run,
    outside: Outside,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let poll = Duration::from_secs(run.poll_seconds);
    tasks.spawn(pipeline::follow(Arc::clone(daemon), poll, stop.clone()));
    tasks.spawn(control::run(Arc::clone(daemon), stop.clone()));
    tasks.spawn(control::listen(Arc::clone(daemon), stop.clone()));
    tasks.spawn(downloads::run(Arc::clone(daemon), stop.clone()));
    tasks.spawn(snapshot::publish(
        Arc::clone(daemon),
        run.publish_snapshot.clone(),
        Duration::from_secs(run.publish_seconds),
        stop.clone(),
    ));
    if let Some(forge) = outside.forge {
        tasks.spawn(forge::tell(Arc::clone(daemon), forge, stop.clone()));
    }
    if let Some((door, secrets)) = outside.hooks {
        let hooks = Hooks::new(Arc::clone(daemon), secrets, &run.branch);
        tasks.spawn(door.run(hooks.router(), stop.clone()));
        tasks.spawn(hooks.pace(stop.clone()));
    }
    tasks
}

async fn stopped_by_signal() -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let fail = |error| format!("cannot wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn database_died(cluster: Option<&mut PrivateCluster>) -> String {
    match cluster {
        Some(cluster) => cluster.exited().await,
        None => std::future::pending().await,
    }
}
