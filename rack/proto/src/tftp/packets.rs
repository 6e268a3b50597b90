//! The packets of one step, behind one another in one buffer.
//!
//! A window's blocks are all of one length but the last, so that a shell may hand the kernel many of them in
//! one call, which cuts them apart itself (udp(7), `UDP_SEGMENT`).

use std::ops::{Index, RangeInclusive};

/// Packets to send to the client, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packets {
    bytes: Vec<u8>,
    /// The length of each but the last, which may be shorter. Zero where there is none.
    each: usize,
}

impl Packets {
    pub(super) fn one(bytes: Vec<u8>) -> Self {
        Self {
            each: bytes.len(),
            bytes,
        }
    }

    /// Room for these blocks in packets of a length.
    pub(super) fn of(each: usize, blocks: RangeInclusive<u64>) -> Self {
        let count = usize::try_from(blocks.end() + 1 - blocks.start()).unwrap_or(0);
        Self {
            bytes: Vec::with_capacity(count * each),
            each,
        }
    }

    /// Adds a DATA packet; only the last may be short.
    pub(super) fn push(&mut self, opcode: &[u8], number: &[u8], data: &[u8]) {
        self.bytes.extend_from_slice(opcode);
        self.bytes.extend_from_slice(number);
        self.bytes.extend_from_slice(data);
    }

    /// Each packet by itself.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.runs(1)
    }

    /// Runs of at most so many packets, each run in one piece.
    pub fn runs(&self, packets_max: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks((self.each * packets_max).max(1))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len().div_ceil(self.each.max(1))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The length of each packet but the last, in bytes.
    pub fn each(&self) -> usize {
        self.each
    }
}

impl Index<usize> for Packets {
    type Output = [u8];

    fn index(&self, number: usize) -> &[u8] {
        let from = number * self.each;
        &self.bytes[from..self.bytes.len().min(from + self.each)]
    }
}
