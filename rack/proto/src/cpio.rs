//! An initrd archive in the kernel's `newc` form (Documentation/driver-api/early-userspace/buffer-format).
//!
//! Just enough for one directory of executables: it carries the in-machine agent beside the ephemeral
//! system, so that a new agent rebuilds no image. The archive's length is a multiple of 512, so that
//! whatever follows it in memory begins aligned.

/// One executable file of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Executable<'a> {
    /// Its name without a leading slash.
    pub name: &'a str,
    /// Its contents; less than 4 GiB by the format.
    pub contents: &'a [u8],
}

/// Regular file, `rwxr-xr-x`.
const MODE: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

/// Writes the archive; `None` if a file is too long for the format.
pub fn archive(files: &[Executable<'_>]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let inode = u32::try_from(index + 1).ok()?;
        entry(&mut out, inode, MODE, file.name, file.contents)?;
    }
    entry(&mut out, 0, 0, TRAILER, &[])?;
    pad(&mut out, 512);
    Some(out)
}

fn entry(out: &mut Vec<u8>, inode: u32, mode: u32, name: &str, contents: &[u8]) -> Option<()> {
    let size = u32::try_from(contents.len()).ok()?;
    let name_size = u32::try_from(name.len() + 1).ok()?;
    // inode, mode, uid, gid, links, mtime, size, device and its own device (major, minor), name, check.
    let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out, 4);
    out.extend_from_slice(contents);
    pad(out, 4);
    Some(())
}

fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}
