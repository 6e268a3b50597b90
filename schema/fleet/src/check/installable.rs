//! An image can be installed and booted where it is used: M0502, M0503, M0505 to M0508.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{
        deployment::Deployment,
        image::{Image, ImageFormat},
        storage::{FilesystemType, Storage},
    },
    value::{extent::Extent, size::Size},
};

/// Families whose network, boot loader and user-data this version can write.
const FAMILIES: [&str; 1] = ["debian"];

/// Arguments that are chosen for each machine when it is installed.
const OURS: [&str; 3] = ["root=", "ip=", "muster."];

/// Looks at every image, and at what deployments make of it.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, image) in &subject.draft.images {
        let object = format!("image.{name}");
        let told = unknown_family(image).into_iter().chain(arguments(image));
        found.extend(told.map(|one| one.in_object(&object)));
    }
    for (name, deployment) in &subject.draft.deployments {
        let object = format!("deployment.{name}");
        let Some(image) = subject.draft.images.get(&deployment.image.name) else {
            continue;
        };
        let storage = subject.draft.storages.get(&deployment.storage.name);
        let told = other_arch(deployment, image)
            .into_iter()
            .chain(other_ephemeral(subject, deployment, image))
            .chain(storage.and_then(|storage| root_too_small(deployment, image, storage)));
        found.extend(told.map(|one| one.in_object(&object)));
    }
}

/// `debian-12` is of the family `debian`.
fn unknown_family(image: &Image) -> Option<Diagnostic> {
    let family = image.family.as_str();
    let known = FAMILIES.iter().any(|known| {
        let rest = family.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    (!known && image.format.value != ImageFormat::Netboot).then(|| {
        let title = format!("images of the family \"{family}\" cannot be set up by this version");
        Diagnostic::warning(
            Code::M0505,
            title,
            &image.family.span,
            "nobody knows how to write its network and boot loader",
        )
        .help(format!("known: {}", FAMILIES.join(", ")))
    })
}

fn arguments(image: &Image) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for argument in &image.kernel_args {
        let text = argument.as_str();
        let ours = OURS.iter().find(|ours| text.starts_with(**ours));
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let title = format!("\"{text}\" is not one kernel argument");
            found.push(
                Diagnostic::error(Code::M0508, title, &argument.span, "blanks end an argument")
                    .help("each argument is a string of its own"),
            );
        } else if let Some(ours) = ours {
            let title = format!("`{ours}` is chosen for each machine when it is installed");
            found.push(Diagnostic::error(
                Code::M0508,
                title,
                &argument.span,
                "would be there twice",
            ));
        }
    }
    found
}

/// What is required runs another sort of processor than the image.
fn other_arch(deployment: &Deployment, image: &Image) -> Option<Diagnostic> {
    let wanted = deployment.require.as_ref()?.arch.as_ref()?;
    (wanted.value != image.arch).then(|| {
        let title = format!(
            "image \"{}\" is for {}, machines of {} are required",
            deployment.image, image.arch, wanted.value
        );
        Diagnostic::error(Code::M0503, title, &wanted.span, "required here")
            .also(&deployment.image.span, "installed here")
            .also(&place(&image.origin), format!("its `arch` is {}", image.arch))
    })
}

/// Jobs run in the ephemeral system, which is of one architecture.
fn other_ephemeral(subject: &Subject<'_>, deployment: &Deployment, image: &Image) -> Option<Diagnostic> {
    let (_, settings) = subject.draft.settings.as_ref()?;
    let ephemeral = subject.draft.images.get(&settings.ephemeral.name)?;
    (ephemeral.arch != image.arch).then(|| {
        let title = format!(
            "image \"{}\" is for {}, and jobs run on {}",
            deployment.image, image.arch, ephemeral.arch
        );
        Diagnostic::error(
            Code::M0502,
            title,
            &deployment.image.span,
            "no job could install it",
        )
        .also(&settings.ephemeral.span, "the system that jobs run in")
    })
}

/// A root of a size is smaller than what is unpacked into it.
fn root_too_small(deployment: &Deployment, image: &Image, storage: &Storage) -> Option<Diagnostic> {
    let mut roots = storage.filesystem.iter();
    let root = roots.find(|one| one.mount.as_ref().is_some_and(|mount| mount.as_str() == "/"))?;
    if matches!(
        root.filesystem_type.value,
        FilesystemType::Vfat | FilesystemType::Swap
    ) {
        let title = format!("no system runs from {}", root.filesystem_type.value);
        return Some(
            Diagnostic::error(
                Code::M0506,
                title,
                &root.filesystem_type.span,
                "the root filesystem",
            )
            .help("ext4 and xfs keep owners, rights and links"),
        );
    }
    // What is split off from the root takes its part.
    let split = ["/usr", "/var", "/opt", "/boot"];
    let alone = !storage.filesystem.iter().any(|one| {
        one.mount
            .as_ref()
            .is_some_and(|mount| split.contains(&mount.as_str()))
    });
    let extent = match root.on.split_once('/') {
        Some((group, volume)) => storage
            .lvm
            .get(group)?
            .volume
            .get(volume)
            .map(|volume| &volume.size),
        None => storage
            .partition
            .iter()
            .find(|one| one.id.as_str() == root.on.as_str())
            .map(|one| &one.size),
    }?;
    let Extent::Size(size) = extent.value else {
        return None;
    };
    let needed = image.size.filter(|needed| alone && needed.0 > size.0)?;
    let title = format!("image \"{}\" does not fit into its root", deployment.image);
    let label = format!("{} is larger", Size(needed.0).about());
    Some(
        Diagnostic::error(Code::M0507, title, &extent.span, label)
            .also(&deployment.image.span, "unpacked here")
            .also(&place(&image.origin), format!("its `size` is {needed}")),
    )
}
