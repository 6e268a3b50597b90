//! Commands over one open session, which is closed whatever happens to it.

use std::time::Duration;

use ipmi_rs_core::connection::{CompletionErrorCode, Message, Response};
use tokio::time::{Instant, sleep};

use crate::BmcFault;

use super::command::{CloseSession, Command, SetPrivilege};
use super::handshake::Role;
use super::link::{Link, Question};
use super::open::Limits;
use super::session::Session;

/// How long we wait to hear that a session is closed. The work is done by then, and a session that the BMC did not
/// close it ends itself after a minute without packets (IPMI 2.0 §6.12.15).
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// The pause before a busy BMC is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(500);

/// Set Session Privilege Level: the user or the channel does not allow that level.
const LEVEL_NOT_FOR_USER: u8 = 0x80;
const LEVEL_ABOVE_LIMIT: u8 = 0x81;

/// An open session on its socket.
pub(crate) struct Client {
    link: Link,
    session: Session,
    limits: Limits,
    open: bool,
}

impl Client {
    pub(crate) fn new(link: Link, session: Session, limits: Limits) -> Self {
        Self {
            link,
            session,
            limits,
            open: true,
        }
    }

    /// The GUID that the BMC proved the password with.
    pub(crate) fn guid(&self) -> [u8; 16] {
        self.session.guid()
    }

    /// Takes the rights that the session may have: `role`, or the operator's where that is too much.
    pub(crate) async fn rise(&mut self, role: Role) -> Result<(), BmcFault> {
        match self.call(SetPrivilege(role.level())).await {
            Err(BmcFault::Refused {
                completion_code: LEVEL_NOT_FOR_USER | LEVEL_ABOVE_LIMIT,
                ..
            }) if role == Role::Administrator => self.call(SetPrivilege(Role::Operator.level())).await,
            other => other,
        }
    }

    /// Sends a command and reads its answer. A busy BMC is asked again while there is time, unless the command is
    /// not to be repeated.
    pub(crate) async fn call<C: Command>(&mut self, command: C) -> Result<C::Output, BmcFault> {
        let deadline = self.limits.next(self.limits.answer_max);
        loop {
            let response = self.ask(command.clone(), deadline).await?;
            let Ok(code) = CompletionErrorCode::try_from(response.cc()) else {
                let bmc = self.link.bmc();
                return C::parse_success_response(response.data()).map_err(|_| BmcFault::BadReply {
                    bmc,
                    command: C::NAME,
                    reason: "it is too short",
                });
            };
            let fault = refusal::<C>(code, response.cc(), self.link.bmc());
            if !C::REPEATABLE
                || !matches!(fault, BmcFault::Busy { .. })
                || Instant::now() + BUSY_PAUSE >= deadline
            {
                return Err(fault);
            }
            sleep(BUSY_PAUSE).await;
        }
    }

    async fn ask<C: Command>(&mut self, command: C, deadline: Instant) -> Result<Response, BmcFault> {
        let number = self.session.next_request();
        let mut question = InSession {
            name: C::NAME,
            repeatable: C::REPEATABLE,
            number,
            request: command.into(),
            session: &mut self.session,
        };
        self.link.ask(&mut question, deadline).await
    }

    /// Closes the session and hands `result` on. Not being told that it is closed is no fault.
    pub(crate) async fn finish<T>(mut self, result: Result<T, BmcFault>) -> Result<T, BmcFault> {
        // Nobody is there to wait for; dropping sends the one packet that may still help.
        if matches!(
            result,
            Err(BmcFault::TimedOut { .. } | BmcFault::Unreachable { .. })
        ) {
            return result;
        }
        let id = self.session.bmc_id();
        // The operation's own deadline may be over; a session left open would cost the next one.
        let deadline = Instant::now() + CLOSE_MAX.min(self.limits.answer_max);
        match self.ask(CloseSession(id), deadline).await {
            Ok(_) => self.open = false,
            Err(error) => tracing::debug!(bmc = self.link.bmc(), %error, "session not seen closed"),
        }
        result
    }
}

impl Drop for Client {
    /// A future dropped half-way must not leave a session behind: real BMCs have four or so.
    fn drop(&mut self) {
        if self.open {
            let number = self.session.next_request();
            let request = CloseSession(self.session.bmc_id()).into();
            self.link
                .mention(&self.session.seal(number, &request, rand::random()));
        }
    }
}

/// The fault that a completion code is.
fn refusal<C: Command>(code: CompletionErrorCode, completion_code: u8, bmc: String) -> BmcFault {
    match code {
        CompletionErrorCode::NodeBusy
        | CompletionErrorCode::ProcessingTimeout
        | CompletionErrorCode::CannotExecuteDuplicateRequest
        | CompletionErrorCode::ResponseUnavailable { .. } => BmcFault::Busy {
            bmc,
            reason: "its firmware is occupied",
        },
        CompletionErrorCode::OutOfSpace => BmcFault::Busy {
            bmc,
            reason: "it has no room for the command",
        },
        _ => BmcFault::Refused {
            bmc,
            command: C::NAME,
            completion_code,
        },
    }
}

/// A command in a session.
struct InSession<'a> {
    name: &'static str,
    repeatable: bool,
    number: u8,
    request: Message,
    session: &'a mut Session,
}

impl Question for InSession<'_> {
    type Answer = Response;

    fn name(&self) -> &'static str {
        self.name
    }

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn datagram(&mut self) -> Vec<u8> {
        self.session.seal(self.number, &self.request, rand::random())
    }

    fn receive(&mut self, datagram: &[u8]) -> Option<Response> {
        self.session.open(datagram, self.number, &self.request)
    }
}
