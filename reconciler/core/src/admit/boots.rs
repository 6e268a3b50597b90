//! How many machines of one rack boot or are imaged at once.

use super::Case;
use crate::condition::{Condition, Wait};

pub(super) fn check(case: &Case<'_>) -> Option<Wait> {
    let (need, most) = (case.need, case.ground.policy.boots_max);
    if !need.boots {
        return None;
    }
    let boots = case
        .others()
        .filter(|grant| grant.need.boots && grant.need.rack == need.rack);
    let booting = boots.count();
    if booting < most as usize {
        return None;
    }
    let rack = need.rack.as_ref();
    let rack = rack.map_or("machines without a rack".to_owned(), |rack| {
        format!("rack {rack}")
    });
    let evidence = format!("{booting} of {most} places to boot are taken ({rack})");
    Some(case.wait(Condition::Budget, evidence))
}
