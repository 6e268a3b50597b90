//! What differs between a plan and its parent, destructive first.

mod left_alone;

use self::left_alone::{managed, was_let_alone};
use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::{Binding, Observed};
use crate::plan::deployment::{differences, erased, last_deploy};
use crate::plan::release::erased as erased_by_release;
use crate::plan::{
    Cause, Change, ChangeAction, Effect, FieldChange, LinkPlan, MachinePlan, Note, Origin, Plan, Quarantine,
    as_is, counted, effect, fields,
};
use rack_api::config::Subnet;
use rack_api::job::{Deploy, Erase};
use schema_fleet::Fleet;
use schema_ids::{BindingId, DiskId, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The differences. `new` has everything but its own changes, guards and id.
pub(super) fn changes(
    fleet: &Fleet,
    parent: &Plan,
    new: &Plan,
    observed: &Observed,
    ending: &BTreeMap<BindingId, Binding>,
    renamed: Vec<Change>,
) -> Vec<Change> {
    let mut changes = renamed;
    for (id, machine) in &new.machines {
        let compared = Compared {
            fleet,
            id: *id,
            machine,
            before: parent.machines.get(id),
            new,
            observed,
            ending,
        };
        changes.extend(compared.enlisted());
        changes.extend(compared.renamed());
        changes.extend(compared.intent());
        changes.extend(compared.fields());
    }
    for (id, gone) in parent
        .machines
        .iter()
        .filter(|(id, _)| !new.machines.contains_key(id))
    {
        changes.push(Change {
            machine: Some(*id),
            ..plain(
                format!("machine.{}", gone.name),
                ChangeAction::Label,
                "it is retired, and forgotten with its removed entry".to_owned(),
            )
        });
    }
    changes.extend(links(fleet, parent, new));
    if parent.ephemeral != new.ephemeral {
        let object = format!("fleet.{}", new.fleet);
        let why = "the system that jobs run in".to_owned();
        changes.push(plain(object, ChangeAction::Update, why));
    }
    for change in &mut changes {
        change.effect = match managed(parent, new, change) {
            Some(effect) => effect,
            None => effect::of(change, replaced(parent, new, change)),
        };
    }
    changes.sort_by(|a, b| {
        let key = |change: &Change| (!change.destructive(), change.action);
        key(a).cmp(&key(b)).then_with(|| a.object.cmp(&b.object))
    });
    changes
}

/// What became of the disks of a release that is over.
fn fate(erase: &Erase) -> &'static str {
    match erase.disks.is_empty() {
        true => "its disks keep their contents",
        false => "its disks are erased",
    }
}

struct Compared<'a> {
    fleet: &'a Fleet,
    id: MachineId,
    machine: &'a MachinePlan,
    before: Option<&'a MachinePlan>,
    new: &'a Plan,
    observed: &'a Observed,
    ending: &'a BTreeMap<BindingId, Binding>,
}

