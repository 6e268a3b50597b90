//! Whoever counts fewer says who goes: M0604. Told of a change, not of a fleet.

use super::place;
use crate::{code::Code, diagnostic::Diagnostic, fleet::Fleet};

/// Compares the counts before with those now.
pub(crate) fn check(before: &Fleet, now: &Fleet, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in &now.deployments {
        let was = before
            .deployments
            .get(name)
            .and_then(|before| before.count.as_ref());
        let Some((was, count)) = was.zip(deployment.count.as_ref()) else {
            continue;
        };
        let fewer = was.value.saturating_sub(count.value) as usize;
        let named = deployment
            .release
            .as_ref()
            .map_or(0, |release| release.machines.len());
        if fewer == 0 || named >= fewer || deployment.release_order.is_some() {
            continue;
        }
        let title = format!(
            "deployment \"{name}\" shrinks from {} to {} and names {} to release",
            was.value,
            count.value,
            if named == 0 {
                "no machine".to_owned()
            } else {
                named.to_string()
            }
        );
        let mut diagnostic =
            Diagnostic::warning(Code::M0604, title, &count.span, format!("was {}", was.value));
        if let Some(release) = &deployment.release {
            diagnostic = diagnostic.also(&place(&release.origin), "these go");
        }
        found.push(
            diagnostic
                .help(format!("say who goes:  [deployment.{name}.release]  machines = [\"…\"]  disks = \"…\"  reason = \"…\""))
                .in_object(format!("deployment.{name}")),
        );
    }
}
