//! `muster pin` and `unpin`: a deployment that counts names the machines it has, as a patch; and back.

use crate::arguments::Pin;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::patch::Patch;
use crate::say::tell;
use reconciler_core::people::{self, Status};
use reconciler_core::phase::Mark;
use schema_fleet::revise;
use schema_ids::Name;

/// Prints the patch that names the machines of a deployment, in the order of their slots.
pub(crate) fn pin(client: &Client, wish: &Pin, json: bool) -> Result<Exit, Failure> {
    let name = name(wish)?;
    let status: Status = client.get(people::STATUS)?;
    let mut deployments = status.deployments.into_iter();
    let Some(found) = deployments.find(|deployment| deployment.name.as_str() == name) else {
        return Err(Failure::Usage(format!("no deployment {name:?} has machines")));
    };
    if found.slots.is_empty() {
        return Err(Failure::Usage(format!(
            "deployment {name:?} has no machine yet: nothing is to be pinned"
        )));
    }
    if let Some((code, _)) = &found.lacks {
        tell(format_args!(
            "deployment.{name} lacks machines ({code}): what is pinned are those that it has"
        ));
    }
    let is_orphan = |name: &Name| {
        let mut machines = status.machines.iter();
        machines.any(|machine| machine.name == *name && machine.marks.contains(&Mark::Orphaned))
    };
    let (orphans, machines): (Vec<Name>, Vec<Name>) = found.slots.into_values().partition(is_orphan);
    for name in &orphans {
        // Named again, it would be given what the deployment installs by now.
        tell(format_args!(
            "{name} is left out: git no longer wants it there, and it is left running as it is"
        ));
    }
    let mut patch = Patch::of(&wish.folder)?;
    let file = revise::pin(patch.files(), name, &machines).map_err(|why| Failure::Other(why.to_string()))?;
    patch.take(file);
    patch.say(&wish.folder, json)
}

/// Prints the patch that takes back what a deployment counted before it was pinned; needs no daemon.
pub(crate) fn unpin(wish: &Pin, json: bool) -> Result<Exit, Failure> {
    let name = name(wish)?;
    let mut patch = Patch::of(&wish.folder)?;
    let unpinned = revise::unpin(patch.files(), name).map_err(|why| Failure::Other(why.to_string()))?;
    if let Some((said, named)) = unpinned.raised {
        tell(format_args!(
            "deployment.{name} counted {said} before it was pinned and names {named} machines now: it counts {named}"
        ));
    }
    patch.take(unpinned.file);
    patch.say(&wish.folder, json)
}

fn name(wish: &Pin) -> Result<&str, Failure> {
    wish.deployment
        .strip_prefix("deployment.")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Failure::Usage(format!(
                "{:?} is no deployment: write deployment.NAME",
                wish.deployment
            ))
        })
}
