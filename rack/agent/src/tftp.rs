//! TFTP on one link: a listening socket, and one connected socket per transfer.
//!
//! Serves the loaders from memory, and what signed GRUB reads, which has no HTTP. A client gets a handful of transfers at a time, the link a
//! bounded number; the protocol itself is in [`rack_proto::tftp`].

use crate::{
    clock,
    error_chain::Chain,
    http::{Connection, boot},
    interfaces::Interface,
    places::Places,
    rack::Rack,
    serving,
};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use rack_api::{RACK_HTTP_PORT, rack_path};
use rack_proto::{
    boot::{GRUB_SCRIPT, Sign, TFTP_ARTEFACT},
    dhcp::subnet_of,
    tftp::{ErrorCode, Outcome, Packets, ReadRequest, Step, Transfer, error},
};
use schema_ids::Mac;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::{net::UdpSocket, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// RFC 1350 §4.
const PORT: u16 = 69;
/// Requests and acknowledgements are short.
const PACKET_MAX: usize = 1024;
/// Transfers at a time: a whole row of racks that comes back from a power cut.
const TRANSFERS_MAX: usize = 512;
/// Per client; UEFI begins the second before the first is over.
const PER_CLIENT_MAX: usize = 4;
/// The kernel takes no longer datagram to cut apart (udp(7)); its own limit of 64 packets is our largest window.
const RUN_MAX: usize = 65_507;

/// Serves a link until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, link: String, stop: CancellationToken) {
    serving::on_interface(&rack, &link, "TFTP", &stop, |interface| {
        serve(&rack, &link, interface, &stop)
    })
    .await;
}

async fn serve(
    rack: &Arc<Rack>,
    link: &str,
    interface: Interface,
    stop: &CancellationToken,
) -> io::Result<()> {
    let socket = open(&interface.name, Ipv4Addr::UNSPECIFIED, PORT)?;
    tracing::info!(link, interface = interface.name, "answering TFTP");
    let mut transfers = JoinSet::new();
    let places = Places::new(TRANSFERS_MAX, PER_CLIENT_MAX);
    let mut packet = vec![0; PACKET_MAX];
    let result = loop {
        let (length, client) = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(_) = transfers.join_next() => continue,
            received = socket.recv_from(&mut packet) => match received {
                Ok(received) => received,
                Err(error) => break Err(error),
            },
        };
        let Some(place) = places.take(client.ip()) else {
            tracing::debug!(link, %client, "too many TFTP transfers");
            continue;
        };
        let (rack, link, interface) = (Arc::clone(rack), link.to_owned(), interface.name.clone());
        let (request, stop) = (packet[..length].to_vec(), stop.clone());
        transfers.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                done = transfer(&rack, &link, &interface, client, &request) => {
                    if let Err(error) = done {
                        // ICMP unreachable is how some loaders end a size probe.
                        tracing::debug!(link, %client, %error, "TFTP transfer ended");
                    }
                }
            }
            drop(place);
        });
    };
    transfers.shutdown().await;
    result
}

