//! What is protected is not removed, nor unprotected and removed in one change: M0802. Told of a change.

use super::place;
use crate::{code::Code, diagnostic::Diagnostic, fleet::Fleet, kinds::machine::Protect, span::Span};
use schema_ids::Name;

/// Compares what a change takes away with what was protected before it.
pub(crate) fn check(before: &Fleet, now: &Fleet, found: &mut Vec<Diagnostic>) {
    let removed = now
        .removed_machines
        .iter()
        .filter(|(name, _)| !before.removed_machines.contains_key(*name));
    for (name, gone) in removed {
        let Some((protect, span)) = protection(before, name) else {
            continue;
        };
        let title = format!("machine \"{name}\" is protected, and this change removes it");
        found.push(told(
            title,
            &place(&gone.origin),
            protect,
            span,
            &format!("removed.machine.{name}"),
        ));
    }
    for (name, deployment) in &now.deployments {
        let released = deployment.release.iter().flat_map(|release| &release.machines);
        for machine in released {
            let was = before
                .deployments
                .get(name)
                .and_then(|before| before.release.as_ref());
            if was.is_some_and(|was| was.machines.contains(machine)) {
                continue;
            }
            let Some((protect, span)) = protection(before, &machine.name) else {
                continue;
            };
            let title = format!("machine \"{machine}\" is protected, and this change releases it");
            found.push(told(
                title,
                &machine.span,
                protect,
                span,
                &format!("deployment.{name}"),
            ));
        }
    }
    let ended = now
        .removed_deployments
        .iter()
        .filter(|(name, _)| !before.removed_deployments.contains_key(*name));
    for (name, gone) in ended {
        let Some(was) = before.deployments.get(name) else {
            continue;
        };
        let own = was.protect.map(|protect| (protect, place(&was.origin)));
        let of_machines = || {
            was.machines
                .iter()
                .find_map(|machine| protection(before, &machine.name))
        };
        if let Some((protect, span)) = own.or_else(of_machines) {
            let title =
                format!("deployment \"{name}\" or a machine of it is protected, and this change ends it");
            found.push(told(
                title,
                &place(&gone.origin),
                protect,
                span,
                &format!("removed.deployment.{name}"),
            ));
        }
    }
}

/// What protected a machine before, and where: its own word, or that of a deployment that names it.
fn protection(before: &Fleet, name: &Name) -> Option<(Protect, Span)> {
    let machine = before.machines.get(name)?;
    let own = machine.protect.map(|protect| (protect, place(&machine.origin)));
    own.or_else(|| {
        let mut deployments = before.deployments.values();
        let naming = deployments.find(|one| one.machines.iter().any(|machine| machine.name == *name))?;
        Some((naming.protect?, place(&naming.origin)))
    })
}

fn told(title: String, span: &Span, protect: Protect, before: Span, object: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(Code::M0802, title, span, "the plan would be refused (PROTECTED)");
    diagnostic.notes.push(format!(
        "before this change it had protect = \"{protect}\" ({before})"
    ));
    diagnostic
        .help("take the protection away in one change, and when that is applied, remove it in the next")
        .in_object(object)
}
