//! Disks that are kept stay cut as they are: M0427. Told of a change, not of a fleet.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    fleet::Fleet,
    kinds::storage::{OnRedeploy, Partition, Storage},
};
use schema_ids::Name;

/// Compares the partitions on kept disks before with those now.
pub(crate) fn check(before: &Fleet, now: &Fleet, found: &mut Vec<Diagnostic>) {
    for (name, storage) in &now.storages {
        let Some(was) = before.storages.get(name) else {
            continue;
        };
        for (selector, select) in storage.select.iter() {
            let kept = |select: &crate::kinds::storage::Select| select.on_redeploy == OnRedeploy::Keep;
            let both = kept(select) && was.select.get(selector.as_str()).is_some_and(kept);
            if !both {
                continue;
            }
            let (old, new) = (cut(was, &selector.value), cut(storage, &selector.value));
            let alike = |one: &&Partition, other: &&Partition| {
                one.id == other.id && one.size == other.size && one.partition_type == other.partition_type
            };
            let differs = old.len() != new.len() || old.iter().zip(&new).any(|(old, new)| !alike(old, new));
            if !differs {
                continue;
            }
            let changed = new.iter().find(|new| !old.iter().any(|old| alike(old, new)));
            let span = changed.map_or(&selector.span, |partition| &partition.id.span);
            let title = format!(
                "disks of selector \"{}\" are kept, and this change cuts them otherwise",
                selector.value
            );
            let label = match changed {
                Some(_) => "not there before, or another one",
                None => "a partition of it is gone",
            };
            found.push(
                Diagnostic::warning(Code::M0427, title, span, label)
                    .also(&selector.span, "on-redeploy = \"keep\"")
                    .help("machines that hold data there are left as they are: give new machines a layout of their own")
                    .in_object(format!("storage.{name}")),
            );
        }
    }
}

/// What is cut from the disks of a selector.
fn cut<'s>(storage: &'s Storage, selector: &Name) -> Vec<&'s Partition> {
    let partitions = storage.partition.iter();
    partitions
        .filter(|partition| partition.on.value == *selector)
        .collect()
}
