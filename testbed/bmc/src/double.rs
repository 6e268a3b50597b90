//! A BMC on a UDP socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Chassis, InMemory, Manners, State};

/// How long the thread waits before it looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// The longest datagram; RMCP+ packets of these commands are below 200 bytes.
const DATAGRAM_MAX: usize = 1024;

/// A running BMC; ends when dropped.
#[derive(Debug)]
pub struct Double {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    running: Option<Arc<()>>,
}

impl Double {
    /// A BMC on a free port of loopback, with a machine that is a value.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(manners: Manners) -> io::Result<Self> {
        Self::start_at(
            (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            manners,
            Box::new(InMemory::default()),
        )
    }

    /// A BMC at `address` with this machine.
    ///
    /// # Errors
    /// The socket's.
    pub fn start_at(address: SocketAddr, manners: Manners, chassis: Box<dyn Chassis>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(LOOK))?;
        let address = socket.local_addr()?;
        let state = Arc::new(Mutex::new(State::new(manners, chassis)));
        let running = Arc::new(());
        let (shared, owner) = (Arc::clone(&state), Arc::downgrade(&running));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; DATAGRAM_MAX];
            while owner.strong_count() > 0 {
                // Silence, or word of an asker that has gone.
                let Ok((len, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let answer = locked(&shared).datagram(&buffer[..len]);
                std::thread::sleep(answer.after);
                if let Some(datagram) = answer.datagram {
                    // The asker may have gone meanwhile.
                    let _sent = socket.send_to(&datagram, from);
                }
            }
        });
        Ok(Self {
            address,
            state,
            thread: Some(thread),
            running: Some(running),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it knows and how it behaves, to be looked at and changed. It hears nothing meanwhile.
    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // Its panic was printed; the state is looked at by whoever owns the test.
            let _ended = thread.join();
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
