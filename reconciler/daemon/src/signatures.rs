//! Whether a revision is signed by those who may: M0820, M0821 and M0823.
//!
//! What is asked of it, and who may sign, is what the revision before it says, the one that is carried out: nobody gives
//! the right to sign to themselves, and who turns the check off signs that. Only the first revision ever speaks for
//! itself. A revision whose own list of signers nobody could use is not taken either, so that there always is one.

use crate::daemon::Daemon;
use crate::revision::{self, Parsed};
use crate::source::SourceError;
use crate::trust::now;
use reconciler_core::plan::approvals::addresses;
use reconciler_git::{
    AllowedSigners, BadSigners, Breadth, Fault, Signatures, Untrusted, Window, first_fault,
};
use schema_fleet::{Code, FleetSettings, Verify};
use std::collections::BTreeSet;

/// A list of signers has a line for each of them; a mebibyte holds thousands.
const SIGNERS_BYTES_MAX: usize = 1 << 20;

/// Why a revision is not believed.
pub(crate) struct Disbelieved {
    pub(crate) code: Code,
    pub(crate) reason: String,
}

/// Why this commit, which comes after the adopted one, is not believed; `None` if it is.
pub(crate) async fn disbelieved(
    daemon: &Daemon,
    commit: &str,
    adopted: Option<&str>,
) -> Result<Option<Disbelieved>, SourceError> {
    let before = daemon.trusted_before(commit, adopted).await?;
    let base = before.as_deref();
    let policy = revision::parse(daemon, base.unwrap_or(commit)).await?;
    let Some(fleet) = &policy.fleet else {
        // What is wrong with a first revision is told of its files.
        return Ok(base.map(|base| Disbelieved {
            code: Code::M0823,
            reason: format!(
                "who may sign it stands in {base}, which is carried out and which this version cannot read any more. \
                 Look at the commit yourself, and start musterd once with `--trust-commit {commit}`"
            ),
        }));
    };
    let breadth = match fleet.settings.git.verify {
        Verify::Off => return Ok(None),
        Verify::SignedFirstParent => Breadth::FirstParent,
        Verify::Strict => Breadth::All,
    };
    let signers = match signers(daemon, &policy.commit, &fleet.settings).await? {
        Ok(signers) => signers,
        Err(disbelieved) => return Ok(Some(disbelieved)),
    };
    let window = window(daemon, before.clone()).await?;
    let commits = daemon.source.new_commits(commit.to_owned(), before).await?;
    let fault = first_fault(&commits, breadth, &[&signers], window);
    Ok(fault.map(|fault| told(&fault, &policy)))
}

/// The addresses of those who wrote what this commit has and `before` has not, by what is asked of it in `base`.
pub(crate) async fn authors(
    daemon: &Daemon,
    commit: &str,
    before: Option<String>,
    base: &Parsed,
) -> Result<BTreeSet<String>, SourceError> {
    let window = window(daemon, before.clone()).await?;
    let commits = daemon.source.new_commits(commit.to_owned(), before).await?;
    let Some(fleet) = &base.fleet else {
        return Ok(reconciler_git::authors(&commits, None, []));
    };
    let signers = match fleet.settings.git.verify {
        Verify::Off => None,
        // By a list that nobody can use, nothing is signed.
        Verify::SignedFirstParent | Verify::Strict => {
            let signers = signers(daemon, &base.commit, &fleet.settings).await?;
            Some(signers.unwrap_or_default())
        }
    };
    let signatures = signers.as_ref().map(|signers| Signatures { signers, window });
    Ok(reconciler_git::authors(&commits, signatures, addresses(fleet)))
}

/// When what comes after this commit can have been made.
async fn window(daemon: &Daemon, before: Option<String>) -> Result<Window, SourceError> {
    let base = match before {
        Some(before) => daemon.source.resolve(before).await?.map(|base| base.at()),
        None => None,
    };
    Ok(Window::new(base, now()))
}

/// Why nobody could sign what comes after this revision; `None` if somebody could, or need not. Of the one that is carried
/// out it is not asked again: that its keys run out is no reason to plan it no more.
pub(crate) async fn unusable(
    daemon: &Daemon,
    parsed: &Parsed,
    adopted: Option<&str>,
) -> Result<Option<Disbelieved>, SourceError> {
    let Some(fleet) = &parsed.fleet else {
        return Ok(None);
    };
    let settings = &fleet.settings;
    if settings.git.verify == Verify::Off || adopted == Some(&*parsed.commit) {
        return Ok(None);
    }
    let signers = match signers(daemon, &parsed.commit, settings).await? {
        Ok(signers) => signers,
        Err(disbelieved) => return Ok(Some(disbelieved)),
    };
    let path = settings.git.allowed_signers.as_ref();
    let path = path.map_or("", |path| path.as_str());
    Ok(signers
        .let_somebody_sign(now())
        .err()
        .map(|why| bad(path, &parsed.commit, &why)))
}

/// What is wrong with this commit's file.
fn bad(path: &str, commit: &str, why: &BadSigners) -> Disbelieved {
    Disbelieved {
        code: Code::M0823,
        reason: format!(
            "{path} of commit {commit} cannot be used: {why}. Mend it: as it is, nobody could sign the next commit"
        ),
    }
}

/// Those who may sign, as this commit has them.
async fn signers(
    daemon: &Daemon,
    commit: &str,
    settings: &FleetSettings,
) -> Result<Result<AllowedSigners, Disbelieved>, SourceError> {
    let unusable = |reason| Disbelieved {
        code: Code::M0823,
        reason,
    };
    let Some(path) = &settings.git.allowed_signers else {
        return Ok(Err(unusable(format!("commit {commit} has no `allowed-signers`"))));
    };
    let path = path.as_str();
    let bytes = daemon
        .source
        .file(commit.to_owned(), path.to_owned(), SIGNERS_BYTES_MAX)
        .await?;
    let Some(bytes) = bytes else {
        let reason = format!("commit {commit} has no file {path} of at most {SIGNERS_BYTES_MAX} bytes");
        return Ok(Err(unusable(reason)));
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(AllowedSigners::parse(&text).map_err(|why| bad(path, commit, &why)))
}

fn told(fault: &Fault<'_>, policy: &Parsed) -> Disbelieved {
    let info = &fault.commit.info;
    let which = format!("commit {} {:?} of {}", &info.id[..12], info.summary, info.author);
    let who = format!("as commit {} has them", &policy.commit[..12]);
    match &fault.why {
        None => Disbelieved {
            code: Code::M0820,
            reason: format!(
                "{which} is not signed. Push it again signed, by `git commit --amend -S` or `git rebase -S`, by one \
                 of those who may, {who}"
            ),
        },
        Some(why @ Untrusted::Ahead { .. }) => Disbelieved {
            code: Code::M0821,
            reason: format!(
                "{which} does not count: {why}. Where it is the one who committed it, push it again with its time put \
                 right, by `git commit --amend -S` or `git rebase -S --force-rebase`; where it is this host, set its clock"
            ),
        },
        Some(why) => Disbelieved {
            code: Code::M0821,
            reason: format!(
                "{which} does not count: {why}. Push it again signed by one of those who may, {who}; a new key \
                 counts from the revision on after the one that brings it"
            ),
        },
    }
}
