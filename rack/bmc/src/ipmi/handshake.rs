//! Opening a session: Open Session and RAKP 1 to 4 (IPMI 2.0 §13.17 to §13.23), from our side.
//!
//! Sans-I/O: the numbers drawn are handed in, datagrams go in and out, and the caller sends again what
//! [`Handshake::request`] holds until an answer moves it on. Both sides prove that they know the password before
//! a session exists; an answer that proves nothing ends the attempt.

use ipmi_rs_core::app::auth::PrivilegeLevel;

use crate::Secret;

use super::packet::{self, Packet, payload};
use super::session::{Keys, Session};
use super::suite::Suite;

/// Look the user up by name alone, not by name and privilege (IPMI 2.0 table 13-11).
const BY_NAME_ONLY: u8 = 0x10;
/// What we report before we leave when RAKP 2 proves nothing: "invalid integrity check value".
const STATUS_BAD_CODE: u8 = 0x0f;

/// Who we are to the BMC.
#[derive(Debug)]
pub(crate) struct Login {
    /// At most 16 bytes.
    pub(crate) user: String,
    /// At most 20 bytes.
    pub(crate) password: Secret,
    /// The BMC's own key, where it has one; at most 20 bytes.
    pub(crate) kg: Option<Secret>,
}

/// What one attempt draws at random.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice {
    /// Ties the answers to this attempt.
    pub(crate) tag: u8,
    /// Our session id; not zero.
    pub(crate) session: u32,
    /// Our part of the session key.
    pub(crate) nonce: [u8; 16],
}

/// The privileges we may ask for: all we need is the operator's, but some boards want more for boot options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Administrator,
    Operator,
}

impl Role {
    pub(crate) fn level(self) -> PrivilegeLevel {
        match self {
            Self::Administrator => PrivilegeLevel::Administrator,
            Self::Operator => PrivilegeLevel::Operator,
        }
    }
}

/// What a datagram did to the handshake.
#[derive(Debug)]
pub(crate) enum Progress {
    /// There is a next request to send.
    Next,
    /// The session is open.
    Open(Box<Session>),
    /// It is over; `farewell`, if any, frees the session that the BMC has half open.
    Failed {
        failure: Failure,
        farewell: Option<Vec<u8>>,
    },
}

/// Why a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The BMC said so, with an RMCP+ status (IPMI 2.0 table 13-15).
    Status { step: Step, status: u8 },
    /// The BMC's proof does not fit our password (RAKP 2) or K_g (RAKP 4).
    Proof { reason: &'static str },
    /// The answer cannot be read.
    Unreadable { step: Step, reason: &'static str },
}

/// A request of ours that the BMC answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    OpenSession,
    Rakp1,
    Rakp3,
}

impl Step {
    /// The step as messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenSession => "open session",
            Self::Rakp1 => "RAKP 1",
            Self::Rakp3 => "RAKP 3",
        }
    }

    /// The payload type of its answer.
    fn answer(self) -> u8 {
        match self {
            Self::OpenSession => payload::OPEN_SESSION_RESPONSE,
            Self::Rakp1 => payload::RAKP_2,
            Self::Rakp3 => payload::RAKP_4,
        }
    }
}

/// One attempt at a session.
pub(crate) struct Handshake<'a> {
    login: &'a Login,
    suite: Suite,
    role: u8,
    dice: Dice,
    stage: Stage,
    request: Vec<u8>,
}

enum Stage {
    Opening,
    Exchanging {
        bmc_session: u32,
    },
    Proving {
        bmc_session: u32,
        guid: [u8; 16],
        sik: Vec<u8>,
    },
}

impl<'a> Handshake<'a> {
    pub(crate) fn new(login: &'a Login, suite: Suite, role: Role, dice: Dice) -> Self {
        let role = u8::from(role.level());
        let request = packet::sessionless(
            payload::OPEN_SESSION_REQUEST,
            &[
                &[dice.tag, role, 0, 0],
                &dice.session.to_le_bytes()[..],
                &algorithms(suite),
            ]
            .concat(),
        );
        Self {
            login,
            suite,
            role: role | BY_NAME_ONLY,
            dice,
            stage: Stage::Opening,
            request,
        }
    }

    /// The datagram to send now, and again until it is answered.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// The step under way.
    pub(crate) fn step(&self) -> Step {
        match self.stage {
            Stage::Opening => Step::OpenSession,
            Stage::Exchanging { .. } => Step::Rakp1,
            Stage::Proving { .. } => Step::Rakp3,
        }
    }

    /// Takes a datagram in; `None` when it is not the answer to the request under way.
    pub(crate) fn receive(&mut self, datagram: &[u8]) -> Option<Progress> {
        let step = self.step();
        let Packet::Sessionless {
            payload_type,
            payload,
        } = packet::parse(datagram, 0)?
        else {
            return None;
        };
        if payload_type != step.answer() {
            return None;
        }
        let [tag, status, ..] = *payload else { return None };
        if tag != self.dice.tag {
            return None;
        }
        if status != 0 {
            return Some(Progress::Failed {
                failure: Failure::Status { step, status },
                farewell: None,
            });
        }
        let Some(session) = payload.get(4..8) else {
            return Some(unreadable(step, "it is too short"));
        };
        if session != self.dice.session.to_le_bytes() {
            return None;
        }
        let body = &payload[8..];
        Some(match &self.stage {
            Stage::Opening => self.opened(body),
            Stage::Exchanging { bmc_session } => self.exchanged(*bmc_session, body),
            Stage::Proving {
                bmc_session,
                guid,
                sik,
            } => self.proved(*bmc_session, *guid, sik, body),
        })
    }

