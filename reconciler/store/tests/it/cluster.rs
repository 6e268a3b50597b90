//! The private cluster's life: crash, orphan, killed owner, rivals.

use reconciler_store::cluster::ClusterError;
use reconciler_store::{PrivateCluster, Store};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testbed_scratch::Scratch;

/// Ending or starting a cluster takes a second; a loaded machine ten.
const PATIENCE: Duration = Duration::from_secs(60);

/// Processes that stand in the cluster's data directory.
fn processes(directory: &Path) -> Vec<PathBuf> {
    let data = directory.join("postgres");
    let stands = |process: &Path| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data);
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    all.filter(|process| stands(process)).collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Another process that owns the cluster, with Postgres as its child.
fn owner(directory: &Path) -> Child {
    let test = std::env::current_exe().unwrap();
    let example = test
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/throwaway-cluster");
    assert!(
        example.is_file(),
        "{} is not built: run all of this package's targets",
        example.display()
    );
    Command::new(example)
        .args(["sleep", "1000"])
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_and_the_pool_connects_again() {
    let directory = Scratch::new();
    let cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    let store = Store::connect(cluster.connect_options()).await.unwrap();
    let identity = store.identity().await.unwrap();
    let mut wakeups = store.listen().await.unwrap();
    cluster.crash().await.unwrap();
    let cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    assert_eq!(
        store.identity().await.unwrap(),
        identity,
        "the same pool, the same fleet"
    );
    wakeups.next().await;
    let plain = Store::connect_url(&cluster.url()).await.unwrap();
    assert_eq!(
        plain.identity().await.unwrap(),
        identity,
        "the URL leads there too"
    );
    store.close().await;
    plain.close().await;
    cluster.stop().await.unwrap();
    assert_eq!(processes(directory.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_cluster_listens_on_its_socket_only_and_drops_root() {
    let directory = Scratch::new();
    let cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    let store = sqlx::PgPool::connect_with(cluster.connect_options())
        .await
        .unwrap();
    for (setting, expected) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&store)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
    store.close().await;
    let running = processes(directory.path());
    assert!(!running.is_empty());
    let ours = rustix::process::geteuid();
    for process in running {
        let uid = std::fs::metadata(&process).unwrap().uid();
        assert!(
            uid != 0 && (ours.is_root() || uid == ours.as_raw()),
            "{} runs as {uid}",
            process.display()
        );
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_keeps_running() {
    let directory = Scratch::new();
    let mut cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    let second = PrivateCluster::start(directory.path(), directory.path()).await;
    assert!(matches!(second, Err(ClusterError::InUse { .. })), "{second:?}");
    let ended = tokio::time::timeout(Duration::from_millis(300), cluster.exited()).await;
    assert!(ended.is_err(), "the first was stopped: {ended:?}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_from_outside_is_told() {
    let directory = Scratch::new();
    let mut cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    let pid = std::fs::read_to_string(directory.path().join("postgres/postmaster.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let how = tokio::time::timeout(PATIENCE, cluster.exited()).await.unwrap();
    assert!(how.contains("signal: 9"), "{how}");
    drop(cluster);
    // Its lock files and perhaps its children are still there.
    let again = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    again.stop().await.unwrap();
}

#[tokio::test]
async fn killing_the_owner_leaves_no_postgres_behind() {
    let parent = Scratch::new();
    open(parent.path());
    let mut owner = owner(parent.path());
    let mut directory = None;
    until("the owner's cluster runs", || {
        directory = std::fs::read_dir(parent.path())
            .unwrap()
            .next()
            .map(|entry| entry.unwrap().path());
        directory.as_deref().is_some_and(|directory| {
            let pid = std::fs::read_to_string(directory.join("postgres/postmaster.pid")).unwrap_or_default();
            pid.lines().nth(7).is_some_and(|status| status.trim() == "ready")
        })
    })
    .await;
    let directory = directory.unwrap();
    assert!(!processes(&directory).is_empty());
    // Child::kill is SIGKILL: the owner has no chance to clean up.
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("Postgres ends with its owner", || {
        processes(&directory).is_empty()
    })
    .await;
    let heir = PrivateCluster::start(&directory, &directory).await.unwrap();
    heir.stop().await.unwrap();
}

#[tokio::test]
async fn a_postgres_that_outlived_its_owner_is_stopped_first() {
    let directory = Scratch::new();
    let cluster = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    cluster.stop().await.unwrap();
    // As if the death signal had been lost: started by hand on the same data.
    let data = directory.path().join("postgres");
    let version = std::fs::read_to_string(data.join("PG_VERSION")).unwrap();
    let mut orphan = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        let uid = std::fs::metadata(&data).unwrap().uid();
        orphan.arg(format!("--reuid={uid}")).arg("--clear-groups");
    }
    let mut orphan = orphan
        .arg("--")
        .arg(format!("/usr/lib/postgresql/{}/bin/postgres", version.trim()))
        .arg("-D")
        .arg(&data)
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", data.display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the orphan runs", || processes(directory.path()).len() > 2).await;
    let heir = PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap();
    orphan.wait().unwrap();
    heir.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_pid_that_is_now_anothers_is_no_obstacle() {
    let directory = Scratch::new();
    PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    // A live process of another user, as after a reboot.
    let stale = format!(
        "{}\n{}\n0\n5432\n",
        std::process::id(),
        directory.path().join("postgres").display()
    );
    std::fs::write(directory.path().join("postgres/postmaster.pid"), stale).unwrap();
    PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_interrupted_first_start_is_begun_anew() {
    let directory = Scratch::new();
    let half = directory.path().join("postgres.new");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    PrivateCluster::start(directory.path(), directory.path())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    assert!(!half.exists());
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anything_is_done() {
    let directory = Scratch::new();
    let data = directory.path().join("postgres");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9999\n").unwrap();
    match PrivateCluster::start(directory.path(), directory.path()).await {
        Err(error @ ClusterError::Missing { .. }) => {
            assert!(
                error.to_string().contains("Debian package postgresql-9999"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    let deep = directory.path().join("d".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let long = PrivateCluster::start(directory.path(), &deep).await;
    assert!(
        matches!(long, Err(ClusterError::SocketPathTooLong { .. })),
        "{long:?}"
    );
}

/// Lets the cluster's user through a parent directory, as an installation's directories do.
fn open(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711)).unwrap();
}
