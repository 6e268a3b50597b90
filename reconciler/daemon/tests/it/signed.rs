//! Who may change the fleet: a real musterd, commits that `git` signed with keys of `ssh-keygen`, and what each comes to.

use crate::bed::{Bed, example};
use std::fs;
use std::process::Command;

/// The file of those who may sign.
pub(crate) const SIGNERS: &str = "policy/allowed_signers";

/// Makes this person's key; gives their line.
pub(crate) fn key(bed: &Bed, who: &str) -> String {
    let words = ["-q", "-N", "", "-t", "ed25519", "-C", who, "-f", who];
    let made = Command::new("ssh-keygen")
        .args(words)
        .current_dir(bed.path(""))
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = fs::read_to_string(bed.path(&format!("{who}.pub"))).unwrap();
    format!("{who}@example.org {public}")
}

/// Commits a file as this person, signed.
pub(crate) fn sign(bed: &Bed, who: &str, file: (&str, &str), message: &str) {
    fs::write(bed.path("fleet").join(file.0), file.1).unwrap();
    bed.git(&["add", "-A"]);
    signed(bed, who, &["commit", "-S", "-q", "-m", message]);
}

/// Git as this person, with their key.
pub(crate) fn signed(bed: &Bed, who: &str, words: &[&str]) {
    let mail = format!("user.email={who}@example.org");
    let key = bed.path(&format!("{who}.pub")).display().to_string();
    bed.git(&["config", "gpg.format", "ssh"]);
    bed.git(&["config", "user.signingkey", &key]);
    bed.git(&[&["-c", &mail], words].concat());
}

/// Has the branch carried out: where it stopped, and that what was carried out is what is.
async fn stops(bed: &Bed, code: &str, says: &str) {
    let before = bed
        .until("adopted", |status| status.adopted.is_some())
        .await
        .adopted;
    let told = bed.apply().await.revision.stopped.expect("it is stopped");
    assert_eq!(told.code, code, "{}", told.message);
    assert!(told.message.contains(says), "{}", told.message);
    let after = bed
        .until("adopted", |status| status.adopted.is_some())
        .await
        .adopted;
    assert_eq!(after, before, "the last good revision stays in force");
}

async fn is_carried_out(bed: &Bed) {
    let told = bed.apply().await.revision;
    assert_eq!(told.stopped, None);
    let is_it = |status: &reconciler_core::people::Status| {
        status
            .adopted
            .as_ref()
            .and_then(|adopted| adopted.commit.as_ref())
            == Some(&told.commit)
    };
    bed.until("carried out", is_it).await;
}

#[tokio::test]
async fn only_what_is_signed_by_those_who_may_is_carried_out() {
    let off = example();
    let mut bed = Bed::new(&off);
    let (ada, bob) = (key(&bed, "ada"), key(&bed, "bob"));
    fs::create_dir(bed.path("fleet/policy")).unwrap();
    let verify =
        format!("schema = 1\ngit = {{ verify = \"signed-first-parent\", allowed-signers = \"{SIGNERS}\" }}");
    let on = off.replace("schema = 1", &verify);
    bed.start(&[]);
    bed.until("it answers", |_| true).await;
    is_carried_out(&bed).await;

    // A list that nobody could sign by is not taken; the one after it is, signed or not: nothing was asked before it.
    let authority = format!("*@example.org cert-authority {}", ada.split_once(' ').unwrap().1);
    bed.commit(
        &[(SIGNERS, Some(&authority)), ("fleet.toml", Some(&on))],
        "our CA",
    );
    stops(&bed, "M0823", "line 1: cert-authority").await;
    bed.commit(&[(SIGNERS, Some(&ada))], "only Ada");
    is_carried_out(&bed).await;
    bed.git(&["tag", "good"]);

    let comment = format!("{on}\n# more\n");
    bed.commit(&[("fleet.toml", Some(&comment))], "unsigned");
    stops(
        &bed,
        "M0820",
        "\"unsigned\" of Ada <ada@example.org> is not signed",
    )
    .await;
    // Neither a signature on top of it helps, nor turning the check off.
    sign(&bed, "ada", ("fleet.toml", &on), "signed again");
    stops(&bed, "M0820", "\"unsigned\"").await;
    bed.commit(&[("fleet.toml", Some(&off))], "turn it off");
    stops(&bed, "M0820", "\"unsigned\"").await;

    // Bob does not let himself in, Ada does.
    bed.git(&["reset", "-q", "--hard", "good"]);
    let both = format!("{ada}{bob}");
    sign(&bed, "bob", (SIGNERS, &both), "and me");
    stops(&bed, "M0821", "which nobody who may sign has").await;
    bed.git(&["reset", "-q", "--hard", "good"]);
    sign(&bed, "ada", (SIGNERS, &both), "and Bob");
    is_carried_out(&bed).await;
    sign(&bed, "bob", ("fleet.toml", &comment), "thanks");
    is_carried_out(&bed).await;

    // A rewritten branch stays one, however it is signed.
    bed.git(&["reset", "-q", "--hard", "good"]);
    sign(&bed, "ada", ("fleet.toml", &comment), "anew");
    stops(&bed, "M0822", "the branch was rewritten").await;
}

