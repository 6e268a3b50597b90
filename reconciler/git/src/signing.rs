//! Real commits, signed by `git` with keys that `ssh-keygen` made, and what is said of them.

use crate::{AllowedSigners, Breadth, Mirror, NewCommit, Signatures, Window, authors, first_fault};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Keys: name, type, bits.
const KEYS: [(&str, &str, &str); 7] = [
    ("ada", "ed25519", "256"),
    ("bob", "ed25519", "256"),
    ("p256", "ecdsa", "256"),
    ("p384", "ecdsa", "384"),
    ("p521", "ecdsa", "521"),
    ("rsa", "rsa", "3072"),
    ("short", "rsa", "1024"),
];

/// When commits are made, unless a case says otherwise; each falls on the same second.
const NOON: &str = "2026-11-01T12:00:00Z";

/// A repository that commits are signed in, with its keys.
struct Bench {
    dir: tempfile::TempDir,
    mirror: Mirror,
}

impl Bench {
    /// A repository with one unsigned commit, tagged `base`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        for (name, kind, bits) in KEYS {
            let words = ["-q", "-N", "", "-t", kind, "-b", bits, "-C", name, "-f", name];
            let made = Command::new("ssh-keygen").args(words).current_dir(&dir).status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        // Signs as it is told, but for files instead of for git.
        let wrapper = dir.path().join("for-files");
        std::fs::write(
            &wrapper,
            "#!/bin/sh\nfor word; do shift; [ \"$word\" = git ] && word=file; set -- \"$@\" \"$word\"; done\nexec ssh-keygen \"$@\"\n",
        )
        .unwrap();
        std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        drop(Mirror::open_or_create(&work.join(".git")).unwrap());
        let bench = Self {
            mirror: Mirror::open_or_create(&work.join(".git")).unwrap(),
            dir,
        };
        bench.git("ada", NOON, &["config", "core.bare", "false"], None);
        bench.git("ada", NOON, &["checkout", "-q", "-b", "main"], None);
        bench.commit("ada", "first", &["--no-gpg-sign"]);
        bench.git("ada", NOON, &["tag", "base"], None);
        bench
    }

    /// `git` as this person, at this time, with what it is given to read; its output.
    fn git(&self, who: &str, at: &str, words: &[&str], read: Option<&[u8]>) -> Vec<u8> {
        let key = self.key(who);
        let mut git = Command::new("git")
            .args(["-c", "gpg.format=ssh", "-c"])
            .arg(format!("user.signingkey={}", key.display()))
            .args(["-c", &format!("user.name={who}")])
            .args(["-c", &format!("user.email={who}@example.org")])
            .args(words)
            .current_dir(self.dir.path().join("work"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_COMMITTER_DATE", at), ("GIT_AUTHOR_DATE", at)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git runs");
        let mut input = git.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, read.unwrap_or_default()).unwrap();
        drop(input);
        let output = git.wait_with_output().unwrap();
        assert!(output.status.success(), "git {words:?}");
        output.stdout
    }

    fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A commit of this person's, with these further words.
    fn commit(&self, who: &str, message: &str, words: &[&str]) {
        let all = [&["commit", "-q", "--allow-empty", "-m", message], words].concat();
        self.git(who, NOON, &all, None);
    }

    /// This branch, from here.
    fn begin(&self, branch: &str, from: &str) {
        self.git("ada", NOON, &["checkout", "-q", "-B", branch, from], None);
    }

    /// Merges a branch as this person, signed.
    fn merge(&self, who: &str, name: &str) {
        let words = ["merge", "-q", "--no-ff", "-S", "-m", "merge", name];
        self.git(who, NOON, &words, None);
    }

    /// The newest commit, changed after it was signed.
    fn tamper(&self) {
        let object = self.git("ada", NOON, &["cat-file", "commit", "HEAD"], None);
        let changed = String::from_utf8(object).unwrap().replace("harmless", "harmful!");
        let words = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let id = self.git("ada", NOON, &words, Some(changed.as_bytes()));
        let id = String::from_utf8(id).unwrap();
        self.git("ada", NOON, &["reset", "-q", "--hard", id.trim()], None);
    }

    /// A line of the file of those who may sign.
    fn line(&self, principals: &str, options: &str, key: &str) -> String {
        let public = std::fs::read_to_string(self.key(&format!("{key}.pub"))).unwrap();
        format!("{principals} {options} {public}")
    }

    fn new_commits(&self) -> Vec<NewCommit> {
        let id = |name| self.mirror.resolve(name).unwrap().unwrap().id;
        self.mirror.new_commits(&id("main"), Some(&id("base"))).unwrap()
    }

    /// What is said of the commits since `base`: `ok`, or which commit and why, keys by their names.
    fn told(&self, breadth: Breadth, signers: &str) -> String {
        let signers = AllowedSigners::parse(signers).unwrap();
        let commits = self.new_commits();
        let Some(fault) = first_fault(&commits, breadth, &[&signers], window()) else {
            return "ok".to_owned();
        };
        let why = fault
            .why
            .map_or_else(|| "it is not signed".to_owned(), |why| why.to_string());
        KEYS.iter().fold(
            format!("{}: {why}", fault.commit.info.summary),
            |told, (name, ..)| told.replace(&self.fingerprint(name), name).replace(".000Z", "Z"),
        )
    }

    /// One commit after `base` by each row's person, `git commit` words and time, and what those lines make of it.
    fn check<const N: usize>(&self, table: [(&str, &[&str], &str, String, &str); N]) {
        for (who, words, at, signers, wanted) in table {
            self.git(who, at, &["reset", "-q", "--hard", "base"], None);
            let all = [&["commit", "-q", "--allow-empty", "-m", "one"], words].concat();
            self.git(who, at, &all, None);
            let told = self.told(Breadth::FirstParent, &signers);
            assert_eq!(told, wanted, "{who} {words:?} {signers}");
        }
    }

    /// As `ssh-keygen` prints it.
    fn fingerprint(&self, name: &str) -> String {
        let printed = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.key(name))
            .output()
            .unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        printed.split(' ').nth(1).unwrap().to_owned()
    }
}

