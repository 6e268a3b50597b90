//! Ctrl-C as a word that is heard, so that a command which only watches can say that it goes and work does not.

use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// The exit code of a program that Ctrl-C ended: 128 and the signal's number, as shells have it.
const INTERRUPTED: i32 = 130;

/// Hears Ctrl-C from its making on, for as long as the program runs: whoever asks something first must not have begun to listen. The
/// second one ends the program, whatever it waits for.
pub(crate) struct Interrupt(Receiver<()>);

impl Interrupt {
    /// Begins to listen. Where that is not possible, Ctrl-C ends the program as it always does.
    pub(crate) fn listen() -> Self {
        let (heard, listener) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let mut is_first = true;
                while tokio::signal::ctrl_c().await.is_ok() {
                    if !is_first || heard.send(()).is_err() {
                        process::exit(INTERRUPTED);
                    }
                    is_first = false;
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
