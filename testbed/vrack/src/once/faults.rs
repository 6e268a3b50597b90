//! Faults at known moments of a life: each really happens once, and the end must be the same.

use crate::copy;
use crate::error::{Result, RigError};
use crate::once::life::Life;
use crate::once::{proof, reboots};
use crate::programs::Programs;
use crate::service::Service;

/// What is seen of the machine now.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) headline: String,
    pub(crate) evidence: String,
    pub(crate) percent: Option<u64>,
    /// How often it was switched on so far.
    pub(crate) starts: u64,
}

impl Moment {
    fn unpacks_beyond(&self, percent: u64) -> bool {
        self.evidence.starts_with("unpack") && self.percent.is_some_and(|now| now > percent)
    }
}

/// How a fault comes about.
enum Strike {
    /// A program ends itself where its failpoint is, as by SIGKILL, and is started again.
    Failpoint(fn(&Programs) -> &Service, &'static str),
    /// Something is done to it.
    Act(fn(&Life<'_>) -> Result<()>),
}

/// One fault.
struct Fault {
    name: &'static str,
    /// Whether it is its time; a failpoint that is reached at another time is a failure.
    when: fn(&Moment) -> bool,
    strike: Strike,
    happened: bool,
}

/// The faults of a life, and the watch over its programs: one that ends without a fault is a failure.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

/// Where the agent's state is copied to, as the snapshot of a host would.
const STALE: &str = "rackd-stale";
/// Where the first blocks of the disk are kept at the moment of the power cut.
const CUT: &str = "marker-at-the-cut";

/// A life with all of them, and three reboots at the end with something missing each time.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    let mut faults = Faults::all();
    faults.arm(life, agent)?;
    life.programs.add_images(life.built)?;
    faults.arm(life, daemon)?;
    life.until("ready", &mut faults)?;
    life.propose()?;
    life.fleet.merge()?;
    life.until("deployed", &mut faults)?;
    faults.all_happened()?;
    proof::taken_up(&life.rack.run.path(CUT), &life.disk(0))?;
    life.prove()?;
    reboots::survive(life, &life.rack.run.path(STALE))
}

fn daemon(programs: &Programs) -> &Service {
    &programs.daemon
}

fn agent(programs: &Programs) -> &Service {
    &programs.agent
}

impl Faults {
    /// One alone: at its moment this is done.
    pub(crate) fn one(
        name: &'static str,
        when: fn(&Moment) -> bool,
        act: fn(&Life<'_>) -> Result<()>,
    ) -> Self {
        Self(vec![Fault {
            name,
            when,
            strike: Strike::Act(act),
            happened: false,
        }])
    }

    /// In the order in which their moments come. Those of one program are reached one after the other, each
    /// in a process of its own.
    fn all() -> Self {
        let fault = |name, when, strike| Fault {
            name,
            when,
            strike,
            happened: false,
        };
        Self(vec![
            fault(
                "musterd ends between two effects of the commissioning",
                |moment| moment.headline.starts_with("commissioning") || moment.headline.starts_with("new"),
                Strike::Failpoint(daemon, "effect:2"),
            ),
            fault(
                "muster-rackd ends with a fact that musterd does not have",
                |moment| moment.headline.starts_with("commissioning") || moment.headline.starts_with("new"),
                Strike::Failpoint(agent, "fact:3"),
            ),
            fault(
                "musterd ends when it is asked whether the disk may be written",
                |moment| moment.headline.starts_with("deploying"),
                Strike::Failpoint(daemon, "go"),
            ),
            fault(
                "muster-rackd ends while the image streams",
                // The word that it has begun to unpack may still be with the agent that ended.
                |moment| {
                    ["mount", "unpack"]
                        .iter()
                        .any(|step| moment.evidence.starts_with(step))
                },
                Strike::Failpoint(agent, "streaming"),
            ),
            fault(
                "power cut in mid-write",
                |moment| moment.unpacks_beyond(40),
                Strike::Act(|life| {
                    life.by_hand("power 0")?;
                    let run = &life.rack.run;
                    copy::any(&run.path("rackd"), &run.path(STALE))?;
                    proof::keep_marker(&life.disk(0), &life.rack.run.path(CUT))
                }),
            ),
            fault(
                "everything derived deleted, and musterd killed",
                |moment| moment.starts > 2 && moment.unpacks_beyond(20),
                Strike::Act(|life| {
                    life.programs.forget_derived()?;
                    life.programs.kill_daemon(life.rack)
                }),
            ),
            fault(
                "Postgres stopped at once at first boot",
                |moment| moment.headline.contains("FIRST_BOOT"),
                Strike::Act(|life| life.programs.stop_postgres(life.rack)),
            ),
        ])
    }

    /// Restarts a program so that it reaches the first of its failpoints.
    fn arm(&self, life: &Life<'_>, service: fn(&Programs) -> &Service) -> Result<()> {
        let service = service(life.programs);
        if let Some(place) = self.next_failpoint(life, service) {
            service.kill()?;
            service.start_again(life.rack, Some(place))?;
        }
        life.programs.await_answer()
    }

    fn next_failpoint(&self, life: &Life<'_>, service: &Service) -> Option<&'static str> {
        self.0.iter().find_map(|fault| match fault.strike {
            Strike::Failpoint(of, place) if !fault.happened && std::ptr::eq(of(life.programs), service) => {
                Some(place)
            }
            Strike::Failpoint(..) | Strike::Act(_) => None,
        })
    }

    /// Does what is due at this moment. `before` is the last one at which musterd answered.
    pub(crate) fn attend(
        &mut self,
        life: &Life<'_>,
        before: Option<&Moment>,
        now: Option<&Moment>,
    ) -> Result<()> {
        if let Some(before) = before {
            for service in [daemon, agent] {
                self.start_what_ended(life, service(life.programs), before)?;
            }
        }
        let Some(now) = now else {
            return Ok(());
        };
        for fault in &mut self.0 {
            if let Strike::Act(act) = fault.strike
                && !fault.happened
                && (fault.when)(now)
            {
                println!("  fault: {}", fault.name);
                fault.happened = true;
                act(life)?;
            }
        }
        Ok(())
    }

    fn start_what_ended(&mut self, life: &Life<'_>, service: &Service, before: &Moment) -> Result<()> {
        if service.is_killed() || !service.has_ended()? {
            return Ok(());
        }
        let place = self.next_failpoint(life, service);
        let fault = self
            .0
            .iter_mut()
            .find(|fault| matches!(fault.strike, Strike::Failpoint(_, is) if Some(is) == place));
        let Some((fault, place)) = fault.zip(place).filter(|(_, place)| service.reached(place)) else {
            return Err(RigError::Disproved(format!("{} ended by itself", service.name())));
        };
        println!("  fault: {}", fault.name);
        if !(fault.when)(before) {
            return Err(RigError::Disproved(format!(
                "{place} was reached at another moment: {} {}",
                before.headline, before.evidence
            )));
        }
        fault.happened = true;
        service.start_again(life.rack, self.next_failpoint(life, service))
    }

    /// A fault that never struck proves nothing.
    pub(crate) fn all_happened(&self) -> Result<()> {
        match self.0.iter().find(|fault| !fault.happened) {
            None => Ok(()),
            Some(fault) => Err(RigError::Disproved(format!(
                "a fault's moment never came: {}",
                fault.name
            ))),
        }
    }
}