#[tokio::test]
async fn the_operator_vouches_for_a_commit_when_nobody_can_sign_any_more() {
    let verify = format!("schema = 1\ngit = {{ verify = \"strict\", allowed-signers = \"{SIGNERS}\" }}");
    let fleet = example().replace("schema = 1", &verify);
    let mut bed = Bed::new(&fleet);
    let (ada, bob) = (key(&bed, "ada"), key(&bed, "bob"));
    fs::create_dir(bed.path("fleet/policy")).unwrap();
    // A first revision speaks for itself: it is signed by one whom it names.
    bed.commit(&[(SIGNERS, Some(&ada))], "unsigned");
    bed.start(&[]);
    bed.until("it answers", |_| true).await;
    let told = bed.apply().await.revision.stopped.expect("it is stopped");
    assert_eq!(told.code, "M0820", "{}", told.message);
    sign(
        &bed,
        "ada",
        ("fleet.toml", &format!("{fleet}\n# signed\n")),
        "signed",
    );
    is_carried_out(&bed).await;

    // Ada's key is gone.
    bed.commit(&[(SIGNERS, Some(&bob))], "Bob instead");
    stops(&bed, "M0820", "\"Bob instead\"").await;
    let newest = bed.apply().await.revision.commit;
    let pid = rustix::process::Pid::from_raw(bed.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    bed.ended();
    bed.words = vec!["--trust-commit".to_owned(), newest];
    bed.start(&[]);
    bed.until("it answers", |_| true).await;
    bed.until("it answers", |status| status.adopted.is_some()).await;
    is_carried_out(&bed).await;
    bed.commit(&[("fleet.toml", Some(&fleet))], "not for what comes after it");
    stops(&bed, "M0820", "\"not for what comes after it\"").await;
    sign(
        &bed,
        "bob",
        ("fleet.toml", &fleet.replace("strict", "off")),
        "Bob signs",
    );
    stops(&bed, "M0820", "\"not for what comes after it\"").await;
}

#[tokio::test]
async fn nobody_locks_the_others_out_by_a_list_or_a_date() {
    let off = example();
    let mut bed = Bed::new(&off);
    let ada = key(&bed, "ada");
    let key = ada.split_once(' ').unwrap().1;
    fs::create_dir(bed.path("fleet/policy")).unwrap();
    let verify =
        format!("schema = 1\ngit = {{ verify = \"signed-first-parent\", allowed-signers = \"{SIGNERS}\" }}");
    let on = off.replace("schema = 1", &verify);
    bed.start(&[]);
    bed.until("it answers", |_| true).await;
    is_carried_out(&bed).await;

    // Lists that can be read, and by which nobody could sign.
    for (line, says) in [
        (
            format!("musterd namespaces=\"muster-snapshot@1\" {key}"),
            "line 1 is for \"muster-snapshot@1\" only, not for git",
        ),
        (
            format!("ada@example.org valid-before=\"20200101Z\" {key}"),
            "line 1 counted until 2020-01-01",
        ),
        (
            format!("!ada@example.org {key}"),
            "line 1 means nobody by \"!ada@example.org\"",
        ),
    ] {
        bed.commit(&[(SIGNERS, Some(&line)), ("fleet.toml", Some(&on))], says);
        stops(&bed, "M0823", says).await;
    }
    let until = format!("ada@example.org valid-before=\"20980101Z\" {key}");
    bed.commit(&[(SIGNERS, Some(&until))], "Ada, for long");
    is_carried_out(&bed).await;
    bed.git(&["tag", "good"]);

    // A date that has not come would make her key run out for whatever comes next.
    for date in ["2097-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let clock = format!("{on}\n# {date}\n");
        fs::write(bed.path("fleet/fleet.toml"), clock).unwrap();
        bed.git(&["add", "-A"]);
        let dated = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(["-c", "gpg.format=ssh", "-c"])
            .arg(format!("user.signingkey={}", bed.path("ada.pub").display()))
            .args(["commit", "-S", "-q", "-m", "dated"])
            .env("GIT_COMMITTER_DATE", date)
            .current_dir(bed.path("fleet"))
            .status();
        assert!(dated.expect("git runs").success());
        stops(&bed, "M0821", &format!("it says that it is of {}", &date[..10])).await;
        bed.git(&["reset", "-q", "--hard", "good"]);
    }
    sign(&bed, "ada", ("fleet.toml", &format!("{on}\n# more\n")), "in time");
    is_carried_out(&bed).await;
}
