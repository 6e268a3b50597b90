//! What differs between a plan and its parent, destructive first.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::{Binding, Observed};
use crate::plan::deployment::{differences, erased, last_deploy};
use crate::plan::release::erased as erased_by_release;
use crate::plan::{Change, ChangeAction, LinkPlan, MachinePlan, Note, Plan};
use rack_api::job::{Deploy, Erase};
use schema_ids::{BindingId, ContentId, DiskId, MachineId};
use std::collections::BTreeMap;

/// Fields that only say which machine it is: where that is certain, nothing follows from them.
const LABELS: [&str; 2] = ["serial", "uuid"];

impl Change {
    /// Whether something is lost by it.
    pub fn destructive(&self) -> bool {
        let lost = self
            .erases
            .iter()
            .any(|erased| erased.content != ContentId::Blank);
        lost || matches!(self.action, ChangeAction::Redeploy | ChangeAction::Release)
    }

    /// Whether it only changes what people read: nothing happens to any machine.
    pub fn is_label(&self) -> bool {
        matches!(self.action, ChangeAction::Rename | ChangeAction::Label)
    }
}

/// The differences. `new` has everything but its own changes, guards and id.
pub(super) fn changes(
    parent: &Plan,
    new: &Plan,
    observed: &Observed,
    ending: &BTreeMap<BindingId, Binding>,
    renamed: Vec<Change>,
) -> Vec<Change> {
    let mut changes = renamed;
    for (id, machine) in &new.machines {
        let compared = Compared {
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
            object: format!("machine.{}", gone.name),
            action: ChangeAction::Label,
            machine: Some(*id),
            why: "it is retired, and forgotten with its removed entry".to_owned(),
            origin: None,
            erases: Vec::new(),
            keeps: Vec::new(),
        });
    }
    changes.extend(links(parent, new));
    if parent.ephemeral != new.ephemeral {
        changes.push(update(
            format!("fleet.{}", new.fleet),
            "the system that jobs run in".to_owned(),
        ));
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
            object: format!("machine.{}", self.machine.name),
            action,
            machine: Some(self.id),
            why,
            origin: Some(self.machine.origin.clone()),
            erases: Vec::new(),
            keeps: Vec::new(),
        }
    }

    fn enlisted(&self) -> Option<Change> {
        self.before
            .is_none()
            .then(|| self.change(ChangeAction::Enlist, "it is new".to_owned()))
    }

    fn renamed(&self) -> Option<Change> {
        let old = &self.before?.name;
        let why = format!("it was {old}; nothing is done to it");
        (*old != self.machine.name).then(|| self.change(ChangeAction::Rename, why))
    }

    fn intent(&self) -> Option<Change> {
        let before = self.before.map(|before| &before.wanted);
        if before.is_some_and(|before| before.generation == self.machine.wanted.generation) {
            return None;
        }
        match &self.machine.wanted.intent {
            Intent::Deployed(deploy) => Some(self.deployed(deploy)),
            Intent::Orphaned { .. } => {
                let object = format!("machine.{}", self.machine.name);
                let orphaned =
                    |note: &&Note| note.object == object && note.code == Condition::Orphaned.code();
                let said = self.new.notes.iter().find(orphaned).map(|note| note.text.clone());
                Some(self.change(ChangeAction::Orphan, said.unwrap_or_default()))
            }
            Intent::Observe { why } if self.machine.declared => {
                Some(self.change(ChangeAction::Update, format!("only observed: {why}")))
            }
            Intent::Observe { why } => Some(self.change(ChangeAction::Orphan, why.clone())),
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
                        let why = if new > old {
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
        let why = match (newly, erase.disks.is_empty()) {
            (true, false) => format!("it is removed: erased ({method}), {then}"),
            (false, false) => format!("what is to be erased is another: erased ({method}), {then}"),
            (_, true) => format!("it is removed: switched off, its disks keep their contents, {then}"),
        };
        let erases: Vec<_> = erased_by_release(erase).collect();
        let mut keeps = disks(self.observed, self.id);
        keeps.retain(|disk| erases.iter().all(|erased| erased.disk != *disk));
        let binding = self.new.bindings.get(&erase.binding);
        let object = binding.map(|binding| format!("deployment.{}[{}]", binding.deployment, binding.slot));
        let change = self.change(ChangeAction::Release, why);
        Change {
            object: object.unwrap_or_else(|| change.object.clone()),
            erases,
            keeps,
            ..change
        }
    }

    fn retired(&self) -> Change {
        if let Some(erase) = self.was_released() {
            let why = format!("{}: retired, switched off and left alone", fate(erase));
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
            return self.change(ChangeAction::Update, "wanted again as it runs".to_owned());
        }
        let (action, why) = match (installed, before) {
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
        let object = binding.map(|binding| format!("deployment.{}[{}]", binding.deployment, binding.slot));
        let change = self.change(action, why);
        Change {
            object: object.unwrap_or_else(|| change.object.clone()),
            erases,
            keeps,
            ..change
        }
    }

    /// What takes effect at once, or waits for the next installation.
    fn fields(&self) -> Option<Change> {
        let (before, now) = (self.before?, self.machine);
        let mut differ: Vec<String> = [
            ("nic", before.nics != now.nics),
            (
                "bmc",
                before.bmc != now.bmc
                    || before.bmc_agent != now.bmc_agent
                    || before.bmc_standby != now.bmc_standby,
            ),
            ("boot.mode", before.firmware != now.firmware),
            ("boot.order", before.boot_order != now.boot_order),
            ("boot.secure-boot", before.secure_boot != now.secure_boot),
            (
                "boot.timeout",
                before.boot_timeout_seconds != now.boot_timeout_seconds,
            ),
            ("power", before.keep_on != now.keep_on),
            ("serial", before.serial != now.serial),
            ("uuid", before.uuid != now.uuid),
            ("rack", before.rack != now.rack),
            ("protect", before.protect != now.protect),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| field.to_owned())
        .collect();
        let outdated = now.outdated.difference(&before.outdated);
        differ.extend(outdated.map(|field| format!("{field} (at the next installation)")));
        let is_label = differ.iter().all(|field| LABELS.contains(&field.as_str()));
        let action = match is_label {
            true => ChangeAction::Label,
            false => ChangeAction::Update,
        };
        (!differ.is_empty()).then(|| self.change(action, differ.join(", ")))
    }
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

fn links(parent: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, link) in &new.links {
        let why = match parent.links.get(name) {
            None => "it is new".to_owned(),
            Some(before) if before == link => continue,
            Some(before) => link_words(before, link),
        };
        changes.push(update(format!("link.{name}"), why));
    }
    for name in parent.links.keys().filter(|name| !new.links.contains_key(*name)) {
        changes.push(update(
            format!("link.{name}"),
            "it is gone and no longer served".to_owned(),
        ));
    }
    changes
}

fn link_words(before: &LinkPlan, now: &LinkPlan) -> String {
    let fields = [
        ("dhcp", before.dhcp != now.dhcp),
        ("enlist", before.enlist != now.enlist),
        ("subnets", before.subnets != now.subnets),
        ("agents", before.agents != now.agents),
    ];
    let fields: Vec<&str> = fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| field)
        .collect();
    fields.join(", ")
}

fn update(object: String, why: String) -> Change {
    Change {
        object,
        action: ChangeAction::Update,
        machine: None,
        why,
        origin: None,
        erases: Vec::new(),
        keeps: Vec::new(),
    }
}
