//! Making the cluster, once and whole: in a directory beside, then renamed.

use super::owner::Owner;
use super::program::Programs;
use super::{ClusterError, NAME};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::time::timeout;

/// `initdb` writes 40 MB and syncs them: a second on a quiet disk, ten on a busy one.
const INITDB_MAX: Duration = Duration::from_secs(300);

/// Who may connect: by the socket only, as the one role, if the map says so.
const HOST_ACCESS: &str = "local all muster peer map=muster\n";

/// Makes the cluster if there is none.
pub(super) async fn ensure(
    programs: &Programs,
    owner: &Owner,
    state: &Path,
    data: &Path,
) -> Result<(), ClusterError> {
    if !data.join("PG_VERSION").exists() {
        let beside = state.join("postgres.new");
        make(programs, owner, &beside).await?;
        let failed = |source| ClusterError::Directory {
            path: data.to_owned(),
            source,
        };
        std::fs::rename(&beside, data).map_err(failed)?;
        std::fs::File::open(state)
            .and_then(|directory| directory.sync_all())
            .map_err(failed)?;
    }
    // Written at each start, so that they hold for a cluster of an earlier muster too.
    write(&data.join("pg_hba.conf"), HOST_ACCESS)?;
    write(&data.join("pg_ident.conf"), &identity_map(owner))
}

/// Root and whoever the cluster runs as are its one role.
fn identity_map(owner: &Owner) -> String {
    let mut users = vec!["root", &owner.name];
    users.dedup();
    users
        .iter()
        .map(|user| format!("muster \"{user}\" {NAME}\n"))
        .collect()
}

async fn make(programs: &Programs, owner: &Owner, beside: &Path) -> Result<(), ClusterError> {
    let cannot = |source| ClusterError::Directory {
        path: beside.to_owned(),
        source,
    };
    match std::fs::remove_dir_all(beside) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(cannot(source)),
    }
    owner.own_directory(beside)?;
    let mut command = tokio::process::Command::from(owner.command(&programs.initdb, false));
    command
        .arg("-D")
        .arg(beside)
        .args([
            "-U",
            NAME,
            "--auth=peer",
            "--encoding=UTF8",
            "--no-instructions",
            "--data-checksums",
        ])
        // Collation C: the order of an index may not change with the distribution's libc.
        .arg("--locale=C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let run = timeout(INITDB_MAX, command.output()).await;
    let Ok(run) = run else {
        return Err(ClusterError::Initdb {
            output: format!("no end within {} s", INITDB_MAX.as_secs()),
        });
    };
    let output = run.map_err(|source| ClusterError::Program {
        program: programs.initdb.clone(),
        source,
    })?;
    if output.status.success() {
        Ok(())
    } else {
        let said = [output.stdout, output.stderr].concat();
        Err(ClusterError::Initdb {
            output: String::from_utf8_lossy(&said).trim().to_owned(),
        })
    }
}

/// Writes in place: the file belongs to the cluster's user and keeps its mode.
fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    std::fs::write(path, text).map_err(|source| ClusterError::Directory {
        path: path.to_owned(),
        source,
    })
}
