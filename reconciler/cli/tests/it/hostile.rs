//! Folders that nobody means well with: each is answered by a code, within memory that a small machine has, and as
//! musterd answers the same commit.

use super::{check::fleet, document, text};
use reconciler_git::Mirror;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use schema_fleet::{SourceFile, parse_taken};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// KiB of address space, a quarter of which goes to the program itself and the stacks of its threads.
const ADDRESS_SPACE_KIB: u32 = 512 << 10;

/// Seconds of processor time after which a check is killed: nothing takes one, and a hang takes them all.
const PROCESSOR_SECONDS: u32 = 60;

/// Runs `muster`, killed where it wants too much.
fn limited(words: &[&str]) -> Output {
    let script = format!(r#"ulimit -v {ADDRESS_SPACE_KIB} -t {PROCESSOR_SECONDS}; exec "$0" "$@""#);
    Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_muster")])
        .args(words)
        .output()
        .expect("bash starts")
}

/// What a check of the folder says, by codes and files; it must fail.
fn told(folder: &Path) -> BTreeSet<(String, String)> {
    let output = limited(&["--json", "check", &folder.display().to_string()]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    let said = document(&said);
    let one = |one: &serde_json::Value| {
        let at = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        (at(&one["code"]), at(&one["primary"]["file"]))
    };
    said["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(one)
        .collect()
}

fn is_told(folder: &Path, code: &str, file: &str) {
    let told = told(folder);
    assert!(
        told.contains(&(code.to_owned(), file.to_owned())),
        "{code} {file}: {told:?}"
    );
}

/// The whole is refused, for one reason.
fn is_refused(folder: &Path) {
    assert_eq!(
        told(folder),
        BTreeSet::from([("M0008".to_owned(), ".".to_owned())])
    );
}

/// What musterd says of the folder once it is committed.
fn told_of_a_commit(folder: &Path) -> BTreeSet<(String, String)> {
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(words)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git starts");
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "x"]);
    let mirror = Mirror::open_or_create(&folder.join(".git")).expect("a repository");
    let head = mirror.resolve("main").expect("read").expect("a commit");
    let tree = mirror.tree(&head.id).expect("a tree");
    let files = tree.files.into_iter().map(|file| SourceFile {
        path: file.path,
        bytes: file.bytes,
    });
    let files: Vec<_> = files.collect();
    let diagnostics = parse_taken(&files, &tree.refused).diagnostics;
    let one = |one: schema_fleet::Diagnostic| (one.code.to_string(), one.primary.span.file.to_string());
    diagnostics.into_iter().map(one).collect()
}

/// A sound fleet, in a folder for more.
fn sound() -> TempDir {
    fleet("")
}

#[test]
fn what_git_can_hold_is_told_of_a_folder_and_of_a_commit_alike() {
    let folder = sound();
    let at = |name: &str| folder.path().join(name);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    fs::write(secret.path(), "[rack.stolen]\n").expect("write");
    symlink(secret.path(), at("out.toml")).expect("a link");
    symlink("nowhere", at("nowhere.kdl")).expect("a link");
    symlink(".", at("loop")).expect("a link");
    fs::write(at("SITE.toml"), "").expect("write");
    fs::write(at("site.toml"), "").expect("write");
    fs::write(at("r\u{e9}.toml"), "").expect("write");
    fs::write(at("re\u{301}.toml"), "").expect("write");
    fs::write(folder.path().join(OsStr::from_bytes(b"\xff.toml")), "").expect("write");
    fs::write(at("line\n.toml"), "").expect("write");
    fs::write(at("back\\slash.toml"), "").expect("write");
    fs::write(at("not-utf-8.toml"), b"[rack.\xff]\n").expect("write");
    fs::create_dir(at(".hidden")).expect("a folder");
    fs::write(at(".hidden/a.toml"), "wrong").expect("write");
    fs::create_dir(at("inner")).expect("a folder");
    assert!(
        Command::new("git")
            .args(["init", "-q"])
            .arg(at("inner"))
            .status()
            .expect("git")
            .success()
    );
    let inner = |words: &[&str]| {
        let words = [&["-c", "user.name=A", "-c", "user.email=a@example.org"], words].concat();
        assert!(
            Command::new("git")
                .args(words)
                .current_dir(at("inner"))
                .status()
                .expect("git")
                .success()
        );
    };
    fs::write(at("inner/a.toml"), "[rack.other]\n").expect("write");
    inner(&["add", "."]);
    inner(&["commit", "-q", "-m", "x"]);

    let offline = told(folder.path());
    let expected = [
        ("M0001", "not-utf-8.toml"),
        ("M0015", "inner"),
        ("M0015", "nowhere.kdl"),
        ("M0015", "out.toml"),
        ("M0016", "r\u{e9}.toml"),
        ("M0016", "site.toml"),
        ("M0017", "\\xff.toml"),
        ("M0017", "back\\\\slash.toml"),
        ("M0017", "line\\n.toml"),
    ];
    let expected = expected.map(|(code, file)| (code.to_owned(), file.to_owned()));
    assert_eq!(offline, BTreeSet::from(expected));
    assert_eq!(told_of_a_commit(folder.path()), offline);
    // Where it was never fetched it is an empty folder; other empty folders are nothing.
    fs::remove_dir_all(at("inner")).expect("remove");
    fs::create_dir(at("inner")).expect("a folder");
    fs::create_dir(at("empty")).expect("a folder");
    assert_eq!(told(folder.path()), offline);
}

#[test]
fn what_no_git_holds_is_never_opened() {
    let folder = sound();
    let at = |name: &str| folder.path().join(name);
    for name in ["pipe.toml", "pipe", "user-data.yaml"] {
        mknodat(CWD, at(name), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    }
    let _socket = UnixListener::bind(at("socket.kdl")).expect("a socket");
    is_told(folder.path(), "M0015", "pipe.toml");
    is_told(folder.path(), "M0015", "socket.kdl");
}

#[test]
fn too_much_is_refused_alike() {
    let folder = sound();
    let mut deep = folder.path().to_owned();
    deep.extend(["d"; 40]);
    fs::create_dir_all(&deep).expect("folders");
    fs::write(deep.join("a.toml"), "").expect("write");
    let offline = told(folder.path());
    assert_eq!(offline.len(), 1, "{offline:?}");
    assert_eq!(told_of_a_commit(folder.path()), offline);

    let folder = sound();
    fs::File::create(folder.path().join("big.toml"))
        .and_then(|file| file.set_len(1 << 40))
        .expect("a file");
    fs::File::create(folder.path().join("big.img"))
        .and_then(|file| file.set_len(1 << 40))
        .expect("a file");
    is_told(folder.path(), "M0008", "big.toml");

    let folder = sound();
    for number in 0..17 {
        let file = fs::File::create(folder.path().join(format!("{number}.kdl")));
        file.and_then(|file| file.set_len(4 << 20)).expect("a file");
    }
    is_refused(folder.path());
    assert_eq!(told_of_a_commit(folder.path()), told(folder.path()));
}

#[test]
fn more_files_than_a_fleet_has_are_refused() {
    let folder = sound();
    for number in 0..20_000 {
        fs::File::create(folder.path().join(format!("{number}.toml"))).expect("a file");
    }
    is_refused(folder.path());
    // Nothing is shown of it either.
    let output = limited(&[
        "show",
        "machine",
        "--folder",
        &folder.path().display().to_string(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn nothing_is_fixed_while_a_file_is_missing() {
    let folder = fleet("[rack.r9]\nagents = [\"a\"]\nunitz = 42\n");
    symlink("nowhere", folder.path().join("out.toml")).expect("a link");
    let before = fs::read(folder.path().join("more.toml")).expect("the file");
    let output = limited(&["check", "--fix", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("nothing is fixed"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(
        fs::read(folder.path().join("more.toml")).expect("the file"),
        before
    );
}
