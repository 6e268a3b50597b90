//! Equal changes, told once: a block has one heading, one list of values and a line for each machine.

use crate::plan::{Cause, Change, ChangeAction, Effect, Plan};
use schema_ids::ContentId;
use std::collections::BTreeMap;

/// Changes that differ in nothing but their machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// What they are about: a deployment, a subnet; `None` for machines by themselves.
    pub subject: Option<&'a str>,
    /// One for each machine; at least one.
    pub changes: Vec<&'a Change>,
}

/// What is equal in a block, and the order of blocks: what is lost first, then by subject.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    keeps: bool,
    action: ChangeAction,
    subject: Option<&'a str>,
    effect: Effect,
    fields: Vec<(&'a str, Option<&'a str>, Option<&'a str>)>,
    why: &'a str,
}

impl<'a> Key<'a> {
    fn of(change: &'a Change) -> Self {
        let fields = change.fields.iter();
        Self {
            keeps: !change.destructive(),
            action: change.action,
            subject: subject(change),
            effect: change.effect,
            fields: fields
                .map(|field| {
                    (
                        field.path.as_str(),
                        field.before.as_deref(),
                        field.after.as_deref(),
                    )
                })
                .collect(),
            why: &change.why,
        }
    }
}

/// What a change is about, without the slot and without the machine.
fn subject(change: &Change) -> Option<&str> {
    match change.object.split_once('[') {
        Some((deployment, _)) => Some(deployment),
        None if change.object.starts_with("machine.") => None,
        None => Some(&change.object),
    }
}

/// The blocks of what has this cause.
pub fn blocks(plan: &Plan, cause: Cause) -> Vec<Block<'_>> {
    let mut by_key: BTreeMap<Key<'_>, Vec<&Change>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| change.cause == cause) {
        by_key.entry(Key::of(change)).or_default().push(change);
    }
    let blocks = by_key.into_iter();
    blocks
        .map(|(key, changes)| Block {
            subject: key.subject,
            changes,
        })
        .collect()
}

impl<'a> Block<'a> {
    /// What stands for all of it.
    pub fn first(&self) -> &'a Change {
        self.changes[0]
    }

    /// Whether something is lost by it.
    pub fn destructive(&self) -> bool {
        self.first().destructive()
    }
}

/// What a plan comes to, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Changes by what happens.
    pub actions: BTreeMap<ChangeAction, usize>,
    /// Machines that lose something.
    pub machines: usize,
    /// Disks that lose something.
    pub disks: usize,
    /// Their sizes together, in bytes, as far as they are known.
    pub bytes: u64,
}

impl Totals {
    /// Of these changes of a plan.
    pub fn of<'a>(plan: &Plan, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut totals = Self::default();
        for change in changes {
            *totals.actions.entry(change.action).or_default() += 1;
            let lost = change
                .erases
                .iter()
                .filter(|erased| erased.content != ContentId::Blank);
            let lost: Vec<_> = lost.map(|erased| plan.disks.get(&erased.disk)).collect();
            totals.machines += usize::from(!lost.is_empty());
            totals.disks += lost.len();
            totals.bytes += lost.into_iter().flatten().map(|disk| disk.bytes).sum::<u64>();
        }
        totals
    }
}
