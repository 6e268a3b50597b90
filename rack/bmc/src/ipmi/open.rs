//! Which suite to propose, and the way to an open session over the wire (IPMI 2.0 §13.14).
//!
//! What a BMC lists is a hint: boards list nothing, or not what they do. Its answer to a proposal counts.

use std::time::Duration;

use ipmi_rs_core::app::auth::{
    ChannelCipherSuites, CipherSuite, GetChannelAuthenticationCapabilities, PrivilegeLevel,
};
use ipmi_rs_core::connection::{Channel, IpmiCommand, Message, Response};
use tokio::time::Instant;

use crate::BmcFault;

use super::command::{CipherSuites, Command};
use super::handshake::{Dice, Failure, Handshake, Login, Progress, Role, Step};
use super::link::{Link, Question};
use super::message;
use super::packet::{self, Packet, payload};
use super::session::Session;
use super::suite::Suite;

/// How long we wait for each part of the list of suites. Boards that ignore the question must not cost the
/// operation: without a list all our suites are proposed in turn.
const LIST_MAX: Duration = Duration::from_millis(1500);
/// The list is at most 64 times 16 bytes (six bits of index); no board comes near a quarter of that.
const LIST_PARTS_MAX: u8 = 16;
const LIST_PART: usize = 16;
/// A handshake that lost its way is begun again, this often in all: a duplicate made the BMC draw a second random
/// number, it forgot the half-open session, or RAKP 4 was lost and it does not say it twice.
const HANDSHAKES_MAX: u8 = 3;
/// How long RAKP 2 and 4 may take: four packets sent, and longer than the 3 s of a slow board.
const RAKP_MAX: Duration = Duration::from_secs(4);

/// RMCP+ statuses (IPMI 2.0 table 13-15).
mod status {
    pub(super) const NO_RESOURCES: u8 = 0x01;
    pub(super) const INVALID_SESSION: u8 = 0x02;
    pub(super) const INVALID_AUTHENTICATION: u8 = 0x04;
    pub(super) const INVALID_INTEGRITY: u8 = 0x05;
    pub(super) const NO_AUTHENTICATION: u8 = 0x06;
    pub(super) const NO_INTEGRITY: u8 = 0x07;
    pub(super) const INACTIVE_SESSION: u8 = 0x08;
    pub(super) const INVALID_ROLE: u8 = 0x09;
    pub(super) const UNAUTHORIZED_ROLE: u8 = 0x0a;
    pub(super) const NO_RESOURCES_FOR_ROLE: u8 = 0x0b;
    pub(super) const INVALID_NAME_LENGTH: u8 = 0x0c;
    pub(super) const UNAUTHORIZED_NAME: u8 = 0x0d;
    pub(super) const UNAUTHORIZED_GUID: u8 = 0x0e;
    pub(super) const INVALID_CODE: u8 = 0x0f;
    pub(super) const INVALID_CONFIDENTIALITY: u8 = 0x10;
    pub(super) const NO_MATCHING_SUITE: u8 = 0x11;
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The end of the whole operation.
    pub(crate) deadline: Instant,
    /// The longest wait for one answer.
    pub(crate) answer_max: Duration,
}

impl Limits {
    /// When the next answer must be here, `at_most` after now.
    pub(crate) fn next(&self, at_most: Duration) -> Instant {
        self.deadline.min(Instant::now() + at_most.min(self.answer_max))
    }
}

/// The suites to propose, in the order of `accepted`.
pub(crate) async fn candidates(
    link: &Link,
    accepted: &[Suite],
    limits: Limits,
) -> Result<Vec<Suite>, BmcFault> {
    let capabilities =
        GetChannelAuthenticationCapabilities::new(Channel::Current, PrivilegeLevel::Administrator);
    let mut question = Sessionless::new(capabilities);
    let response = link.ask(&mut question, limits.next(limits.answer_max)).await?;
    // A board that refuses the question or answers it short may still speak RMCP+; one that says it does not, does not.
    let said = GetChannelAuthenticationCapabilities::parse_success_response(response.data());
    if response.cc() == 0 && said.is_ok_and(|said| !said.ipmi2_connections_supported) {
        return Err(BmcFault::NoCommonCipher { bmc: link.bmc() });
    }
    let listed = listed(link, limits).await?;
    let mut chosen = accepted.to_vec();
    if accepted.iter().any(|suite| listed.contains(&suite.number())) {
        chosen.retain(|suite| listed.contains(&suite.number()));
    }
    Ok(chosen)
}

