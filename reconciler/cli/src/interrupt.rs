//! Ctrl-C as a word that is heard, so that a command which only watches can say that it goes and work does not.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Hears Ctrl-C from its making on. The second one ends the program as if nobody listened.
pub(crate) struct Interrupt(Receiver<()>);

impl Interrupt {
    /// Begins to listen. Where that is not possible, Ctrl-C ends the program as it always does.
    pub(crate) fn listen() -> Self {
        let (heard, listener) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if heard.send(()).is_err() {
                        break;
                    }
                }
            });
        });
        Self(listener)
    }

    /// Waits so long; gives whether Ctrl-C was heard meanwhile or before.
    pub(crate) fn heard_within(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(time);
                false
            }
        }
    }
}
