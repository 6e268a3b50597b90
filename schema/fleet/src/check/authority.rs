//! Who may do what can be met: M0804, M0805, M0806, M0807.

use super::{Subject, place};
use crate::{code::Code, diagnostic::Diagnostic, kinds::fleet::Verify};

/// Looks at roles, approvals and signatures.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    roles(subject, found);
    let Some((name, settings)) = &subject.draft.settings else {
        return;
    };
    let object = format!("fleet.{name}");
    let mut told = Vec::new();
    if let Some(approvals) = &settings.approvals
        && approvals.mass_destructive < approvals.destructive
    {
        let title = "more people must agree to a little than to a lot";
        told.push(Diagnostic::error(
            Code::M0805,
            title,
            &place(&approvals.origin),
            "`mass-destructive` is less than `destructive`",
        ));
    }
    if let Some(approvals) = &settings.approvals
        && let Some(wanted) = &approvals.role
        && let Some(role) = subject.draft.roles.get(&wanted.name)
    {
        let most = approvals.mass_destructive.max(approvals.destructive) as usize;
        let able = role.users.iter().filter(|user| user.ends_with('>')).count();
        if able < most {
            let title = format!(
                "{most} people must agree, and role \"{}\" has {able}",
                wanted.name
            );
            told.push(
                Diagnostic::error(
                    Code::M0805,
                    title,
                    &place(&approvals.origin),
                    "nobody could agree to enough",
                )
                .help("each of its `users` with the address of their commits:  uid 1000 <ada@example.org>"),
            );
        }
    }
    let git = &settings.git;
    match (&git.allowed_signers, git.verify) {
        (None, verify) if verify != Verify::Off => {
            let title = format!("commits are verified ({verify}) against nobody");
            let label = "`allowed-signers` is missing here";
            told.push(
                Diagnostic::error(Code::M0807, title, &place(&git.origin), label)
                    .help("for example  allowed-signers = \"policy/allowed_signers\""),
            );
        }
        (Some(file), _) => {
            told.extend(signers(subject, file));
        }
        (None, _) => {}
    }
    found.extend(told.into_iter().map(|one| one.in_object(&object)));
}

/// The file of those who may sign (ssh-keygen(1), ALLOWED SIGNERS).
fn signers(
    subject: &Subject<'_>,
    file: &crate::span::Spanned<crate::value::path::RepositoryPath>,
) -> Option<Diagnostic> {
    let Some(bytes) = subject.files.get(file.as_str()) else {
        let title = format!("there is no file \"{}\"", file.value);
        let label = "a file of the repository is wanted, from its root";
        return Some(Diagnostic::error(Code::M0807, title, &file.span, label));
    };
    let text = String::from_utf8_lossy(bytes);
    let signer = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && line.split_whitespace().count() >= 3
    };
    (!text.lines().any(signer)).then(|| {
        let title = format!("\"{}\" names nobody", file.value);
        Diagnostic::error(Code::M0807, title, &file.span, "no commit would be accepted")
            .help("each line has a person, a key type and a key:  anna@example ssh-ed25519 AAAA…")
    })
}

fn roles(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, role) in &subject.draft.roles {
        let object = format!("role.{name}");
        let lacks = [
            (
                role.allow.is_empty(),
                "allows nothing",
                "`allow` is missing or empty",
            ),
            (
                role.groups.is_empty() && role.users.is_empty(),
                "is nobody's",
                "neither `groups` nor `users` is given",
            ),
        ];
        for (_, what, label) in lacks.into_iter().filter(|(lacks, ..)| *lacks) {
            let title = format!("role \"{name}\" {what}");
            found.push(
                Diagnostic::warning(Code::M0806, title, &place(&role.origin), label).in_object(&object),
            );
        }
        let mut seen = std::collections::BTreeMap::new();
        for permission in &role.allow {
            if let Some(first) = seen.insert(permission.value, &permission.span) {
                let title = format!("{} is allowed twice", permission.value);
                found.push(
                    Diagnostic::warning(Code::M0804, title, &permission.span, "again")
                        .also(first, "first")
                        .in_object(&object),
                );
            }
        }
    }
}
