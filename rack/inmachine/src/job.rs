//! One job, told from its beginning to its end. What is done to the machine is its hands' part.

use crate::rack::Rack;
use crate::say;
use crate::step::{StepFailed, Steps};
use rack_api::boot_order::BootOrderSeen;
use rack_api::fact::FactBody;
use rack_api::inventory::Inventory;
use rack_api::job::{Deploy, Erase, Job, JobKind};
use rack_api::ownership::MarkWish;
use schema_ids::Uuid;

/// What looks at a machine and writes it.
pub trait Hands {
    /// The machine's inventory; what cannot be read is said in it. Before that, what git asks of the mark of ownership is
    /// done, where it asks.
    fn inspect(&mut self, mark: Option<&MarkWish>) -> Inventory;

    /// Puts the firmware's boot order right, or only reads it where it `stays` as it is, and tells it, where the firmware
    /// has one.
    fn boot_order(&mut self, stays: bool) -> Option<BootOrderSeen>;

    /// Carries out a deployment, step by step. The installed system keeps the token for its word.
    ///
    /// # Errors
    /// A step failed and was reported.
    fn deploy(
        &mut self,
        steps: &mut Steps<'_>,
        plan: &Deploy,
        phone_home_token: String,
    ) -> Result<(), StepFailed>;

    /// Erases disks, step by step, and reports a record of each.
    ///
    /// # Errors
    /// A step failed and was reported.
    fn erase(&mut self, steps: &mut Steps<'_>, plan: &Erase) -> Result<(), StepFailed>;
}

/// Carries out one job and reports it; a failed one is reported by its step.
pub fn carry_out(hands: &mut impl Hands, rack: &mut Rack, boot_id: Uuid, job: Job, phone_home_token: String) {
    let reference = job.job;
    say!(
        "{}: {} (generation {}, attempt {})",
        job.name,
        job.kind.name(),
        reference.generation,
        reference.attempt
    );
    rack.report(vec![FactBody::JobStarted {
        job: reference,
        boot_id,
    }]);
    let done = match job.kind {
        JobKind::Inspect => {
            let inventory = Box::new(hands.inspect(job.mark.as_ref()));
            // Another's machine is looked at and nothing else, also where that is only known since this moment.
            let mark = inventory.mark.as_ref();
            let is_anothers = mark.is_some_and(|seen| seen.is_anothers(job.mark.as_ref()));
            let order = hands.boot_order(job.leaves || is_anothers);
            let inventory = FactBody::Inventory {
                job: reference,
                inventory,
            };
            let order = order.map(|order| FactBody::BootOrder {
                job: reference,
                order,
            });
            // The order first: whoever acts on the inventory finds it there.
            rack.report(order.into_iter().chain([inventory]).collect());
            Ok(())
        }
        JobKind::Erase(plan) => {
            let mut steps = Steps {
                rack: &mut *rack,
                job: reference,
                boot_id,
            };
            let erased = hands.erase(&mut steps, &plan);
            if erased.is_ok() {
                // What the plan goes on with is what is there now.
                let inventory = Box::new(hands.inspect(job.mark.as_ref()));
                rack.report(vec![FactBody::Inventory {
                    job: reference,
                    inventory,
                }]);
            }
            erased
        }
        JobKind::Deploy(plan) => {
            let mut steps = Steps {
                rack,
                job: reference,
                boot_id,
            };
            hands.deploy(&mut steps, &plan, phone_home_token)
        }
    };
    match done {
        Ok(()) => {
            rack.report(vec![FactBody::JobDone {
                job: reference,
                boot_id,
            }]);
            say!("{}: done", job.name);
        }
        Err(StepFailed) => say!("{}: stopped", job.name),
    }
}
