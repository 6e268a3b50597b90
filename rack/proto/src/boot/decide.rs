//! Which answer a booting machine gets.
//!
//! The order in force says what is wanted; the daemon says live whether it still wants it. Without a
//! live word a machine that was ever installed gets its own disk, and so does everything in doubt. A
//! job served to a machine that was never installed is safe without one, if the agent has heard the
//! daemon since it started: its first write needs the daemon's go anyway.

use crate::dhcp::machine_of;
use rack_api::{
    config::{Enlist, Known, RackConfig},
    job::Job,
    order::{Action, NextBoot, Order},
    sync::BootGoRequest,
};
use schema_ids::{Mac, MachineId, Timestamp, Uuid};

/// All that bears on one boot.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The agent's configuration.
    pub config: &'a RackConfig,
    /// The boot order in force for the machine that declares `mac`, if there is one.
    pub order: Option<&'a Order>,
    /// The link that the client stands on.
    pub link: &'a str,
    /// The interface that boots.
    pub mac: Mac,
    /// What the client says of itself.
    pub hardware: Hardware<'a>,
    /// Whether a person has stopped this agent, whatever the daemon says.
    pub stopped: bool,
    /// Whether an undeclared machine was inspected lately, so that it is not inspected for ever.
    pub enlisted: bool,
    /// Whether the daemon has answered since this agent started. What is remembered from before may be
    /// older than an installation.
    pub heard: bool,
    /// The daemon's word; absent until it was asked.
    pub live: Option<LiveGo>,
    /// The agent's clock.
    pub now: Timestamp,
}

/// What a client says of itself; nobody vouches for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hardware<'a> {
    /// Its system UUID, in either order of its bytes.
    pub uuid: Option<Uuid>,
    /// Its serial number.
    pub serial: &'a str,
}

/// The daemon's word on a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveGo {
    /// It still wants the job.
    Go,
    /// It does not.
    NoGo,
    /// It did not answer in time.
    Unreachable,
}

/// The answer, or the question that has to be asked first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Ask the daemon, then decide again with its word.
    AskDaemon(BootGoRequest),
    /// Serve this job.
    Job {
        /// Whose.
        machine: MachineId,
        /// Which.
        job: &'a Job,
    },
    /// Its own disk.
    Local {
        /// Why, for the console and the log.
        why: &'static str,
    },
    /// Inspect it and propose it.
    Enlist,
    /// Nothing, with the reason on its console.
    Refuse {
        /// Why.
        reason: &'a str,
    },
}

/// Decides.
pub fn decide<'a>(question: &Question<'a>) -> Decision<'a> {
    let Question { config, link, .. } = *question;
    let can_serve = config.ephemeral.is_some() && !config.token_key.is_empty();
    let Some((id, machine)) = machine_of(config, question.mac) else {
        let inspects = match config.links.get(link).map(|link| link.enlist) {
            Some(Enlist::On) => true,
            Some(Enlist::Known) => is_known(&config.known, question.mac, question.hardware),
            Some(Enlist::Off) | None => false,
        };
        return match (inspects, question.enlisted) {
            (false, _) => local("no file declares this interface"),
            (true, true) => local("this machine was inspected and awaits its files"),
            (true, false) if can_serve => Decision::Enlist,
            (true, false) => local("there is no ephemeral system to inspect it with"),
        };
    };
    if let Some(reason) = &machine.refuse {
        return Decision::Refuse { reason };
    }
    let Some(order) = question.order else {
        return local("no job is ordered");
    };
    let job = match &order.action {
        Action::Boot(NextBoot::Job(job)) => job.as_ref(),
        Action::Boot(NextBoot::Local) => return local("its own disk is ordered"),
        Action::Power(_) => return local("no job is ordered"),
    };
    if question.stopped || machine.stopped.is_some() {
        return local("a person has stopped everything that a job could do");
    }
    if !can_serve {
        return local("there is no ephemeral system to run the job in");
    }
    match question.live {
        None => Decision::AskDaemon(BootGoRequest {
            machine: id,
            generation: job.job.generation,
            attempt: job.job.attempt,
        }),
        Some(LiveGo::Go) => Decision::Job { machine: id, job },
        Some(LiveGo::NoGo) => local("the control plane no longer wants the job"),
        Some(LiveGo::Unreachable) if machine.installed => {
            local("the control plane is out of reach and this machine was installed before")
        }
        Some(LiveGo::Unreachable) if !question.heard => local(
            "the control plane is out of reach since this agent started, and what it remembers may be old",
        ),
        Some(LiveGo::Unreachable) if order.deadline <= question.now => {
            local("the control plane is out of reach and the job's time is over")
        }
        Some(LiveGo::Unreachable) => Decision::Job { machine: id, job },
    }
}

/// Whether git knows an undeclared interface's machine by anything. One kind is enough: an inspection
/// touches no disk, and what it finds is compared whole.
fn is_known(known: &Known, mac: Mac, hardware: Hardware<'_>) -> bool {
    let has = |uuid: Uuid| known.uuids.contains(&uuid) || known.uuids.contains(&uuid.swapped());
    known.macs.contains(&mac)
        || known.serials.contains(hardware.serial.trim())
        || hardware.uuid.is_some_and(has)
}

fn local<'a>(why: &'static str) -> Decision<'a> {
    Decision::Local { why }
}
