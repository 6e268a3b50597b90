//! One slot of a deployment, resolved: every disk, address and byte that the machine shall have.
//!
//! What runs is kept as it was planned; only a change of image, storage, firmware or a higher reinstall
//! epoch makes another installation of it, everything else marks it outdated.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::{DiskContents, Observed, ObservedMachine};
use crate::plan::addresses::Addresses;
use crate::plan::contents::{Consents, Loss, Question};
use crate::plan::growth::Growth;
use crate::plan::not_yet::{Concerned, NotCarriedOut};
use crate::plan::required::lacking;
use crate::plan::slots::Slot;
use crate::plan::written::written;
use crate::plan::{Blocked, MachinePlan, Plan, Protect, digest, layout, network};
use rack_api::inventory::{FirmwareKind, Inventory};
use rack_api::job::{Deploy, DiskPlan, Filesystem, ImageFormat, ImageRef};
use rack_api::network::{Interface, Network};
use schema_fleet::{Fleet, Machine, OnRedeploy, Placeholders, Storage, UpdatePolicy};
use schema_ids::{BindingId, ContentId, Digest, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a slot is resolved with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) observed: &'a Observed,
    pub(super) parent: &'a Plan,
    /// By what the plan may grow.
    pub(super) growth: Growth,
    /// The host names of machines that leave, each with the machine's own name.
    pub(super) leaving_names: &'a BTreeMap<&'a str, &'a Name>,
    /// What git says and this version does not carry out.
    pub(super) not_yet: &'a NotCarriedOut<'a>,
}

/// What becomes of a slot's machine.
pub(super) struct Decided {
    pub(super) intent: Intent,
    pub(super) blocked: Option<Blocked>,
    pub(super) outdated: BTreeSet<String>,
    /// What it loses by that.
    pub(super) loses: Loss,
}

/// Decides what one slot's machine shall be.
pub(super) fn decide<'a>(
    context: &Context<'a>,
    id: MachineId,
    plan: &MachinePlan,
    slot: &Slot<'a>,
    addresses: &mut Addresses<'a>,
) -> Decided {
    let seen = context.observed.machines.get(&id);
    let before = context
        .parent
        .machines
        .get(&id)
        .and_then(last_deploy)
        .filter(|deploy| deploy.binding == slot.binding);
    let done = before.filter(|before| seen.is_some_and(|seen| seen.runs(before)));
    let leave = |blocked| leave(done, seen.filter(|seen| seen.serves(slot.binding)), blocked);
    let Some(machine) = context.fleet.machines.get(&plan.name) else {
        return keep(done, None);
    };
    let Some(inventory) = seen.and_then(|seen| seen.inventory.as_ref()) else {
        return leave(done.is_none().then(|| not_inspected(slot)));
    };
    let question = Question {
        observed: context.observed,
        parent: context.parent,
        id,
        consents: Consents::Machine(machine),
        binding: slot.binding,
        written: &written(context, id, slot.binding),
        as_is: false,
        protected: is_protected(context, id, plan, slot),
    };
    let mut candidate = match resolve(
        context,
        &question,
        plan,
        slot,
        inventory,
        before.map(Arc::as_ref),
        addresses,
    ) {
        Ok(candidate) => candidate,
        Err(blocked) => return leave(Some(blocked)),
    };
    let is_new = before.is_none_or(|before| before.hostname != candidate.hostname);
    let leaver = context.leaving_names.get(candidate.hostname.as_str());
    if let Some(leaver) = leaver.filter(|_| is_new) {
        return leave(Some(name_in_use(&candidate.hostname, leaver)));
    }
    let changed = before
        .map(|before| differences(before, &candidate))
        .unwrap_or_default();
    if let Some(done) = done {
        let acts = changed.iter().any(|(_, acts)| *acts);
        if !acts || slot.deployment.update_policy == UpdatePolicy::Manual {
            let outdated = changed.into_iter().map(|(field, _)| field.to_owned()).collect();
            return Decided {
                outdated,
                ..keep(Some(done), None)
            };
        }
    }
    digest::spec(&mut candidate);
    let deploy = match before.filter(|before| done.is_none() && same_wish(before, &candidate)) {
        Some(before) => Arc::clone(before),
        None => Arc::new(candidate),
    };
    if let Some(blocked) = context.growth.unshown(&question, erased(&deploy)) {
        return leave(Some(blocked));
    }
    Decided {
        loses: loses(&question, &deploy),
        ..keep(Some(&deploy), None)
    }
}

