//! Steps as they end, and the table at the end of all: what each cost, and whether it passed.

use crate::bill::{Bill, Ran};
use std::sync::Mutex;
use std::time::Instant;

/// One step and how it went.
struct Stage {
    name: &'static str,
    failure: Option<String>,
    bill: Bill,
}

/// Steps as they end; shared by the threads that run them.
#[derive(Default)]
pub(crate) struct Report {
    stages: Mutex<Vec<Stage>>,
}

impl Report {
    /// Runs a step. True when it passed.
    pub(crate) fn stage(&self, name: &'static str, step: impl FnOnce() -> Result<Ran, String>) -> bool {
        self.keeping(name, step).0
    }

    /// Runs a step and hands back the lines that it kept as well, whether it passed or not.
    pub(crate) fn keeping(
        &self,
        name: &'static str,
        step: impl FnOnce() -> Result<Ran, String>,
    ) -> (bool, Vec<String>) {
        println!("──── {name}");
        let (failure, bill, kept) = match step() {
            Ok(ran) if ran.succeeded => (None, ran.bill, ran.kept),
            Ok(ran) => {
                let why = if ran.overdue {
                    "not ended in its time"
                } else {
                    "failed"
                };
                (Some(why.to_owned()), ran.bill, ran.kept)
            }
            Err(reason) => (Some(reason), Bill::default(), Vec::new()),
        };
        let passed = failure.is_none();
        println!(
            "──── {name}: {}, {}",
            if passed { "passed" } else { "FAILED" },
            price(bill)
        );
        self.add(Stage { name, failure, bill });
        (passed, kept)
    }

    /// A step that could not be run counts as failed.
    pub(crate) fn skip(&self, name: &'static str, needs: &str) {
        self.add(Stage {
            name,
            failure: Some(format!("not run: it needs {needs}")),
            bill: Bill::default(),
        });
    }

    fn add(&self, stage: Stage) {
        self.stages
            .lock()
            .expect("no step panics while it reports")
            .push(stage);
    }

    /// Prints the bill, further lines, and the count of steps; an error if not all passed.
    pub(crate) fn conclude(
        self,
        began: Instant,
        budget: Option<f64>,
        further: &[String],
    ) -> Result<(), String> {
        let stages = self.stages.into_inner().expect("all steps have ended");
        println!("\n{:16} {:>8} {:>8}  seconds", "", "wall", "CPU");
        for Stage { name, failure, bill } in &stages {
            let outcome = failure.as_deref().unwrap_or("passed");
            println!(
                "{name:16} {:8.1} {:8.1}  {outcome}",
                bill.wall.as_secs_f64(),
                bill.cpu_seconds
            );
        }
        let spent: f64 = stages.iter().map(|stage| stage.bill.cpu_seconds).sum();
        let of = budget.map_or_else(String::new, |budget| format!("of {budget:.0} CPU-seconds"));
        println!(
            "{:16} {:8.1} {spent:8.1}  {of}\n",
            "all",
            began.elapsed().as_secs_f64()
        );
        further.iter().for_each(|line| println!("{line}"));
        let failed = stages.iter().filter(|stage| stage.failure.is_some()).count();
        println!("{} passed, {failed} failed", stages.len() - failed);
        if failed == 0 {
            Ok(())
        } else {
            Err("not all steps passed".to_owned())
        }
    }
}

fn price(bill: Bill) -> String {
    format!(
        "{:.1} s wall, {:.1} s CPU",
        bill.wall.as_secs_f64(),
        bill.cpu_seconds
    )
}