/// The suites that the BMC lists; none where it does not say.
async fn listed(link: &Link, limits: Limits) -> Result<Vec<CipherSuite>, BmcFault> {
    let mut records = Vec::new();
    for index in 0..LIST_PARTS_MAX {
        let mut question = Sessionless::new(CipherSuites { index });
        let response = match link.ask(&mut question, limits.next(LIST_MAX)).await {
            Ok(response) if response.cc() == 0 => response,
            Ok(_) | Err(BmcFault::TimedOut { .. }) => break,
            Err(fault) => return Err(fault),
        };
        let Ok(part) = CipherSuites::parse_success_response(response.data()) else {
            break;
        };
        records.extend_from_slice(&part);
        if part.len() < LIST_PART {
            break;
        }
    }
    Ok(ChannelCipherSuites::parse_full_data(&records).collect())
}

/// Opens a session with the first of `suites` that the BMC takes.
pub(crate) async fn session(
    link: &Link,
    login: &Login,
    suites: &[Suite],
    limits: Limits,
) -> Result<(Session, Suite, Role), BmcFault> {
    let mut silent = None;
    for suite in suites {
        match propose(link, login, *suite, limits).await {
            Ok((session, role)) => return Ok((session, *suite, role)),
            Err(BmcFault::NoCommonCipher { .. }) => {}
            // Some boards do not answer a proposal they dislike.
            Err(fault @ BmcFault::TimedOut { .. }) => silent = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    Err(silent.unwrap_or(BmcFault::NoCommonCipher { bmc: link.bmc() }))
}

/// Opens a session with one suite, as administrator or else as operator.
async fn propose(
    link: &Link,
    login: &Login,
    suite: Suite,
    limits: Limits,
) -> Result<(Session, Role), BmcFault> {
    let mut role = Role::Administrator;
    let mut begun = 0;
    loop {
        begun += 1;
        let dice = Dice {
            tag: rand::random(),
            session: rand::random_range(1..=u32::MAX),
            nonce: rand::random(),
        };
        let mut handshake = Handshake::new(login, suite, role, dice);
        let failure = match shake(link, &mut handshake, limits).await {
            Ok(Ok(session)) => return Ok((session, role)),
            Ok(Err(failure)) => failure,
            Err(BmcFault::TimedOut { .. })
                if handshake.step() != Step::OpenSession
                    && begun < HANDSHAKES_MAX
                    && Instant::now() < limits.deadline =>
            {
                continue;
            }
            Err(fault) => return Err(fault),
        };
        tracing::debug!(bmc = link.bmc(), ?suite, ?role, ?failure, "handshake failed");
        match verdict(failure, link.bmc()) {
            Verdict::Lower if role == Role::Administrator => role = Role::Operator,
            Verdict::Again if begun < HANDSHAKES_MAX => {}
            Verdict::Lower | Verdict::Again => return Err(end(failure, link.bmc())),
            Verdict::End(fault) => return Err(fault),
        }
    }
}

/// One handshake from its first request to its end.
async fn shake(
    link: &Link,
    handshake: &mut Handshake<'_>,
    limits: Limits,
) -> Result<Result<Session, Failure>, BmcFault> {
    loop {
        let at_most = match handshake.step() {
            Step::OpenSession => limits.answer_max,
            Step::Rakp1 | Step::Rakp3 => RAKP_MAX,
        };
        match link.ask(handshake, limits.next(at_most)).await? {
            Progress::Next => {}
            Progress::Open(session) => return Ok(Ok(*session)),
            Progress::Failed { failure, farewell } => {
                if let Some(farewell) = farewell {
                    link.mention(&farewell);
                }
                return Ok(Err(failure));
            }
        }
    }
}

/// What to do about a failed handshake.
enum Verdict {
    /// Ask for less.
    Lower,
    /// Begin again.
    Again,
    /// Nothing.
    End(BmcFault),
}

fn verdict(failure: Failure, bmc: String) -> Verdict {
    match failure {
        Failure::Status { status: status::INVALID_SESSION | status::INACTIVE_SESSION, .. }
        // RAKP 2 has shown that the BMC knows our password, so this is about a random number it has since replaced.
        | Failure::Status { step: Step::Rakp3, status: status::INVALID_CODE } => Verdict::Again,
        // Boards also say "unauthorized name" of a user that may not become administrator.
        Failure::Status {
            status: status::INVALID_ROLE | status::UNAUTHORIZED_ROLE | status::UNAUTHORIZED_NAME,
            ..
        } => Verdict::Lower,
        Failure::Status { .. } | Failure::Proof { .. } | Failure::Unreadable { .. } => {
            Verdict::End(end(failure, bmc))
        }
    }
}

/// The fault that a failed handshake is for our caller.
fn end(failure: Failure, bmc: String) -> BmcFault {
    let (step, code) = match failure {
        Failure::Proof { reason } => return BmcFault::BadCredentials { bmc, reason },
        Failure::Unreadable { step, reason } => {
            return BmcFault::BadReply {
                bmc,
                command: step.name(),
                reason,
            };
        }
        Failure::Status { step, status } => (step, status),
    };
    match code {
        status::NO_RESOURCES | status::NO_RESOURCES_FOR_ROLE => BmcFault::Busy {
            bmc,
            reason: "it has no free session",
        },
        status::INVALID_AUTHENTICATION
        | status::INVALID_INTEGRITY
        | status::NO_AUTHENTICATION
        | status::NO_INTEGRITY
        | status::INVALID_CONFIDENTIALITY
        | status::NO_MATCHING_SUITE => BmcFault::NoCommonCipher { bmc },
        status::INVALID_NAME_LENGTH | status::UNAUTHORIZED_NAME => BmcFault::BadCredentials {
            bmc,
            reason: "it has no such user",
        },
        status::UNAUTHORIZED_GUID => BmcFault::BadCredentials {
            bmc,
            reason: "it refuses the system GUID",
        },
        completion_code => BmcFault::Refused {
            bmc,
            command: step.name(),
            completion_code,
        },
    }
}

impl Question for Handshake<'_> {
    type Answer = Progress;

    fn name(&self) -> &'static str {
        self.step().name()
    }

    fn repeatable(&self) -> bool {
        true
    }

    fn datagram(&mut self) -> Vec<u8> {
        self.request().to_vec()
    }

    fn receive(&mut self, datagram: &[u8]) -> Option<Progress> {
        Self::receive(self, datagram)
    }
}

/// A command before there is a session, in the old format: `ipmi_sim` for one ignores it in the new one.
struct Sessionless {
    name: &'static str,
    number: u8,
    request: Message,
    datagram: Vec<u8>,
}

impl Sessionless {
    fn new<C: Command>(command: C) -> Self {
        let number = rand::random::<u8>() & message::SEQUENCE_MASK;
        let request = command.into();
        let datagram = packet::sessionless_old(&message::encode(number, &request));
        Self {
            name: C::NAME,
            number,
            request,
            datagram,
        }
    }
}

impl Question for Sessionless {
    type Answer = Response;

    fn name(&self) -> &'static str {
        self.name
    }

    fn repeatable(&self) -> bool {
        true
    }

    fn datagram(&mut self) -> Vec<u8> {
        self.datagram.clone()
    }

    fn receive(&mut self, datagram: &[u8]) -> Option<Response> {
        match packet::parse(datagram, 0)? {
            Packet::Sessionless {
                payload_type: payload::IPMI,
                payload,
            } => message::answer(payload, self.number, &self.request),
            Packet::Sessionless { .. } | Packet::InSession { .. } => None,
        }
    }
}
