//! A layout fits the disks that git says its machines have: M0402.

use crate::{
    check::{Subject, place},
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    fit::{DeclaredDisk, Misfit, fit},
    kinds::{deployment::Deployment, expect::ExpectedDisks, machine::Machine, storage::DiskType},
    value::size::Size,
};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Machines that are named in a note; the others are counted.
const NAMED_MAX: usize = 3;

/// Machines of one deployment for which its layout is too large in the same way.
struct Misfits<'s> {
    misfit: Misfit,
    machines: Vec<(&'s Name, &'s Machine)>,
}

/// Solves each deployment's layout on each of its machines whose disks are declared.
pub(super) fn check(subject: &Subject<'_>, wrong: &BTreeSet<&Name>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in &subject.draft.deployments {
        if wrong.contains(&deployment.storage.name) {
            continue;
        }
        found.extend(
            of_deployment(subject, deployment).map(|one| one.in_object(format!("deployment.{name}"))),
        );
    }
}

fn of_deployment(subject: &Subject<'_>, deployment: &Deployment) -> Option<Diagnostic> {
    let layout = &deployment.storage;
    let storage = subject.draft.storages.get(&layout.name)?;
    let machines = machines(subject, deployment);
    // Machines of one sort are solved once.
    let mut solved: BTreeMap<Vec<Sort<'_>>, Option<Misfit>> = BTreeMap::new();
    let mut misfits: Vec<Misfits<'_>> = Vec::new();
    let mut known = 0;
    for (name, machine) in machines {
        let found = subject.observed.get(name);
        let sorts = found.map_or_else(|| sorts(machine), |disks| disks.iter().map(one).collect());
        if sorts.is_empty() {
            continue;
        }
        known += 1;
        let misfit = solved
            .entry(sorts)
            .or_insert_with_key(|sorts| fit(storage, &disks(sorts)).err());
        let Some(misfit) = misfit else { continue };
        match misfits.iter_mut().find(|one| one.misfit == *misfit) {
            Some(same) => same.machines.push((name, machine)),
            None => misfits.push(Misfits {
                misfit: misfit.clone(),
                machines: vec![(name, machine)],
            }),
        }
    }
    let unfit: usize = misfits.iter().map(|one| one.machines.len()).sum();
    let first = misfits.first()?;
    let title = format!(
        "layout \"{layout}\" does not fit {unfit} of {} it may be used on",
        count(known, "machine")
    );
    let label = format!("{}, {}", first.misfit.wanted, first.misfit.found);
    // One that counts chooses among those that fit; one that names has no choice.
    let must = deployment.count.is_none() || unfit == known;
    let make = if must {
        Diagnostic::error
    } else {
        Diagnostic::warning
    };
    let mut diagnostic = make(Code::M0402, title, &first.misfit.span, label);
    if let Some(expect) = first
        .machines
        .first()
        .and_then(|(_, machine)| machine.expect.as_ref())
    {
        diagnostic = diagnostic.also(&place(&expect.origin), "the disks it has");
    }
    diagnostic = diagnostic.also(&layout.span, "used here");
    let told_already = misfits.len() == 1 && first.machines.len() == 1;
    for one in misfits.iter().filter(|_| !told_already) {
        let named: Vec<&str> = one
            .machines
            .iter()
            .take(NAMED_MAX)
            .map(|(name, _)| name.as_str())
            .collect();
        let more = match one.machines.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        diagnostic.notes.push(match misfits.len() {
            1 => format!("{named}{more}"),
            _ => format!("{named}{more}: {}, {}", one.misfit.wanted, one.misfit.found),
        });
    }
    Some(diagnostic.help("take another layout for them, a smaller size, or correct `expect.disk`"))
}

/// The machines that a deployment names, or of which it may choose.
fn machines<'s>(subject: &Subject<'s>, deployment: &'s Deployment) -> Vec<(&'s Name, &'s Machine)> {
    let draft = subject.draft;
    if deployment.count.is_none() {
        let named = deployment.machines.iter();
        return named
            .filter_map(|one| draft.machines.get_key_value(&one.name))
            .map(|(name, machine)| (name, &**machine))
            .collect();
    }
    let require = deployment.require.as_ref();
    let candidates = subject.candidates(require).iter();
    candidates
        .filter(|one| one.machine.reserve.is_none() && one.meets(require))
        .map(|one| (one.name, one.machine))
        .collect()
}

/// Disks of one sort: sort, size, model, number.
type Sort<'s> = (DiskType, Size, Option<&'s str>, u16);

fn sorts(machine: &Machine) -> Vec<Sort<'_>> {
    let expected = machine.expect.iter().flat_map(|expect| &expect.disk);
    expected.map(sort).collect()
}

fn sort(disk: &ExpectedDisks) -> Sort<'_> {
    (
        disk.disk_type,
        disk.size.value,
        disk.model.as_deref(),
        disk.count.0,
    )
}

/// A disk that was found.
fn one(disk: &DeclaredDisk) -> Sort<'_> {
    (disk.sort, disk.size, disk.model.as_deref(), 1)
}

fn disks(sorts: &[Sort<'_>]) -> Vec<DeclaredDisk> {
    let mut disks: Vec<DeclaredDisk> = Vec::new();
    for (sort, size, model, count) in sorts {
        let disk = DeclaredDisk {
            sort: *sort,
            size: *size,
            model: model.map(str::to_owned),
        };
        disks.extend(std::iter::repeat_n(disk, usize::from(*count)));
    }
    disks
}
