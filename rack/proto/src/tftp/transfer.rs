//! One transfer.
//!
//! Blocks are counted from 1 in 64 bits; on the wire the number wraps at 16 (RFC 1350 leaves it open,
//! all clients wrap to 0). A window's blocks go out at once and the next window after the
//! acknowledgement. A repeated acknowledgement is answered once at most, so that two doubled packets
//! never double each other for ever.

use super::{
    packet::{ACK, DATA, ERROR, OPTIONS, ReadRequest, TIMEOUT_SECONDS_MAX, opcode, word},
    packets::Packets,
};
use schema_ids::Timestamp;
use std::{sync::Arc, time::Duration};

/// Without the option (RFC 1350 §2).
const BLOCK_SIZE: u16 = 512;
/// An Ethernet frame without IP and UDP headers and TFTP's own; more would be fragmented.
const BLOCK_SIZE_MAX: u16 = 1468;
/// Of a DATA packet: opcode and number.
const HEADER: usize = 4;
/// More blocks in flight overrun the receive buffers of firmware.
const WINDOW_MAX: u16 = 64;
/// The pause before the first retransmission; doubled up to its limit.
const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(TIMEOUT_SECONDS_MAX as u64);
/// With the pauses above a client is given up after 23 s of silence.
const RETRANSMISSIONS_MAX: u32 = 5;

/// A transfer under way.
#[derive(Debug)]
pub struct Transfer {
    content: Arc<[u8]>,
    block_size: usize,
    window: u64,
    timeout: Duration,
    /// The option acknowledgement, until the client has confirmed it with ACK 0.
    options: Option<Vec<u8>>,
    /// The first block that is not acknowledged; the blocks up to `sent` are out.
    next: u64,
    sent: u64,
    retransmissions: u32,
    /// A repeated acknowledgement was answered since the last progress.
    repeated: bool,
    due: Timestamp,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Packets to send to the client, in order.
    pub send: Packets,
    /// Whether it goes on.
    pub outcome: Outcome,
}

/// Whether it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Call [`Transfer::timer`] then, unless a packet comes first.
    Running(Timestamp),
    /// Every byte was acknowledged.
    Complete,
    /// The client ended it; with its code and words. Normal for a size probe.
    Aborted(u16, String),
    /// The client fell silent.
    Lost,
}

impl Transfer {
    /// Begins; the first step is already in the answer.
    pub fn start(request: &ReadRequest, content: Arc<[u8]>, now: Timestamp) -> (Self, Step) {
        let block_size = request.block_size.map(|size| size.min(BLOCK_SIZE_MAX));
        let window = request.window.map(|blocks| blocks.min(WINDOW_MAX));
        let size = request.wants_size.then_some(content.len());
        let mut transfer = Self {
            content,
            block_size: usize::from(block_size.unwrap_or(BLOCK_SIZE)),
            window: u64::from(window.unwrap_or(1)),
            timeout: request
                .timeout
                .map_or(TIMEOUT, |seconds| Duration::from_secs(u64::from(seconds))),
            options: None,
            next: 1,
            sent: 0,
            retransmissions: 0,
            repeated: false,
            due: now,
        };
        let mut options = OPTIONS.to_be_bytes().to_vec();
        let mut accept = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                options.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
            }
        };
        accept("blksize", block_size.map(|size| size.to_string()));
        accept("tsize", size.map(|size| size.to_string()));
        accept("timeout", request.timeout.map(|seconds| seconds.to_string()));
        accept("windowsize", window.map(|blocks| blocks.to_string()));
        transfer.options = (options.len() > 2).then_some(options);
        let send = transfer.pending();
        let step = transfer.running(send, now);
        (transfer, step)
    }

    /// A packet came from the client.
    pub fn packet(&mut self, packet: &[u8], now: Timestamp) -> Step {
        match opcode(packet) {
            Some(ACK) => match word(packet, 2) {
                Some(block) => self.acknowledged(block, now),
                None => self.idle(),
            },
            Some(ERROR) => {
                let text = packet.get(4..).unwrap_or_default();
                let words = String::from_utf8_lossy(text)
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(100)
                    .collect();
                Step {
                    send: Packets::default(),
                    outcome: Outcome::Aborted(word(packet, 2).unwrap_or(0), words),
                }
            }
            _ => self.idle(),
        }
    }

    /// The time of [`Outcome::Running`] has come.
    pub fn timer(&mut self, now: Timestamp) -> Step {
        if now < self.due {
            return self.idle();
        }
        if self.retransmissions >= RETRANSMISSIONS_MAX {
            return Step {
                send: Packets::default(),
                outcome: Outcome::Lost,
            };
        }
        self.retransmissions += 1;
        let send = self.pending();
        self.running(send, now)
    }

    /// Bytes acknowledged so far.
    pub fn acknowledged_bytes(&self) -> usize {
        self.offset(self.next).min(self.content.len())
    }

    fn acknowledged(&mut self, block: u16, now: Timestamp) -> Step {
        if self.options.is_some() {
            if block != 0 {
                return self.idle();
            }
            self.options = None;
            return self.advance(now);
        }
        // How far it lies past what was acknowledged before; older ones come out as large.
        let low_bits = u16::try_from((self.next - 1) & 0xffff).unwrap_or(0);
        let ahead = u64::from(block.wrapping_sub(low_bits));
        if ahead == 0 && self.window > 1 && !self.repeated {
            // The window's first block was lost (RFC 7440 §4). With a window of one this may be the
            // echo of a doubled packet, which the timer covers.
            self.repeated = true;
            let send = self.pending();
            return self.running(send, now);
        }
        if ahead == 0 || self.next + ahead > self.sent + 1 {
            return self.idle();
        }
        self.next += ahead;
        self.advance(now)
    }

    fn advance(&mut self, now: Timestamp) -> Step {
        self.retransmissions = 0;
        self.repeated = false;
        if self.next > self.last_block() {
            return Step {
                send: Packets::default(),
                outcome: Outcome::Complete,
            };
        }
        let send = self.pending();
        self.running(send, now)
    }

    /// What is out and not acknowledged: the options, or the window from `next`.
    fn pending(&mut self) -> Packets {
        if let Some(options) = &self.options {
            return Packets::one(options.clone());
        }
        let end = (self.next + self.window - 1).min(self.last_block());
        self.sent = self.sent.max(end);
        let mut packets = Packets::of(HEADER + self.block_size, self.next..=end);
        for block in self.next..=end {
            let from = self.offset(block).min(self.content.len());
            let to = self.offset(block + 1).min(self.content.len());
            let number = u16::try_from(block & 0xffff).unwrap_or(0);
            packets.push(
                &DATA.to_be_bytes(),
                &number.to_be_bytes(),
                &self.content[from..to],
            );
        }
        packets
    }

    fn offset(&self, block: u64) -> usize {
        usize::try_from(block.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .saturating_mul(self.block_size)
    }

    /// The block that is shorter than the others, empty if the length is a multiple (RFC 1350 §6).
    fn last_block(&self) -> u64 {
        self.content.len() as u64 / self.block_size as u64 + 1
    }

    fn running(&mut self, send: Packets, now: Timestamp) -> Step {
        let pause = self.timeout * 2_u32.pow(self.retransmissions);
        self.due = now.plus(pause.min(TIMEOUT_MAX));
        Step {
            send,
            outcome: Outcome::Running(self.due),
        }
    }

    fn idle(&self) -> Step {
        Step {
            send: Packets::default(),
            outcome: Outcome::Running(self.due),
        }
    }
}
