//! Secrets are where they are said to be, and never in git in clear: M0702, M0705.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::secret::{Secret, SecretStore},
    value::path::{AbsolutePath, RepositoryPath},
};

/// Looks at every secret.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, secret) in &subject.draft.secrets {
        let object = format!("secret.{name}");
        let diagnostics = match secret.store.value {
            SecretStore::File => on_host(subject, secret).into_iter().collect(),
            SecretStore::Age => in_repository(subject, secret),
        };
        found.extend(
            diagnostics
                .into_iter()
                .map(|diagnostic: Diagnostic| diagnostic.in_object(&object)),
        );
    }
}

/// A file on the daemon's host: not ours to look for, but not a file of the repository either.
fn on_host(subject: &Subject<'_>, secret: &Secret) -> Option<Diagnostic> {
    let file = &secret.file;
    if file.parse::<AbsolutePath>().is_ok() {
        return None;
    }
    let help = "store = \"file\" names a file on the daemon's host, such as /etc/muster/secrets/bmc.toml";
    if subject.files.contains_key(file.as_str()) {
        let title = format!("\"{}\" would put a secret in git in clear", file.value);
        let label = "this is a file of the repository";
        return Some(Diagnostic::error(Code::M0705, title, &file.span, label).help(help));
    }
    let title = format!("\"{}\" is not an absolute path", file.value);
    Some(Diagnostic::error(Code::M0009, title, &file.span, "it begins with /").help(help))
}

fn in_repository(subject: &Subject<'_>, secret: &Secret) -> Vec<Diagnostic> {
    let file = &secret.file;
    let later = Diagnostic::error(
        Code::M0007,
        "secrets encrypted with age are not carried out by this version",
        &secret.store.span,
        "known, but nothing would open it",
    )
    .help("use store = \"file\" until a version opens them");
    let there = file.parse::<RepositoryPath>().is_ok() && subject.files.contains_key(file.as_str());
    let missing = Diagnostic::error(
        Code::M0702,
        format!("there is no file \"{}\"", file.value),
        &file.span,
        "a file of the repository is wanted, from its root",
    );
    if there { vec![later] } else { vec![later, missing] }
}
