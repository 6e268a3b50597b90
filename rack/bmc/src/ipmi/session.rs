//! An open session: seals requests and opens answers (IPMI 2.0 §13.28, §13.29), sans-I/O.
//!
//! An answer counts only when its code is right, its packet has not been heard before, and it answers exactly the
//! request asked about; everything else is as if it had not come.

use ipmi_rs_core::connection::{Message, Response};

use super::message;
use super::packet::{self, Packet};
use super::suite::{self, BLOCK, Suite};
use super::window::Window;

/// What K1 and K2 are made from, each repeated (IPMI 2.0 §13.32).
const KEY_1: [u8; 20] = [1; 20];
const KEY_2: [u8; 20] = [2; 20];

/// The keys of one session. No `Debug`: nothing prints them.
pub(crate) struct Keys {
    suite: Suite,
    integrity: Vec<u8>,
    confidentiality: [u8; BLOCK],
}

impl Keys {
    /// From the session integrity key.
    pub(crate) fn derive(suite: Suite, sik: &[u8]) -> Self {
        let k2 = suite.code(sik, &[&KEY_2]);
        let confidentiality = *k2
            .first_chunk()
            .expect("codes of both suites are longer than an AES key");
        Self {
            suite,
            integrity: suite.code(sik, &[&KEY_1]),
            confidentiality,
        }
    }
}

/// A session with a BMC.
pub(crate) struct Session {
    ours: u32,
    bmc: u32,
    guid: [u8; 16],
    keys: Keys,
    sent: u32,
    heard: Window,
    asked: u8,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("bmc", &self.bmc)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(ours: u32, bmc: u32, guid: [u8; 16], keys: Keys) -> Self {
        Self {
            ours,
            bmc,
            guid,
            keys,
            sent: 0,
            heard: Window::default(),
            asked: 0,
        }
    }

    /// The BMC's id of the session, which closes it.
    pub(crate) fn bmc_id(&self) -> u32 {
        self.bmc
    }

    /// The GUID that the BMC proved the password with.
    pub(crate) fn guid(&self) -> [u8; 16] {
        self.guid
    }

    /// A number for a new request, which its answer will carry.
    pub(crate) fn next_request(&mut self) -> u8 {
        self.asked = (self.asked + 1) & message::SEQUENCE_MASK;
        self.asked
    }

    /// A datagram with `request`. Sealing again makes a new packet of the same request: a BMC drops a packet it
    /// has heard, so one sent again needs a sequence number of its own. `iv` must be drawn anew each time.
    pub(crate) fn seal(&mut self, number: u8, request: &Message, iv: [u8; BLOCK]) -> Vec<u8> {
        self.sent += 1;
        let payload = suite::encrypt(&self.keys.confidentiality, iv, &message::encode(number, request));
        let mut datagram = packet::in_session(self.bmc, self.sent, &payload);
        let code = self
            .keys
            .suite
            .code(&self.keys.integrity, &[packet::covered(&datagram)]);
        datagram.extend_from_slice(&code[..self.keys.suite.short_code_len()]);
        datagram
    }

    /// The response in `datagram`, if it is the answer to `request` under `number`.
    pub(crate) fn open(&mut self, datagram: &[u8], number: u8, request: &Message) -> Option<Response> {
        let suite = self.keys.suite;
        let packet = packet::parse(datagram, suite.short_code_len())?;
        let Packet::InSession {
            session,
            sequence,
            payload,
            covered,
            code,
        } = packet
        else {
            return None;
        };
        if session != self.ours || !suite.verify(&self.keys.integrity, &[covered], code) {
            return None;
        }
        if !self.heard.first(sequence) {
            return None;
        }
        let message = suite::decrypt(&self.keys.confidentiality, payload)?;
        message::answer(&message, number, request)
    }
}

#[cfg(test)]
mod tests {
    use ipmi_rs_core::connection::NetFn;

    use super::*;

    const OURS: u32 = 0x0102_0304;
    const SIK: &[u8] = b"session integrity key";

    fn session(suite: Suite) -> Session {
        Session::new(OURS, 7, [0; 16], Keys::derive(suite, SIK))
    }

    fn status() -> Message {
        Message::new_request(NetFn::Chassis, 0x01, vec![])
    }

    /// The answer to [`status`] under number 1, as the BMC seals it.
    fn answer(suite: Suite, to: u32, sequence: u32) -> Vec<u8> {
        const ON: [u8; 11] = [0x81, 0x04, 0x7b, 0x20, 0x04, 0x01, 0x00, 0x21, 0x10, 0x40, 0x6a];
        let keys = Keys::derive(suite, SIK);
        let payload = suite::encrypt(&keys.confidentiality, [5; BLOCK], &ON);
        let mut datagram = packet::in_session(to, sequence, &payload);
        let code = suite.code(&keys.integrity, &[packet::covered(&datagram)]);
        datagram.extend_from_slice(&code[..suite.short_code_len()]);
        datagram
    }

    #[test]
    fn an_answer_is_opened_once() {
        for suite in Suite::ALL {
            let mut session = session(suite);
            let response = session.open(&answer(suite, OURS, 1), 1, &status()).unwrap();
            assert_eq!((response.cc(), response.data()), (0, &[0x21, 0x10, 0x40][..]));
            assert_eq!(session.open(&answer(suite, OURS, 1), 1, &status()), None);
            assert!(session.open(&answer(suite, OURS, 2), 1, &status()).is_some());
        }
    }

    #[test]
    fn an_answer_to_an_earlier_request_is_not_opened_whatever_its_packet() {
        for suite in Suite::ALL {
            assert_eq!(session(suite).open(&answer(suite, OURS, 1), 2, &status()), None);
        }
    }

    #[test]
    fn a_changed_byte_or_bit_flag_or_another_session_is_not_opened() {
        for suite in Suite::ALL {
            let mut session = session(suite);
            let right = answer(suite, OURS, 1);
            // The reserved byte and the sequence number of RMCP mean nothing to us.
            for at in (0..right.len()).filter(|at| ![1, 2].contains(at)) {
                for bit in [0x01, 0x40, 0x80] {
                    let mut wrong = right.clone();
                    wrong[at] ^= bit;
                    assert_eq!(
                        session.open(&wrong, 1, &status()),
                        None,
                        "{suite:?} byte {at} bit {bit:#x}"
                    );
                }
                assert_eq!(
                    session.open(&right[..at], 1, &status()),
                    None,
                    "{suite:?} cut at {at}"
                );
            }
            assert_eq!(session.open(&answer(suite, OURS + 1, 1), 1, &status()), None);
            assert!(
                session.open(&right, 1, &status()).is_some(),
                "and none of them used the number up"
            );
        }
    }

    #[test]
    fn a_request_sent_again_is_a_new_packet() {
        let mut session = session(Suite::Sha256Aes128);
        let number = session.next_request();
        let first = session.seal(number, &status(), [1; BLOCK]);
        let second = session.seal(number, &status(), [1; BLOCK]);
        assert_eq!((first[10], second[10]), (1, 2));
        assert_ne!(first, second);
    }

    #[test]
    fn request_numbers_stay_within_six_bits() {
        let mut session = session(Suite::Sha1Aes128);
        let numbers: Vec<u8> = (0..64).map(|_| session.next_request()).collect();
        assert_eq!((numbers[0], numbers[62], numbers[63]), (1, 63, 0));
    }
}
