//! A job's steps as facts: begun, so far, done, or failed with the whole error.

use crate::console::chain;
use crate::deploy::DeployError;
use crate::rack::Rack;
use crate::say;
use rack_api::fact::{FactBody, StepState};
use rack_api::job::JobRef;
use schema_ids::Uuid;
use std::time::{Duration, Instant};

/// People watch progress, so it need not come more often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// A step ended badly, and everyone concerned was told.
#[derive(Debug)]
pub struct StepFailed;

/// The steps of one job.
#[derive(Debug)]
pub struct Steps<'a> {
    /// Whom to tell.
    pub rack: &'a mut Rack,
    /// The job.
    pub job: JobRef,
    /// The boot it runs in.
    pub boot_id: Uuid,
}

impl Steps<'_> {
    /// Carries out one step and tells how it goes.
    ///
    /// # Errors
    /// The step failed; there is nothing left to be said about it.
    pub fn run<T>(
        &mut self,
        step: &str,
        work: impl FnOnce(&mut Progress<'_>) -> Result<T, DeployError>,
    ) -> Result<T, StepFailed> {
        say!("{step}");
        self.tell(step, StepState::Started);
        let began = Instant::now();
        let result = work(&mut Progress {
            rack: self.rack,
            template: (self.job, self.boot_id, step),
            told: Instant::now(),
        });
        match result {
            Ok(value) => {
                say!("{step}: done in {:.1} s", began.elapsed().as_secs_f32());
                self.tell(step, StepState::Done);
                Ok(value)
            }
            Err(error) => {
                let (code, text) = (error.code(), chain(&error));
                say!("{step}: failed: {code}: {text}");
                self.tell(step, StepState::Failed { code, error: text });
                Err(StepFailed)
            }
        }
    }

    fn tell(&mut self, step: &str, state: StepState) {
        let fact = fact(self.job, self.boot_id, step, state);
        self.rack.report(vec![fact]);
    }
}

/// The step under way.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The rack agent, for the step's own questions.
    pub rack: &'a mut Rack,
    template: (JobRef, Uuid, &'a str),
    told: Instant,
}

impl Progress<'_> {
    /// The boot the step runs in.
    pub fn boot_id(&self) -> Uuid {
        self.template.1
    }

    /// Splits into the rack agent and the pace of telling, for a step that reads from the former.
    pub fn split(&mut self) -> (&mut Rack, Pace<'_>) {
        let (job, boot_id, step) = self.template;
        (
            self.rack,
            Pace {
                job,
                boot_id,
                step,
                told: &mut self.told,
            },
        )
    }
}

/// Tells progress, and not too often.
#[derive(Debug)]
pub struct Pace<'a> {
    job: JobRef,
    boot_id: Uuid,
    step: &'a str,
    told: &'a mut Instant,
}

impl Pace<'_> {
    /// So much is done, of so much or 0.
    pub fn tell(&mut self, rack: &mut Rack, done: u64, total: u64) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            *self.told = Instant::now();
            rack.mention(fact(
                self.job,
                self.boot_id,
                self.step,
                StepState::Progress { done, total },
            ));
        }
    }
}

fn fact(job: JobRef, boot_id: Uuid, step: &str, state: StepState) -> FactBody {
    FactBody::Step {
        job,
        boot_id,
        step: step.to_owned(),
        state,
    }
}
