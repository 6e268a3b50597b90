//! Whether a plan may be adopted: it erases nothing that people did not agree to.

use crate::condition::Condition;
use crate::observed::DiskContents;
use crate::plan::Plan;
use crate::plan::opened::{Opened, needed};
use schema_fleet::Unreviewed;
use schema_ids::{ContentId, MachineId};

/// Whether `new` may take its parent's place; `unreviewed` is what it may do unseen ([`unreviewed`](crate::plan::opened::unreviewed)),
/// `opened` are the guards that people opened for it. `agreed` are the plans by which people agreed to what its
/// commit erases: the one they last saw before it arrived, and those that they approved. Blank disks are
/// free, and so is what its parent is about to erase in machines of which it changes nothing. A plan for its parent's own
/// commit needs no more agreement: planning lets such a one erase nothing beyond its parent but what is blank, or consented to
/// where neither limits nor people have a say ([`growth`](crate::plan::growth)).
///
/// # Errors
/// The condition and the reason, when a guard blocks it or it erases more than was agreed to.
pub fn adoptable<'a>(
    new: &Plan,
    parent: &Plan,
    agreed: impl IntoIterator<Item = &'a Plan>,
    unreviewed: Unreviewed,
    opened: &[Opened],
) -> Result<(), (String, String)> {
    let stopped = new.stopped_by(opened, needed(unreviewed), new.made);
    if let Some((code, reason)) = stopped.and_then(|guard| guard.blocked.clone()) {
        return Err((code, reason));
    }
    if unreviewed == Unreviewed::Allow || new.commit == parent.commit {
        return Ok(());
    }
    let agreed: Vec<&Plan> = agreed.into_iter().collect();
    let known = |(id, disk): &(MachineId, &DiskContents)| {
        let mut entries = agreed.iter().filter_map(|plan| plan.wipe_set.entries.get(id));
        entries.any(|disks| disks.contains(disk))
    };
    let named = |(id, disk): (MachineId, &DiskContents)| {
        let machine = new.machines.get(&id);
        let name = machine.map_or_else(|| id.to_string(), |machine| machine.name.to_string());
        format!("{name} {} ({})", disk.disk, disk.content)
    };
    let unseen = to_agree(new, parent).filter(|entry| !known(entry));
    let unseen: Vec<String> = unseen.map(named).collect();
    if unseen.is_empty() {
        return Ok(());
    }
    let told = if agreed.is_empty() {
        "no plan that was shown before this commit arrived erases"
    } else {
        "the plan that was agreed to for this commit does not erase"
    };
    let reason = format!(
        "{told}: {}; approve wipe-set {}",
        unseen.join(", "),
        new.wipe_set.digest
    );
    Err((Condition::PlanChangedSinceShown.code().to_owned(), reason))
}

/// What a plan erases to which somebody must have agreed: all but blank disks, and what its parent is about to erase already in
/// machines of which it changes nothing.
pub fn to_agree<'p>(new: &'p Plan, parent: &Plan) -> impl Iterator<Item = (MachineId, &'p DiskContents)> {
    new.wipe_set.entries.iter().flat_map(|(id, disks)| {
        let generation = |plan: &Plan| Some(plan.machines.get(id)?.wanted.generation);
        let is_same = generation(new) == generation(parent);
        let before = parent.wipe_set.entries.get(id).filter(|_| is_same);
        let is_new = move |disk: &&DiskContents| before.is_none_or(|before| !before.contains(disk));
        let disks = disks.iter().filter(|disk| disk.content != ContentId::Blank);
        disks.filter(is_new).map(|disk| (*id, disk))
    })
}
