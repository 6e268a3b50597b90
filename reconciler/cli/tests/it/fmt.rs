//! `muster fmt`: it writes what it names, nothing else, and says so before and after.

use super::{document, muster, says, text};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

const UGLY: &str = "[rack.r1]\nunits=42 # tall\n";
const NICE: &str = "[rack.r1]\nunits = 42 # tall\n";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("write");
    }
    folder
}

fn read(folder: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("the file")
}

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().display().to_string()
}

#[test]
fn it_writes_what_is_not_as_it_shall_be() {
    let files = [
        ("a.toml", UGLY),
        ("b/c.toml", NICE),
        (".hidden/d.toml", UGLY),
        ("e.txt", UGLY),
    ];
    let folder = folder(&files);
    fs::set_permissions(folder.path().join("a.toml"), fs::Permissions::from_mode(0o640)).expect("chmod");
    symlink(folder.path().join("e.txt"), folder.path().join("f.toml")).expect("a link");
    let said = says(&["fmt", "--check", &path(&folder)], 1);
    assert_eq!(said, format!("{}/a.toml\n", path(&folder)));
    let said = says(&["fmt", "--diff", &path(&folder)], 0);
    assert!(said.contains("-units=42 # tall\n+units = 42 # tall\n"), "{said}");
    assert_eq!(read(&folder, "a.toml"), UGLY);
    let said = document(&says(&["--json", "fmt", &path(&folder)], 0));
    assert_eq!(said["files"], 2);
    assert_eq!(said["changes"][0]["file"], format!("{}/a.toml", path(&folder)));
    assert_eq!(read(&folder, "a.toml"), NICE);
    let mode = fs::metadata(folder.path().join("a.toml"))
        .expect("it")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(says(&["fmt", "--check", &path(&folder)], 0), "");
    // Neither what is hidden, nor what is no fleet file, nor what a link points to.
    assert_eq!(read(&folder, ".hidden/d.toml"), UGLY);
    assert_eq!(read(&folder, "e.txt"), UGLY);
    let link = folder.path().join("f.toml").display().to_string();
    says(&["fmt", &link], 1);
    assert_eq!(
        fs::read_dir(folder.path()).expect("it").count(),
        5,
        "nothing is left over"
    );
}

#[test]
fn only_what_check_reads_is_formatted() {
    let marker = "[muster]\nschema = 1\ninclude = [\"site/*\"]\n";
    let folder = folder(&[
        ("muster.toml", marker),
        ("Cargo.toml", "[package]\nname='other'\n"),
        ("site/a.toml", UGLY),
    ]);
    says(&["fmt", &path(&folder)], 0);
    assert_eq!(read(&folder, "site/a.toml"), NICE);
    assert_eq!(read(&folder, "Cargo.toml"), "[package]\nname='other'\n");
}

#[test]
fn what_cannot_be_read_is_told_and_left() {
    let broken = "[rack.r1]\nunits = forty-two\n";
    let folder = folder(&[("a.toml", broken), ("b.toml", UGLY)]);
    let output = muster(&["fmt", &path(&folder)]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("a.toml:2:9") && said.contains("M0001"), "{said}");
    assert_eq!(read(&folder, "a.toml"), broken);
    assert_eq!(read(&folder, "b.toml"), NICE);
}

/// Copies an example that is written in this syntax.
fn example(syntax: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/one-rack")
        .join(syntax);
    let copied = Command::new("cp")
        .args(["--recursive", "--no-target-directory"])
        .args([from.as_path(), folder.path()])
        .status()
        .expect("cp starts");
    assert!(copied.success());
    folder
}

#[test]
fn a_repository_changes_its_syntax_and_says_the_same() {
    for (from, to) in [("toml", "kdl"), ("kdl", "toml")] {
        let folder = example(from);
        let said = says(&["check", &path(&folder)], 0);
        let old = folder.path().join(format!("site/ams1.{from}"));
        let new = folder.path().join(format!("site/ams1.{to}"));
        let shown = says(&["fmt", "--to", to, "--check", &path(&folder)], 1);
        assert!(
            shown.contains(&format!("{} -> {}", old.display(), new.display())),
            "{shown}"
        );
        assert!(old.exists() && !new.exists());
        says(&["fmt", "--to", to, &path(&folder)], 0);
        assert!(new.exists() && !old.exists());
        assert_eq!(says(&["check", &path(&folder)], 0), said);
        assert_eq!(says(&["fmt", "--check", "--to", to, &path(&folder)], 0), "");
        // And back: it is the example, but for blank lines.
        says(&["fmt", "--to", from, &path(&folder)], 0);
        assert_eq!(says(&["check", &path(&folder)], 0), said);
    }
}

#[test]
fn nothing_is_converted_over_another_file() {
    let folder = folder(&[("a.toml", NICE), ("a.kdl", "rack r2\n"), ("b.toml", UGLY)]);
    let output = muster(&["fmt", "--to", "kdl", &path(&folder)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("a.kdl is in the way of"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(read(&folder, "a.toml"), NICE);
    assert_eq!(read(&folder, "a.kdl"), "rack r2\n");
    assert_eq!(read(&folder, "b.toml"), UGLY);
}

#[test]
fn editors_format_by_standard_input() {
    let ask = |words: &[&str], input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("muster starts");
        let mut stdin = child.stdin.take().expect("its input");
        // A program that was called wrongly ends before it reads.
        if let Err(error) = stdin.write_all(input.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let toml = ["fmt", "--syntax", "toml", "-"];
    assert_eq!(ask(&toml, UGLY), (Some(0), NICE.to_owned(), String::new()));
    let kdl = ask(&["fmt", "--syntax", "toml", "--to", "kdl", "-"], UGLY);
    assert_eq!(kdl.1, "rack r1 {\n    units 42 // tall\n}\n");
    assert_eq!(ask(&["fmt", "--syntax", "toml", "--check", "-"], UGLY).0, Some(1));
    let (code, said, told) = ask(&toml, "[rack.r1\n");
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(told.contains("standard input:1"), "{told}");
    assert_eq!(ask(&["fmt", "-"], UGLY).0, Some(64));
}