impl Compared<'_> {
    fn change(&self, action: ChangeAction, why: String) -> Change {
        Change {
            machine: Some(self.id),
            origin: Some(self.machine.origin.clone()),
            ..plain(format!("machine.{}", self.machine.name), action, why)
        }
    }

    fn enlisted(&self) -> Option<Change> {
        let why = match self.machine.observe {
            true => "it is new, and only observed",
            false => "it is new",
        };
        self.before
            .is_none()
            .then(|| self.change(ChangeAction::Enlist, why.to_owned()))
    }

    fn renamed(&self) -> Option<Change> {
        let old = &self.before?.name;
        let why = format!("it was {old}; nothing is done to it");
        (*old != self.machine.name).then(|| self.change(ChangeAction::Rename, why))
    }

    fn intent(&self) -> Option<Change> {
        let before = self.before.map(|before| &before.wanted);
        if before.is_some_and(|before| before.generation == self.machine.wanted.generation) {
            return self.slot_ends().then(|| self.let_go("its slot ends"));
        }
        match &self.machine.wanted.intent {
            Intent::Released(_)
                if before.is_some_and(|before| before.intent == self.machine.wanted.intent) =>
            {
                // It gets more time: told as a field.
                None
            }
            Intent::Deployed(deploy) => Some(self.deployed(deploy)),
            Intent::AsIs { binding, .. } => Some(self.as_is(*binding)),
            Intent::Orphaned { .. } => {
                let object = format!("machine.{}", self.machine.name);
                let orphaned =
                    |note: &&Note| note.object == object && note.code == Condition::Orphaned.code();
                let said = self.new.notes.iter().find(orphaned).map(|note| note.text.clone());
                Some(self.change(ChangeAction::Orphan, said.unwrap_or_default()))
            }
            Intent::Observe { .. } if self.slot_ends() => Some(self.let_go("its slot ends")),
            // A new one is said to be enlisted so.
            Intent::Observe { .. } if self.before.is_none() && self.machine.observe => None,
            Intent::Observe { why, .. } if self.machine.declared => Some(self.watched(why)),
            Intent::Observe { why, .. } => Some(self.change(ChangeAction::Orphan, why.clone())),
            Intent::Released(erase) => Some(self.released(erase)),
            Intent::Retired => Some(self.retired()),
            Intent::Ready { .. } if let Some(erase) = self.was_released() => {
                let why = format!("released, and {}: idle", fate(erase));
                Some(self.change(ChangeAction::Update, why))
            }
            Intent::Ready { .. } => {
                match self.ending.iter().find(|(_, binding)| binding.machine == self.id) {
                    Some((_, binding)) => {
                        let why = "its slot ends; its disks keep their contents".to_owned();
                        let object = format!("deployment.{}[{}]", binding.deployment, binding.slot);
                        let keeps = disks(self.observed, self.id);
                        Some(Change {
                            object,
                            keeps,
                            ..self.change(ChangeAction::Release, why)
                        })
                    }
                    // New ones are said to be enlisted.
                    None => self.before.map(|before| {
                        let (old, new) = (before.inspect, self.machine.inspect);
                        let why = if was_let_alone(before) {
                            "managed in full from now on: inspected, and off while it is idle".to_owned()
                        } else if new > old {
                            format!("inspected again: inspect {old} -> {new}")
                        } else {
                            "idle until it can be deployed".to_owned()
                        };
                        self.change(ChangeAction::Update, why)
                    }),
                }
            }
        }
    }

    /// The release that is over with this plan.
    fn was_released(&self) -> Option<&Erase> {
        let ends = |binding| self.new.ended.contains(binding) && !self.ending.contains_key(binding);
        match self.before.map(|before| &before.wanted.intent) {
            Some(Intent::Released(erase)) => Some(&**erase).filter(|erase| ends(&erase.binding)),
            _ => None,
        }
    }

    fn released(&self, erase: &Erase) -> Change {
        let newly = self.ending.contains_key(&erase.binding);
        let then = match self.machine.declared {
            true => "then it is Ready",
            false => "then it is Retired",
        };
        let method = erase.method.name();
        let removal = self.removal(&erase.binding);
        let goes = removal
            .as_ref()
            .map_or("git no longer wants it there", |removal| removal.text.as_str());
        let quarantine = self.machine.quarantine;
        let erased = match &quarantine {
            Some(quarantine) => format!("off with its data for {quarantine}, then erased ({method})"),
            None => format!("erased ({method})"),
        };
        let why = match (newly, erase.disks.is_empty()) {
            (true, false) => format!("{goes}: {erased}, {then}"),
            (false, false) => format!("what is to be erased is another: {erased}, {then}"),
            (_, true) => format!("{goes}: switched off, its disks keep their contents, {then}"),
        };
        let erases: Vec<_> = erased_by_release(erase).collect();
        let mut keeps = disks(self.observed, self.id);
        keeps.retain(|disk| erases.iter().all(|erased| erased.disk != *disk));
        let change = self.change(ChangeAction::Release, why);
        Change {
            object: self.slot(&erase.binding).unwrap_or_else(|| change.object.clone()),
            origin: removal.map(|removal| removal.origin).or(change.origin),
            erases,
            keeps,
            in_use_since: self.installed(&erase.binding),
            quarantine,
            ..change
        }
    }

    fn retired(&self) -> Change {
        if self.machine.foreign().is_some() {
            return self.let_go("it is removed: retired");
        }
        if let Some(erase) = self.was_released() {
            let why = format!("{}: retired, switched off and left alone", fate(erase));
            return self.change(ChangeAction::Update, why);
        }
        if self.machine.observe {
            let why = "it is removed: retired, and left alone as it runs".to_owned();
            return self.change(ChangeAction::Update, why);
        }
        let why = "it is removed: retired, switched off and left alone; its disks keep their contents";
        let keeps = disks(self.observed, self.id);
        Change {
            keeps,
            ..self.change(ChangeAction::Release, why.to_owned())
        }
    }

    fn deployed(&self, deploy: &Deploy) -> Change {
        let seen = self.observed.machines.get(&self.id);
        let installed = seen
            .and_then(|seen| seen.installed.as_ref())
            .filter(|done| done.binding == deploy.binding);
        let before = self
            .before
            .and_then(last_deploy)
            .filter(|before| before.binding == deploy.binding);
        if seen.is_some_and(|seen| seen.runs(deploy)) {
            let was_off = self.before.is_some_and(|before| before.quarantine.is_some());
            let why = match self.machine.taken_back {
                Some(_) if was_off => "wanted again as it ran, with its data: switched on again",
                Some(_) => "wanted again as it ran, with its data: switched on where it was switched off",
                None => "wanted again as it runs",
            };
            return self.change(ChangeAction::Update, why.to_owned());
        }
        let found = as_is::record(self.before, deploy.binding);
        let (action, why) = match (installed, before) {
            _ if let Some(found) = found => (
                ChangeAction::Redeploy,
                format!(
                    "reinstall {} -> {}: the system that it was adopted with is replaced",
                    found.epoch, deploy.epoch
                ),
            ),
            (Some(_), Some(before)) => (ChangeAction::Redeploy, words(before, deploy)),
            (Some(_), None) => (
                ChangeAction::Redeploy,
                "what it runs is not known any more".to_owned(),
            ),
            (None, Some(before)) => (ChangeAction::Deploy, words(before, deploy)),
            (None, None) => (ChangeAction::Deploy, format!("image {}", deploy.image.name)),
        };
        let erases: Vec<_> = erased(deploy).collect();
        let mut keeps = disks(self.observed, self.id);
        keeps.retain(|disk| erases.iter().all(|erased| erased.disk != *disk));
        let binding = self.new.bindings.get(&deploy.binding);
        let mut fields = match before.filter(|_| found.is_none()) {
            Some(before) => fields::of_deployment(self.fleet, binding, before, deploy),
            None => fields::of_first(self.fleet, binding, deploy),
        };
        fields.extend(found.map(|found| fields::reinstalled(found.epoch, deploy.epoch)));
        let change = self.change(action, why);
        Change {
            object: self
                .slot(&deploy.binding)
                .unwrap_or_else(|| change.object.clone()),
            origin: fields
                .iter()
                .find_map(|field| field.origin.clone())
                .or(change.origin),
            fields,
            erases,
            keeps,
            in_use_since: installed.map(|done| done.at),
            ..change
        }
    }

    /// What takes effect at once, or waits for the next installation.
    fn fields(&self) -> Option<Change> {
        let (before, now) = (self.before?, self.machine);
        let mut fields = fields::of_machine(before, now);
        let quarantine = self.quarantine(before);
        let in_entry = quarantine.as_ref().filter(|_| fields.is_empty());
        let in_entry = in_entry.and_then(|field| field.origin.clone());
        fields.extend(quarantine);
        let is_label = fields
            .iter()
            .all(|field| field.effect == Effect::None && !waits(now, &field.path));
        let action = match is_label {
            true => ChangeAction::Label,
            false => ChangeAction::Update,
        };
        let mut paths: Vec<String> = Vec::new();
        for field in &fields {
            let path = top(&field.path);
            let path = match waits(now, path) {
                true => format!("{path} (at the next installation)"),
                false => path.to_owned(),
            };
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let change = self.change(action, paths.join(", "));
        (!fields.is_empty()).then(|| Change {
            fields,
            origin: in_entry.or_else(|| change.origin.clone()),
            ..change
        })
    }

    /// Another quarantine of a release that is under way.
    fn quarantine(&self, before: &MachinePlan) -> Option<FieldChange> {
        let (Intent::Released(erase), Intent::Released(_)) =
            (&self.machine.wanted.intent, &before.wanted.intent)
        else {
            return None;
        };
        let is_new = before.wanted.intent != self.machine.wanted.intent;
        let [old, new] = [before, self.machine].map(|machine| machine.quarantine);
        let same = old.map(|of| of.seconds) == new.map(|of| of.seconds);
        let text = |of: Option<Quarantine>, none: &str| Some(of.map_or(none.to_owned(), |of| of.to_string()));
        (!is_new && !same).then(|| FieldChange {
            path: "quarantine".to_owned(),
            before: text(old, "none"),
            after: text(new, "none: erased at once"),
            effect: Effect::Live,
            origin: self.removal(&erase.binding).map(|removal| removal.origin),
        })
    }

    /// The slot that a binding has or had.
    fn slot(&self, binding: &BindingId) -> Option<String> {
        let known = self
            .new
            .bindings
            .get(binding)
            .or_else(|| self.ending.get(binding))?;
        Some(format!("deployment.{}[{}]", known.deployment, known.slot))
    }

    /// Since when the machine runs what it was bound for.
    fn installed(&self, binding: &BindingId) -> Option<Timestamp> {
        let installed = self.observed.machines.get(&self.id)?.installed.as_ref()?;
        (installed.binding == *binding).then_some(installed.at)
    }

    /// What git says of the end of a binding, and where: a `removed` entry, the machine's name among those that give
    /// their slots back, or a lower count.
    fn removal(&self, binding: &BindingId) -> Option<Removal> {
        let bound = self
            .new
            .bindings
            .get(binding)
            .or_else(|| self.ending.get(binding))?;
        let removed = |origin, reason: &str| Removal {
            origin: Origin::of(origin),
            text: with_reason("it is removed", reason),
        };
        let machine = self.fleet.removed_machines.get(&self.machine.name);
        let deployment = self.fleet.removed_deployments.get(&bound.deployment);
        machine
            .map(|gone| removed(&gone.origin, &gone.reason))
            .or_else(|| deployment.map(|gone| removed(&gone.origin, &gone.reason)))
            .or_else(|| self.given_back(&bound.deployment))
    }

    fn given_back(&self, deployment: &Name) -> Option<Removal> {
        let wish = self.fleet.deployments.get(deployment)?;
        let named = wish.release.as_ref().and_then(|release| {
            let mut machines = release.machines.iter();
            let named = machines.find(|named| named.name == self.machine.name)?;
            Some(Removal {
                origin: fields::at(&named.span),
                text: with_reason("its slot is given back", &release.reason),
            })
        });
        named.or_else(|| {
            let count = wish.count.as_ref()?;
            let unhealthy = counted::unhealthy(wish, self.observed, self.id);
            let first = unhealthy.map_or_else(String::new, |why| format!(", and this one {why}"));
            Some(Removal {
                origin: fields::at(&count.span),
                text: format!("{deployment} counts {}{first}", count.value),
            })
        })
    }
}

