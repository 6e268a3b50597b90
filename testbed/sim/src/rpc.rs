//! Live questions from an agent to the daemons: may this job boot, may this machine write.
//!
//! A call may be lost, answered late or answered twice; the agent waits five seconds.

use crate::check::Violation;
use crate::machine::Stage;
use crate::world::{Event, Plant, World};
use rack_api::machine::{GoAnswer, GoRequest, Verdict};
use rack_api::sync::BootGoRequest;
use reconciler_core::facts::WriteStart;
use reconciler_core::fence::{self, Ground};
use schema_ids::MachineId;
use std::time::Duration;

/// A question on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) machine: usize,
    pub(crate) boot: u64,
    pub(crate) question: Question,
    /// Whether the agent still waits for the answer.
    pub(crate) number: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Question {
    Boot(BootGoRequest),
    Write(Box<GoRequest>),
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Boot(bool),
    Write(GoAnswer),
}

/// How long an agent waits for a live word.
const PATIENCE: Duration = Duration::from_secs(5);

impl World {
    /// Sends a question; an answer of `None` comes when patience ends first.
    pub(crate) fn call(&mut self, machine: usize, question: Question) {
        let number = self.request();
        let boot = self.machines[machine].boot;
        let call = Call {
            machine,
            boot,
            question,
            number,
        };
        self.machines[machine].waits_for = Some(number);
        self.later(
            PATIENCE,
            Event::CallAnswered {
                call: call.clone(),
                answer: None,
            },
        );
        for _ in 0..self.copies() {
            let delay = self.delay();
            self.later(delay, Event::CallArrives { call: call.clone() });
        }
    }

    /// How often a message arrives: once, unless something fails.
    pub(crate) fn copies(&mut self) -> usize {
        if !self.faulty() {
            return 1;
        }
        match self.dice.between(0, 100) {
            0..5 => 0,
            5..8 => 2,
            _ => 1,
        }
    }

    /// How long a message takes; now and then so long that later ones overtake it.
    pub(crate) fn delay(&mut self) -> Duration {
        let slow = self.faulty() && self.dice.chance(30);
        Duration::from_millis(if slow {
            self.dice.between(100, 8000)
        } else {
            self.dice.between(1, 40)
        })
    }

    pub(crate) fn call_arrives(&mut self, call: Call) -> Result<(), Violation> {
        let Some(daemon) = self.some_daemon() else {
            return Ok(());
        };
        let answer = match &call.question {
            Question::Boot(request) => Some(self.judge_boot(request)),
            Question::Write(request) => self.judge_write(request)?,
        };
        let Some(answer) = answer.filter(|_| !self.crashes(daemon)) else {
            return Ok(());
        };
        for _ in 0..self.copies() {
            let delay = self.delay();
            self.later(
                delay,
                Event::CallAnswered {
                    call: call.clone(),
                    answer: Some(answer.clone()),
                },
            );
        }
        Ok(())
    }

    fn judge_boot(&mut self, request: &BootGoRequest) -> Answer {
        let plan = self.store.plan.clone();
        let Some(machine) = plan.machines.get(&request.machine) else {
            return Answer::Boot(false);
        };
        let facts = self.store.facts_of(request.machine, machine.wanted.generation);
        let ground = Ground {
            id: request.machine,
            machine,
            facts: &facts,
            incarnation: self.store.incarnation,
            held: None,
        };
        Answer::Boot(fence::may_boot(&ground, request))
    }

    /// Judged by the adopted plan, recorded, and only then answered.
    fn judge_write(&mut self, request: &GoRequest) -> Result<Option<Answer>, Violation> {
        let plan = match self.settings.plant {
            Some(Plant::StalePlan) => self
                .people
                .plan_before
                .clone()
                .unwrap_or_else(|| self.store.plan.clone()),
            _ => self.store.plan.clone(),
        };
        let verdict = self.verdict(&plan, request.job.machine, request);
        let refused = match &verdict {
            Verdict::Go => None,
            Verdict::Refuse { code, reason } => Some((code.clone(), reason.clone())),
        };
        let start = WriteStart {
            job: request.job,
            boot_id: request.boot_id,
            nonce: request.nonce,
            at: self.now,
            refused,
        };
        let recorded_under = match self.settings.plant {
            Some(Plant::StalePlan) => self.store.plan.id.clone(),
            _ => plan.id.clone(),
        };
        let verdict = match self.store.record_start(&recorded_under, start) {
            // Another plan was adopted meanwhile; the machine asks again.
            None => return Ok(None),
            Some(WriteStart {
                refused: Some((code, reason)),
                ..
            }) => Verdict::Refuse { code, reason },
            Some(_) => {
                self.report.writes += 1;
                self.check_go(request)?;
                Verdict::Go
            }
        };
        Ok(Some(Answer::Write(GoAnswer {
            nonce: request.nonce,
            verdict,
        })))
    }

    fn verdict(&mut self, plan: &reconciler_core::plan::Plan, id: MachineId, request: &GoRequest) -> Verdict {
        let Some(machine) = plan.machines.get(&id) else {
            return Verdict::Refuse {
                code: "HELD".to_owned(),
                reason: "no such machine".to_owned(),
            };
        };
        if self.settings.plant == Some(Plant::NoFence) {
            return Verdict::Go;
        }
        let facts = self.store.facts_of(id, machine.wanted.generation);
        let ground = Ground {
            id,
            machine,
            facts: &facts,
            incarnation: self.store.incarnation,
            held: None,
        };
        fence::judge(&ground, request)
    }

    /// Whoever asked hears the first answer, or that there is none; the machine may be off by then.
    pub(crate) fn call_answered(&mut self, call: Call, answer: Option<Answer>) -> Result<(), Violation> {
        let machine = &mut self.machines[call.machine];
        if machine.boot != call.boot || machine.waits_for != Some(call.number) {
            return Ok(());
        }
        machine.waits_for = None;
        let stage = match (answer, call.question) {
            (Some(Answer::Boot(go)), _) => Stage::BootAnswered { go: Some(go) },
            (None, Question::Boot(_)) => Stage::BootAnswered { go: None },
            (Some(Answer::Write(answer)), _) => Stage::WriteAnswered {
                verdict: Some(answer.verdict),
            },
            (None, Question::Write(_)) => Stage::WriteAnswered { verdict: None },
        };
        self.machine_goes_on(call.machine, call.boot, stage)
    }
}
