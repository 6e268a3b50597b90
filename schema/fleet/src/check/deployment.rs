//! Deployments: every machine once, and an image that can be installed: M0602, M0504, M0005.

use super::{Subject, place};
use crate::{code::Code, diagnostic::Diagnostic, kinds::image::ImageFormat, span::Span};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every deployment.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<&Name, (&Name, &Span)> = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
        let object = format!("deployment.{name}");
        if deployment.machines.is_empty() && deployment.count.is_none() {
            let title = format!("deployment \"{name}\" has neither `machines` nor `count`");
            let label = "a list of machines or their number is missing here";
            found.push(
                Diagnostic::error(Code::M0005, title, &place(&deployment.origin), label).in_object(&object),
            );
        }
        for machine in &deployment.machines {
            if let Some((other, first)) = taken.get(&machine.name) {
                let title = if *other == name {
                    format!("deployment \"{name}\" names machine \"{machine}\" twice")
                } else {
                    format!("machine \"{machine}\" is in two deployments")
                };
                found.push(
                    Diagnostic::error(Code::M0602, title, &machine.span, format!("in \"{name}\""))
                        .in_object(&object)
                        .also(first, format!("first in \"{other}\"")),
                );
            } else {
                taken.insert(&machine.name, (name, &machine.span));
            }
        }
        let image = subject.draft.images.get(&deployment.image.name);
        if let Some(image) = image.filter(|image| image.format.value == ImageFormat::Netboot) {
            let title = format!("image \"{}\" cannot be installed", deployment.image);
            found.push(
                Diagnostic::error(Code::M0504, title, &deployment.image.span, "deployments install")
                    .in_object(&object)
                    .also(
                        &image.format.span,
                        format!("format {} is only booted", image.format.value),
                    ),
            );
        }
    }
}