/// What git says of the end of a binding.
struct Removal {
    origin: Origin,
    text: String,
}

fn with_reason(text: &str, reason: &str) -> String {
    match reason.is_empty() {
        true => text.to_owned(),
        false => format!("{text} ({reason})"),
    }
}

/// Whether a field of this path waits for the next installation.
fn waits(machine: &MachinePlan, path: &str) -> bool {
    machine.outdated.contains(path)
}

/// The field that a person would look for: all of an interface's values are in `nic`.
fn top(path: &str) -> &str {
    match path.split(['.', ' ']).next() {
        Some("boot") | None => path,
        Some(first) => first,
    }
}

/// The binding whose system a change replaces or ends.
fn replaced(parent: &Plan, new: &Plan, change: &Change) -> Option<BindingId> {
    let id = change.machine?;
    let wanted = |plan: &Plan| match &plan.machines.get(&id)?.wanted.intent {
        Intent::Deployed(deploy) => Some(deploy.binding),
        Intent::Released(erase) => Some(erase.binding),
        Intent::Orphaned { binding } | Intent::AsIs { binding, .. } => Some(*binding),
        Intent::Observe { .. } | Intent::Ready { .. } | Intent::Retired => None,
    };
    wanted(new).or_else(|| wanted(parent))
}

fn words(before: &Deploy, now: &Deploy) -> String {
    let fields = differences(before, now)
        .into_iter()
        .map(|(field, _)| match field {
            "image" => format!(
                "image {} ({}) -> {} ({})",
                before.image.name,
                before.image.digest.short(),
                now.image.name,
                now.image.digest.short()
            ),
            "reinstall" => format!("reinstall {} -> {}", before.epoch, now.epoch),
            "hostname" => format!("hostname {} -> {}", before.hostname, now.hostname),
            field => field.to_owned(),
        });
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() {
        "what its disks hold is now known".to_owned()
    } else {
        fields.join(", ")
    }
}

