//! A TFTP client for load (RFC 1350, RFC 2348, RFC 7440): reads a file and throws it away.
//!
//! It checks the order and the length of what comes and nothing else, so that it costs less than any
//! server. What is lost is asked for again after a second.

use crate::bed::{SERVER, client_address};
use crate::error::{BenchError, Result, failed};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

/// As the servers' own.
const RETRY: Duration = Duration::from_secs(1);
const RETRIES_MAX: u32 = 20;

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) block: u16,
    /// One, or without the option at all where it is absent.
    pub(crate) window: Option<u16>,
    pub(crate) length: u64,
}

/// Reads a file to its end.
pub(crate) async fn read(number: usize, server: &'static str, file: &'static str, ask: Ask) -> Result<u64> {
    let socket = UdpSocket::bind((client_address(number), 0))
        .await
        .map_err(failed("open a client's socket"))?;
    let mut request = format!("\0\u{1}{file}\0octet\0blksize\0{}\0", ask.block);
    if let Some(window) = ask.window {
        request.push_str(&format!("windowsize\0{window}\0"));
    }
    let mut packet = vec![0; 4 + usize::from(ask.block) + 100];
    let (mut retries, mut peer) = (0, None::<SocketAddr>);
    let (mut next, mut bytes, mut in_window) = (1_u64, 0_u64, 0_u16);
    let mut window = 1;
    loop {
        if peer.is_none() {
            let sent = socket.send_to(request.as_bytes(), (SERVER, 69)).await;
            sent.map_err(failed("ask for a file"))?;
        }
        let received = tokio::time::timeout(RETRY, async {
            match peer {
                None => socket.recv_from(&mut packet).await,
                Some(peer) => socket.recv(&mut packet).await.map(|length| (length, peer)),
            }
        });
        let Ok(received) = received.await else {
            retries += 1;
            if retries > RETRIES_MAX {
                return Err(wrong(server, format!("silence after {bytes} bytes")));
            }
            if peer.is_some() {
                acknowledge(&socket, next - 1).await?;
                in_window = 0;
            }
            continue;
        };
        let (length, from) = received.map_err(failed("read a packet"))?;
        if peer.is_none() {
            socket.connect(from).await.map_err(failed("turn to the server"))?;
            peer = Some(from);
        }
        match &packet[..length] {
            // The options: with those that it agreed to.
            [0, 6, options @ ..] => {
                window = option(options, "windowsize").unwrap_or(1);
                let block = option(options, "blksize");
                if block != Some(ask.block) {
                    return Err(wrong(server, format!("a block of {block:?} bytes")));
                }
                acknowledge(&socket, 0).await?;
            }
            [0, 3, high, low, data @ ..] => {
                let number = u16::from_be_bytes([*high, *low]);
                if u64::from(number) != next & 0xffff {
                    // Out of order: the window ends here, once for all of its rest.
                    if in_window > 0 {
                        acknowledge(&socket, next - 1).await?;
                        in_window = 0;
                    }
                    continue;
                }
                (next, bytes, in_window) = (next + 1, bytes + data.len() as u64, in_window + 1);
                let is_last = data.len() < usize::from(ask.block);
                if is_last || in_window == window {
                    acknowledge(&socket, next - 1).await?;
                    in_window = 0;
                }
                if is_last && bytes == ask.length {
                    return Ok(bytes);
                }
                if is_last {
                    return Err(wrong(server, format!("{bytes} bytes of {}", ask.length)));
                }
            }
            other => return Err(wrong(server, String::from_utf8_lossy(other).into_owned())),
        }
    }
}

async fn acknowledge(socket: &UdpSocket, block: u64) -> Result<()> {
    let [.., high, low] = block.to_be_bytes();
    socket
        .send(&[0, 4, high, low])
        .await
        .map(drop)
        .map_err(failed("acknowledge"))
}

fn option(options: &[u8], wanted: &str) -> Option<u16> {
    let text = std::str::from_utf8(options).ok()?;
    let words: Vec<&str> = text.split('\0').collect();
    let pair = words
        .chunks(2)
        .find(|pair| pair[0].eq_ignore_ascii_case(wanted))?;
    pair.get(1)?.parse().ok()
}

fn wrong(server: &str, what: String) -> BenchError {
    BenchError::Wrong {
        server: server.to_owned(),
        what,
    }
}