    /// Open Session Response, from the managed system's session id on.
    fn opened(&mut self, body: &[u8]) -> Progress {
        let step = self.step();
        let Some((id, chosen)) = body.split_first_chunk::<4>() else {
            return unreadable(step, "it is too short");
        };
        let bmc_session = u32::from_le_bytes(*id);
        if bmc_session == 0 {
            return unreadable(step, "its session id is zero");
        }
        let proposed = algorithms(self.suite);
        // The algorithm stands in the fifth byte of each eight, its upper bits reserved.
        let same = |at: usize| {
            chosen
                .get(at)
                .is_some_and(|algorithm| algorithm & 0x3f == proposed[at])
        };
        if ![4, 12, 20].into_iter().all(same) {
            return unreadable(step, "it chose algorithms that we did not propose");
        }
        let request = [
            &[self.dice.tag, 0, 0, 0],
            &id[..],
            &self.dice.nonce,
            &[self.role, 0, 0],
            &self.name(),
        ]
        .concat();
        self.request = packet::sessionless(payload::RAKP_1, &request);
        self.stage = Stage::Exchanging { bmc_session };
        Progress::Next
    }

    /// RAKP 2, from the BMC's random number on: its proof that it knows the password.
    fn exchanged(&mut self, bmc_session: u32, body: &[u8]) -> Progress {
        let step = self.step();
        let Some((bmc_nonce, rest)) = body.split_first_chunk::<16>() else {
            return unreadable(step, "it is too short");
        };
        let Some((guid, code)) = rest.split_first_chunk::<16>() else {
            return unreadable(step, "it is too short");
        };
        let ours = self.dice.session.to_le_bytes();
        let bmc = bmc_session.to_le_bytes();
        let role_and_name = [&[self.role][..], &self.name()].concat();
        let password = self.login.password.reveal();

        let covered = [&ours[..], &bmc, &self.dice.nonce, bmc_nonce, guid, &role_and_name];
        let proof = code.get(..self.suite.code_len());
        if !proof.is_some_and(|proof| self.suite.verify(password, &covered, proof)) {
            let farewell = [&[self.dice.tag, STATUS_BAD_CODE, 0, 0][..], &bmc].concat();
            return Progress::Failed {
                failure: Failure::Proof {
                    reason: "the password is not the BMC's",
                },
                farewell: Some(packet::sessionless(payload::RAKP_3, &farewell)),
            };
        }

        let our_proof = self
            .suite
            .code(password, &[&bmc_nonce[..], &ours, &role_and_name]);
        let key = self.login.kg.as_ref().map_or(password, Secret::reveal);
        let sik = self
            .suite
            .code(key, &[&self.dice.nonce, bmc_nonce, &role_and_name]);
        let request = [&[self.dice.tag, 0, 0, 0][..], &bmc, &our_proof].concat();
        self.request = packet::sessionless(payload::RAKP_3, &request);
        self.stage = Stage::Proving {
            bmc_session,
            guid: *guid,
            sik,
        };
        Progress::Next
    }

    /// RAKP 4, from its check value on: the BMC has the same session key.
    fn proved(&self, bmc_session: u32, guid: [u8; 16], sik: &[u8], body: &[u8]) -> Progress {
        let covered = [&self.dice.nonce[..], &bmc_session.to_le_bytes(), &guid];
        let proof = body.get(..self.suite.short_code_len());
        if !proof.is_some_and(|proof| self.suite.verify(sik, &covered, proof)) {
            let failure = Failure::Proof {
                reason: "K_g, the BMC's own key, is another one",
            };
            return Progress::Failed {
                failure,
                farewell: None,
            };
        }
        let keys = Keys::derive(self.suite, sik);
        Progress::Open(Box::new(Session::new(self.dice.session, bmc_session, guid, keys)))
    }

    /// The user name with its length before it.
    fn name(&self) -> Vec<u8> {
        let user = self.login.user.as_bytes();
        let len = u8::try_from(user.len()).expect("names are at most 16 bytes");
        [&[len], user].concat()
    }
}

fn unreadable(step: Step, reason: &'static str) -> Progress {
    Progress::Failed {
        failure: Failure::Unreadable { step, reason },
        farewell: None,
    }
}

/// The three algorithm payloads of a proposal (IPMI 2.0 §13.17).
fn algorithms(suite: Suite) -> [u8; 24] {
    let mut payloads = [0; 24];
    for (kind, algorithm) in suite.number().into_suite().into_iter().enumerate() {
        let at = kind * 8;
        payloads[at] = kind as u8;
        payloads[at + 3] = 8;
        payloads[at + 4] = algorithm;
    }
    payloads
}
