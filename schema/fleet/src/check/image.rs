//! Images have what their format needs: M0501.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::image::{Image, ImageFormat},
    span::Span,
};
use schema_ids::Name;

/// Looks at every image.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, image) in &subject.draft.images {
        let object = format!("image.{name}");
        found.extend(
            parts(name, image)
                .into_iter()
                .map(|diagnostic| diagnostic.in_object(&object)),
        );
    }
}

fn parts(name: &Name, image: &Image) -> Vec<Diagnostic> {
    let format = image.format.value;
    let part = |part: &Option<crate::kinds::image::Part>| part.as_ref().map(|part| place(&part.origin));
    // Each key, where it is given, the format it belongs to, and whether that format needs it.
    let keys: [(&str, Option<Span>, ImageFormat, bool); 5] = [
        (
            "source",
            image.source.as_ref().map(|one| one.span.clone()),
            ImageFormat::TarZst,
            true,
        ),
        (
            "sha256",
            image.sha256.as_ref().map(|one| one.span.clone()),
            ImageFormat::TarZst,
            true,
        ),
        ("kernel", part(&image.kernel), ImageFormat::Netboot, true),
        ("initrd", part(&image.initrd), ImageFormat::Netboot, true),
        ("rootfs", part(&image.rootfs), ImageFormat::Netboot, false),
    ];
    let mut found = Vec::new();
    for (key, given, of, needed) in keys {
        match given {
            None if (of == format || of == ImageFormat::TarZst && format != ImageFormat::Netboot)
                && needed =>
            {
                found.push(
                    Diagnostic::error(
                        Code::M0501,
                        format!("image \"{name}\" has no `{key}`"),
                        &image.format.span,
                        format!("format {format} needs `{key}`"),
                    )
                    .also(&place(&image.origin), "the image"),
                )
            }
            Some(span) if of != format && (of == ImageFormat::Netboot || format == ImageFormat::Netboot) => {
                found.push(
                    Diagnostic::error(
                        Code::M0501,
                        format!("`{key}` means nothing in an image of format {format}"),
                        &span,
                        format!("belongs to format {of}"),
                    )
                    .also(&image.format.span, "the format"),
                )
            }
            None | Some(_) => {}
        }
    }
    found
}