/// Whether its disks are protected, by what stands or by what is asked for now.
fn is_protected(context: &Context<'_>, id: MachineId, plan: &MachinePlan, slot: &Slot<'_>) -> bool {
    let before = context.parent.machines.get(&id).and_then(|before| before.protect);
    let now = plan.protect.max(slot.deployment.protect.map(Protect::of));
    before.max(now) == Some(Protect::Wipe)
}

/// What the machine was last told to run.
pub(super) fn last_deploy(machine: &MachinePlan) -> Option<&Arc<Deploy>> {
    match &machine.wanted.intent {
        Intent::Deployed(deploy) => Some(deploy),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => machine.kept.as_ref(),
    }
}

/// The disks that an installation erases, with what they hold.
pub(super) fn erased(deploy: &Deploy) -> impl Iterator<Item = DiskContents> {
    deploy.disks.iter().map(|disk| DiskContents {
        disk: disk.disk.clone(),
        content: disk.agreed.clone(),
    })
}

pub(super) fn loses(question: &Question<'_>, deploy: &Deploy) -> Loss {
    let losses = erased(deploy).map(|disk| question.loss(&disk));
    losses.max().unwrap_or(Loss::Nothing)
}

/// Nobody knows its disks yet, so nothing can be said of what would be erased.
fn not_inspected(slot: &Slot<'_>) -> Blocked {
    Blocked {
        condition: Condition::Commissioning,
        evidence: format!(
            "deployment {}[{}] waits for its inspection; the plan that comes of it names the disks it would write",
            slot.name, slot.number
        ),
    }
}

pub(super) fn name_in_use(hostname: &str, leaver: &Name) -> Blocked {
    Blocked {
        condition: Condition::NameInUse,
        evidence: format!("{leaver}, which leaves its slot, still has the host name {hostname}"),
    }
}

/// Leaves it as it runs, or ready if it does not.
fn keep(deploy: Option<&Arc<Deploy>>, blocked: Option<Blocked>) -> Decided {
    let intent = deploy.map_or(Intent::IDLE, |deploy| Intent::Deployed(Arc::clone(deploy)));
    Decided {
        intent,
        blocked,
        outdated: BTreeSet::new(),
        loses: Loss::Nothing,
    }
}

/// Leaves it as it is. Where what it was last told to run was never begun, it runs what was installed before: nobody
/// switches that off because the change that waited is no longer possible.
fn leave(done: Option<&Arc<Deploy>>, serves: Option<&ObservedMachine>, blocked: Option<Blocked>) -> Decided {
    match (done, serves, &blocked) {
        (None, Some(_), Some(why)) => Decided {
            intent: Intent::Observe {
                why: format!("it runs what was installed before; {}", why.evidence),
                look: None,
            },
            ..keep(None, blocked)
        },
        _ => keep(done, blocked),
    }
}

/// Whether two resolutions carry out the same, and agree to the same contents; what this binding has
/// itself begun to write is no other content.
pub(super) fn same_wish(before: &Deploy, candidate: &Deploy) -> bool {
    let own = |content: &ContentId| matches!(content, ContentId::Marker { binding, installed: false, .. } if *binding == before.binding);
    before.spec == candidate.spec
        && before
            .disks
            .iter()
            .zip(&candidate.disks)
            .all(|(before, now)| before.agreed == now.agreed || own(&now.agreed))
}

/// The fields in which two resolutions differ, and whether that makes another installation.
pub(super) fn differences(before: &Deploy, now: &Deploy) -> Vec<(&'static str, bool)> {
    let same_storage = {
        let disks = |disk: &DiskPlan, other: &DiskPlan| {
            (&disk.disk, &disk.partitions) == (&other.disk, &other.partitions)
        };
        let made = |made: &Filesystem, other: &Filesystem| {
            (made.uuid, made.kind, &made.label) == (other.uuid, other.kind, &other.label)
        };
        all_same(&before.disks, &now.disks, disks)
            && (&before.arrays, &before.groups) == (&now.arrays, &now.groups)
            && all_same(&before.filesystems, &now.filesystems, made)
    };
    let same_mounts = all_same(&before.filesystems, &now.filesystems, |made, other| {
        (made.uuid, &made.mount, &made.options) == (other.uuid, &other.mount, &other.options)
    });
    [
        (
            "image",
            before.image.digest != now.image.digest || before.image.family != now.image.family,
            true,
        ),
        ("storage", !same_storage, true),
        ("boot.mode", before.firmware != now.firmware, true),
        ("reinstall", before.epoch < now.epoch, true),
        ("mounts", !same_mounts, false),
        ("hostname", before.hostname != now.hostname, false),
        ("network", before.network != now.network, false),
        ("ssh-keys", before.ssh_keys != now.ssh_keys, false),
        ("user-data", before.user_data != now.user_data, false),
        ("kernel-args", before.kernel_args != now.kernel_args, false),
    ]
    .into_iter()
    .filter(|(_, differs, _)| *differs)
    .map(|(field, _, acts)| (field, acts))
    .collect()
}

