//! Windows: when something may be begun. What runs goes on.

use super::{Case, tally::Tally};
use crate::condition::{Condition, Wait};
use crate::plan::Budget;
use schema_ids::Name;

pub(super) fn check(case: &Case<'_>, name: &Name, budget: &Budget, _: &Tally) -> Option<Wait> {
    // Bringing back what is out already takes nobody away.
    if case.is_out() {
        return None;
    }
    let window = budget
        .window
        .as_ref()
        .filter(|window| !window.is_open(case.now))?;
    Some(match window.opens(case.now) {
        Some(opens) => {
            let evidence = format!("budget {name}: its window ({window}) opens at {opens}");
            case.wait(Condition::WindowClosed, evidence).retry_at(opens)
        }
        None => {
            let evidence =
                format!("budget {name}: this version does not know the time zone of its window ({window})");
            case.wait(Condition::WindowClosed, evidence)
        }
    })
}
