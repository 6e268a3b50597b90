//! A bad network: passes datagrams between our driver and a BMC, and loses, doubles or damages some.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a thread waits before it looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// What happens to the datagrams of one direction.
#[derive(Clone, Copy)]
pub(crate) enum Weather {
    Fair,
    /// The first, fifth, ninth … are lost: each step of an operation comes to lose one, none loses all it has.
    Loses,
    /// Each comes twice, and the one before it once more ahead of it.
    Echoes,
    /// Each of a session comes behind copies of it with one byte changed. Before there is a session nothing tells
    /// damage from a lie, and UDP's own checksum has to do.
    DamagesSessions,
    /// The first RAKP 1 comes twice.
    DoublesFirstRakp1,
}

/// A running relay; ends when dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    running: Option<Arc<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    pub(crate) fn start(bmc: SocketAddr, requests: Weather, answers: Weather) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        back.connect(bmc).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(LOOK)).unwrap();
        }
        let address = front.local_addr().unwrap();
        let asker = Arc::new(Mutex::new(None));
        let running = Arc::new(());
        let threads = vec![
            pass(
                requests,
                Arc::downgrade(&running),
                {
                    let (front, asker) = (Arc::clone(&front), Arc::clone(&asker));
                    move |buffer| {
                        let (len, from) = front.recv_from(buffer)?;
                        *asker.lock().unwrap() = Some(from);
                        Ok(len)
                    }
                },
                {
                    let back = Arc::clone(&back);
                    move |datagram| back.send(datagram).map(|_| ())
                },
            ),
            pass(
                answers,
                Arc::downgrade(&running),
                move |buffer| back.recv(buffer),
                move |datagram| {
                    let asker = asker.lock().unwrap().expect("an answer comes after a request");
                    front.send_to(datagram, asker).map(|_| ())
                },
            ),
        ];
        Self {
            address,
            running: Some(running),
            threads,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn pass(
    weather: Weather,
    owner: Weak<()>,
    receive: impl Fn(&mut [u8]) -> std::io::Result<usize> + Send + 'static,
    send: impl Fn(&[u8]) -> std::io::Result<()> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut before: Vec<Vec<u8>> = Vec::new();
        while owner.strong_count() > 0 {
            let Ok(len) = receive(&mut buffer) else { continue };
            let datagram = buffer[..len].to_vec();
            for out in delivered(weather, &before, &datagram) {
                // The other end may have closed its socket, which is its right.
                let _sent = send(&out);
            }
            before.push(datagram);
        }
    })
}

/// What arrives in place of `datagram`, after those `before` it.
fn delivered(weather: Weather, before: &[Vec<u8>], datagram: &[u8]) -> Vec<Vec<u8>> {
    const RAKP_1: u8 = 0x12;
    const SEALED: u8 = 0xc0;
    let once = vec![datagram.to_vec()];
    let twice = vec![datagram.to_vec(); 2];
    match weather {
        Weather::Fair => once,
        Weather::Loses if before.len().is_multiple_of(4) => vec![],
        Weather::Loses => once,
        Weather::Echoes => before.last().cloned().into_iter().chain(twice).collect(),
        Weather::DamagesSessions if datagram[5] != SEALED => once,
        Weather::DamagesSessions => {
            let damaged = (4..datagram.len()).map(|at| {
                let mut copy = datagram.to_vec();
                copy[at] ^= 0x11;
                copy
            });
            damaged.chain(once).collect()
        }
        Weather::DoublesFirstRakp1 => {
            let first = datagram[5] == RAKP_1 && before.iter().all(|earlier| earlier[5] != RAKP_1);
            if first { twice } else { once }
        }
    }
}