fn disks(observed: &Observed, id: MachineId) -> Vec<DiskId> {
    let inventory = observed
        .machines
        .get(&id)
        .and_then(|seen| seen.inventory.as_ref());
    inventory
        .map(|inventory| {
            inventory
                .disks
                .iter()
                .filter_map(|disk| disk.id.clone())
                .collect()
        })
        .unwrap_or_default()
}

fn links(fleet: &Fleet, parent: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    let update = |object: String, why: String| plain(object, ChangeAction::Update, why);
    for (name, link) in &new.links {
        let tells = link.agents.clone();
        let Some(before) = parent.links.get(name) else {
            changes.push(Change {
                tells,
                ..update(format!("link.{name}"), "it is new".to_owned())
            });
            continue;
        };
        let fields = fields::of_link(before, link);
        if !fields.is_empty() {
            let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            changes.push(Change {
                tells: tells.union(&before.agents).cloned().collect(),
                ..update(format!("link.{name}"), paths.join(", "))
            });
            changes.last_mut().expect("just pushed").fields = fields;
        }
        changes.extend(subnets(fleet, before, link));
    }
    for (name, gone) in parent
        .links
        .iter()
        .filter(|(name, _)| !new.links.contains_key(*name))
    {
        changes.push(Change {
            tells: gone.agents.clone(),
            ..update(
                format!("link.{name}"),
                "it is gone and no longer served".to_owned(),
            )
        });
    }
    changes
}

