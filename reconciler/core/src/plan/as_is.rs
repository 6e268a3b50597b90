//! Machines that have their slots as they are: what `adopt` in git comes to.
//!
//! muster did not install what runs there and cannot read back what it is: all of that is unknown, and accepted. What is
//! known is what each disk held at that moment, and that is the binding's record. From then on it is left alone: an
//! edit of the image or the layout marks it outdated, and a release erases nothing that nobody consented to. It is installed
//! when a person has raised `reinstall` since, and consents to what each disk of the layout holds; until the first
//! write, taking that back leaves it as it is.
//!
//! A record is the parent plan's word, not git's: an entry that is taken out of `adopt` alone changes nothing.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::DiskContents;
use crate::plan::addresses::Addresses;
use crate::plan::contents::{Consents, Loss, Question};
use crate::plan::deployment::{
    Context, Decided, erased, image, is_written, last_deploy, loses, name_in_use, placeholders, resolve,
    same_firmware, same_wish, user_data,
};
use crate::plan::required::lacking;
use crate::plan::slots::Slot;
use crate::plan::{Blocked, MachinePlan, digest, layout};
use rack_api::inventory::Inventory;
use schema_fleet::{Deployment, Fleet, UpdatePolicy};
use schema_ids::{BindingId, ContentId, Digest, DiskId, Generation, MachineId, Name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a machine was adopted with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AsIs {
    /// The binding that has it.
    pub binding: BindingId,
    /// The `reinstall` that git said then: only a greater one installs it.
    pub epoch: u64,
    /// What each of its local disks held then.
    pub disks: BTreeSet<DiskContents>,
    /// What git said of the system then, by field: what differs from it now is outdated.
    pub said: BTreeMap<String, Digest>,
}

impl AsIs {
    /// Its disks.
    pub fn disks(&self) -> impl Iterator<Item = &DiskId> {
        self.disks.iter().map(|held| &held.disk)
    }
}

/// What becomes of a machine that is kept as it is, with its record; none where it is not adopted yet.
pub(super) struct Kept {
    pub(super) decided: Decided,
    pub(super) as_is: Option<AsIs>,
}

/// Whether git says that this machine has its slot as it is.
pub(super) fn is_named(deployment: &Deployment, machine: &Name) -> bool {
    deployment
        .adopt
        .iter()
        .any(|adopt| adopt.machine.name == *machine)
}

/// The record of the machine that has this binding, if the parent plan has one.
pub(super) fn record(before: Option<&MachinePlan>, binding: BindingId) -> Option<&AsIs> {
    let record = before?.as_is.as_deref();
    record.filter(|record| record.binding == binding)
}

/// From which generation on an inventory does, of a machine that muster does not restart: none is wanted before a person raises
/// `inspect`.
pub(super) fn look(before: Option<&MachinePlan>, inspect: u64) -> Option<Generation> {
    let Some(before) = before else {
        return (inspect > 0).then_some(Generation(1));
    };
    if inspect > before.inspect {
        return Some(before.wanted.generation.next());
    }
    match &before.wanted.intent {
        Intent::Observe { look, .. } | Intent::AsIs { look, .. } => *look,
        Intent::Ready { .. }
        | Intent::Deployed(_)
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => None,
    }
}

/// Decides what the machine of a slot shall be, if it is kept as it is; `None` if it is installed like any other.
/// `kept_free` is the hold that gives no slot to a machine that has none.
pub(super) fn decide<'a>(
    context: &Context<'a>,
    id: MachineId,
    plan: &MachinePlan,
    slot: &Slot<'a>,
    addresses: &mut Addresses<'a>,
    kept_free: Option<Blocked>,
) -> Option<Kept> {
    let before = context.parent.machines.get(&id);
    if is_written(context, id, slot.binding) {
        return None;
    }
    let look = look(before, plan.inspect);
    let waits = |blocked: Blocked| {
        let why = format!("it is to be adopted into {}[{}]", slot.name, slot.number);
        Kept {
            decided: watched(&why, look, Some(blocked)),
            as_is: None,
        }
    };
    let record = match record(before, slot.binding) {
        Some(record) => record.clone(),
        None if !is_named(slot.deployment, &plan.name) => return None,
        None => match kept_free.map_or_else(|| adopted(context, id, plan, slot), Err) {
            Ok(record) => record,
            Err(blocked) => return Some(waits(blocked)),
        },
    };
    let decided = bound(context, id, plan, slot, &record, addresses, look);
    Some(Kept {
        decided,
        as_is: Some(record),
    })
}

