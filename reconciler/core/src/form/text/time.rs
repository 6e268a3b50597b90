//! How long a plan takes, in words.

use crate::form::{Setting, counted};
use crate::plan::Plan;
use crate::times::{self, Estimate, Together};

/// How long it takes, in a line; nothing where nothing like its installations was measured and its releases erase at once.
pub(in crate::form) fn time(plan: &Plan, setting: &Setting) -> Option<String> {
    let pace = setting.pace(plan);
    if pace.is_never(&plan.changes) {
        return Some("for ever: limits.max-wiped-per-hour is 0, so that nothing in use is erased".to_owned());
    }
    let installed = pace.together(&plan.changes).map(|together| {
        let installations = counted(together.installations, "installation");
        let time = both(together.p50, together.p90);
        let longer = longer(plan, &together);
        format!("about {time} for {installations}{longer}")
    });
    let released = pace.releases(&plan.changes).map(|time| {
        let erased = match time.releases {
            1 => "1 release is erased".to_owned(),
            many => format!("all of {many} releases are erased"),
        };
        format!("at least {} until {erased}", times::words(time.at_least))
    });
    let parts: Vec<String> = [installed, released].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// For what installations take longer together than their budgets' places ask for.
fn longer(plan: &Plan, together: &Together) -> String {
    let hourly = format!(
        ", no more than {} erased within an hour",
        plan.control.wiped_per_hour
    );
    let parts = [
        (together.canary, ", one machine first"),
        (together.windows, ", with waiting for windows to open"),
        (together.hourly, hourly.as_str()),
    ];
    let counted = parts.iter().filter(|(counts, _)| *counts);
    counted.map(|(_, words)| *words).collect()
}

/// A usual time, and the one that nine of ten keep.
pub(super) fn both(p50: u64, p90: u64) -> String {
    format!("{} (p90 {})", times::words(p50), times::words(p90))
}

/// What is said of several installations at once: the longest times, and the weakest ground of any.
pub(super) fn slowest(each: &[&Estimate]) -> Option<Estimate> {
    Some(Estimate {
        p50: each.iter().map(|one| one.p50).max()?,
        p90: each.iter().map(|one| one.p90).max()?,
        samples: each.iter().map(|one| one.samples).min()?,
        like: each.iter().map(|one| one.like).max()?,
    })
}
