//! Names of other objects lead somewhere: M0101.

use super::Subject;
use crate::{
    code::Code,
    decode::{Reference, scalar::name_for},
    diagnostic::{Applicability, Diagnostic},
    limit::{KEPT_MAX, SEARCHED_BYTES_MAX, SUGGESTED_MAX},
    suggest::nearest,
    value::vlan_ref::VLAN,
};
use schema_ids::Name;
use std::{cell::LazyCell, collections::BTreeSet};

/// Looks up every reference.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let vlans: Vec<String> = vlans(subject);
    let misnamed = LazyCell::new(|| misnamed(subject));
    let mut told = 0;
    let unread: usize = subject.broken.iter().map(|file| file.text.len()).sum();
    let mut searched = 0;
    for reference in subject.references.iter().flat_map(|of_file| of_file.iter()) {
        if exists(subject, reference) || misnamed.contains(&(reference.kind, reference.name.clone())) {
            continue;
        }
        searched += unread;
        if searched > SEARCHED_BYTES_MAX || may_be_lost(subject, reference) {
            continue;
        }
        if found.len() > KEPT_MAX {
            break;
        }
        told += 1;
        let names = (told <= SUGGESTED_MAX).then(|| match subject.declared.get(reference.kind) {
            Some(names) => names
                .keys()
                .copied()
                .filter(|name| name.parse::<Name>().is_ok())
                .collect(),
            None if reference.kind == VLAN => vlans.iter().map(String::as_str).collect(),
            None => Vec::new(),
        });
        found.push(unknown(subject, reference, names.as_deref()));
    }
}

/// Objects whose names are none, by what they should be called: those who name them so are right.
fn misnamed<'s>(subject: &Subject<'s>) -> BTreeSet<(&'s str, String)> {
    let declared = subject.declared.iter();
    let names = declared.flat_map(|(kind, names)| names.keys().map(move |name| (*kind, *name)));
    names
        .filter(|(_, name)| name.parse::<Name>().is_err())
        .filter_map(|(kind, name)| Some((kind, name_for(name)?)))
        .collect()
}

fn exists(subject: &Subject<'_>, reference: &Reference) -> bool {
    if reference.kind != VLAN {
        return subject.declares(reference.kind, &reference.name);
    }
    let Some((fabric, vlan)) = reference.name.split_once('/') else {
        return false;
    };
    match subject.draft.fabrics.get(fabric) {
        Some(fabric) => fabric.vlan.contains_key(vlan),
        // A fabric that is written but could not be decoded is told already.
        None => subject.declares("fabric", fabric),
    }
}

/// Whether the object may stand in a file that could not be read.
fn may_be_lost(subject: &Subject<'_>, reference: &Reference) -> bool {
    let name = reference.name.rsplit('/').next().unwrap_or_default();
    let own = &*reference.span.file;
    subject.broken.iter().any(|file| {
        // In its own file the reference itself is one mention.
        let mentions = file.text.matches(name).take(2).count();
        file.text.is_empty() || mentions > usize::from(file.path == own)
    })
}

fn vlans(subject: &Subject<'_>) -> Vec<String> {
    let of_fabric = subject.draft.fabrics.iter();
    of_fabric
        .flat_map(|(name, fabric)| fabric.vlan.keys().map(move |vlan| format!("{name}/{vlan}")))
        .collect()
}

fn unknown(subject: &Subject<'_>, reference: &Reference, names: Option<&[&str]>) -> Diagnostic {
    let Reference {
        kind,
        name,
        span,
        object,
    } = reference;
    let label = if *kind == VLAN {
        "no fabric has this VLAN".to_owned()
    } else {
        format!("no {kind}.* object has this name")
    };
    let diagnostic =
        Diagnostic::error(Code::M0101, format!("unknown {kind} \"{name}\""), span, label).in_object(object);
    let Some(names) = names else {
        return diagnostic;
    };
    // A name of another kind in this place is no slip of the pen.
    let other = subject
        .declared
        .iter()
        .find(|(_, names)| names.contains_key(name.as_str()));
    let near = nearest(name, names.iter().copied());
    if let (None, Some((other, names))) = (near, other) {
        let place = names.get(name.as_str()).map(|span| format!(" ({span})"));
        return diagnostic.help(format!(
            "it is the name of a {other}{}",
            place.unwrap_or_default()
        ));
    }
    match near {
        Some(near) => {
            let declared = subject.declared.get(kind).and_then(|names| names.get(near));
            let place = declared.map(|span| format!(" ({span})")).unwrap_or_default();
            diagnostic.help(format!("did you mean \"{near}\"?{place}")).fix(
                Applicability::Maybe,
                format!("replace with \"{near}\""),
                span,
                format!("\"{near}\""),
            )
        }
        None if names.is_empty() => diagnostic.help(format!("there is no {kind} at all yet")),
        None if names.len() <= 8 => diagnostic.help(format!("there are: {}", names.join(", "))),
        None => diagnostic,
    }
}