/// A machine of which power and inventory are read, and nothing else.
pub(super) fn watched(why: &str, look: Option<Generation>, blocked: Option<Blocked>) -> Decided {
    let why = why.to_owned();
    Decided {
        intent: Intent::Observe { why, look },
        blocked,
        outdated: BTreeSet::new(),
        loses: Loss::Nothing,
    }
}

/// The record of a machine that is adopted now.
fn adopted(
    context: &Context<'_>,
    id: MachineId,
    plan: &MachinePlan,
    slot: &Slot<'_>,
) -> Result<AsIs, Blocked> {
    let refuse = |evidence: String| Blocked {
        condition: Condition::AdoptionWaits,
        evidence,
    };
    let place = format!("{}[{}]", slot.name, slot.number);
    let seen = context.observed.machines.get(&id);
    let Some(inventory) = seen.and_then(|seen| seen.inventory.as_ref()) else {
        return Err(refuse(format!(
            "{place} is to have it as it runs, and nobody has seen its disks yet. Raise `inspect` of machine.{} and restart it \
             when it suits: it is inspected as it boots from the network, and goes on to its own disk",
            plan.name
        )));
    };
    same_firmware(inventory, plan)
        .map_err(|why| refuse(format!("{why}; {place} takes it when both agree")))?;
    let machine = context.fleet.machines.get(&plan.name);
    let expect = machine.and_then(|machine| machine.expect.as_ref());
    if let Some(evidence) = expect.and_then(|expect| lacking(expect, inventory)) {
        return Err(Blocked {
            condition: Condition::LessThanExpected,
            evidence,
        });
    }
    let disks = held(inventory);
    if !disks.is_empty() && disks.iter().all(|held| held.content == ContentId::Blank) {
        return Err(refuse(format!(
            "every disk of it is blank, so that {place} would keep no system; take it out of `adopt` to have it installed"
        )));
    }
    Ok(AsIs {
        binding: slot.binding,
        epoch: slot.deployment.reinstall,
        disks,
        said: wished(context.fleet, slot, plan, inventory),
    })
}

/// What its local disks hold. Others may be another machine's as well.
fn held(inventory: &Inventory) -> BTreeSet<DiskContents> {
    let local = inventory.disks.iter().filter(|disk| disk.local);
    local
        .filter_map(|disk| {
            Some(DiskContents {
                disk: disk.id.clone()?,
                content: disk.content.clone(),
            })
        })
        .collect()
}

/// What git says of the system in a slot, by field. A layout counts by what it comes to on these disks.
fn wished(
    fleet: &Fleet,
    slot: &Slot<'_>,
    plan: &MachinePlan,
    inventory: &Inventory,
) -> BTreeMap<String, Digest> {
    let deployment = slot.deployment;
    let of_image = fleet.images.get(&deployment.image.name);
    let storage = fleet.storages.get(&deployment.storage.name).map(|storage| {
        let solved = layout::solve(&layout::Problem {
            storage,
            inventory,
            binding: slot.binding,
            before: None,
            firmware: plan.firmware,
            min_disk: of_image.and_then(|image| image.min_disk),
            image_bytes: 0,
        });
        match solved {
            Ok(solved) => digest::of_value(&(solved.disks, solved.arrays, solved.groups, solved.filesystems)),
            Err(why) => digest::of_value(&why),
        }
    });
    let hostname = fleet.machines.get(&plan.name).map(|machine| {
        let placeholders = placeholders(machine, slot, plan);
        deployment.hostname.value.fill(&placeholders)
    });
    let (image, kernel_args) = match image(fleet, slot, inventory) {
        Ok((image, kernel_args)) => (digest::of_value(&(image.digest, image.family)), Some(kernel_args)),
        Err(why) => (digest::of_value(&why), None),
    };
    let ssh_keys: Vec<&str> = deployment.ssh_keys.iter().map(|key| key.as_str()).collect();
    [
        ("image", image),
        ("kernel-args", digest::of_value(&kernel_args)),
        ("storage", digest::of_value(&storage)),
        ("network", digest::of_value(&deployment.network.name)),
        ("hostname", digest::of_value(&hostname)),
        ("ssh-keys", digest::of_value(&ssh_keys)),
        ("user-data", digest::of_value(&user_data(fleet, slot))),
    ]
    .into_iter()
    .map(|(field, said)| (field.to_owned(), said))
    .collect()
}

