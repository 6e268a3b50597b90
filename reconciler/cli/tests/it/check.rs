//! `muster check` in every form, with its exit codes, and what `--fix` writes and does not write.

use super::{document, muster, says, text};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use tempfile::TempDir;

/// A fleet that is right but for these lines.
pub(crate) fn fleet(more: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    says(&["init", &folder.path().display().to_string()], 0);
    fs::write(folder.path().join("more.toml"), more).expect("write");
    folder
}

fn check(folder: &TempDir, words: &[&str], code: i32) -> String {
    let path = folder.path().display().to_string();
    says(&[&["check", &path], words].concat(), code)
}

fn read(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join(file)).expect("a file")
}

const RIGHT: &str = "[zone.z1]\n";
/// A storage layout with a selector that nothing uses, which is warned of.
const WARNED: &str = "[storage.s]
select.os = {}
select.spare = {}
partition = [
    { id = \"bios\", on = \"os\", size = \"1MiB\", type = \"bios\" },
    { id = \"esp\", on = \"os\", size = \"512MiB\", type = \"esp\" },
    { id = \"root\", on = \"os\", size = \"rest\" },
]
filesystem = [
    { on = \"esp\", type = \"vfat\", mount = \"/boot/efi\" },
    { on = \"root\", type = \"ext4\", mount = \"/\" },
]
";
const WRONG: &str = "[zone.z1]\ndescriptoin = \"x\"\n";
const FORMATS: [&str; 7] = ["human", "plain", "json", "sarif", "github", "gitlab", "junit"];

#[test]
fn the_exit_code_is_the_same_in_every_form() {
    let (right, warned, wrong) = (fleet(RIGHT), fleet(WARNED), fleet(WRONG));
    for format in FORMATS {
        let form = ["--format", format];
        let strict = ["--format", format, "--deny", "warnings"];
        check(&right, &form, 0);
        check(&right, &strict, 0);
        check(&warned, &form, 0);
        check(&warned, &strict, 2);
        check(&wrong, &form, 1);
        check(&wrong, &strict, 1);
    }
    let path = right.path().display().to_string();
    for words in [
        &["check", "--format", "xml", &path][..],
        &["check", "--diff", &path],
        &["check", "--fix", "--changed-since", "main", &path],
        &["check", "--deny", "errors", &path],
        &["check", "--fix", "--diff", "--format", "junit", &path],
        &["check", "--changed-since", "main", &path],
    ] {
        assert_eq!(muster(words).status.code(), Some(64), "{words:?}");
    }
    assert_eq!(muster(&["check", "/nowhere/at/all"]).status.code(), Some(1));
}

#[test]
fn each_form_is_what_it_says() {
    let wrong = fleet(WRONG);
    let json = document(&check(&wrong, &["--format", "json"], 1));
    assert_eq!(json["format"], "muster.diagnostics/1.0");
    let sarif = document(&check(&wrong, &["--format", "sarif"], 1));
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "M0002");
    let gitlab = document(&check(&wrong, &["--format", "gitlab"], 1));
    assert_eq!(gitlab[0]["check_name"], "M0002");
    let github = check(&wrong, &["--format", "github"], 1);
    assert!(github.starts_with("::error file="), "{github}");
    assert_eq!(github.lines().count(), 1, "nothing but commands: {github}");
    for ascii in [&[][..], &["--ascii"]] {
        let junit = check(&wrong, &[&["--format", "junit"], ascii].concat(), 1);
        let junit = roxmltree::Document::parse(&junit).expect("XML");
        let suite = junit.root_element().first_element_child().expect("a suite");
        assert_eq!(suite.attribute("failures"), Some("1"));
    }
}

/// What a forge shows beside a line must name the file as the forge does.
#[test]
fn files_are_named_from_the_root_of_the_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("fleets/lab")).expect("folders");
    fs::create_dir(folder.path().join(".git")).expect("what a repository has");
    fs::write(folder.path().join("fleets/lab/more.toml"), WRONG).expect("write");
    let path = folder.path().join("fleets/lab").display().to_string();
    let file = folder.path().join("out.sarif");
    let github = says(
        &[
            "check",
            "--format",
            "github",
            "--sarif",
            &file.display().to_string(),
            &path,
        ],
        1,
    );
    assert!(github.contains("file=fleets/lab/more.toml,line=2,"), "{github}");
    let sarif = document(&fs::read_to_string(&file).expect("the SARIF file"));
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "fleets/lab/more.toml");
}

#[test]
fn what_is_safe_is_written_and_told() {
    let folder = fleet(WRONG);
    let before = check(&folder, &[], 1);
    assert!(
        before.ends_with("\n1 can be put right by muster check --fix\n"),
        "{before}"
    );
    let file = folder.path().join("more.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    let names = || fs::read_dir(folder.path()).expect("the folder").count();
    let there = names();
    let said = check(&folder, &["--fix"], 0);
    assert!(
        said.starts_with("fixed more.toml:2:1 M0002: replace with `description`\nfleet lab:"),
        "{said}"
    );
    assert_eq!(
        read(&folder, "more.toml"),
        WRONG.replace("descriptoin", "description")
    );
    let mode = fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(names(), there, "nothing is left behind");
    // A second time there is nothing to do, and nothing is touched.
    let before = fs::metadata(&file).expect("the file").modified().expect("a time");
    assert!(!check(&folder, &["--fix"], 0).contains("fixed"));
    assert_eq!(
        fs::metadata(&file).expect("the file").modified().expect("a time"),
        before
    );
}

#[test]
fn what_is_left_decides_how_it_ends() {
    let folder = fleet(&format!("{WRONG}[machine.m1]\nrack = \"gone\"\n"));
    let said = document(&check(&folder, &["--fix", "--format", "json"], 1));
    assert_eq!(said["fixed"][0]["line"], 2);
    assert_eq!(said["summary"]["errors"], 1);
    // What a forge reads holds nothing else.
    let folder = fleet(WRONG);
    assert_eq!(check(&folder, &["--fix", "--format", "github"], 0), "");
}

#[test]
fn a_diff_is_printed_and_nothing_written() {
    let folder = fleet(WRONG);
    for word in ["--diff", "--dry-run"] {
        let diff = check(&folder, &["--fix", word], 1);
        assert_eq!(
            diff,
            "--- a/more.toml\n+++ b/more.toml\n@@ -1,2 +1,2 @@\n [zone.z1]\n-descriptoin = \"x\"\n+description = \"x\"\n"
        );
    }
    assert_eq!(read(&folder, "more.toml"), WRONG);
    let said = document(&check(&folder, &["--fix", "--diff", "--format", "json"], 1));
    assert_eq!(said["fixes"], 1);
    assert_eq!(check(&fleet(RIGHT), &["--fix", "--diff"], 0), "");
    // No name of a file ends before its end; those that would end their line are not read at all (M0017).
    let odd = "+++ b-\"é.toml";
    fs::write(folder.path().join(odd), WRONG.replace("z1", "z2")).expect("write");
    let diff = check(&folder, &["--fix", "--diff"], 1);
    assert!(diff.starts_with("--- \"a/+++ b-\\\"é.toml\"\n"), "{diff}");
    let mut apply = std::process::Command::new("git")
        .args(["apply", "-"])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut input = apply.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, diff.as_bytes()).expect("git reads");
    drop(input);
    assert!(apply.wait().expect("git ends").success());
    assert!(read(&folder, odd).contains("description") && read(&folder, "more.toml").contains("description"));
}

#[test]
fn nothing_is_written_through_a_link() {
    let (folder, other) = (fleet(RIGHT), fleet(WRONG));
    let target = other.path().join("more.toml");
    symlink(&target, folder.path().join("linked.toml")).expect("a link");
    symlink(other.path(), folder.path().join("linked")).expect("a link");
    let said = check(&folder, &["--fix"], 1);
    assert!(said.contains("M0015") && !said.contains("fixed"), "{said}");
    assert_eq!(fs::read_to_string(&target).expect("the file"), WRONG);
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    // Where even root may not write.
    let output = muster(&["check", "--fix", "/proc/self/attr"]);
    assert_ne!(output.status.code(), Some(101), "{}", text(&output.stderr));
    let folder = fleet(WRONG);
    let twice = "[zone.z2]\ndescription = \"a\"\ndescriptio = \"b\"\n";
    fs::write(folder.path().join("twice.toml"), twice).expect("write");
    let output = muster(&["check", "--fix", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.starts_with("twice.toml stays as it is"), "{said}");
    assert_eq!(read(&folder, "twice.toml"), twice);
}

#[test]
fn a_warning_is_allowed_with_a_reason() {
    let allowed = WARNED.replace(
        "select.spare",
        "# muster: allow M0404 for the summer\nselect.spare",
    );
    let folder = fleet(&allowed);
    check(&folder, &["--deny", "warnings"], 0);
    // Once nothing is wrong there, the comment is.
    let unused = allowed.replace("select.spare = {}\n", "");
    fs::write(folder.path().join("more.toml"), unused).expect("write");
    let said = check(&folder, &["--deny", "warnings"], 2);
    assert!(said.contains("M0011"), "{said}");
    check(&folder, &["--deny", "warnings", "--fix"], 0);
    assert!(!read(&folder, "more.toml").contains("muster:"));
    let bare = allowed.replace(" for the summer", "");
    fs::write(folder.path().join("more.toml"), bare).expect("write");
    let said = check(&folder, &[], 1);
    assert!(said.contains("M0012") && said.contains("M0404"), "{said}");
}

#[test]
fn the_example_has_nothing_to_fix() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/one-machine/toml");
    let example = example.display().to_string();
    assert_eq!(says(&["check", "--fix", "--diff", &example], 0), "");
}
