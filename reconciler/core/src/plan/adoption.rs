//! Whether a plan may be adopted: it erases nothing that people were not shown.

use crate::condition::Condition;
use crate::plan::Plan;
use schema_fleet::Unreviewed;
use schema_ids::ContentId;

/// Whether `new` may take its parent's place. `shown` is the last stored plan for the same tree, if
/// any; `approved` the wipe-set digest that a person approved, if any. Blank disks are free.
///
/// # Errors
/// The condition and the reason, when a guard blocks it or it erases more than was shown.
pub fn adoptable(
    new: &Plan,
    shown: Option<&Plan>,
    approved: Option<&str>,
    unreviewed: Unreviewed,
) -> Result<(), (String, String)> {
    if let Some((code, reason)) = new.guards.iter().find_map(|guard| guard.blocked.clone()) {
        return Err((code, reason));
    }
    if unreviewed == Unreviewed::Allow || approved == Some(new.wipe_set.digest.as_str()) {
        return Ok(());
    }
    let mut unseen = Vec::new();
    for (id, disks) in &new.wipe_set.entries {
        let known = shown.and_then(|shown| shown.wipe_set.entries.get(id));
        let free = |content: &ContentId| *content == ContentId::Blank;
        let new_ones = disks
            .iter()
            .filter(|disk| !free(&disk.content) && !known.is_some_and(|known| known.contains(disk)));
        let name = new
            .machines
            .get(id)
            .map_or_else(|| id.to_string(), |machine| machine.name.to_string());
        unseen.extend(new_ones.map(|disk| format!("{name} {} ({})", disk.disk, disk.content)));
    }
    if unseen.is_empty() {
        return Ok(());
    }
    let told = if shown.is_some() {
        "the plan shown for this commit did not erase"
    } else {
        "no plan was shown that erases"
    };
    let reason = format!(
        "{told}: {}; approve wipe-set {}",
        unseen.join(", "),
        new.wipe_set.digest
    );
    Err((Condition::PlanChangedSinceShown.code().to_owned(), reason))
}
