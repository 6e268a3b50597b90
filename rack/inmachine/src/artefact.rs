//! Streams an artefact, going on from where it was when the connection breaks.

use crate::console::chain;
use crate::rack::{CallError, Rack, Stream};
use crate::say;
use schema_ids::Digest;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// A rack agent that does not have the artefact yet fetches it first; without a single byte for so
/// long the step fails and says so.
const NOTHING_MAX: Duration = Duration::from_secs(15 * 60);

/// Between attempts that bring nothing; each is one small request.
const PAUSE: Duration = Duration::from_secs(5);

/// An artefact being read.
pub struct Download<'a> {
    rack: &'a mut Rack,
    digest: Digest,
    stream: Option<Stream>,
    done_bytes: u64,
    total_bytes: Option<u64>,
    /// When the last byte came.
    heard: Instant,
    /// Whether the connection in use has brought any.
    fruitful: bool,
}

impl<'a> Download<'a> {
    /// Begins with the first read.
    pub fn new(rack: &'a mut Rack, digest: Digest) -> Self {
        Self {
            rack,
            digest,
            stream: None,
            done_bytes: 0,
            total_bytes: None,
            heard: Instant::now(),
            fruitful: false,
        }
    }

    /// So many bytes were read.
    pub fn done_bytes(&self) -> u64 {
        self.done_bytes
    }

    /// Of so many, 0 while unknown.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.unwrap_or(0)
    }

    /// The rack agent, for a word in between.
    pub fn rack(&mut self) -> &mut Rack {
        self.rack
    }

    /// One read from one connection. An end before the announced length is a broken connection.
    fn attempt(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self
                .rack
                .artefact(self.digest, self.done_bytes)
                .map_err(|error: CallError| chain(&error))?,
        };
        self.total_bytes = stream.total_bytes.or(self.total_bytes);
        let count = stream.reader.read(buffer).map_err(|error| error.to_string())?;
        self.done_bytes += u64::try_from(count).expect("a buffer's length fits");
        if count == 0 && self.total_bytes.is_some_and(|total| self.done_bytes < total) {
            return Err("the connection ended early".to_owned());
        }
        self.stream = Some(stream);
        Ok(count)
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Everything was read: a range beyond the end would be refused.
            if self.total_bytes == Some(self.done_bytes) {
                return Ok(0);
            }
            match self.attempt(buffer) {
                Ok(count) => {
                    self.heard = Instant::now();
                    self.fruitful = true;
                    return Ok(count);
                }
                Err(text) if self.heard.elapsed() < NOTHING_MAX => {
                    say!("the image stopped at byte {}: {text}; trying on", self.done_bytes);
                    if !std::mem::take(&mut self.fruitful) {
                        std::thread::sleep(PAUSE);
                    }
                }
                Err(text) => return Err(io::Error::other(text)),
            }
        }
    }
}
