//! Plain requests for artefacts, answered out of the page cache by sendfile(2).
//!
//! Images are what a rack agent mostly sends, and copying them through our memory costs as much as sending
//! them. So a connection that begins with a plain GET of an artefact is answered here, and goes on here as
//! long as plain ones follow; at anything else it goes to hyper, with that request still unread. Plain is:
//! HTTP/1.1, no body, no condition, one range at most. Everything that needs judgement is hyper's.
//!
//! A file that is not in the page cache makes the sending thread wait for the disk, so these threads are a
//! runtime of their own: no DHCP packet waits behind an image.

use super::{App, Connection, HEADERS_MAX, artefact::Progress, boot::client};
use rack_api::rack_path;
use schema_ids::Digest;
use std::{
    fs::File,
    io,
    net::TcpStream as Blocking,
    ops::Range,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
    time::timeout,
};

/// A plain head is shorter; a longer one is hyper's.
const HEAD_MAX: usize = 4 << 10;
/// And has fewer headers.
const HEADERS: usize = 24;
/// Sent by one call at most. Progress is noted so often, and others on the thread have their turn.
const PIECE: u64 = 1 << 20;
/// A client that takes nothing for so long is gone: firmware and the in-machine agent give up sooner.
const STALLED_MAX: Duration = Duration::from_secs(120);

/// A plain request.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    digest: Digest,
    /// The first byte and the last, which may be left open or lie past the end.
    range: Option<(u64, Option<u64>)>,
    /// The client wants the connection closed.
    closes: bool,
    /// The head's own length.
    length: usize,
}

/// Answers plain requests. Gives the connection back at the first that is not plain, with that still to be
/// read; nothing if the connection is over.
///
/// Cancel safety: an answer given up leaves the connection in its middle; drop it.
pub(super) async fn serve(mut stream: TcpStream, rack: &App, connection: &Connection) -> Option<TcpStream> {
    let mut head = vec![0; HEAD_MAX];
    loop {
        let length = match timeout(HEADERS_MAX, stream.peek(&mut head)).await {
            Ok(Ok(length)) if length > 0 => length,
            // Closed, broken, or silent for too long.
            Ok(Ok(_) | Err(_)) | Err(_) => return None,
        };
        let Some(plain) = Plain::parse(&head[..length]) else {
            return Some(stream);
        };
        if !rack.served().names(plain.digest) {
            return Some(stream);
        }
        // Whatever is wrong with it, hyper's side says so to the client.
        let Ok(path) = rack.cache.ready(plain.digest).await else {
            return Some(stream);
        };
        let Ok((file, whole)) = open(&path).await else {
            return Some(stream);
        };
        let Some(part) = plain.part(whole) else {
            return Some(stream);
        };
        let answer = Answer {
            head: plain.head(&part, whole),
            request: plain.length,
            progress: Progress::new(
                rack,
                client(rack, connection),
                plain.digest,
                (part.end - part.start).to_string(),
            ),
            file,
            part,
        };
        match answer.send(stream, &rack.senders).await {
            Ok(back) if !plain.closes => stream = back,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(client = %connection.client, %error, "artefact not sent to its end");
                return None;
            }
        }
    }
}

impl Plain {
    /// Reads a head; nothing if it is not whole, or not plain.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else {
            return None;
        };
        if request.method != Some("GET") || request.version != Some(1) {
            return None;
        }
        let mut plain = Self {
            digest: request.path?.strip_prefix(rack_path::ARTEFACT)?.parse().ok()?,
            range: None,
            closes: false,
            length,
        };
        for header in request.headers.iter() {
            let value = std::str::from_utf8(header.value).ok()?.trim();
            match header.name.to_ascii_lowercase().as_str() {
                "host" | "user-agent" | "accept" | "accept-encoding" => {}
                "connection" if value.eq_ignore_ascii_case("keep-alive") => {}
                "connection" if value.eq_ignore_ascii_case("close") => plain.closes = true,
                "range" if plain.range.is_none() => plain.range = Some(range(value)?),
                // Conditions, bodies, upgrades, and whatever comes after them.
                _ => return None,
            }
        }
        Some(plain)
    }

    /// Which bytes of a file that is so long; nothing where there is none to send.
    fn part(&self, whole: u64) -> Option<Range<u64>> {
        let (first, last) = self.range.unwrap_or((0, None));
        let end = last.map_or(whole, |last| whole.min(last.saturating_add(1)));
        (first < end).then_some(first..end)
    }

    fn head(&self, part: &Range<u64>, whole: u64) -> String {
        let (status, range) = match self.range {
            None => ("200 OK", String::new()),
            Some(_) => (
                "206 Partial Content",
                format!("Content-Range: bytes {}-{}/{whole}\r\n", part.start, part.end - 1),
            ),
        };
        let closes = if self.closes { "Connection: close\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
             Content-Length: {}\r\n{range}{closes}Date: {}\r\n\r\n",
            part.end - part.start,
            httpdate::fmt_http_date(SystemTime::now())
        )
    }
}

