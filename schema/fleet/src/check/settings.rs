//! There is one fleet, of a version we know: M0106, M0010.

use super::{Subject, place};
use crate::{
    code::Code,
    decode::Kind,
    diagnostic::Diagnostic,
    kinds::{fleet::FleetSettings, image::ImageFormat},
    marker::{PATHS, SCHEMA, unknown_schema},
    parse::fleet_files as fleet_files_of,
    span::Span,
    tree::Syntax,
};

/// Looks at the `fleet` object.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    match subject.declared.get(FleetSettings::KIND) {
        None => missing(subject, found),
        Some(fleets) => {
            let mut spans = fleets.iter();
            let first = spans.next();
            for (name, span) in spans {
                let diagnostic = Diagnostic::error(
                    Code::M0106,
                    "there are two fleets",
                    span,
                    format!("\"{name}\" is a second one"),
                );
                found.push(match first {
                    Some((name, span)) => diagnostic.also(span, format!("\"{name}\" is the first")),
                    None => diagnostic,
                });
            }
        }
    }
    let Some((name, settings)) = &subject.draft.settings else {
        return;
    };
    let object = format!("fleet.{name}");
    if settings.schema.value != SCHEMA {
        let unknown = unknown_schema(settings.schema.value, &settings.schema.span);
        found.push(unknown.in_object(&object));
    }
    let ephemeral = &settings.ephemeral;
    let image = subject.draft.images.get(&ephemeral.name);
    if let Some(image) = image.filter(|image| image.format.value != ImageFormat::Netboot) {
        found.push(
            Diagnostic::error(
                Code::M0504,
                format!("image \"{ephemeral}\" cannot be booted over the network"),
                &ephemeral.span,
                "jobs need an image of format netboot",
            )
            .in_object(&object)
            .also(
                &image.format.span,
                format!("its format is {}", image.format.value),
            )
            .also(&place(&image.origin), "the image"),
        );
    }
}

fn missing(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if !subject.broken.is_empty() {
        return;
    }
    let mut fleet_files = subject.files.keys().filter(|path| Syntax::of(path).is_some());
    let marker = PATHS.iter().find(|path| subject.files.contains_key(**path));
    let Some(first) = fleet_files.next() else {
        found.push(
            Diagnostic::error(Code::M0106, "there are no fleet files", &Span::start_of("."), "")
                .help("`muster init` begins a fleet"),
        );
        return;
    };
    let place = Span::start_of(*marker.unwrap_or(first));
    let label = "neither this file nor any other has one";
    let mut told = Diagnostic::error(Code::M0106, "there is no `fleet` object", &place, label)
        .help("one is wanted:  [fleet.NAME]  schema = 1  ephemeral = \"IMAGE\"");
    let read = fleet_files_of(subject.files).count();
    let all = subject
        .files
        .keys()
        .filter(|path| Syntax::of(path).is_some())
        .count();
    if read < all {
        told.primary.text = "`include` leaves files out".to_owned();
        told.notes
            .push(format!("fleet files that are read: {read} of {all}"));
    }
    found.push(told);
}
