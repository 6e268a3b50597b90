//! The UDP side: sends a question until it is answered or its time is up.
//!
//! Nothing is read but datagrams from the BMC's own address (the socket is connected), and a datagram that is not
//! the answer changes nothing but the time left.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::BmcFault;

use super::packet::DATAGRAM_MAX;

/// The first pause before a question is sent again. Idle boards answer within 100 ms, and each packet sent in vain
/// is one more for a slow one to work through.
const RESEND_FIRST: Duration = Duration::from_millis(500);
/// Pauses double up to this, so that a board coming back from a reset is found soon.
const RESEND_MAX: Duration = Duration::from_secs(4);

/// A question and how to know its answer.
pub(crate) trait Question {
    /// What the answer becomes.
    type Answer;
    /// What is being asked, for messages.
    fn name(&self) -> &'static str;
    /// Whether it may be sent again before it is answered.
    fn repeatable(&self) -> bool;
    /// The datagram to send; made anew for each time it is sent.
    fn datagram(&mut self) -> Vec<u8>;
    /// The answer, if this datagram is it.
    fn receive(&mut self, datagram: &[u8]) -> Option<Self::Answer>;
}

/// A socket to one BMC.
pub(crate) struct Link {
    socket: UdpSocket,
    bmc: String,
}

impl Link {
    /// Opens a socket that hears `address` only.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, BmcFault> {
        let bmc = address.to_string();
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        match connected.await {
            Ok(socket) => Ok(Self { socket, bmc }),
            Err(source) => Err(BmcFault::Unreachable { bmc, source }),
        }
    }

    /// The BMC's address, as faults name it.
    pub(crate) fn bmc(&self) -> String {
        self.bmc.clone()
    }

    /// Asks until answered or `deadline`, with growing pauses.
    pub(crate) async fn ask<Q: Question>(
        &self,
        question: &mut Q,
        deadline: Instant,
    ) -> Result<Q::Answer, BmcFault> {
        let unreachable = |source: io::Error| BmcFault::Unreachable {
            bmc: self.bmc(),
            source,
        };
        let started = Instant::now();
        let mut pause = RESEND_FIRST;
        let mut buffer = [0; DATAGRAM_MAX];
        loop {
            self.socket
                .send(&question.datagram())
                .await
                .map_err(unreachable)?;
            let next = if question.repeatable() {
                deadline.min(Instant::now() + pause)
            } else {
                deadline
            };
            // The clock is read on each turn: a flood of datagrams must not outlast the deadline.
            while Instant::now() < next {
                let Ok(received) = timeout_at(next, self.socket.recv(&mut buffer)).await else {
                    break;
                };
                let len = received.map_err(unreachable)?;
                if let Some(answer) = question.receive(&buffer[..len]) {
                    return Ok(answer);
                }
            }
            if Instant::now() >= deadline {
                let after = started.elapsed();
                return Err(BmcFault::TimedOut {
                    bmc: self.bmc(),
                    command: question.name(),
                    after,
                });
            }
            pause = RESEND_MAX.min(pause * 2);
        }
    }

    /// Sends one datagram now or never. For good-byes, of which nobody waits to hear.
    pub(crate) fn mention(&self, datagram: &[u8]) {
        if let Err(error) = self.socket.try_send(datagram) {
            tracing::debug!(bmc = self.bmc, %error, "farewell not sent");
        }
    }
}
