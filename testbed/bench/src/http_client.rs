//! An HTTP client for load: one GET with a range, its body thrown away.

use crate::bed::{SERVER, client_address};
use crate::error::{BenchError, Result, failed};
use std::ops::Range;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Read at a time: as much as a socket's buffer has at once.
const BLOCK: usize = 256 << 10;
/// No head is longer.
const HEAD_MAX: usize = 8 << 10;

/// Reads a part of a file, as the client of this number: each has its own address, since ours gives one address a
/// share of its connections only.
pub(crate) async fn read(
    number: usize,
    server: &'static str,
    path: String,
    range: Range<u64>,
) -> Result<u64> {
    let socket = TcpSocket::new_v4().map_err(failed("open a client's socket"))?;
    socket
        .bind((client_address(number), 0).into())
        .map_err(failed("take a client's address"))?;
    let mut stream = socket
        .connect((SERVER, 8080).into())
        .await
        .map_err(failed("connect"))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {SERVER}\r\nRange: bytes={}-{}\r\nConnection: close\r\n\r\n",
        range.start,
        range.end - 1
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(failed("ask for a file"))?;
    let wrong = |what: String| BenchError::Wrong {
        server: server.to_owned(),
        what,
    };
    let mut block = vec![0; BLOCK];
    let (mut head, mut bytes, mut in_body) = (Vec::new(), 0, false);
    loop {
        let read = stream.read(&mut block).await.map_err(failed("read a file"))?;
        if read == 0 {
            break;
        }
        if in_body {
            bytes += read as u64;
            continue;
        }
        head.extend_from_slice(&block[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            in_body = true;
            bytes = (head.len() - end - 4) as u64;
            head.truncate(end);
            if !head.starts_with(b"HTTP/1.1 206 ") {
                return Err(wrong(String::from_utf8_lossy(&head).into_owned()));
            }
        } else if head.len() > HEAD_MAX {
            return Err(wrong("an endless head".to_owned()));
        }
    }
    let wanted = range.end - range.start;
    if bytes == wanted {
        return Ok(bytes);
    }
    Err(wrong(format!("{bytes} bytes of {wanted}")))
}
