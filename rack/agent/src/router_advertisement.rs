//! Answers router solicitations on one link, so that iPXE does not wait 16 s for IPv6.
//!
//! Only where the interface has an fe80 address to send from. Answers go to all nodes: whoever else
//! waits hears them too.

use crate::{interfaces::Interface, rack::Rack, serving};
use rack_proto::router_advertisement::{advertisement, is_solicitation};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{Ipv6Addr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};
use tokio::{net::UdpSocket, time::Instant};
use tokio_util::sync::CancellationToken;

/// ff02::2, where solicitations go (RFC 4861 §4.1).
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// ff02::1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Neighbour discovery is believed with this hop limit only (RFC 4861 §6.1.2).
const HOPS: u32 = 255;
/// Answers go out no more often; one serves everybody who waits.
const ANSWER_EVERY: Duration = Duration::from_millis(100);

/// Serves a link until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, link: String, stop: CancellationToken) {
    serving::on_interface(&rack, &link, "router advertisement", &stop, async |interface| {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            served = serve(&rack, &link, interface) => served,
        }
    })
    .await;
}

/// Cancel safety: nothing is lost but a solicitation, which is repeated.
async fn serve(rack: &Rack, link: &str, interface: Interface) -> io::Result<()> {
    let mut interfaces = rack.interfaces.clone();
    let has_address = |now: &Interface| now.link_local.is_some();
    if interfaces
        .wait_for(|now| now.get(&interface.name).is_some_and(has_address))
        .await
        .is_err()
    {
        return Ok(());
    }
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.bind_device(Some(interface.name.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.set_multicast_hops_v6(HOPS)?;
    socket.set_multicast_loop_v6(false)?;
    socket.join_multicast_v6(&ALL_ROUTERS, interface.index)?;
    // A raw socket sends and receives like a UDP one, and tokio knows how to wait for that.
    let socket = UdpSocket::from_std(socket.into())?;
    tracing::info!(link, interface = interface.name, "answering router solicitations");
    let everyone = SocketAddrV6::new(ALL_NODES, 0, 0, interface.index);
    let answer = advertisement(interface.mac);
    let mut message = [0; 256];
    let mut next = Instant::now();
    loop {
        let (length, _) = socket.recv_from(&mut message).await?;
        let serves = rack.served().config.links.get(link).is_some_and(|link| link.dhcp);
        if !serves || !is_solicitation(&message[..length]) {
            continue;
        }
        tokio::time::sleep_until(next).await;
        next = Instant::now() + ANSWER_EVERY;
        socket.send_to(&answer, everyone).await?;
        tracing::debug!(link, "router solicitation answered");
    }
}
