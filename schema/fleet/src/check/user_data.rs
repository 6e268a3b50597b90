//! User-data files are there, and something reads them: M0511, M0512.

use super::Subject;
use crate::{
    code::Code, diagnostic::Diagnostic, kinds::image::UserDataMechanism, suggest::nearest,
    value::path::RepositoryPath,
};
use std::collections::BTreeMap;

/// Takes the user-data files that deployments name out of the revision.
pub(crate) fn collect(
    subject: &Subject<'_>,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<RepositoryPath, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
        let Some(path) = &deployment.user_data else {
            continue;
        };
        let object = format!("deployment.{name}");
        match subject.files.get(path.as_str()) {
            Some(bytes) => {
                files.insert(path.value.clone(), bytes.to_vec());
            }
            None => {
                let title = format!("there is no file \"{}\"", path.value);
                let label = "a file of the repository is wanted, from its root";
                let mut diagnostic =
                    Diagnostic::error(Code::M0511, title, &path.span, label).in_object(&object);
                if let Some(why) = subject.refused.passed.get(path.as_str()) {
                    diagnostic.notes.push((*why).to_owned());
                } else if let Some(near) = nearest(path.as_str(), subject.files.keys().copied()) {
                    diagnostic = diagnostic.help(format!("did you mean \"{near}\"?"));
                }
                found.push(diagnostic);
            }
        }
        let image = subject.draft.images.get(&deployment.image.name);
        if let Some(image) = image.filter(|image| image.user_data == UserDataMechanism::None) {
            let title = format!("image \"{}\" takes no user-data", deployment.image);
            found.push(
                Diagnostic::error(Code::M0512, title, &path.span, "nothing would read it")
                    .in_object(&object)
                    .also(
                        &super::place(&image.origin),
                        "its `user-data` is \"none\", given or by default",
                    ),
            );
        }
    }
    files
}
