//! What is said of machines that nothing is done to: those that are only observed, and those that have their slots as they
//! are.

use super::{Compared, disks, fields};
use crate::condition::Condition;
use crate::intent::Intent;
use crate::plan::deployment::last_deploy;
use crate::plan::{Change, ChangeAction, Effect, FieldChange, MachinePlan, Origin, Plan, as_is};
use schema_ids::BindingId;

impl Compared<'_> {
    /// Only observed, from now on or otherwise than before.
    pub(super) fn watched(&self, why: &str) -> Change {
        let had = self.before.and_then(|before| before.as_is.as_ref());
        let look = |machine: &MachinePlan| match &machine.wanted.intent {
            Intent::Observe { look, .. } | Intent::AsIs { look, .. } => *look,
            _ => None,
        };
        let asked = look(self.machine).filter(|asked| self.before.and_then(look) != Some(*asked));
        let text = match (had.filter(|had| self.new.ended.contains(&had.binding)), asked) {
            (Some(_), _) => {
                format!(
                    "its adoption is taken back: it runs on, only observed; nothing is done to it ({why})"
                )
            }
            (None, Some(_)) => {
                format!("to be inspected when somebody restarts it, and only observed: {why}")
            }
            (None, None) => format!("only observed: {why}"),
        };
        self.change(ChangeAction::Update, text)
    }

    /// Whether the slot of a machine that bears another's mark ends, with nothing done to it.
    pub(super) fn slot_ends(&self) -> bool {
        let before = self.before.filter(|_| self.machine.foreign().is_some());
        let deploy = before.and_then(last_deploy).map(|deploy| deploy.binding);
        let found = before.and_then(|before| before.as_is.as_deref());
        let mut had = deploy.into_iter().chain(found.map(|found| found.binding));
        had.any(|binding| self.new.ended.contains(&binding))
    }

    /// It bears another's mark, and git no longer wants what it was here for.
    pub(super) fn let_go(&self, what: &str) -> Change {
        let why = format!("{what}, and nothing is done to it: it bears the mark of another control plane");
        self.change(ChangeAction::Update, why)
    }

    /// Its slot is its own, as it is.
    pub(super) fn as_is(&self, binding: BindingId) -> Change {
        let record = self.machine.as_is.as_deref();
        let had = as_is::record(self.before, binding);
        if had.is_some() {
            let text = match self.before.map(|before| &before.wanted.intent) {
                Some(Intent::AsIs { .. }) => "to be inspected when it next boots; it runs as it was adopted",
                _ => {
                    "wanted again as it was adopted: nothing is written, and where it was switched off for something else it is switched on"
                }
            };
            return self.change(ChangeAction::Update, text.to_owned());
        }
        let held = record.into_iter().flat_map(|record| &record.disks);
        let origin = self.machine.origin.clone();
        let fields = held.map(|held| FieldChange {
            path: format!("contents {}", held.disk),
            before: None,
            after: Some(held.content.to_string()),
            effect: Effect::None,
            origin: Some(origin.clone()),
        });
        let change = self.change(
            ChangeAction::Adopt,
            "runs as it is: nothing is written, and what its disks hold is recorded".to_owned(),
        );
        Change {
            object: self.slot(&binding).unwrap_or_else(|| change.object.clone()),
            origin: self.adopted_at(&binding).or(change.origin),
            fields: fields.collect(),
            keeps: disks(self.observed, self.id),
            ..change
        }
    }

    /// Where git says that it is adopted.
    fn adopted_at(&self, binding: &BindingId) -> Option<Origin> {
        let bound = self.new.bindings.get(binding)?;
        let deployment = self.fleet.deployments.get(&bound.deployment)?;
        let mut entries = deployment.adopt.iter();
        let entry = entries.find(|adopt| adopt.machine.name == self.machine.name)?;
        Some(fields::at(&entry.machine.span))
    }
}

/// Whether a machine ran what muster does not touch: it was only observed, waited to be adopted, or bore another's mark.
pub(super) fn was_let_alone(before: &MachinePlan) -> bool {
    let waited = before.blocked.as_ref().map(|blocked| blocked.condition) == Some(Condition::AdoptionWaits);
    before.observe || waited || before.foreign().is_some()
}

/// What enlisting a machine that is let alone, or no longer letting it alone, comes to.
pub(super) fn managed(parent: &Plan, new: &Plan, change: &Change) -> Option<Effect> {
    let id = change.machine?;
    let now = new.machines.get(&id)?;
    let was_observed = || parent.machines.get(&id).is_some_and(was_let_alone);
    match (change.action, &now.wanted.intent) {
        (ChangeAction::Enlist, _) if now.is_left_alone() => Some(Effect::Live),
        (ChangeAction::Update, Intent::Ready { .. }) if was_observed() => Some(Effect::Reboot),
        _ => None,
    }
}