async fn transfer(
    rack: &Arc<Rack>,
    link: &str,
    interface: &str,
    client: SocketAddr,
    request: &[u8],
) -> io::Result<()> {
    // From the address that the client asked, where the interface has several.
    let own = rack.own_address(link).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let socket = open(interface, own, 0)?;
    socket.connect(client).await?;
    let request = match ReadRequest::parse(request) {
        Ok(request) => request,
        Err(None) => return Ok(()),
        Err(Some(refusal)) => return socket.send(&refusal).await.map(drop),
    };
    let mac = match client.ip() {
        // Of another link where a router is between.
        IpAddr::V4(address) => {
            let served = rack.served();
            let link = subnet_of(&served.config, client.ip()).map_or(link, |(name, _)| name);
            rack.client(link, address)
        }
        IpAddr::V6(_) => None,
    };
    let note = |words: &str| {
        if let Some(mac) = mac {
            rack.note_boot(mac, Sign::Tftp(format!("{}: {words}", request.file)));
        }
    };
    let Some(content) = content(rack, (link, own), (client, mac), &request.file).await else {
        note("not found");
        let refusal = error(ErrorCode::NotFound, "no such file");
        return socket.send(&refusal).await.map(drop);
    };
    note("begun");
    let (mut transfer, mut step) = Transfer::start(&request, content, clock::now());
    let mut sender = Sender {
        socket: &socket,
        cuts: Cuts::Untried,
    };
    let mut packet = vec![0; PACKET_MAX];
    loop {
        let Step { send, outcome } = step;
        sender.send(&send).await?;
        match outcome {
            Outcome::Running(due) => {
                step = match tokio::time::timeout(clock::until(due), socket.recv(&mut packet)).await {
                    Ok(received) => transfer.packet(&packet[..received?], clock::now()),
                    // The clock may be a moment behind the timer.
                    Err(_) => transfer.timer(clock::now().max(due)),
                };
            }
            Outcome::Complete => {
                note("complete");
                return Ok(());
            }
            Outcome::Aborted(code, words) => {
                tracing::debug!(link, %client, code, words, file = request.file, "TFTP client ended it");
                return Ok(());
            }
            Outcome::Lost => {
                note("client fell silent");
                return Ok(());
            }
        }
    }
}

/// What a file's name stands for. Loaders are everybody's; the rest is what signed GRUB asks for, and only of a
/// machine that we know by its address.
async fn content(
    rack: &Arc<Rack>,
    (link, own): (&str, Ipv4Addr),
    (client, mac): (SocketAddr, Option<Mac>),
    file: &str,
) -> Option<Arc<[u8]>> {
    if let Some(loader) = rack.loaders.get(file) {
        return Some(Arc::clone(loader));
    }
    let mac = mac?;
    if file == GRUB_SCRIPT {
        let connection = Connection {
            link: link.to_owned(),
            client: client.ip(),
            server: SocketAddr::from((own, RACK_HTTP_PORT)),
        };
        return Some(boot::grub(rack, &connection, mac).await.into_bytes().into());
    }
    if file == rack_path::AGENT.trim_start_matches('/') {
        return Some(Arc::clone(&rack.agent_archive));
    }
    let digest = file.strip_prefix(TFTP_ARTEFACT)?.parse().ok()?;
    if !rack.served().is_ephemeral(digest) {
        return None;
    }
    rack.cache
        .bytes(digest)
        .await
        .inspect_err(|error| tracing::warn!(%digest, %client, error = %Chain(error), "artefact not served"))
        .ok()
}

/// Sends windows in as few calls as it can.
struct Sender<'a> {
    socket: &'a UdpSocket,
    cuts: Cuts,
}

/// Whether the kernel cuts a run of packets apart for this transfer. It does not where the interface computes
/// no checksums, or where a block is longer than its frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cuts {
    Untried,
    Packets,
    Nothing,
}

impl Sender<'_> {
    async fn send(&mut self, packets: &Packets) -> io::Result<()> {
        if packets.len() > 1 && self.cuts == Cuts::Untried {
            self.cuts = match self.cut_at(packets.each()) {
                Ok(()) => Cuts::Packets,
                Err(_) => Cuts::Nothing,
            };
        }
        if packets.len() > 1 && self.cuts == Cuts::Packets {
            match self.send_runs(packets, RUN_MAX / packets.each()).await {
                Ok(()) => return Ok(()),
                // The client is gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "TFTP windows go out packet by packet");
                    self.cuts = Cuts::Nothing;
                    self.cut_at(0)?;
                }
            }
        }
        self.send_runs(packets, 1).await
    }

    async fn send_runs(&self, packets: &Packets, packets_max: usize) -> io::Result<()> {
        for run in packets.runs(packets_max) {
            self.socket.send(run).await?;
        }
        Ok(())
    }

    /// Says at which length the kernel cuts what it is given; 0 for not at all.
    fn cut_at(&self, bytes: usize) -> io::Result<()> {
        let bytes = i32::try_from(bytes).map_err(io::Error::other)?;
        setsockopt(self.socket, UdpGsoSegment, &bytes).map_err(io::Error::from)
    }
}

fn open(interface: &str, address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(port != 0)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((address, port)).into())?;
    UdpSocket::from_std(socket.into())
}