const SIGNED: &[&str] = &["-S"];

/// Commits come after one of noon, and are looked at a day later.
fn window() -> Window {
    Window::new(
        Some(NOON.parse().unwrap()),
        "2026-11-02T12:00:00Z".parse().unwrap(),
    )
}

#[test]
fn keys_and_whose_they_are() {
    let bench = Bench::new();
    let ada = bench.line("ada@example.org", "", "ada");
    let own = |key: &str| bench.line(&format!("{key}@example.org"), "", key);
    let of = |principals, options| bench.line(principals, options, "ada");
    bench.check([
        ("ada", SIGNED, NOON, ada.clone(), "ok"),
        ("p256", SIGNED, NOON, own("p256"), "ok"),
        ("p384", SIGNED, NOON, own("p384"), "ok"),
        ("p521", SIGNED, NOON, own("p521"), "ok"),
        ("rsa", SIGNED, NOON, own("rsa"), "ok"),
        ("ada", &[], NOON, ada.clone(), "one: it is not signed"),
        (
            "bob",
            SIGNED,
            NOON,
            ada.clone(),
            "one: it is signed with key bob, which nobody who may sign has",
        ),
        (
            "short",
            SIGNED,
            NOON,
            ada.clone(),
            "one: it is signed with key short of type ssh-rsa, which musterd does not take; it takes ssh-ed25519, \
             ecdsa-sha2-nistp* and ssh-rsa of at least 2048 bits",
        ),
        (
            "ada",
            SIGNED,
            NOON,
            of("bob@*", ""),
            "one: it is signed with key ada of bob@*, and committed as \"ada@example.org\", which is not theirs",
        ),
        (
            "ada",
            SIGNED,
            NOON,
            of("*", "namespaces=\"file\""),
            "one: it is signed with key ada of *, which may sign for \"file\" only, not for git",
        ),
        ("ada", SIGNED, NOON, of("*", "namespaces=\"g?t,file\""), "ok"),
    ]);
    bench.git("ada", NOON, &["reset", "-q", "--hard", "base"], None);
    let for_files = format!("gpg.ssh.program={}", bench.key("for-files").display());
    let words = ["commit", "-q", "--allow-empty", "-S", "-m", "one"];
    bench.git("ada", NOON, &[&["-c", &for_files], &words[..]].concat(), None);
    assert_eq!(
        bench.told(Breadth::FirstParent, &ada),
        "one: its signature by key ada was made for \"file\", not for git"
    );
}

