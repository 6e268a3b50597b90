//! DHCP on one link: a UDP socket bound to its interface, and nothing decided here.
//!
//! A packet is answered by [`answer`]; its changes are made in memory at once, so that the next packet
//! sees them, and the durable ones are on disk before the reply goes out, from the journal's own thread: waking
//! another costs more than the packet. Several acknowledgements share one `fdatasync`. Reservations are answered with a full disk too.

use crate::{
    clock, error_chain::Chain, failpoint, interfaces::Interface, journal::Journal, kept, rack::Rack, serving,
};
use rack_proto::dhcp::{Answer, Destination, Ingress, Reply, Silence, answer};
use schema_ids::Timestamp;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The server's port (RFC 2131 §4.1); relays listen there too.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Longer packets are cut, and then refused as malformed.
const PACKET_MAX: usize = 2048;
/// Replies that wait for the disk or the kernel at once; more are not begun, and clients repeat.
const REPLIES_MAX: usize = 1024;
/// A relay that is not answered is said so often.
const STRANGER_EVERY: Duration = Duration::from_secs(60);
/// Relays counted at once: the address is the sender's word.
const STRANGERS_MAX: usize = 64;

/// Serves a link until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, link: String, journal: Journal, stop: CancellationToken) {
    serving::on_interface(&rack, &link, "DHCP", &stop, |interface| {
        serve(&rack, &link, interface, &journal, &stop)
    })
    .await;
}

async fn serve(
    rack: &Arc<Rack>,
    link: &str,
    interface: Interface,
    journal: &Journal,
    stop: &CancellationToken,
) -> io::Result<()> {
    let socket = Arc::new(open(&interface.name)?);
    tracing::info!(link, interface = interface.name, "answering DHCP");
    let limit = Arc::new(Semaphore::new(REPLIES_MAX));
    let mut replies = JoinSet::new();
    let mut packet = vec![0; PACKET_MAX];
    let mut strangers = Strangers::default();
    let result = loop {
        let length = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(_) = replies.join_next() => continue,
            received = socket.recv_from(&mut packet) => match received {
                Ok((length, _)) => length,
                Err(error) => break Err(error),
            },
        };
        let (reply, lines) = respond(rack, link, &packet[..length], &mut strangers);
        if reply.is_none() && lines.is_empty() {
            continue;
        }
        let Ok(permit) = Arc::clone(&limit).try_acquire_owned() else {
            tracing::warn!(link, "too many DHCP replies wait for the disk");
            continue;
        };
        let replying = Replying {
            rack: Arc::clone(rack),
            socket: Arc::clone(&socket),
            link: link.to_owned(),
            interface: interface.index,
            permit,
        };
        if lines.is_empty() {
            if let Some(reply) = reply.filter(|reply| !replying.at_once(reply)) {
                replies.spawn(replying.send(reply));
            }
            continue;
        }
        let runtime = tokio::runtime::Handle::current();
        journal.append_then(lines, move |durable| {
            if durable.is_err() {
                let link = replying.link;
                tracing::warn!(link, "no lease is acknowledged while it cannot be kept on disk");
                return;
            }
            let Some(reply) = reply else { return };
            failpoint::reach("ack");
            if !replying.at_once(&reply) {
                runtime.spawn(replying.send(reply));
            }
        });
    };
    while replies.join_next().await.is_some() {}
    result
}

/// Decides and applies; gives what to send and what must be on disk before. An address that is given
/// back, or found in use, is worth a line on disk too, though nobody waits for an answer.
fn respond(rack: &Rack, link: &str, packet: &[u8], strangers: &mut Strangers) -> (Option<Reply>, Vec<u8>) {
    let Some(server) = rack.own_address(link) else {
        return (None, Vec::new());
    };
    let served = rack.served();
    let ingress = Ingress {
        link,
        server,
        bytes: packet,
    };
    let now = clock::now();
    let Answer {
        reply,
        changes,
        facts,
        seen,
        silence,
    } = {
        let mut leases = rack.leases();
        let answer = answer(&served.config, &leases, &ingress, now);
        for change in &answer.changes {
            leases.apply(change);
        }
        answer
    };
    if let Some(seen) = &seen {
        rack.boots().dhcp(seen, now);
    }
    match silence {
        Some(Silence::Exhausted) => tracing::warn!(link, "no dynamic address is free"),
        Some(Silence::UnknownRelay(relay)) => strangers.heard(link, relay, now),
        Some(why) => tracing::debug!(link, ?why, "DHCP packet not answered"),
        None => {}
    }
    rack.tell(facts);
    let lines: Vec<u8> = changes
        .iter()
        .filter(|change| change.is_durable())
        .flat_map(kept::lease_line)
        .collect();
    (reply, lines)
}

