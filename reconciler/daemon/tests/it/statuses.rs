//! What a forge is told of commits: each stand, after a while in which it was down, and again after a restart.

use crate::bed::{Bed, example};
use crate::forge::{Forge, Kind, TOKEN};
use crate::muster::is_adopted;
use reconciler_core::people::Status;
use std::process::Command;

fn is_stopped(status: &Status, summary: &str) -> bool {
    let revision = status.revision.as_ref();
    revision.is_some_and(|revision| revision.summary == summary && revision.stopped.is_some())
}

/// The commit that is checked out.
pub(crate) fn head(bed: &Bed) -> String {
    let shown = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(bed.path("fleet"))
        .output();
    String::from_utf8(shown.expect("git runs").stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// The last state and description under each context.
fn told(forge: &Forge, commit: &str) -> Vec<(String, String)> {
    let known = forge.known();
    let last = |context: &str| {
        let of = |one: &&(String, String, String, String)| one.0 == commit && one.1 == context;
        known
            .statuses
            .iter()
            .rfind(of)
            .map(|one| (one.2.clone(), one.3.clone()))
    };
    ["muster/plan", "muster/apply"]
        .into_iter()
        .filter_map(last)
        .collect()
}

async fn until_told(bed: &Bed, forge: &Forge, plan: &str, apply: &str) -> Vec<(String, String)> {
    let commit = head(bed);
    let states = || {
        told(forge, &commit)
            .into_iter()
            .map(|(state, _)| state)
            .collect::<Vec<_>>()
    };
    bed.until_true(&format!("{plan} and {apply}"), || states() == [plan, apply])
        .await;
    told(forge, &commit)
}

/// Has the daemon tell this forge.
fn point(bed: &mut Bed, forge: &Forge, word: &str) {
    std::fs::write(bed.path("token"), format!("{TOKEN}\n")).unwrap();
    let token = bed.path("token").display().to_string();
    bed.words = [
        "--forge",
        word,
        "--forge-url",
        &forge.url,
        "--forge-repository",
        "acme/fleet",
    ]
    .into_iter()
    .chain(["--forge-token-file", &token])
    .map(str::to_owned)
    .collect();
}

#[tokio::test]
async fn a_commit_that_the_forge_lacks_holds_up_no_other() {
    let forge = Forge::start(Kind::Github).await;
    let mut bed = Bed::new(&example());
    point(&mut bed, &forge, "github");
    let first = head(&bed);
    forge.known().lacks.push(first.clone());
    bed.start(&[]);
    bed.until_true("it is told once", || {
        bed.log().contains("the forge refuses statuses of these commits")
    })
    .await;
    bed.commit(&[("README.md", Some("a fleet\n"))], "second");
    bed.until("adopted", |status| is_adopted(status, "second")).await;
    until_told(&bed, &forge, "success", "success").await;
    assert_eq!(told(&forge, &first), []);
    assert!(!bed.log().contains("a commit's status was not posted"));
}

#[tokio::test]
async fn a_forge_is_told_how_far_a_commit_came() {
    for kind in [Kind::Github, Kind::Gitlab, Kind::Forgejo] {
        let (word, failure) = match kind {
            Kind::Github => ("github", "failure"),
            Kind::Gitlab => ("gitlab", "failed"),
            Kind::Forgejo => ("forgejo", "failure"),
        };
        let forge = Forge::start(kind).await;
        forge.known().down_for = 2;
        let mut bed = Bed::new(&example());
        point(&mut bed, &forge, word);
        bed.start(&[]);
        bed.until("adopted", |status| is_adopted(status, "first")).await;
        until_told(&bed, &forge, "success", "success").await;

        let broken = example().replace("storage = \"single-disk\"", "storage = \"singel-disk\"");
        bed.commit(&[("fleet.toml", Some(&broken))], "break it");
        bed.until("stopped", |status| is_stopped(status, "break it"))
            .await;
        let told = until_told(&bed, &forge, failure, failure).await;
        assert!(told[0].1.starts_with("M0101:"), "{told:?}");

        // A token that does not count stops nothing but itself.
        std::fs::write(bed.path("token"), "another").unwrap();
        bed.commit(&[("fleet.toml", Some(&example()))], "mend it");
        bed.until("mended", |status| is_adopted(status, "mend it")).await;
        bed.until_true("it was refused", || !forge.known().refused.is_empty())
            .await;
        bed.until_true("it is told", || {
            bed.log().contains("a commit's status was not posted")
        })
        .await;
        // Whoever starts again says the last word, of which the one before it knew nothing.
        bed.kill();
        std::fs::write(bed.path("token"), TOKEN).unwrap();
        forge.known().refused.clear();
        bed.start(&[]);
        until_told(&bed, &forge, "success", "success").await;
        let refused = forge.known().refused.clone();
        let twice = |one: &String| kind == Kind::Gitlab && one.contains("Cannot transition status");
        assert!(refused.iter().all(twice), "{refused:?}");
        assert!(!bed.log().contains(TOKEN), "the token is nobody's to read");
    }
}
