//! `muster plan --offline`: the daemon's plan without the daemon, from a snapshot that it signed and the repository here.
//!
//! A pull request says nothing about whom to believe: who may sign snapshots stands in the commit that it is compared with,
//! or in a file that is not of the work tree. A snapshot is believed before a byte of it is read, and no older than one
//! allows. What it leaves out is put back from the repository; where that lacks it, there is no plan rather than another one.

use crate::arguments::Plan as Wish;
use crate::exit::Failure;
use crate::for_ci;
use reconciler_core::form::standing::Standing;
use reconciler_core::form::{Reference, Setting};
use reconciler_core::ground::Ground;
use reconciler_core::people::{PlanAnswer, Refusal};
use reconciler_core::plan::approvals::Agreement;
use reconciler_core::plan::{Base, Desired};
use reconciler_core::refusal::RefusalCode;
use reconciler_core::snapshot::{BYTES_MAX, BmcNames, FILE, FORMAT, NAMESPACE, NotRestored, Snapshot, bmcs};
use reconciler_core::times::estimates;
use reconciler_git::{AllowedSigners, Checked, CommitInfo, Mirror, MirrorError, unseal};
use schema_fleet::{Cache, Fleet};
use schema_ids::Timestamp;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a commit says who may sign snapshots, unless `--trust` does.
const TRUSTED: &str = ".muster/allowed-snapshots";
/// A line for each key; more are a mistake.
const TRUSTED_BYTES_MAX: usize = 1 << 20;
/// A snapshot is no older, unless `--max-age` says otherwise: whoever reviews a change wants to know of today's fleet.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// Clocks of two hosts that keep time differ by less.
const AHEAD_MAX: Duration = Duration::from_secs(300);

/// The commit that was to be planned, as far as it is known.
pub(crate) fn head(wish: &Wish) -> Option<String> {
    let head = Here::open().ok()?.resolve(wish.head.as_deref().unwrap_or("HEAD"));
    Some(head.ok()?.id)
}

/// Makes the plan.
pub(crate) fn make(wish: &Wish, from: &str) -> Result<PlanAnswer, Failure> {
    let mut here = Here::open()?;
    let head = here.resolve(wish.head.as_deref().unwrap_or("HEAD"))?;
    let named_base = wish.base.as_deref().map(|name| here.base(name)).transpose()?;
    let signers = here.signers(wish, named_base.as_ref())?;
    let now = now();
    let snapshot = believed(&here.sealed(from)?, &signers, now)?;
    let allowed = wish.ci.max_age.map_or(AGE_MAX, |age| age.0);
    young(snapshot.observed.at, now, allowed)?;

    let parsed = here.checked(&head.id)?;
    let fleet = sound(&parsed)?;
    let adopted = match snapshot.adopted.as_ref().and_then(|plan| plan.commit.as_deref()) {
        Some(commit) => Some(here.carried_out(commit)?),
        None => None,
    };
    let base = match &named_base {
        Some(base) => Some(here.checked(&base.id)?),
        None => None,
    };
    if let Some(base) = &base {
        sound(base)?;
    }
    let snapshot = here.restored(snapshot, adopted.as_ref(), fleet)?;
    let other = adopted.as_ref().filter(|adopted| adopted.commit != parsed.commit);
    let compared = base.as_ref().or(other).and_then(|base| {
        let (fleet, commit) = (base.fleet.as_ref()?, base.commit.as_str());
        Some(Base { fleet, commit })
    });
    let desired = Desired {
        fleet,
        commit: &parsed.commit,
        base: compared,
    };
    let ground = Ground::new(snapshot.adopted, snapshot.observed, &fleet.name);
    let plan = ground.plan(&desired);
    // Who has agreed, only the daemon knows: nobody's word is held against who wrote it here.
    let (asked, authors) = (adopted.as_ref().unwrap_or(&parsed), BTreeSet::new());
    let asked = asked.fleet.as_ref();
    let approvals = asked.and_then(|asked| Agreement::of(&plan, asked, &ground.parent, &authors, None));
    let plan = match &wish.only {
        None => plan,
        Some(only) => plan.part_called(only).map_err(Failure::Refused)?,
    };
    for_ci::heard(&wish.ci, &plan, &snapshot.agents, now)?;
    let named = |name: &Option<String>, commit: &CommitInfo| {
        let (name, commit) = (name.clone()?, commit.id.clone());
        Some(Reference { name, commit })
    };
    // Where the branch is, nobody knows here; what is compared with it as its base, and is not it, is not merged.
    let is_head = |base: &CommitInfo| base.id == head.id;
    let is_carried_out = adopted.as_ref().is_some_and(|adopted| adopted.commit == head.id);
    let standing = match (&named_base, &wish.only) {
        (Some(base), None) if !is_head(base) && !is_carried_out => Standing::NotMerged,
        _ => Standing::Next,
    };
    Ok(PlanAnswer {
        setting: Setting {
            standing,
            base: named_base.and_then(|base| named(&wish.base, &base)),
            head: named(&wish.head, &head),
            only: wish.only.clone(),
            drift: snapshot.drift,
            silent: snapshot.silent,
            approvals,
            times: estimates(&plan, &ground.observed, &snapshot.took),
            now: Some(ground.observed.at),
        },
        plan,
        stale: Vec::new(),
        warnings: parsed.text,
    })
}

