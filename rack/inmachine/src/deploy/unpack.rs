//! Unpacks an image while it arrives, and tells what arrived.
//!
//! `tar` and `zstd` do the unpacking, as separate processes: they know device nodes, hard links,
//! extended attributes and capabilities, and use other processors than this program does.

use crate::program;
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};

/// A pipe's usual capacity is a quarter of it; more saves nothing.
const BLOCK_BYTES: usize = 256 << 10;

/// `tar` may complain about every file; so much is kept.
const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

/// Why an image was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes stopped coming.
    #[error("the image stopped coming")]
    Read(#[source] io::Error),
    /// `tar` could not be run.
    #[error("cannot run tar")]
    NotRun(#[source] io::Error),
    /// `tar` could not be fed.
    #[error("cannot write to tar")]
    Write(#[source] io::Error),
    /// `tar` failed.
    #[error("tar failed ({status}): {complaint}")]
    Tar {
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it said.
        complaint: String,
    },
}

/// Unpacks a Zstandard-compressed tar from `source` into a directory and gives the digest of all
/// bytes of the source. After each block `told` may look at the source.
///
/// What is unpacked counts for nothing until the caller has compared the digest.
///
/// # Errors
/// The source failed, or `tar` did.
pub fn unpack<R: Read>(
    source: &mut R,
    into: &Path,
    mut told: impl FnMut(&mut R),
) -> Result<Digest, UnpackError> {
    let mut tar = program::command("tar")
        .args([
            "--extract",
            "--zstd",
            "--file=-",
            "--numeric-owner",
            "--same-owner",
        ])
        .args(["--preserve-permissions", "--xattrs", "--xattrs-include=*"])
        .arg("--directory")
        .arg(into)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(UnpackError::NotRun)?;
    // A tar that complains a lot must not wait for us while we wait for it.
    let complaints = tar.stderr.take().map(|stderr| {
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut stderr = stderr;
            let read = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut kept);
            let rest = io::copy(&mut stderr, &mut io::sink());
            // What was read before a failure is still worth saying.
            drop((read, rest));
            kept
        })
    });
    let fed = feed(source, &mut tar, &mut told);
    let status = tar.wait().map_err(UnpackError::NotRun)?;
    let complaint = complaints
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    match fed {
        // A broken pipe is the echo of tar's own failure.
        Err(UnpackError::Write(_)) | Ok(_) if !status.success() => Err(UnpackError::Tar {
            status,
            complaint: program::complaint(&complaint),
        }),
        other => other,
    }
}

/// Passes the source on to `tar`, then closes its input.
fn feed<R: Read>(
    source: &mut R,
    tar: &mut Child,
    told: &mut impl FnMut(&mut R),
) -> Result<Digest, UnpackError> {
    let mut input = tar.stdin.take().expect("the input was asked to be a pipe");
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let count = match source.read(&mut block) {
            Ok(0) => return Ok(Digest(digest.finalize().into())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UnpackError::Read(error)),
        };
        digest.update(&block[..count]);
        input.write_all(&block[..count]).map_err(UnpackError::Write)?;
        told(source);
    }
}