/// One range of bytes from its first on (RFC 9110 §14.1.2); the last bytes of a file, and several ranges, are
/// not plain.
fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let first: u64 = number(first)?;
    match last {
        "" => Some((first, None)),
        last => number(last)
            .filter(|last| first <= *last)
            .map(|last| (first, Some(last))),
    }
}

async fn open(path: &std::path::Path) -> io::Result<(File, u64)> {
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok((file.into_std().await, length))
}

/// An answer on its way.
struct Answer {
    head: String,
    /// How long the request is that it answers, still to be read.
    request: usize,
    file: File,
    part: Range<u64>,
    progress: Progress,
}

impl Answer {
    /// Sends it on the senders' threads, and gives the connection back.
    async fn send(self, stream: TcpStream, senders: &tokio::runtime::Handle) -> io::Result<TcpStream> {
        let stream = stream.into_std()?;
        let sent = senders.spawn(self.send_here(stream)).await;
        TcpStream::from_std(sent.map_err(io::Error::other)??)
    }

    async fn send_here(mut self, stream: Blocking) -> io::Result<Blocking> {
        let mut stream = TcpStream::from_std(stream)?;
        let mut request = vec![0; self.request];
        // It was seen whole: this does not wait.
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut request).await?;
        timeout(STALLED_MAX, stream.write_all(self.head.as_bytes())).await??;
        let mut at = self.part.start;
        while at < self.part.end {
            let piece = usize::try_from(PIECE.min(self.part.end - at)).map_err(io::Error::other)?;
            let sending = stream.async_io(Interest::WRITABLE, || {
                rustix::fs::sendfile(&stream, &self.file, Some(&mut at), piece).map_err(io::Error::from)
            });
            match timeout(STALLED_MAX, sending).await?? {
                // Cut short under our hands; the client sees it by the length.
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => self.progress.sent(sent),
            }
        }
        stream.into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rest: &str) -> Option<Plain> {
        let path = format!("{}{}", rack_path::ARTEFACT, "ab".repeat(32));
        Plain::parse(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{rest}\r\n").as_bytes())
    }

    #[test]
    fn one_range_from_its_first_byte_on_is_plain() {
        let part = |rest: &str| request(rest).map(|plain| plain.part(100));
        assert_eq!(part(""), Some(Some(0..100)));
        assert_eq!(part("Range: bytes=0-0\r\n"), Some(Some(0..1)));
        assert_eq!(part("RANGE: bytes=10-\r\n"), Some(Some(10..100)));
        assert_eq!(
            part("range: bytes=10-18446744073709551615\r\n"),
            Some(Some(10..100))
        );
        // Nothing to send: hyper's side refuses it.
        assert_eq!(part("range: bytes=100-\r\n"), Some(None));
        for other in [
            "bytes=-5",
            "bytes=1-2,4-5",
            "bytes=5-4",
            "bytes=+1-2",
            "lines=1-2",
            "bytes=1",
            "bytes= 1-2",
        ] {
            assert_eq!(part(&format!("range: {other}\r\n")), None, "{other}");
        }
        assert_eq!(part("range: bytes=1-2\r\nrange: bytes=3-4\r\n"), None);
    }

    #[test]
    fn what_needs_judgement_is_not_plain() {
        assert!(request("connection: keep-alive\r\nuser-agent: y\r\n").is_some());
        assert!(request("connection: close\r\n").is_some_and(|plain| plain.closes));
        for header in [
            "if-range: x",
            "content-length: 1",
            "transfer-encoding: chunked",
            "expect: 100-continue",
        ] {
            assert_eq!(request(&format!("{header}\r\n")), None, "{header}");
        }
        let whole = format!(
            "GET {}{} HTTP/1.1\r\nHost: x\r\n\r\n",
            rack_path::ARTEFACT,
            "ab".repeat(32)
        );
        assert!(Plain::parse(whole.as_bytes()).is_some_and(|plain| plain.length == whole.len()));
        for cut in 0..whole.len() {
            assert_eq!(Plain::parse(&whole.as_bytes()[..cut]), None, "{cut}");
        }
        for (from, to) in [
            ("GET", "HEAD"),
            ("1.1", "1.0"),
            ("abab", "abax"),
            ("/artefact", "/other"),
        ] {
            assert_eq!(Plain::parse(whole.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn the_head_says_what_comes() {
        let plain = request("range: bytes=10-999\r\n").unwrap_or_else(|| panic!("it is plain"));
        let part = plain.part(100).unwrap_or_default();
        let head = plain.head(&part, 100);
        assert!(head.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{head}");
        assert!(
            head.contains("\r\nContent-Length: 90\r\nContent-Range: bytes 10-99/100\r\nDate: "),
            "{head}"
        );
        assert!(head.ends_with(" GMT\r\n\r\n"), "{head}");
    }
}