#[test]
fn keys_and_their_time() {
    let bench = Bench::new();
    let before = |at: &str| bench.line("ada@*", &format!("valid-before=\"{at}\""), "ada");
    let after = |at: &str| bench.line("ada@*", &format!("valid-after=\"{at}\""), "ada");
    bench.check([
        ("ada", SIGNED, NOON, before("20261101120000Z"), "ok"),
        (
            "ada",
            SIGNED,
            NOON,
            before("202611011159Z"),
            "one: it is signed with key ada of ada@*, which counted until 2026-11-01T11:59:00Z; the commit is of \
             2026-11-01T12:00:00Z",
        ),
        // An older date brings nothing back that had run out when the commit before it was carried out.
        (
            "ada",
            SIGNED,
            "2026-10-01T00:00:00Z",
            before("20261031Z"),
            "one: it is signed with key ada of ada@*, which counted until 2026-10-31T00:00:00Z; the commit says \
             2026-10-01T00:00:00Z, and comes after one of 2026-11-01T12:00:00Z",
        ),
        // Nor does a later one make a key count before its time, or what comes next be later than it is.
        (
            "ada",
            SIGNED,
            "2026-11-02T12:10:01Z",
            after("20261102121001Z"),
            "one: it says that it is of 2026-11-02T12:10:01Z, and here it is 2026-11-02T12:00:00Z: one of the two clocks \
             is wrong",
        ),
        ("ada", SIGNED, "2026-11-02T12:10:00Z", after("20261102121000Z"), "ok"),
        ("ada", SIGNED, NOON, after("20261101120000Z"), "ok"),
        (
            "ada",
            SIGNED,
            NOON,
            after("20261102Z"),
            "one: it is signed with key ada of ada@*, which counts from 2026-11-02T00:00:00Z on; the commit is of \
             2026-11-01T12:00:00Z",
        ),
        // A key that was prolonged stands there twice.
        ("ada", SIGNED, NOON, before("20261031Z") + &before("20271031Z"), "ok"),
    ]);
}

#[test]
fn a_commit_that_was_changed_after_it_was_signed() {
    let bench = Bench::new();
    let ada = bench.line("ada@example.org", "", "ada");
    bench.commit("ada", "harmless", &["-S"]);
    assert_eq!(bench.told(Breadth::FirstParent, &ada), "ok");
    bench.tamper();
    assert_eq!(
        bench.told(Breadth::FirstParent, &ada),
        "harmful!: its signature by key ada is not of this commit: the commit was changed after it was signed"
    );
}

#[test]
fn other_formats_are_told_apart() {
    let bench = Bench::new();
    let ada = bench.line("ada@example.org", "", "ada");
    bench.commit("ada", "harmless", &["-S"]);
    let object = bench.git("ada", NOON, &["cat-file", "commit", "HEAD"], None);
    let object = String::from_utf8(object).unwrap();
    let first = object.split_once("gpgsig ").unwrap();
    let message = first.1.split_once("\n\n").unwrap().1;
    for (armour, wanted) in [
        (
            "-----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----",
            "in a format that musterd does not",
        ),
        (
            "-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----",
            "cannot be read",
        ),
    ] {
        let forged = format!("{}gpgsig {armour}\n\n{message}", first.0);
        let words = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let id = bench.git("ada", NOON, &words, Some(forged.as_bytes()));
        let id = String::from_utf8(id).unwrap();
        bench.git("ada", NOON, &["reset", "-q", "--hard", id.trim()], None);
        let told = bench.told(Breadth::FirstParent, &ada);
        assert!(told.contains(wanted), "{told}");
    }
}

