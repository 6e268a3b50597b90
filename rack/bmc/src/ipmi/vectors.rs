//! Handshakes that `ipmitool` made, played again: `tests/cases/suite-*.txt` hold what it drew, computed and heard.
//!
//! The same answers, damaged, then show that nothing but the true ones opens a session.

use std::collections::BTreeMap;

use ipmi_rs_core::app::auth::PrivilegeLevel;

use crate::Secret;

use super::command::SetPrivilege;
use super::handshake::{Dice, Failure, Handshake, Login, Progress, Role, Step};
use super::packet::{self, Packet, payload};
use super::session::Session;
use super::suite::Suite;

/// The session id and message tag that `ipmitool` always takes.
const CONSOLE: u32 = 0xa0a2_a3a4;
const TAG: u8 = 0;

struct Vector {
    suite: Suite,
    values: BTreeMap<&'static str, Vec<u8>>,
}

impl Vector {
    fn all() -> [Self; 2] {
        let vector = |suite, text: &'static str| Self {
            suite,
            values: text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(value)
                .collect(),
        };
        [
            vector(Suite::Sha1Aes128, include_str!("../../tests/cases/suite-3.txt")),
            vector(
                Suite::Sha256Aes128,
                include_str!("../../tests/cases/suite-17.txt"),
            ),
        ]
    }

    fn get<const N: usize>(&self, name: &str) -> [u8; N] {
        self.values[name][..].try_into().unwrap()
    }

    fn handshake<'a>(&self, login: &'a Login) -> Handshake<'a> {
        let dice = Dice {
            tag: TAG,
            session: CONSOLE,
            nonce: self.get("console nonce"),
        };
        Handshake::new(login, self.suite, Role::Administrator, dice)
    }

    /// The three answers of the BMC: their payload types and payloads.
    fn answers(&self) -> [(u8, Vec<u8>); 3] {
        let mut chosen = Vec::new();
        for (kind, algorithm) in self.suite.number().into_suite().into_iter().enumerate() {
            chosen.extend([kind as u8, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        let answer = |values: &[&[u8]]| {
            let start = [TAG, 0, 0, 0];
            [&start[..], &CONSOLE.to_le_bytes(), &values.concat()].concat()
        };
        let value = |name: &str| &self.values[name][..];
        [
            (
                payload::OPEN_SESSION_RESPONSE,
                answer(&[value("bmc session"), &chosen]),
            ),
            (
                payload::RAKP_2,
                answer(&[value("bmc nonce"), value("guid"), value("rakp 2 code")]),
            ),
            (payload::RAKP_4, answer(&[value("rakp 4 code")])),
        ]
    }
}

fn value(line: &'static str) -> (&'static str, Vec<u8>) {
    let (name, bytes) = line.split_once(':').unwrap();
    (
        name,
        bytes
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect(),
    )
}

fn login() -> Login {
    Login {
        user: "admin".to_owned(),
        password: Secret::new("secret"),
        kg: None,
    }
}

/// Gives the answers in turn; the session, or what the last of them did.
fn play(handshake: &mut Handshake<'_>, answers: &[(u8, Vec<u8>)]) -> Result<Session, Option<Progress>> {
    let mut last = None;
    for (payload_type, answer) in answers {
        last = handshake.receive(&packet::sessionless(*payload_type, answer));
        match last {
            Some(Progress::Next) => {}
            Some(Progress::Open(session)) => return Ok(*session),
            None | Some(Progress::Failed { .. }) => return Err(last),
        }
    }
    Err(last)
}

/// The payload of the request that a handshake now wants sent.
fn requested(handshake: &Handshake<'_>, expected: u8) -> Vec<u8> {
    match packet::parse(handshake.request(), 0) {
        Some(Packet::Sessionless {
            payload_type,
            payload,
        }) if payload_type == expected => payload.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_ipmitool_computed_we_compute() {
    for vector in Vector::all() {
        let login = login();
        let mut handshake = vector.handshake(&login);
        let [opened, rakp_2, rakp_4] = vector.answers();

        assert!(matches!(
            play(&mut handshake, &[opened]),
            Err(Some(Progress::Next))
        ));
        let nonce = &vector.values["console nonce"];
        let rakp_1 = [
            &[TAG, 0, 0, 0],
            &vector.values["bmc session"][..],
            nonce,
            b"\x14\0\0\x05admin",
        ]
        .concat();
        assert_eq!(requested(&handshake, payload::RAKP_1), rakp_1);

        assert!(matches!(
            play(&mut handshake, &[rakp_2]),
            Err(Some(Progress::Next))
        ));
        let rakp_3 = [
            &[TAG, 0, 0, 0],
            &vector.values["bmc session"][..],
            &vector.values["rakp 3 code"],
        ]
        .concat();
        assert_eq!(requested(&handshake, payload::RAKP_3), rakp_3);

        let mut session = play(&mut handshake, &[rakp_4]).unwrap();
        let request = SetPrivilege(PrivilegeLevel::Administrator).into();
        let [number] = vector.get("message");
        let [sequence] = vector.get::<1>("sequence");
        let sealed = (0..sequence)
            .map(|_| session.seal(number, &request, vector.get("iv")))
            .last()
            .unwrap();
        assert_eq!(
            packet::covered(&sealed),
            [&vector.values["covered"][..], &vector.values["code"]].concat()
        );
    }
}

#[test]
fn no_answer_with_a_changed_byte_opens_a_session() {
    for vector in Vector::all() {
        let answers = vector.answers();
        for which in 0..answers.len() {
            for at in 0..answers[which].1.len() {
                let mut damaged = answers.clone();
                damaged[which].1[at] ^= 1;
                // Reserved bytes, the level granted and the shape of the algorithm records say nothing.
                let silent = match (which, at) {
                    (_, 2 | 3) => true,
                    (0, at) if at >= 12 => (at - 12) % 8 != 4,
                    _ => false,
                };
                let opened = play(&mut vector.handshake(&login()), &damaged).is_ok();
                assert_eq!(
                    opened, silent,
                    "suite {:?}, answer {which}, byte {at}",
                    vector.suite
                );
            }
        }
    }
}

#[test]
fn no_answer_cut_short_opens_a_session() {
    for vector in Vector::all() {
        let answers = vector.answers();
        for which in 0..answers.len() {
            for len in 0..answers[which].1.len() {
                let mut cut = answers.clone();
                cut[which].1.truncate(len);
                let opened = play(&mut vector.handshake(&login()), &cut).is_ok();
                // The last algorithm record may end with its algorithm.
                assert_eq!(
                    opened,
                    which == 0 && len >= 33,
                    "suite {:?}, answer {which}, {len} bytes",
                    vector.suite
                );
            }
        }
    }
}

#[test]
fn answers_to_other_attempts_and_late_ones_are_ignored() {
    for vector in Vector::all() {
        let login = login();
        let [opened, rakp_2, rakp_4] = vector.answers();
        let mut other_tag = opened.clone();
        other_tag.1[0] = TAG + 1;
        let mut other_session = opened.clone();
        other_session.1[4] ^= 1;

        let mut handshake = vector.handshake(&login);
        for ignored in [other_tag, other_session, rakp_2.clone(), rakp_4.clone()] {
            assert!(matches!(play(&mut handshake, &[ignored]), Err(None)));
        }
        for answer in [[opened], [rakp_2]] {
            assert!(matches!(play(&mut handshake, &answer), Err(Some(Progress::Next))));
            assert!(matches!(play(&mut handshake, &answer), Err(None)));
        }
        assert!(play(&mut handshake, &[rakp_4]).is_ok());
    }
}

#[test]
fn the_wrong_password_is_told_from_the_wrong_bmc_key() {
    for vector in Vector::all() {
        let failed = |login: &Login| match play(&mut vector.handshake(login), &vector.answers()) {
            Err(Some(Progress::Failed {
                failure: Failure::Proof { reason },
                farewell,
            })) => (reason, farewell.is_some()),
            other => panic!("{other:?}"),
        };
        let wrong = Login {
            password: Secret::new("Secret"),
            ..login()
        };
        assert_eq!(failed(&wrong), ("the password is not the BMC's", true));
        let keyed = Login {
            kg: Some(Secret::new("key")),
            ..login()
        };
        assert_eq!(failed(&keyed), ("K_g, the BMC's own key, is another one", false));
    }
}

#[test]
fn a_refusal_may_be_as_short_as_its_status() {
    for vector in Vector::all() {
        let refused = play(
            &mut vector.handshake(&login()),
            &[(payload::OPEN_SESSION_RESPONSE, vec![TAG, 0x01])],
        );
        let expected = Failure::Status {
            step: Step::OpenSession,
            status: 0x01,
        };
        assert!(
            matches!(refused, Err(Some(Progress::Failed { failure, farewell: None })) if failure == expected)
        );
    }
}

#[test]
fn a_weaker_suite_than_proposed_is_not_accepted() {
    let [weak, strong] = Vector::all();
    let answer = weak.answers()[0].clone();
    let played = play(&mut strong.handshake(&login()), &[answer]);
    let failure = Failure::Unreadable {
        step: Step::OpenSession,
        reason: "it chose algorithms that we did not propose",
    };
    assert!(matches!(played, Err(Some(Progress::Failed { failure: said, .. })) if said == failure));
}
