//! What is installed can be booted by the machine's firmware: M0406, M0407.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{machine::BootMode, storage::PartitionType},
};

/// Compares the layout of each deployment with the firmware of its machines.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    for (name, deployment) in &draft.deployments {
        let Some(storage) = draft.storages.get(&deployment.storage.name) else {
            continue;
        };
        let has = |wanted| storage.partition.iter().any(|one| one.partition_type == wanted);
        let needs = [
            (
                BootMode::Uefi,
                PartitionType::Esp,
                Code::M0406,
                "an EFI system partition (type = \"esp\")",
            ),
            (
                BootMode::Bios,
                PartitionType::Bios,
                Code::M0407,
                "a BIOS boot partition (type = \"bios\")",
            ),
        ];
        for (mode, partition, code, what) in needs {
            if has(partition) {
                continue;
            }
            let machines = deployment
                .machines
                .iter()
                .filter_map(|one| Some((one, draft.machines.get(&one.name)?)));
            let hit: Vec<_> = machines
                .filter(|(_, machine)| machine.boot.mode == mode)
                .collect();
            let Some((first, machine)) = hit.first() else {
                continue;
            };
            let more = if hit.len() > 1 {
                format!(" and {} more", hit.len() - 1)
            } else {
                String::new()
            };
            let verb = if hit.len() > 1 { "boot" } else { "boots" };
            let label = format!("{first}{more} {verb} by {mode} and could not start it");
            found.push(
                Diagnostic::error(
                    code,
                    format!("layout \"{}\" lacks {what}", deployment.storage),
                    &deployment.storage.span,
                    label,
                )
                .in_object(format!("deployment.{name}"))
                .also(&place(&storage.origin), "the layout")
                .also(
                    &place(&machine.origin),
                    format!("boot.mode is {mode}, given or by default"),
                )
                .help("add the partition, or correct `boot.mode` of the machine or its profile"),
            );
        }
    }
}
