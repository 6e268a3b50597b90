//! Keeps this agent's certificate young and its authorities those of the daemon.
//!
//! A certificate is renewed after two thirds of its time, at once where the daemon trusts other
//! authorities, and after its end too: the key is what counts. Times are by this host's clock, from when
//! the certificate came; a clock that jumps costs a renewal.

use crate::{clock, error_chain::Chain, identity::Identity, rack::Rack};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The daemon is asked for its authorities this often: a roll-over takes a day or so, by hand.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// And no more often than this, however short a certificate's life.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(500);

/// Runs until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, mut identity: Identity, stop: CancellationToken) {
    loop {
        match look(&rack, &identity).await {
            Ok(Some(renewed)) => {
                tracing::info!(ends = %renewed.standing.ends, "the certificate is renewed");
                identity = renewed;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error, "the certificate cannot be renewed; it will be tried again"),
        }
        let lasts = identity.standing.ends.since(identity.standing.issued);
        let pause = (lasts / 20).clamp(LOOK_EVERY_MIN, LOOK_EVERY);
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Renews if it is time to; the new identity is in force then.
async fn look(rack: &Rack, identity: &Identity) -> Result<Option<Identity>, String> {
    let standing = &identity.standing;
    let lasts = standing.ends.since(standing.issued);
    let is_due = clock::now() >= standing.issued.plus(lasts * 2 / 3);
    if !is_due {
        match rack.daemon.roots().await {
            Ok(roots) if roots == identity.roots => return Ok(None),
            Ok(_) => tracing::info!("the daemon trusts other authorities"),
            // The sync says what is wrong, and how often.
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "cannot ask for the authorities");
                return Ok(None);
            }
        }
    }
    let answer = rack
        .daemon
        .renew()
        .await
        .map_err(|error| Chain(&error).to_string())?;
    let renewed = identity
        .renewed(&answer)
        .map_err(|error| Chain(&error).to_string())?;
    rack.daemon
        .speak_as(&renewed)
        .map_err(|error| Chain(&error).to_string())?;
    Ok(Some(renewed))
}
