//! Unpacks a real archive with the real tools.

use rack_inmachine::deploy::{UnpackError, unpack};
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A small root filesystem as `tar.zst`.
fn archive() -> Vec<u8> {
    let tree = tempfile::tempdir().unwrap();
    let path = |name: &str| tree.path().join(name);
    std::fs::create_dir_all(path("usr/bin")).unwrap();
    std::fs::write(path("usr/bin/su"), vec![7; 300_000]).unwrap();
    std::fs::set_permissions(path("usr/bin/su"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::hard_link(path("usr/bin/su"), path("usr/bin/su2")).unwrap();
    symlink("usr/bin", path("bin")).unwrap();
    std::fs::create_dir(path("tmp")).unwrap();
    std::fs::set_permissions(path("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    let output = Command::new("tar")
        .args([
            "--create",
            "--zstd",
            "--numeric-owner",
            "--mtime=@1000000000",
            "--file=-",
            "-C",
        ])
        .arg(tree.path())
        .arg(".")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn try_unpack(bytes: &[u8], into: &Path) -> Result<Digest, UnpackError> {
    unpack(&mut &bytes[..], into, |_| {})
}

#[test]
fn everything_is_there_and_the_digest_is_of_what_came() {
    let archive = archive();
    let target = tempfile::tempdir().unwrap();
    let mut blocks = 0;
    let digest = unpack(&mut archive.as_slice(), target.path(), |_| blocks += 1).unwrap();
    assert_eq!(digest, Digest(Sha256::digest(&archive).into()));
    assert!(blocks > 0);
    let stat = |name: &str| std::fs::symlink_metadata(target.path().join(name)).unwrap();
    assert_eq!(stat("usr/bin/su").mode() & 0o7777, 0o4755);
    assert_eq!(stat("usr/bin/su").ino(), stat("usr/bin/su2").ino());
    assert_eq!(stat("usr/bin/su").mtime(), 1_000_000_000);
    assert!(stat("bin").is_symlink());
    assert_eq!(stat("tmp").mode() & 0o7777, 0o1777);
}

#[test]
fn a_torn_archive_fails() {
    let archive = archive();
    let target = tempfile::tempdir().unwrap();
    let error = try_unpack(&archive[..archive.len() / 2], target.path()).unwrap_err();
    assert!(matches!(error, UnpackError::Tar { .. }), "{error:?}");
}

#[test]
fn something_else_fails() {
    let target = tempfile::tempdir().unwrap();
    // More than a pipe holds, so that tar is gone while it is still being fed.
    let error = try_unpack(&vec![b'x'; 4 << 20], target.path()).unwrap_err();
    assert!(matches!(error, UnpackError::Tar { .. }), "{error:?}");
}

#[test]
fn trailing_bytes_change_the_digest() {
    let mut archive = archive();
    let whole = try_unpack(&archive, tempfile::tempdir().unwrap().path()).unwrap();
    // A skippable frame: zstd passes over it (RFC 8878 §3.1.2).
    archive.extend([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0]);
    let longer = try_unpack(&archive, tempfile::tempdir().unwrap().path()).unwrap();
    assert_ne!(whole, longer);
}