/// What becomes of the subnets of a link that was there before.
fn subnets(fleet: &Fleet, before: &LinkPlan, now: &LinkPlan) -> Vec<Change> {
    let same = |a: &Subnet, b: &Subnet| (a.network, a.prefix) == (b.network, b.prefix);
    let told = |old: Option<&Subnet>, new: Option<&Subnet>| {
        let subnet = new.or(old)?;
        let name = fields::in_git(fleet, subnet).map(|(name, _)| name.to_string());
        let object = name.unwrap_or_else(|| format!("{}/{}", subnet.network, subnet.prefix));
        let fields = fields::of_subnet(fleet, old, new);
        let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
        let why = match (old, new) {
            (None, _) => "it is new".to_owned(),
            (_, None) => "it is gone and no longer served".to_owned(),
            _ => paths.join(", "),
        };
        (old != new).then(|| Change {
            origin: fields.iter().find_map(|field| field.origin.clone()),
            tells: now.agents.clone(),
            fields,
            ..plain(format!("subnet.{object}"), ChangeAction::Update, why)
        })
    };
    let kept = now.subnets.iter().map(|new| {
        let old = before.subnets.iter().find(|old| same(old, new));
        told(old, Some(new))
    });
    let gone = before
        .subnets
        .iter()
        .filter(|old| !now.subnets.iter().any(|new| same(old, new)));
    kept.chain(gone.map(|old| told(Some(old), None)))
        .flatten()
        .collect()
}

/// A change of no machine that nothing more is known of.
pub(super) fn plain(object: String, action: ChangeAction, why: String) -> Change {
    Change {
        object,
        action,
        effect: Effect::None,
        cause: Cause::ThisChange,
        machine: None,
        why,
        origin: None,
        fields: Vec::new(),
        erases: Vec::new(),
        keeps: Vec::new(),
        in_use_since: None,
        quarantine: None,
        tells: BTreeSet::new(),
    }
}
