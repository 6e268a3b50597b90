//! A link's services, for as long as its interface is there.

use crate::{interfaces::Interface, rack::Rack};
use std::{io, time::Duration};
use tokio_util::sync::CancellationToken;

/// A socket that fails is tried again after this: the interface may be gone for a moment.
const RETRY: Duration = Duration::from_secs(2);

/// Runs a service on its link's interface until told to stop: as soon as the interface is there, anew when it was
/// made anew under the same name, since a socket stays bound to the old one, and again after an error.
///
/// `serve` ends by itself when it is told to stop, and is dropped when its interface is gone.
pub(crate) async fn on_interface<F>(
    rack: &Rack,
    link: &str,
    what: &str,
    stop: &CancellationToken,
    serve: impl Fn(Interface) -> F,
) where
    F: Future<Output = io::Result<()>>,
{
    let mut interfaces = rack.interfaces.clone();
    while !stop.is_cancelled() {
        interfaces.mark_unchanged();
        let Some(interface) = rack.interface(link) else {
            // Said by the task that watches interfaces.
            tokio::select! {
                () = stop.cancelled() => {}
                _ = interfaces.changed() => {}
            }
            continue;
        };
        let (name, index) = (interface.name.clone(), interface.index);
        let served = tokio::select! {
            served = serve(interface) => served,
            _ = interfaces.wait_for(|now| now.get(&name).map(|now| now.index) != Some(index)) => continue,
        };
        if let Err(error) = served {
            tracing::warn!(link, %error, "{what} stopped, trying again");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}
