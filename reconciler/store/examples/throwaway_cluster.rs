//! Runs a command against a throw-away, migrated cluster, with its address in `DATABASE_URL`, and ends
//! with the command's exit code.
//!
//!     cargo run -p reconciler-store --no-default-features --example throwaway-cluster -- COMMAND…
//!
//! It is how the answers in `.sqlx` are refreshed (`cargo xtask sqlx`), so it uses nothing of the crate
//! that needs them: the cluster and the migrations, which are read from disk when it runs.

use reconciler_store::PrivateCluster;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: throwaway-cluster COMMAND…")?;
    let directory = tempfile::Builder::new().prefix("muster-").tempdir()?;
    let cluster = PrivateCluster::start(directory.path(), directory.path()).await?;
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await?;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    Migrator::new(migrations).await?.run(&mut connection).await?;
    connection.close().await?;
    let status = tokio::process::Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", cluster.url())
        .status()
        .await?;
    cluster.stop().await?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}