/// What a machine with a record shall be.
fn bound<'a>(
    context: &Context<'a>,
    id: MachineId,
    plan: &MachinePlan,
    slot: &Slot<'a>,
    record: &AsIs,
    addresses: &mut Addresses<'a>,
    look: Option<Generation>,
) -> Decided {
    let seen = context.observed.machines.get(&id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let said = inventory.map(|inventory| wished(context.fleet, slot, plan, inventory));
    let mut outdated: BTreeSet<String> = said
        .into_iter()
        .flatten()
        .filter(|(field, now)| record.said.get(field) != Some(now))
        .map(|(field, _)| field)
        .collect();
    let is_raised = slot.deployment.reinstall > record.epoch;
    if is_raised {
        outdated.insert("reinstall".to_owned());
    }
    let acts = is_raised && slot.deployment.update_policy == UpdatePolicy::Rolling;
    let installed = match (acts, plan.observe, inventory) {
        (false, ..) => Ok(None),
        (true, true, _) => Err(Blocked {
            condition: Condition::OnlyObserved,
            evidence: format!(
                "{}[{}] is to be installed anew, and git says manage = \"observe\" of it",
                slot.name, slot.number
            ),
        }),
        (true, false, None) => Err(Blocked {
            condition: Condition::AdoptionWaits,
            evidence: "it is to be installed anew, and what its disks hold is not known any more".to_owned(),
        }),
        (true, false, Some(inventory)) => install(context, id, plan, slot, inventory, addresses).map(Some),
    };
    let blocked = match installed {
        Ok(Some(decided)) => return decided,
        Ok(None) => inventory.and_then(|inventory| changed(record, inventory)),
        Err(blocked) => Some(blocked),
    };
    Decided {
        intent: Intent::AsIs {
            binding: slot.binding,
            look,
        },
        blocked,
        outdated,
        loses: Loss::Nothing,
    }
}

/// The installation that a person asks for: every disk that it writes is blank or consented to.
fn install<'a>(
    context: &Context<'a>,
    id: MachineId,
    plan: &MachinePlan,
    slot: &Slot<'a>,
    inventory: &Inventory,
    addresses: &mut Addresses<'a>,
) -> Result<Decided, Blocked> {
    let question = Question {
        observed: context.observed,
        parent: context.parent,
        id,
        consents: Consents::of(context.fleet, &plan.name, false),
        binding: slot.binding,
        written: &BTreeMap::new(),
        as_is: true,
        protected: false,
    };
    let before = context.parent.machines.get(&id);
    let before = before
        .and_then(last_deploy)
        .filter(|deploy| deploy.binding == slot.binding);
    let before_it = before.map(Arc::as_ref);
    let mut candidate = resolve(context, &question, plan, slot, inventory, before_it, addresses)?;
    digest::spec(&mut candidate);
    if let Some(leaver) = context.leaving_names.get(candidate.hostname.as_str()) {
        return Err(name_in_use(&candidate.hostname, leaver));
    }
    let deploy = match before.filter(|before| same_wish(before, &candidate)) {
        Some(before) => Arc::clone(before),
        None => Arc::new(candidate),
    };
    match context.growth.unshown(&question, erased(&deploy)) {
        Some(blocked) => Err(blocked),
        None => Ok(Decided {
            loses: loses(&question, &deploy),
            intent: Intent::Deployed(deploy),
            blocked: None,
            outdated: BTreeSet::new(),
        }),
    }
}

/// What its disks hold by now, where that is something else than was recorded. It is shown; the record stays.
fn changed(record: &AsIs, inventory: &Inventory) -> Option<Blocked> {
    let now: BTreeMap<&DiskId, &ContentId> = inventory
        .disks
        .iter()
        .filter_map(|disk| Some((disk.id.as_ref()?, &disk.content)))
        .collect();
    let differs = record.disks.iter().filter_map(|held| match now.get(&held.disk) {
        Some(content) if **content == held.content => None,
        Some(content) => Some(format!("{} holds {content}, it held {}", held.disk, held.content)),
        None => Some(format!("{} is not in it any more", held.disk)),
    });
    let differs: Vec<String> = differs.collect();
    (!differs.is_empty()).then(|| Blocked {
        condition: Condition::AdoptedChanged,
        evidence: format!("since it was adopted: {}", differs.join("; ")),
    })
}
