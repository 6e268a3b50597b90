//! Runs a command against a throw-away, migrated cluster, with its address in `DATABASE_URL`, and ends
//! with the command's exit code; or stores anew what Postgres says of the crate's queries:
//!
//! ```text
//! cargo run -p reconciler-store --no-default-features --example throwaway-cluster -- COMMAND…
//! cargo run -p reconciler-store --no-default-features --example throwaway-cluster -- --refresh-queries
//! ```
//!
//! It must build while the answers in `.sqlx` are stale, so it uses nothing of the crate that needs
//! them: the cluster, and the migrations, which are read from disk when it runs.

use reconciler_store::PrivateCluster;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use tokio::process::Command;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let Some((program, rest)) = arguments.split_first() else {
        return Err("usage: throwaway-cluster COMMAND… | --refresh-queries".into());
    };
    let directory = tempfile::Builder::new().prefix("muster-").tempdir()?;
    let cluster = PrivateCluster::start(directory.path(), directory.path()).await?;
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await?;
    Migrator::new(package.join("migrations"))
        .await?
        .run(&mut connection)
        .await?;
    connection.close().await?;
    let succeeded = if program == "--refresh-queries" {
        refresh(package, &cluster.url()).await?
    } else {
        Command::new(program)
            .args(rest)
            .env("DATABASE_URL", cluster.url())
            .status()
            .await?
            .success()
    };
    cluster.stop().await?;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Checks the crate with its queries asked of the database; the answers replace the old ones only if all
/// of them could be had.
async fn refresh(package: &Path, url: &str) -> Result<bool, Box<dyn Error>> {
    let (answers, new) = (package.join(".sqlx"), package.join(".sqlx.new"));
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    fs::create_dir(&new)?;
    // The queries are asked only when the crate is compiled, so it must look changed.
    fs::File::open(package.join("src/lib.rs"))?.set_modified(std::time::SystemTime::now())?;
    let checked = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--package", "reconciler-store"])
        .envs([("DATABASE_URL", url), ("SQLX_OFFLINE", "false")])
        .env("SQLX_OFFLINE_DIR", &new)
        .status()
        .await?
        .success();
    if checked {
        if answers.exists() {
            fs::remove_dir_all(&answers)?;
        }
        fs::rename(&new, &answers)?;
    } else {
        fs::remove_dir_all(&new)?;
    }
    Ok(checked)
}
