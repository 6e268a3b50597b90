//! Images that a real HTTP source gives, or other bytes in their place.

use crate::bed::{Bed, example};
use rack_api::fact::FactBody;
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Facts that are told one after the other; each wakes whatever waits for a change.
const FACTS: u64 = 60;
/// Of requests for one file within that time: the pauses are of 15, 30 and 60 seconds.
const ASKED_MAX: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// A web server that gives the same few bytes under every name, and counts.
struct Source {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

const BYTES: &[u8] = b"not what anybody wanted";

impl Source {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let counts = Arc::clone(&asked);
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                for _header in lines.take_while(|line| !line.is_empty()) {}
                let path = first.split(' ').nth(1).unwrap_or_default();
                *counts.lock().unwrap().entry(path.to_owned()).or_default() += 1;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    BYTES.len()
                );
                // musterd may have gone.
                let _sent = stream.write_all(&[head.as_bytes(), BYTES].concat());
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> BTreeMap<String, usize> {
        self.asked.lock().unwrap().clone()
    }
}

async fn await_true(what: &str, bed: &Bed, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain: {what}\n{}", bed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_source_of_wrong_bytes_is_asked_ever_less_often_and_another_at_once() {
    let source = Source::start();
    let fleet = example().replace("muster:", &format!("http://{}/", source.address));
    let mut bed = Bed::new(&fleet);
    bed.start(&[]);
    bed.until("adopted", |status| status.adopted.is_some()).await;
    await_true("it is asked", &bed, || !source.asked().is_empty()).await;
    for number in 1..=FACTS {
        let last = u8::try_from(number).unwrap();
        let seen = FactBody::AddressSeen {
            address: Ipv4Addr::new(10, 77, 0, last).into(),
            mac: None,
        };
        bed.hear(number, vec![seen]).await;
    }
    let asked = source.asked();
    assert!(asked.values().all(|count| *count <= ASKED_MAX), "{asked:?}");
    let log = bed.log();
    assert!(log.contains("; musterd tries again at 2"), "{log}");

    // A commit that gives the file another name is no reason to wait, and one with the right digest none to complain.
    let file = asked.keys().next().unwrap().clone();
    let moved = fleet.replace(&file, "/moved");
    bed.commit(&[("fleet.toml", Some(&moved))], "moved");
    bed.apply().await;
    await_true("the other is asked", &bed, || {
        source.asked().contains_key("/moved")
    })
    .await;

    let right = Digest(Sha256::digest(BYTES).into());
    let at = moved.find("/moved").unwrap();
    let from = at + moved[at..].find("sha256").unwrap();
    let (open, close) = {
        let open = from + moved[from..].find('"').unwrap() + 1;
        (open, open + moved[open..].find('"').unwrap())
    };
    let mended = format!("{}{}{}", &moved[..open], right.hex(), &moved[close..]);
    bed.commit(&[("fleet.toml", Some(&mended))], "mended");
    bed.apply().await;
    await_true("it is here", &bed, || {
        bed.path("state/images").join(right.hex()).exists()
    })
    .await;
}
