//! `muster adopt`: a machine that runs what muster did not install is taken under management as it is, as a patch for git.

use crate::arguments::Adopt;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::patch::Patch;
use crate::say::tell;
use reconciler_core::people::{self, MachineDetail, Status};
use schema_fleet::{Deployment, Fleet, Machine, Manage, SourceFile, parse, revise};
use schema_ids::Name;

/// Prints the patch, and says what to do with it and what happens then.
pub(crate) fn run(
    online: impl FnOnce() -> Result<Client, Failure>,
    wish: &Adopt,
    json: bool,
) -> Result<Exit, Failure> {
    let mut patch = Patch::of(&wish.folder)?;
    let fleet = fleet(patch.files())?;
    let machine = fleet.machines.get(&wish.machine).ok_or_else(|| unknown(wish))?;
    match &wish.deployment {
        None => observe(&mut patch, wish, machine)?,
        Some(deployment) => adopt(&mut patch, &online()?, wish, &fleet, machine, deployment)?,
    }
    patch.say(&wish.folder, json)
}

fn unknown(wish: &Adopt) -> Failure {
    Failure::Usage(format!(
        "no machine {} is declared in {}; `muster machine discovered --patch` prints lines for those that asked to boot",
        wish.machine,
        wish.folder.display()
    ))
}

fn fleet(files: &[SourceFile]) -> Result<Fleet, Failure> {
    let parsed = parse(files);
    parsed.fleet.ok_or_else(|| {
        Failure::Usage("the files have errors that `muster check` shows; they come first".to_owned())
    })
}

/// Git says that nothing is done with it.
fn observe(patch: &mut Patch, wish: &Adopt, machine: &Machine) -> Result<(), Failure> {
    let name = &wish.machine;
    if machine.manage == Manage::Observe {
        tell(format_args!(
            "{name} is only observed already: nothing is to be changed"
        ));
        return Ok(());
    }
    set(patch, name, "manage", "observe")?;
    tell(format_args!(
        "Commit this. Then muster reads the power of {name} and serves it, and never switches it.\n\
         To have its disks seen, raise its inspect (inspect = {}) and restart it yourself when it suits: it is inspected as \
         it boots from the network, nothing is written, and it goes on to its own disk. Then: muster adopt {name} --deployment ...",
        machine.inspect + 1
    ));
    Ok(())
}

/// Git says that it has a slot as it is.
fn adopt(
    patch: &mut Patch,
    client: &Client,
    wish: &Adopt,
    fleet: &Fleet,
    machine: &Machine,
    into: &Name,
) -> Result<(), Failure> {
    let name = &wish.machine;
    let deployment = fleet.deployments.get(into).ok_or_else(|| {
        Failure::Usage(format!(
            "no deployment {into} is declared in {}",
            wish.folder.display()
        ))
    })?;
    let status: Status = client.get(people::STATUS)?;
    free(fleet, &status, name, into)?;
    let slot = slot(&status, wish, deployment, into)?;
    inspected(client, &status, machine, name)?;
    let revised = revise::adopt(
        patch.files(),
        into.as_str(),
        name,
        deployment.count.as_ref().and(slot),
    );
    patch.take(revised.map_err(|why| Failure::Other(why.to_string()))?);
    if machine.manage == Manage::Observe {
        set(patch, name, "manage", "full")?;
    }
    if machine.protect.is_none() && deployment.protect.is_none() {
        set(patch, name, "protect", "wipe")?;
    }
    tell(format_args!(
        "Commit this. Its plan says `adopt`: {name} runs on in {into} as it is. Nothing is switched and nothing is written; \
         what its disks hold is recorded.\n\
         It is installed when `reinstall` of {into} is raised and what each disk holds is consented to, and not before."
    ));
    Ok(())
}

/// Whether nobody else has it, or shall have it.
fn free(fleet: &Fleet, status: &Status, name: &Name, into: &Name) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::Usage(why));
    let adopting = fleet
        .deployments
        .iter()
        .find(|(_, deployment)| deployment.adopt.iter().any(|adopt| adopt.machine.name == *name));
    if let Some((other, _)) = adopting {
        return refuse(format!("{name} is in `adopt` of deployment {other} already"));
    }
    let naming = fleet.deployments.iter().find(|(other, deployment)| {
        *other != into && deployment.machines.iter().any(|machine| machine.name == *name)
    });
    if let Some((other, _)) = naming {
        return refuse(format!(
            "{name} is named in deployment {other}; take it out there first"
        ));
    }
    let mut holders = status.deployments.iter();
    let held = holders.find_map(|deployment| {
        let mut slots = deployment.slots.iter();
        let (slot, _) = slots.find(|(_, holder)| *holder == name)?;
        Some((&deployment.name, slot))
    });
    match held {
        None => Ok(()),
        Some((other, slot)) => refuse(format!(
            "{name} has {other}[{slot}] already; a machine is adopted that has no slot"
        )),
    }
}

/// The slot that it shall have, where one is asked for.
fn slot(status: &Status, wish: &Adopt, deployment: &Deployment, into: &Name) -> Result<Option<u32>, Failure> {
    let Some(slot) = wish.slot else { return Ok(None) };
    let refuse = |why: String| Err(Failure::Usage(why));
    if slot == 0 {
        return refuse("slots count from 1".to_owned());
    }
    let taken = status.deployments.iter().find(|known| known.name == *into);
    if let Some(holder) = taken.and_then(|known| known.slots.get(&slot)) {
        return refuse(format!("{into}[{slot}] is {holder}'s"));
    }
    let asked = deployment
        .adopt
        .iter()
        .find(|adopt| adopt.slot.as_ref().is_some_and(|taken| taken.value == slot));
    if let Some(adopt) = asked {
        return refuse(format!(
            "{into}[{slot}] is to be {}'s, which it adopts",
            adopt.machine
        ));
    }
    let named = deployment
        .machines
        .iter()
        .position(|machine| machine.name == wish.machine);
    let place = named.unwrap_or(deployment.machines.len()) + 1;
    if deployment.count.is_none() && slot as usize != place {
        return refuse(format!(
            "deployment {into} names its machines, and the slot of {} is its place among them: {place}",
            wish.machine
        ));
    }
    Ok(Some(slot))
}

/// Whether nobody else has marked it, and somebody has seen what its disks hold.
fn inspected(client: &Client, status: &Status, machine: &Machine, name: &Name) -> Result<(), Failure> {
    let is_known = status.machines.iter().any(|known| known.name == *name);
    if !is_known {
        return Err(Failure::Usage(format!(
            "musterd does not know {name} yet: commit it first, with manage = \"observe\" (`muster adopt {name} --observe-only`)"
        )));
    }
    let detail: MachineDetail = client.get(&format!("{}{name}", people::MACHINES))?;
    if let Some(foreign) = detail.plan.foreign() {
        return Err(Failure::Usage(format!(
            "{name} cannot be adopted: {}",
            foreign.blocks(name).evidence
        )));
    }
    if detail.inventory.is_none() {
        return Err(Failure::Usage(format!(
            "nobody has seen the disks of {name} yet: commit inspect = {} for it, and restart it yourself when it suits; it is \
             inspected as it boots from the network, nothing is written, and it goes on to its own disk",
            machine.inspect + 1
        )));
    }
    Ok(())
}

fn set(patch: &mut Patch, machine: &Name, field: &str, value: &str) -> Result<(), Failure> {
    let file = revise::set(patch.files(), "machine", machine.as_str(), field, value);
    patch.take(file.map_err(|why| Failure::Other(why.to_string()))?);
    Ok(())
}
