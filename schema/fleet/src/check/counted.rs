//! Deployments that count their machines: M0601, M0605, M0606, M0608.

use super::{Subject, place};
use crate::{
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    kinds::{deployment::Deployment, require::Require},
    span::Span,
};
use schema_ids::Name;

/// As many slots as a fleet of the largest size has machines.
pub(crate) const COUNT_MAX: u32 = 10_000;

/// Looks at every deployment.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in &subject.draft.deployments {
        let mut told = shape(name, deployment);
        told.extend(
            deployment
                .require
                .iter()
                .flat_map(|require| contradictions(subject, require)),
        );
        if told.is_empty() {
            told.extend(too_few(subject, name, deployment));
        }
        let object = format!("deployment.{name}");
        found.extend(told.into_iter().map(|diagnostic| diagnostic.in_object(&object)));
    }
}

/// Named or counted, and only one of both.
fn shape(name: &Name, deployment: &Deployment) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    let error = |code, title: &str, span: &Span, label: &str| Diagnostic::error(code, title, span, label);
    let of_count = [
        (
            "require",
            deployment.require.as_ref().map(|require| place(&require.origin)),
        ),
        (
            "release",
            deployment.release.as_ref().map(|release| place(&release.origin)),
        ),
    ];
    match (&deployment.count, deployment.machines.first()) {
        (Some(count), Some(machine)) => told.push(
            error(
                Code::M0605,
                &format!("deployment \"{name}\" names its machines and counts them"),
                &count.span,
                "counted here",
            )
            .also(&machine.span, "named here")
            .help("keep one of both; a machine that has a slot keeps it either way"),
        ),
        (Some(count), None) if count.value == 0 => told.push(
            error(
                Code::M0606,
                &format!("deployment \"{name}\" counts no machine"),
                &count.span,
                "at least one",
            )
            .help(format!(
                "a deployment that shall end has a [removed.deployment.{name}] entry instead"
            )),
        ),
        (Some(count), None) if count.value > COUNT_MAX => told.push(error(
            Code::M0606,
            &format!("deployment \"{name}\" counts {} machines", count.value),
            &count.span,
            &format!("at most {COUNT_MAX}"),
        )),
        (Some(_), None) => {}
        (None, _) => {
            for (field, span) in of_count {
                let title = format!("`{field}` is for machines that are counted, \"{name}\" names them");
                told.extend(span.map(|span| error(Code::M0605, &title, &span, "without a `count`")));
            }
        }
    }
    told
}

/// Requirements that exclude each other, whatever machines there are.
fn contradictions(subject: &Subject<'_>, require: &Require) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    let at = place(&require.origin);
    let mut tell = |why: String| {
        let title = format!("no machine can be all that is required: {why}");
        told.push(Diagnostic::error(
            Code::M0608,
            title,
            &at,
            "these exclude each other",
        ));
    };
    for tag in require.tags.intersection(&require.without_tags) {
        tell(format!("it has the tag {tag} and has it not"));
    }
    if !require.any_tags.is_empty() && require.any_tags.is_subset(&require.without_tags) {
        tell("it has one of the tags of which it has none".to_owned());
    }
    if let (Some(zone), Some(rack)) = (&require.zone, &require.rack)
        && let Some(found) = subject.draft.racks.get(&rack.name)
        && found.zone.as_ref().map(|zone| &zone.name) != Some(&zone.name)
    {
        tell(format!("rack {rack} does not stand in zone {zone}"));
    }
    told
}

/// Git has fewer machines that could ever do. No error: more may be declared later.
fn too_few(subject: &Subject<'_>, name: &Name, deployment: &Deployment) -> Option<Diagnostic> {
    let wanted = deployment.count.as_ref()?;
    if !subject.broken.is_empty() {
        return None;
    }
    let draft = subject.draft;
    let is_known = |require: &Require| {
        let pool = require
            .pool
            .as_ref()
            .is_none_or(|pool| draft.pools.contains_key(&pool.name));
        let zone = require
            .zone
            .as_ref()
            .is_none_or(|zone| draft.zones.contains_key(&zone.name));
        pool && zone
            && require
                .rack
                .as_ref()
                .is_none_or(|rack| draft.racks.contains_key(&rack.name))
    };
    // What names nothing is told already.
    if !deployment.require.as_ref().is_none_or(is_known) {
        return None;
    }
    let require = deployment.require.as_ref();
    let candidates = subject.candidates(require).iter();
    let able = candidates.filter(|one| one.meets(require)).count();
    let lacking = wanted.value as usize > able;
    lacking.then(|| {
        let title = format!(
            "deployment \"{name}\" counts {}, git has {able} that could do",
            wanted.value
        );
        let label = format!("{} left empty", count(wanted.value as usize - able, "slot"));
        Diagnostic::warning(Code::M0601, title, &wanted.span, label)
            .help("declare more machines, or require less")
    })
}