/// Whether two lists are as long as each other, and each of one is the same as that of the other.
fn all_same<T>(one: &[T], other: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

/// The machine boots as git says that it does.
pub(super) fn same_firmware(inventory: &Inventory, plan: &MachinePlan) -> Result<(), String> {
    let word = |kind| match kind {
        FirmwareKind::Bios => "bios",
        FirmwareKind::Uefi => "uefi",
    };
    let (found, said) = (inventory.firmware.kind, plan.firmware);
    if found == said {
        return Ok(());
    }
    Err(format!(
        "it boots by {}, its boot.mode in git is {}",
        word(found),
        word(said)
    ))
}

/// Writes into each disk of the layout the contents that may be erased.
fn agree_contents(
    question: &Question<'_>,
    inventory: &Inventory,
    disks: &mut [DiskPlan],
) -> Result<(), Blocked> {
    for disk in disks {
        let found = inventory
            .disks
            .iter()
            .find(|found| found.id.as_ref() == Some(&disk.disk));
        let found = found.ok_or_else(|| Blocked {
            condition: Condition::LayoutDoesNotFit,
            evidence: format!("{} is gone", disk.disk),
        })?;
        disk.agreed = question.agree(found, &disk.disk).map_err(|evidence| Blocked {
            condition: Condition::UnexpectedContents,
            evidence,
        })?;
    }
    Ok(())
}

/// The machine has every port that the network layout configures.
fn has_ports(inventory: &Inventory, network: &Network) -> Result<(), String> {
    let absent = |interface: &&Interface| !inventory.nics.iter().any(|nic| nic.mac == interface.mac);
    match network.interfaces.iter().find(absent) {
        None => Ok(()),
        Some(port) => Err(format!(
            "{} ({}) was not found in the machine",
            port.name, port.mac
        )),
    }
}

/// Whether a machine told that it was installed for this binding.
fn was_installed(context: &Context<'_>, machine: MachineId, binding: BindingId) -> bool {
    let seen = context.observed.machines.get(&machine);
    let told = seen.and_then(|seen| seen.installed.as_ref());
    told.is_some_and(|told| told.binding == binding)
}

/// Whether this binding may have written anything on its machine.
pub(super) fn is_written(context: &Context<'_>, machine: MachineId, binding: BindingId) -> bool {
    was_installed(context, machine, binding) || !written(context, machine, binding).is_empty()
}

/// Whether a layout keeps the contents of some disks over a new installation.
fn keeps_contents(storage: &Storage) -> bool {
    storage
        .select
        .iter()
        .any(|(_, select)| select.on_redeploy == OnRedeploy::Keep)
}

/// What a slot's machine would run by git, but for its `spec`: that is made where it is known to be carried out.
pub(super) fn resolve<'a>(
    context: &Context<'a>,
    question: &Question<'_>,
    plan: &MachinePlan,
    slot: &Slot<'a>,
    inventory: &Inventory,
    before: Option<&Deploy>,
    addresses: &mut Addresses<'a>,
) -> Result<Deploy, Blocked> {
    let unfit = |evidence: String| Blocked {
        condition: Condition::LayoutDoesNotFit,
        evidence,
    };
    let fleet = context.fleet;
    let deployment = slot.deployment;
    let machine = fleet
        .machines
        .get(&plan.name)
        .ok_or_else(|| unfit("it is not in git".to_owned()))?;
    is_as_said(context, slot.name, plan, machine, inventory)?;
    let (image, kernel_args) = image(fleet, slot, inventory).map_err(unfit)?;
    same_firmware(inventory, plan).map_err(unfit)?;
    let binding = context.parent.bindings.get(&slot.binding);
    let no_addresses = BTreeSet::new();
    let storage = fleet.storages.get(&deployment.storage.name);
    let storage =
        storage.ok_or_else(|| unfit(format!("there is no storage layout {}", deployment.storage)))?;
    let problem = layout::Problem {
        storage,
        inventory,
        binding: slot.binding,
        before,
        firmware: plan.firmware,
        min_disk: fleet
            .images
            .get(&deployment.image.name)
            .and_then(|image| image.min_disk),
        image_bytes: image.unpacked_bytes,
    };
    let mut solved =
        layout::solve(&problem).map_err(|why| unfit(format!("storage {}: {why}", deployment.storage)))?;
    let again = "installing again beside kept contents is not carried out by this version";
    if keeps_contents(storage) && was_installed(context, question.id, slot.binding) {
        return Err(unfit(format!("storage {}: {again}", deployment.storage)));
    }
    agree_contents(question, inventory, &mut solved.disks)?;
    let placeholders = placeholders(machine, slot, plan);
    let wish = network::Problem {
        fleet,
        layout: fleet
            .networks
            .get(&deployment.network.name)
            .ok_or_else(|| unfit(format!("there is no network layout {}", deployment.network)))?,
        machine,
        nics: &plan.nics,
        placeholders,
        kept: binding.map_or(&no_addresses, |binding| &binding.addresses),
        before: before.map(|before| &before.network),
    };
    let network = network::resolve(&wish, addresses)
        .map_err(|why| unfit(format!("network {}: {why}", deployment.network)))?;
    has_ports(inventory, &network).map_err(unfit)?;
    let hostname = deployment.hostname.value.fill(&placeholders);
    let no_value = || unfit(format!("it lacks a value for {}", deployment.hostname.value));
    let ssh_keys = deployment.ssh_keys.iter().map(|key| key.as_str().to_owned());
    Ok(Deploy {
        binding: slot.binding,
        incarnation: context.observed.incarnation,
        // Made once it is known that this is carried out: for most machines it is not.
        spec: Digest([0; 32]),
        // Lower than before means nothing: a revert undoes no installation.
        epoch: before.map_or(0, |before| before.epoch).max(deployment.reinstall),
        hostname: hostname.ok_or_else(no_value)?,
        image,
        firmware: plan.firmware,
        disks: solved.disks,
        arrays: solved.arrays,
        groups: solved.groups,
        filesystems: solved.filesystems,
        network,
        ssh_keys: ssh_keys.collect(),
        user_data: user_data(fleet, slot).map_err(unfit)?,
        kernel_args,
    })
}

