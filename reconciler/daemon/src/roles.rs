//! Gives a rack's BMCs into other hands when it is time.
//!
//! Whose turn it is, `reconciler_core::roles` says; that nobody acts on what it no longer has, the store's
//! compare-and-set and the lease see to.

use crate::daemon::Daemon;
use crate::world::Loaded;
use reconciler_store::{By, HandOver, StoreError};

/// Carries out the changes that are due; whether there was one.
pub(crate) async fn settle(daemon: &Daemon, loaded: &Loaded) -> Result<bool, StoreError> {
    let mut changed = false;
    for due in &loaded.due_roles {
        let from = loaded.roles.get(&due.rack);
        let holder = from.and_then(|role| role.agent.as_ref());
        let why = match (holder, &due.to) {
            (None, _) => "nobody had them".to_owned(),
            (Some(holder), Some(_)) => format!("{holder} was not heard for {:?}", daemon.bmc_times.silence()),
            (Some(holder), None) => format!("git no longer names {holder} for this rack"),
        };
        let wish = HandOver {
            rack: &due.rack,
            from,
            to: due.to.as_ref(),
            silence: daemon.bmc_times.silence(),
        };
        let by = By {
            who: "musterd".to_owned(),
            why,
        };
        if daemon.store.hand_over_bmcs(&wish, &by).await? {
            let to = due.to.as_ref().map_or("nobody", |name| name.as_str());
            tracing::info!(rack = %due.rack, to, why = by.why, "BMCs change hands");
            changed = true;
        }
    }
    Ok(changed)
}
