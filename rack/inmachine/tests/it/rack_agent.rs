//! A rack agent on a loopback port that answers as it is told and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// One request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range_from: Option<u64>,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// So many bytes are sent before the connection is cut.
    pub(crate) cut_after: Option<usize>,
}

impl Reply {
    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        Self::bytes(200, serde_json::to_vec(value).unwrap())
    }

    pub(crate) fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            cut_after: None,
        }
    }
}

/// Serves one request per connection for as long as the test runs; gives the address and the
/// requests.
pub(crate) fn serve(
    mut answer: impl FnMut(&Request) -> Reply + Send + 'static,
) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve_one(&stream.unwrap(), &mut answer, &sender);
        }
    });
    (server, requests)
}

fn serve_one(stream: &TcpStream, answer: &mut impl FnMut(&Request) -> Reply, sender: &Sender<Request>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let (mut length, mut range_from) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if let Some(value) = header.strip_prefix("range: bytes=") {
            range_from = value.trim_end_matches('-').parse().ok();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = Request {
        path,
        range_from,
        body: String::from_utf8(body).unwrap(),
    };
    let reply = answer(&request);
    // The test may be over.
    let _ = sender.send(request);
    let sent = &reply.body[..reply.cut_after.unwrap_or(reply.body.len())];
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.status,
        reply.body.len()
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(sent));
}