/// Relays that git does not name, and how many of their packets were not answered since they were last said.
#[derive(Debug, Default)]
struct Strangers(BTreeMap<Ipv4Addr, (Timestamp, u64)>);

impl Strangers {
    /// Counts one's packet, and says the relay if it was not said for a while.
    fn heard(&mut self, link: &str, relay: Ipv4Addr, now: Timestamp) {
        if !self.0.contains_key(&relay) && self.0.len() >= STRANGERS_MAX {
            self.0.retain(|_, (said, _)| now.since(*said) < STRANGER_EVERY);
            if self.0.len() >= STRANGERS_MAX {
                return tracing::debug!(link, %relay, "relayed by one more that no file names");
            }
        }
        let (said, packets) = self.0.entry(relay).or_insert((Timestamp::from_unix_ms(0), 0));
        *packets += 1;
        if now.since(*said) >= STRANGER_EVERY {
            tracing::warn!(link, %relay, packets, "no file names this relay for the link of its clients: not answered");
            (*said, *packets) = (now, 0);
        }
    }
}

/// A reply on its way.
struct Replying {
    rack: Arc<Rack>,
    socket: Arc<UdpSocket>,
    link: String,
    interface: u32,
    /// Its place among [`REPLIES_MAX`].
    permit: OwnedSemaphorePermit,
}

impl Replying {
    /// Sends it without waiting, where nothing is to be done before; says whether it is gone. Most go so: a task for
    /// each costs more than the packet.
    fn at_once(&self, reply: &Reply) -> bool {
        let to = match reply.to {
            Destination::Neighbour { .. } => return false,
            Destination::Unicast(address) => SocketAddrV4::new(address, CLIENT_PORT),
            Destination::Broadcast => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
            Destination::Relay(relay) => SocketAddrV4::new(relay, SERVER_PORT),
        };
        self.socket.try_send_to(&reply.bytes, to.into()).is_ok()
    }

    /// Sends it, with all that may have to be waited for.
    async fn send(self, reply: Reply) {
        if let Err(error) = send(&self.rack, &self.socket, self.interface, &reply).await {
            let link = self.link;
            tracing::warn!(link, to = ?reply.to, error = %Chain(&error), "DHCP reply not sent");
        }
        drop(self.permit);
    }
}

/// Why a reply did not go out.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("cannot send")]
    Socket(#[source] io::Error),
    #[error("cannot set the client's neighbour entry")]
    Neighbour(#[source] crate::interfaces::InterfaceError),
}

async fn send(rack: &Rack, socket: &UdpSocket, interface: u32, reply: &Reply) -> Result<(), SendError> {
    let to = match reply.to {
        Destination::Neighbour { address, mac } => {
            rack.netlink
                .set_neighbour(interface, address, mac)
                .await
                .map_err(SendError::Neighbour)?;
            SocketAddrV4::new(address, CLIENT_PORT)
        }
        Destination::Unicast(address) => SocketAddrV4::new(address, CLIENT_PORT),
        Destination::Broadcast => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
        Destination::Relay(relay) => SocketAddrV4::new(relay, SERVER_PORT),
    };
    let sent = socket.send_to(&reply.bytes, to).await;
    match (sent, reply.to) {
        (Ok(_), _) => Ok(()),
        // A second subnet on the link that the agent has no address in: there is no route to it.
        (Err(_), Destination::Neighbour { .. }) => {
            let everyone = SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT);
            socket
                .send_to(&reply.bytes, everyone)
                .await
                .map(drop)
                .map_err(SendError::Socket)
        }
        (Err(error), Destination::Unicast(_) | Destination::Broadcast | Destination::Relay(_)) => {
            Err(SendError::Socket(error))
        }
    }
}

fn open(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).into())?;
    UdpSocket::from_std(socket.into())
}