/// Whether git says nothing of it that this version leaves out, and it has what git says that it has.
fn is_as_said(
    context: &Context<'_>,
    deployment: &Name,
    plan: &MachinePlan,
    machine: &Machine,
    inventory: &Inventory,
) -> Result<(), Blocked> {
    let concerned = Concerned {
        name: &plan.name,
        deployment: Some(deployment),
    };
    let lacking = || {
        Some(Blocked {
            condition: Condition::LessThanExpected,
            evidence: lacking(machine.expect.as_ref()?, inventory)?,
        })
    };
    match context.not_yet.blocked(concerned).or_else(lacking) {
        Some(blocked) => Err(blocked),
        None => Ok(()),
    }
}

pub(super) fn placeholders<'a>(
    machine: &'a Machine,
    slot: &Slot<'_>,
    plan: &'a MachinePlan,
) -> Placeholders<'a> {
    Placeholders {
        slot: slot.number,
        name: plan.name.as_str(),
        rack: machine.rack.as_ref().map(|rack| rack.name.as_str()),
        position: machine
            .position
            .as_ref()
            .map(|position| u32::from(position.value)),
    }
}

pub(super) fn image(
    fleet: &Fleet,
    slot: &Slot<'_>,
    inventory: &Inventory,
) -> Result<(ImageRef, Vec<String>), String> {
    let name = &slot.deployment.image.name;
    let image = fleet
        .images
        .get(name)
        .ok_or_else(|| format!("there is no image {name}"))?;
    let arch = image.arch.as_str();
    if inventory.cpu.arch != arch {
        return Err(format!(
            "image {name} is for {arch}, the machine is {}",
            inventory.cpu.arch
        ));
    }
    let digest = image
        .sha256
        .as_ref()
        .ok_or_else(|| format!("image {name} has no archive to install"))?;
    let reference = ImageRef {
        name: name.clone(),
        family: image.family.to_string(),
        format: ImageFormat::TarZst,
        digest: digest.value,
        unpacked_bytes: image.size.map_or(0, |size| size.0),
    };
    let kernel_args = image.kernel_args.iter().map(|argument| argument.value.clone());
    Ok((reference, kernel_args.collect()))
}

pub(super) fn user_data(fleet: &Fleet, slot: &Slot<'_>) -> Result<Option<String>, String> {
    let Some(path) = &slot.deployment.user_data else {
        return Ok(None);
    };
    let bytes = fleet
        .user_data
        .get(&path.value)
        .ok_or_else(|| format!("{} is not in the repository", path.value))?;
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.value))?;
    Ok(Some(text.to_owned()))
}
