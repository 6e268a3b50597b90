//! Secrets are where they are said to be, and never in git in clear: M0702, M0703, M0705.

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
            SecretStore::Age | SecretStore::Sops => in_repository(subject, secret),
            SecretStore::Vault | SecretStore::Systemd | SecretStore::Env | SecretStore::Generated => {
                Vec::new()
            }
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

/// A file of the repository, encrypted.
fn in_repository(subject: &Subject<'_>, secret: &Secret) -> Vec<Diagnostic> {
    let file = &secret.file;
    let named = file.parse::<RepositoryPath>().ok();
    let bytes = named.and_then(|_| subject.files.get(file.as_str()));
    let Some(bytes) = bytes else {
        let title = format!("there is no file \"{}\"", file.value);
        let label = "a file of the repository is wanted, from its root";
        return vec![Diagnostic::error(Code::M0702, title, &file.span, label)];
    };
    match secret.store.value {
        SecretStore::Sops => missing_keys(secret, bytes),
        SecretStore::Age if !is_age(bytes) => {
            let title = format!("\"{}\" is not encrypted with age", file.value);
            vec![
                Diagnostic::error(
                    Code::M0705,
                    title,
                    &file.span,
                    "everyone who reads git reads this",
                )
                .help("encrypt it, and change the secret: git keeps the old one"),
            ]
        }
        _ => Vec::new(),
    }
}

/// What age writes first, in its two forms (age-encryption.org/v1).
fn is_age(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/v1") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// The names under which the parts are kept: SOPS keeps them in the clear.
fn missing_keys(secret: &Secret, bytes: &[u8]) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(bytes);
    let known: Vec<&str> = text.lines().filter_map(top_level_key).collect();
    if !known.contains(&"sops") {
        let title = format!("\"{}\" is not encrypted with SOPS", secret.file.value);
        return vec![
            Diagnostic::error(
                Code::M0705,
                title,
                &secret.file.span,
                "everyone who reads git reads this",
            )
            .help("encrypt it, and change the secret: git keeps the old one"),
        ];
    }
    let keys = &secret.keys;
    let wanted = [&keys.username, &keys.password];
    let missing = wanted.into_iter().filter(|key| !known.contains(&key.as_str()));
    let tell = |key: &String| {
        let others: Vec<&str> = known.iter().copied().filter(|one| *one != "sops").collect();
        let title = format!("there is no key \"{key}\" in {}", secret.file.value);
        let label = format!("it has: {}", others.join(", "));
        Diagnostic::error(Code::M0703, title, &secret.file.span, label)
            .help("`keys` says under which names the file has the user name and the password")
    };
    missing.map(tell).collect()
}

/// The key of a line of YAML, or of JSON as SOPS writes it, that belongs to the document itself.
fn top_level_key(line: &str) -> Option<&str> {
    let json = line.strip_prefix('\t').or_else(|| line.strip_prefix("    "));
    let quoted = json.and_then(|rest| rest.strip_prefix('"'));
    if let Some(rest) = quoted {
        return rest.split_once("\":").map(|(key, _)| key);
    }
    let plain = line.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| line.split_once(':').map(|(key, _)| key)).flatten()
}
