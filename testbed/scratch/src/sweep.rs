//! Clears away what tests left whose process is gone: the programs they started, their namespaces, mounts and loop
//! devices, then their directories.
//!
//! Works from names, `/proc` and `/sys` alone, and ends whatever works in such a directory or stands in such a
//! namespace, since nothing but a test's programs has business there. Whoever is not root clears only what is theirs. Two sweeps at once take
//! turns at each directory.

use crate::owner::Owner;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Where `ip netns` keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";

/// Postgres writes its checkpoint after a polite request; a loaded disk takes seconds for one.
const STOP_MAX: Duration = Duration::from_secs(15);

/// After SIGKILL only the kernel's own work remains.
const KILL_MAX: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One scratch directory whose owner is gone, and the namespaces that go with it.
#[derive(Debug)]
struct Left {
    directory: PathBuf,
    namespaces: BTreeSet<String>,
}

/// Clears away all that killed tests left; says what it did.
///
/// # Errors
/// A process does not end, or something cannot be unmounted or removed; the rest is cleared away all the same.
pub fn sweep() -> Result<Vec<String>, String> {
    let (mut did, mut failures) = (Vec::new(), Vec::new());
    for left in all_left() {
        did.push(format!(
            "clearing away {}, left by a test that was killed",
            left.directory.display()
        ));
        if let Err(reason) = left.clear() {
            failures.push(reason);
        }
    }
    if failures.is_empty() {
        Ok(did)
    } else {
        Err(failures.join("\n"))
    }
}

fn all_left() -> Vec<Left> {
    let (user, temporary) = (crate::user(), crate::temporary());
    let stale = |name: &str| {
        let (owner, directory) = Owner::read(name)?;
        let path = temporary.join(&directory);
        let is_ours = match fs::symlink_metadata(&path) {
            // Neither a link by our name nor a stranger's directory, unless we are root.
            Ok(data) => data.is_dir() && (user == 0 || data.uid() == user),
            // Only namespaces were left.
            Err(_) => user == 0,
        };
        (is_ours && owner.is_gone()).then_some(path)
    };
    let mut all: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for path in names_in(&temporary).filter_map(|name| stale(&name)) {
        all.entry(path).or_default();
    }
    for name in names_in(Path::new(NAMESPACES)) {
        if let Some(path) = stale(&name) {
            all.entry(path).or_default().insert(name);
        }
    }
    all.into_iter()
        .map(|(directory, namespaces)| Left {
            directory,
            namespaces,
        })
        .collect()
}

fn names_in(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

impl Left {
    fn clear(&self) -> Result<(), String> {
        // Held until the end; without a directory only its namespaces were left.
        let turn = File::open(&self.directory).ok();
        if let Some(Err(error)) = turn.as_ref().map(File::lock) {
            return Err(format!("cannot lock {}: {error}", self.directory.display()));
        }
        self.end_processes()?;
        for namespace in self
            .namespaces
            .iter()
            .filter(|name| namespace_file(name).exists())
        {
            run("ip", &["netns", "delete", namespace])?;
        }
        // One that is mounted is free when it is unmounted.
        for device in loop_devices_below(&self.directory) {
            run("losetup", &["--detach", &device.to_string_lossy()])?;
        }
        let table = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| format!("cannot read the mount table: {error}"))?;
        for point in mounts_below(&table, &self.directory) {
            run("umount", &["--lazy", &point.to_string_lossy()])?;
        }
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", self.directory.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn end_processes(&self) -> Result<(), String> {
        for (signal, patience) in [("TERM", STOP_MAX), ("KILL", KILL_MAX)] {
            self.signal(signal);
            let until = Instant::now() + patience;
            while !self.processes().is_empty() && Instant::now() < until {
                thread::sleep(LOOK_EVERY);
            }
        }
        let living = self.processes();
        if living.is_empty() {
            return Ok(());
        }
        Err(format!(
            "processes {living:?} of {} do not end, even by SIGKILL",
            self.directory.display()
        ))
    }

    fn signal(&self, signal: &str) {
        let pids: Vec<String> = self.processes().iter().map(u32::to_string).collect();
        if pids.is_empty() {
            return;
        }
        // The shell's own `kill`: the program is in a package that may be missing. Who has ended by itself in the
        // meantime makes it fail, and who did not is seen by the wait that follows.
        let _ = Command::new("sh")
            .args(["-c", "kill -s \"$@\" 2>&-", "sh", signal])
            .args(pids)
            .status();
    }

    /// Those that work in the directory or stand in one of the namespaces.
    fn processes(&self) -> Vec<u32> {
        let identity = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
        let namespaces: Vec<_> = self
            .namespaces
            .iter()
            .filter_map(|name| identity(&namespace_file(name)))
            .collect();
        let belongs = |pid: &u32| {
            let process = Path::new("/proc").join(pid.to_string());
            let works_there =
                fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.directory));
            works_there || identity(&process.join("ns/net")).is_some_and(|its| namespaces.contains(&its))
        };
        let pids = names_in(Path::new("/proc")).filter_map(|name| name.parse().ok());
        pids.filter(|pid| *pid != std::process::id())
            .filter(belongs)
            .collect()
    }
}

fn namespace_file(name: &str) -> PathBuf {
    Path::new(NAMESPACES).join(name)
}

/// Mount points at and below a directory, last mounted first (proc(5): the fifth field; space, tab, newline and
/// backslash are octal escapes, which no path of ours contains).
pub fn mounts_below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(directory)).collect();
    below.reverse();
    below
}

/// Loop devices on files below a directory.
pub fn loop_devices_below(directory: &Path) -> Vec<PathBuf> {
    let is_below = |device: &String| {
        let backing = Path::new("/sys/block").join(device).join("loop/backing_file");
        fs::read_to_string(backing).is_ok_and(|path| Path::new(path.trim_end()).starts_with(directory))
    };
    let devices = names_in(Path::new("/sys/block")).filter(is_below);
    devices.map(|device| Path::new("/dev").join(device)).collect()
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_undone_in_reverse_and_neighbours_stay() {
        let table = "1 0 8:1 / / rw - ext4 /dev/vda rw\n\
                     2 1 0:5 / /tmp/a rw - tmpfs t rw\n\
                     3 2 0:6 / /tmp/a/b rw - proc p rw\n\
                     4 1 0:7 / /tmp/ab rw - tmpfs t rw\n";
        let expected = vec![PathBuf::from("/tmp/a/b"), PathBuf::from("/tmp/a")];
        assert_eq!(mounts_below(table, Path::new("/tmp/a")), expected);
    }
}
