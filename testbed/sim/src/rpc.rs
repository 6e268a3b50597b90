//! Live questions from an agent to the daemons: may this job boot, may this machine write.
//!
//! A call may be lost, answered late or answered twice; the agent waits five seconds. Between what a
//! daemon makes of "may I write?" and its record, another plan may be adopted, and the daemon may die.

use crate::invariant::Invariant;
use crate::machine::Stage;
use crate::report::Violation;
use crate::store::Store;
use crate::world::{Event, World};
use rack_api::machine::{GoAnswer, GoRequest, Verdict};
use rack_api::sync::BootGoRequest;
use reconciler_core::admit::Policy;
use reconciler_core::facts::WriteStart;
use reconciler_core::fence::{self, Ground, Takes};
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

/// What a daemon made of "may I write?", before it is on record.
#[derive(Debug, Clone)]
pub(crate) struct DecidedGo {
    call: Call,
    /// The plan it was judged by.
    plan: String,
    /// The stops it was judged by.
    restraints_epoch: u64,
    start: WriteStart,
    takes: Takes,
    /// It takes long to record, and the answer may be lost: time enough for another plan.
    awkward: bool,
}

/// How long an agent waits for a live word.
const PATIENCE: Duration = Duration::from_secs(5);

impl World<'_> {
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
        if self.daemon_dies_here(daemon) {
            return Ok(());
        }
        match &call.question {
            Question::Boot(request) => {
                let go = self.judge_boot(request)?;
                self.answer(daemon, &call, &Answer::Boot(go));
            }
            Question::Write(_) => {
                let awkward = self.commit_awkwardly();
                self.judge_write(daemon, call, awkward);
            }
        }
        Ok(())
    }

    fn answer(&mut self, daemon: usize, call: &Call, answer: &Answer) {
        if self.daemon_dies_here(daemon) {
            return;
        }
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
    }

    fn judge_boot(&mut self, request: &BootGoRequest) -> Result<bool, Violation> {
        let code = self.code;
        let go = self.on_ground(request.machine, |ground| code.may_boot(ground, request));
        let go = go == Some(true);
        if go {
            self.check_stopped(|| "a job may boot".to_owned())?;
        }
        if go && self.wanted(request.machine) != Some(request.generation) {
            let what = format!("a job of generation {} may boot", request.generation);
            return Err(self.violation(Invariant::OnlyWhatIsWanted, what));
        }
        Ok(go)
    }

    /// Has the fence look at a machine as the adopted plan and the facts have it.
    fn on_ground<T>(&mut self, id: MachineId, judge: impl FnOnce(&Ground<'_>) -> T) -> Option<T> {
        self.store.refresh(self.code);
        let Store {
            plan,
            known,
            restraints,
            ..
        } = &self.store;
        let policy = Policy::under(plan, known, restraints, self.now);
        Some(judge(&Ground {
            id,
            machine: self.store.plan.machines.get(&id)?,
            facts: self.store.known.get(&id)?,
            incarnation: self.store.incarnation,
            restored: None,
            denials: policy.of(id),
            grant: self.store.permits.grants.get(&id),
        }))
    }

    /// Judged by the adopted plan; it takes a moment until that is on record.
    fn judge_write(&mut self, daemon: usize, call: Call, awkward: bool) {
        let Question::Write(request) = &call.question else {
            return;
        };
        let (code, asked) = (self.code, request.clone());
        let judged = self.on_ground(request.job.machine, |ground| {
            (code.may_write(ground, &asked), fence::takes(ground))
        });
        let (verdict, takes) = judged.unzip();
        let none = Takes {
            place: false,
            wipes: false,
        };
        let takes = takes.unwrap_or(none);
        let refused = match verdict {
            Some(Verdict::Go) => None,
            Some(Verdict::Refuse { code, reason }) => Some((code, reason)),
            None => Some(("HELD".to_owned(), "no such machine".to_owned())),
        };
        let start = WriteStart {
            job: request.job,
            boot_id: request.boot_id,
            nonce: request.nonce,
            at: self.now,
            refused,
        };
        let plan = self.store.plan.id.clone();
        let restraints_epoch = self.store.restraints_epoch;
        let life = self.daemons[daemon].life();
        let decided = Box::new(DecidedGo {
            call,
            plan,
            restraints_epoch,
            start,
            takes,
            awkward,
        });
        let delay = if awkward {
            Duration::from_millis(self.dice.between(1, 4000))
        } else {
            self.delay()
        };
        self.later(
            delay,
            Event::GoDecided {
                daemon,
                life,
                decided,
            },
        );
    }

    /// Recorded, and only then answered; if another plan was adopted meanwhile, judged again.
    pub(crate) fn go_decided(
        &mut self,
        daemon: usize,
        life: u64,
        decided: DecidedGo,
    ) -> Result<(), Violation> {
        if !self.is_living(daemon, life) || self.daemon_dies_here(daemon) {
            return Ok(());
        }
        let DecidedGo {
            call,
            plan,
            restraints_epoch,
            start,
            takes,
            awkward,
        } = decided;
        let unmoved = restraints_epoch == self.store.restraints_epoch;
        let current = unmoved && self.code.is_current(&plan, &self.store.plan.id);
        let recorded = if self.code.records(&start) {
            self.store.record_start(&start, current, takes, self.now)
        } else {
            Some(start.clone())
        };
        let Some(recorded) = recorded else {
            self.judge_write(daemon, call, false);
            return Ok(());
        };
        let recorded = self.code.word(start, recorded);
        let machine = call.machine;
        let verdict = match recorded.refused {
            None => {
                self.note(
                    format_args!("m{machine}"),
                    format_args!("may write for {}", job_words(&recorded)),
                );
                self.report.writes += 1;
                self.check_go(&recorded)?;
                self.check_stopped(|| format!("m{machine} may write"))?;
                Verdict::Go
            }
            Some((code, reason)) => {
                self.note(
                    format_args!("m{machine}"),
                    format_args!("may not write: {code}, {reason}"),
                );
                Verdict::Refuse { code, reason }
            }
        };
        self.announce();
        if awkward && self.dice.chance(500) {
            return Ok(());
        }
        let nonce = recorded.nonce;
        self.answer(daemon, &call, &Answer::Write(GoAnswer { nonce, verdict }));
        Ok(())
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

fn job_words(start: &WriteStart) -> String {
    format!("generation {}, try {}", start.job.generation, start.job.attempt)
}