/// The snapshot in a sealed text, if one who may signed it.
fn believed(sealed: &str, signers: &AllowedSigners, now: Timestamp) -> Result<Snapshot, Failure> {
    let line = unseal(signers, NAMESPACE, sealed, now)
        .map_err(|why| Failure::Snapshot(format!("the snapshot is not to be believed: {why}")))?;
    let read: Result<Snapshot, _> = serde_json::from_str(line);
    read.map_err(|error| {
        let format: Option<String> = serde_json::from_str(line)
            .ok()
            .and_then(|value: serde_json::Value| Some(value.get("format")?.as_str()?.to_owned()));
        Failure::Snapshot(match format {
            Some(format) if format != FORMAT => NotRestored::Format { found: format }.to_string(),
            _ => format!("the snapshot is of another version of musterd than this muster: {error}"),
        })
    })
}

fn young(at: Timestamp, now: Timestamp, allowed: Duration) -> Result<(), Failure> {
    if at > now.plus(AHEAD_MAX) {
        return Err(Failure::Old(format!(
            "the snapshot is of {at}, and here it is {now}: one of the two clocks is wrong"
        )));
    }
    if at.plus(allowed) >= now {
        return Ok(());
    }
    let (age, allowed) = (now.since(at).as_secs() / 60, allowed.as_secs() / 60);
    Err(Failure::Old(format!(
        "the snapshot is of {at}, {age} minutes ago, and {allowed} are allowed: fetch a newer one; if there is none, musterd \
         does not publish (its log says why)"
    )))
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// The fleet of a revision, or what is wrong with it.
fn sound(parsed: &Checked) -> Result<&Fleet, Failure> {
    parsed.fleet.as_ref().ok_or_else(|| {
        Failure::Refused(Refusal {
            code: parsed.code.clone(),
            message: parsed.text.clone(),
        })
    })
}

/// The repository around the working folder.
struct Here {
    repository: Mirror,
    /// Most files of the revisions that are read are the same.
    read: Cache,
}

impl Here {
    fn open() -> Result<Self, Failure> {
        let repository = Mirror::around(Path::new(".")).map_err(|error| unreadable(&error))?;
        Ok(Self {
            repository,
            read: Cache::default(),
        })
    }

    fn resolve(&self, name: &str) -> Result<CommitInfo, Failure> {
        self.known(name, self.repository.resolve(name))
    }

    /// What is compared with also says whom to believe: nobody may put a tag before the branch that was meant.
    fn base(&self, name: &str) -> Result<CommitInfo, Failure> {
        if name.starts_with("refs/") {
            return self.known(name, self.repository.resolve_ref(name));
        }
        let meanings = self
            .repository
            .meanings(name)
            .map_err(|error| unreadable(&error))?;
        match meanings.len() {
            0 | 1 => self.resolve(name),
            _ => Err(Failure::Usage(format!(
                "--base {name} may be {}: write it in full, since it says who may sign snapshots",
                meanings.join(" or ")
            ))),
        }
    }

    fn known(
        &self,
        name: &str,
        found: Result<Option<CommitInfo>, MirrorError>,
    ) -> Result<CommitInfo, Failure> {
        found.map_err(|error| unreadable(&error))?.ok_or_else(|| {
            Failure::Refused(Refusal {
                code: RefusalCode::NotFound.code().to_owned(),
                message: format!("this clone has no revision {name:?}{}", self.lacking()),
            })
        })
    }

    /// What to do about something that is not in this clone.
    fn lacking(&self) -> &'static str {
        match self.repository.is_shallow() {
            Ok(true) => {
                ": it is a shallow clone. Fetch the whole history: `git fetch --unshallow`; in CI `fetch-depth: 0` or \
                 GIT_DEPTH 0"
            }
            Ok(false) | Err(_) => ": fetch it first",
        }
    }

    /// Those who may sign snapshots: by the commit that this is compared with, or by a file that no pull request writes.
    fn signers(&self, wish: &Wish, base: Option<&CommitInfo>) -> Result<AllowedSigners, Failure> {
        let (place, bytes) = match (&wish.trust, base) {
            (Some(path), _) => (path.display().to_string(), self.outside(path)?),
            (None, Some(base)) => {
                let file = self.repository.file(&base.id, TRUSTED, TRUSTED_BYTES_MAX);
                let place = format!("{TRUSTED} of {}", &base.id[..12]);
                let bytes = file.map_err(|error| unreadable(&error))?.ok_or_else(|| {
                    Failure::Snapshot(format!(
                        "nobody may sign snapshots: there is no {place}. `muster snapshot --key` prints the line that belongs \
                         in it; commit it to the branch that pull requests are compared with"
                    ))
                })?;
                (place, bytes)
            }
            (None, None) => {
                return Err(Failure::Usage(format!(
                    "who may sign the snapshot? Name the commit whose {TRUSTED} counts with --base, such as --base \
                     refs/remotes/origin/main, or a file with --trust"
                )));
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        AllowedSigners::parse(&text)
            .map_err(|why| Failure::Snapshot(format!("{place} cannot be used: {why}")))
    }

    /// A file that is not of the work tree.
    fn outside(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let fail = |source| Failure::File {
            what: "read",
            path: path.to_owned(),
            source,
        };
        let real = path.canonicalize().map_err(fail)?;
        let tree = self.repository.work_tree().map_err(|error| unreadable(&error))?;
        let tree = tree.and_then(|tree| tree.canonicalize().ok());
        if tree.is_some_and(|tree| real.starts_with(tree)) {
            return Err(Failure::Usage(format!(
                "{} lies in the work tree, which the pull request writes: commit it as {TRUSTED} and name --base, or put it \
                 elsewhere",
                path.display()
            )));
        }
        bounded(&real, TRUSTED_BYTES_MAX)
    }

    /// The sealed text in a file, or in a ref of the repository.
    fn sealed(&self, from: &str) -> Result<String, Failure> {
        let bytes = if from.starts_with("refs/") {
            let found = self
                .repository
                .resolve(from)
                .map_err(|error| unreadable(&error))?;
            let commit = found.ok_or_else(|| {
                Failure::Snapshot(format!(
                    "this clone has no {from}: fetch it, `git fetch origin +{from}:{from}`"
                ))
            })?;
            let file = self.repository.file(&commit.id, FILE, BYTES_MAX);
            file.map_err(|error| unreadable(&error))?.ok_or_else(|| {
                Failure::Snapshot(format!(
                    "{from} is no snapshot: it has no file {FILE:?} of at most {BYTES_MAX} bytes"
                ))
            })?
        } else {
            bounded(Path::new(from), BYTES_MAX)?
        };
        String::from_utf8(bytes)
            .map_err(|_| Failure::Snapshot(format!("{from} is no snapshot: it is not text")))
    }

    fn checked(&mut self, commit: &str) -> Result<Checked, Failure> {
        let tree = self.repository.tree(commit).map_err(|error| unreadable(&error))?;
        Ok(Checked::of(commit.to_owned(), tree, &mut self.read))
    }

    /// The commit that the daemon carries out.
    fn carried_out(&mut self, commit: &str) -> Result<Checked, Failure> {
        let found = self
            .repository
            .resolve(commit)
            .map_err(|error| unreadable(&error))?;
        if found.is_none_or(|found| found.id != commit) {
            return Err(Failure::Snapshot(format!(
                "the snapshot is of a fleet that carries out commit {commit}, which this clone does not have{}",
                self.lacking()
            )));
        }
        self.checked(commit)
    }

    /// The snapshot with what it leaves out, from the repository.
    fn restored(
        &self,
        snapshot: Snapshot,
        adopted: Option<&Checked>,
        head: &Fleet,
    ) -> Result<Snapshot, Failure> {
        let tree = adopted.map_or("", |adopted| &adopted.tree);
        let of_adopted = adopted.and_then(|adopted| adopted.fleet.as_ref());
        let known = of_adopted.into_iter().chain([head]).flat_map(bmcs);
        let names = BmcNames::new(tree, known);
        let blob = |name: &str| {
            let bytes = self.repository.blob(name).ok().flatten()?;
            String::from_utf8(bytes).ok()
        };
        snapshot.restored(&names, blob).map_err(|why| {
            let lacking = match why {
                NotRestored::Format { .. } => "",
                NotRestored::UserData { .. } | NotRestored::Bmc { .. } => self.lacking(),
            };
            Failure::Snapshot(format!("{why}{lacking}"))
        })
    }
}

/// A file's bytes, if it has no more than so many.
fn bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let fail = |source| Failure::File {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > bytes_max {
        let path = path.display();
        return Err(Failure::Snapshot(format!(
            "{path} has more than {bytes_max} bytes"
        )));
    }
    Ok(bytes)
}

/// What git said.
fn unreadable(error: &MirrorError) -> Failure {
    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
    Failure::Other(format!("{error}{why}"))
}