/// What a merge brings counts for its signer on the branch, and for itself where every commit counts.
#[test]
fn merges() {
    let bench = Bench::new();
    let ada = bench.line("ada@example.org", "", "ada");
    let merge = |name: &str, words: &[&str]| {
        let all = [&["merge", "-q", "--no-ff", "-m", "merge"], words, &[name]].concat();
        bench.git("ada", NOON, &all, None);
    };
    bench.git("bob", NOON, &["checkout", "-q", "-b", "side"], None);
    bench.commit("bob", "side", &[]);
    bench.git("ada", NOON, &["checkout", "-q", "main"], None);
    bench.commit("ada", "main", &["-S"]);
    merge("side", &["-S"]);
    assert_eq!(bench.told(Breadth::FirstParent, &ada), "ok");
    assert_eq!(bench.told(Breadth::All, &ada), "side: it is not signed");
    let summaries: Vec<_> = bench
        .new_commits()
        .into_iter()
        .map(|commit| (commit.info.summary, commit.is_of_branch, commit.adds_nothing))
        .collect();
    assert_eq!(summaries.len(), 3);
    assert!(
        summaries.contains(&("side".to_owned(), false, false)),
        "{summaries:?}"
    );
    assert!(
        summaries.contains(&("merge".to_owned(), true, true)),
        "{summaries:?}"
    );

    // The other way round, what was the branch becomes what is merged: the unsigned commit is of the branch now.
    bench.git("ada", NOON, &["checkout", "-q", "-B", "main", "side"], None);
    bench.git("ada", NOON, &["branch", "-q", "-f", "other", "base"], None);
    bench.git("ada", NOON, &["checkout", "-q", "other"], None);
    bench.commit("ada", "other", &["-S"]);
    bench.git("ada", NOON, &["tag", "-f", "base"], None);
    bench.git("ada", NOON, &["checkout", "-q", "main"], None);
    merge("other", &["-S"]);
    assert_eq!(bench.told(Breadth::FirstParent, &ada), "side: it is not signed");
    // And the merge, though its tree is a parent's, takes one from before what was there.
    assert!(bench.new_commits().iter().all(|commit| !commit.adds_nothing));
}

/// Who merges what others signed wrote nothing; who merges what nobody signed answers for it.
#[test]
fn who_wrote_what_a_merge_brings() {
    let bench = Bench::new();
    let signers = bench.line("ada@example.org,*@robots.example", "", "ada")
        + &bench.line("bob@example.org", "", "bob")
        + &bench.line("p256@example.org", "valid-before=\"20261031Z\"", "p256");
    let signers = AllowedSigners::parse(&signers).unwrap();
    let told = |people: &[&str]| {
        let signatures = Signatures {
            signers: &signers,
            window: window(),
        };
        let commits = bench.new_commits();
        let told = |signatures| {
            let authors = authors(&commits, signatures, people.iter().copied());
            let names = authors.iter().map(|address| address.replace("@example.org", ""));
            names.collect::<Vec<_>>().join(" ")
        };
        (told(Some(signatures)), told(None))
    };
    let told = |people: &[&str], with: &str, without: &str| {
        assert_eq!(told(people), (with.to_owned(), without.to_owned()));
    };
    // One file each, so that a tree tells what it has.
    let write = |who: &str, file: &str, words: &[&str]| {
        std::fs::write(bench.dir.path().join("work").join(file), who).unwrap();
        bench.git("ada", NOON, &["add", "-A"], None);
        bench.commit(who, file, words);
    };

    for (who, words, with) in [
        ("p384", &[][..], "ada p384"),
        ("bob", SIGNED, "bob"),
        // Whose key has run out, and who has none that counts, are as if they had not signed.
        ("p256", SIGNED, "ada p256"),
        ("rsa", SIGNED, "ada rsa"),
    ] {
        bench.begin("side", "base");
        write(who, "side", words);
        bench.begin("main", "base");
        bench.merge("ada", "side");
        told(&[], with, who);
    }

    // A merge that is not of the branch is no way around, whoever made it.
    bench.begin("main", "base");
    write("bob", "bobs", SIGNED);
    bench.begin("side", "base");
    write("p384", "unsigned", &[]);
    bench.begin("between", "main");
    bench.merge("bob", "side");
    bench.begin("main", "base");
    bench.merge("ada", "between");
    told(&[], "ada bob p384", "bob p384");

    // What another merge brought is not for this one to answer for.
    bench.begin("main", "base");
    bench.begin("side", "base");
    write("p384", "unsigned", &[]);
    bench.begin("main", "base");
    bench.merge("bob", "side");
    bench.begin("side", "main");
    write("bob", "more", SIGNED);
    bench.begin("main", "main");
    bench.merge("ada", "side");
    told(&[], "bob p384", "bob p384");

    // Under whatever address a key signs, it is its people's.
    bench.begin("main", "base");
    let robot = [
        "-c",
        "user.email=r2@robots.example",
        "commit",
        "-q",
        "--allow-empty",
        "-S",
        "-m",
        "robot",
    ];
    bench.git("ada", NOON, &robot, None);
    let people = ["Ada@example.org", "bob@example.org", "c3po@robots.example"];
    told(
        &people,
        "Ada c3po@robots.example r2@robots.example",
        "r2@robots.example",
    );
}
