//! One run of the rig: its directory, its namespace's name and the ledger of its processes.
//!
//! Everything a run makes is under its directory or in its namespace, and each process that it starts is
//! written to the ledger first. So a run whose harness was killed can be found and cleared away later by
//! anyone: the ledger's first line is the harness, and if that process is gone the run is stale.

use crate::error::{Result, failed};
use crate::process_table;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where runs live. Short: the paths of unix sockets in it must fit in 107 bytes.
pub(crate) const RUNS: &str = "/var/lib/muster-vrack";

/// What namespaces of runs begin with; the run's id follows.
const NAMESPACE_PREFIX: &str = "muster-";

/// What follows the name of a run's namespace in that of its second host's. No run's id ends like this.
const BESIDE: &str = "-beside";

/// What the ledger calls a machine's QEMU; the machine's name follows.
pub(crate) const QEMU_PREFIX: &str = "qemu-";

/// Failed runs that are kept for reading; older ones go, since each may hold a gigabyte of disk image.
const KEPT_MAX: usize = 2;

/// A run by its directory.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    directory: PathBuf,
}

/// A process that the run started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) pid: u32,
    pub(crate) started: u64,
    pub(crate) name: String,
}

impl Recorded {
    pub(crate) fn runs(&self) -> bool {
        process_table::runs(self.pid, self.started)
    }
}

impl Run {
    /// Makes a new run that belongs to this process.
    pub(crate) fn create() -> Result<Run> {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let id = format!("{:x}-{:x}", seconds & 0xff_ffff, std::process::id());
        let run = Run {
            directory: Path::new(RUNS).join(id),
        };
        fs::create_dir_all(run.path("run")).map_err(failed("make the run's directory"))?;
        run.record("harness", std::process::id())?;
        Ok(run)
    }

    /// The run in this directory.
    pub(crate) fn at(directory: PathBuf) -> Run {
        Run { directory }
    }

    /// All runs on this host.
    pub(crate) fn all() -> Vec<Run> {
        let entries = fs::read_dir(RUNS).into_iter().flatten().flatten();
        let mut runs: Vec<Run> = entries
            .filter(|entry| entry.path().join("run").is_dir())
            .map(|entry| Run::at(entry.path()))
            .collect();
        runs.sort_by(|one, other| one.directory.cmp(&other.directory));
        runs
    }

    /// Held while runs are made or cleared away, so that nobody clears a run that is just being made.
    pub(crate) fn lock() -> Result<File> {
        fs::create_dir_all(RUNS).map_err(failed(format!("make {RUNS}")))?;
        let file = File::create(Path::new(RUNS).join("lock")).map_err(failed("open the lock of the runs"))?;
        file.lock().map_err(failed("lock the runs"))?;
        Ok(file)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.join(below)
    }

    /// The name of its network namespace.
    pub(crate) fn namespace(&self) -> String {
        let id = self
            .directory
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        format!("{NAMESPACE_PREFIX}{}", id.unwrap_or_default())
    }

    /// The name of the network namespace of a second rack agent's host, if the run has one.
    pub(crate) fn namespace_beside(&self) -> String {
        self.namespace() + BESIDE
    }

    /// Both names.
    pub(crate) fn namespaces(&self) -> [String; 2] {
        [self.namespace(), self.namespace_beside()]
    }

    /// The run that a namespace of this name belongs to; none when the name is not one of ours.
    pub(crate) fn of_namespace(name: &str) -> Option<Run> {
        let id = name.strip_prefix(NAMESPACE_PREFIX)?;
        let id = id.strip_suffix(BESIDE).unwrap_or(id);
        let (seconds, pid) = id.split_once('-')?;
        let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hexadecimal(seconds) && hexadecimal(pid)).then(|| Run::at(Path::new(RUNS).join(id)))
    }

    /// Writes a process to the ledger.
    pub(crate) fn record(&self, name: &str, pid: u32) -> Result<()> {
        // A process that has already ended needs no clearing away.
        let Some(status) = process_table::status(pid) else {
            return Ok(());
        };
        let mut ledger = File::options()
            .create(true)
            .append(true)
            .open(self.path("run/pids"))
            .map_err(failed("open the run's ledger"))?;
        writeln!(ledger, "{pid} {} {name}", status.started).map_err(failed("write the run's ledger"))
    }

    /// The ledger, oldest first.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let text = fs::read_to_string(self.path("run/pids")).unwrap_or_default();
        text.lines().filter_map(parse).collect()
    }

    /// Whether the process that made this run is gone.
    pub(crate) fn is_stale(&self) -> bool {
        !self.recorded().first().is_some_and(Recorded::runs)
    }

    /// Marks the run's files as worth reading; its processes and namespace go all the same.
    pub(crate) fn keep(&self) -> Result<()> {
        fs::write(self.path("run/kept"), "").map_err(failed("mark the run as kept"))
    }

    fn is_kept(&self) -> bool {
        self.path("run/kept").exists()
    }

    /// Removes the files, unless kept.
    pub(crate) fn remove_files(&self) -> Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        fs::remove_dir_all(&self.directory).map_err(failed(format!("remove {}", self.directory.display())))
    }

    /// Removes the files of all kept runs but the newest `KEPT_MAX`, or of all.
    pub(crate) fn forget_kept(all: bool) -> Result<()> {
        let mut kept: Vec<Run> = Run::all()
            .into_iter()
            .filter(|run| run.is_kept() && run.is_stale())
            .collect();
        kept.sort_by_key(|run| {
            fs::metadata(run.path("run/kept"))
                .and_then(|data| data.modified())
                .ok()
        });
        let spare = if all { 0 } else { KEPT_MAX };
        for run in kept.iter().rev().skip(spare) {
            fs::remove_dir_all(&run.directory)
                .map_err(failed(format!("remove {}", run.directory.display())))?;
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<Recorded> {
    let mut words = line.splitn(3, ' ');
    let pid = words.next()?.parse().ok()?;
    let started = words.next()?.parse().ok()?;
    Some(Recorded {
        pid,
        started,
        name: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_short_by_a_kill_is_passed_over() {
        let whole = Recorded {
            pid: 12,
            started: 99,
            name: "musterd".to_owned(),
        };
        assert_eq!(parse("12 99 musterd"), Some(whole));
        assert_eq!(parse("12 99"), None);
        assert_eq!(parse("12 "), None);
    }

    #[test]
    fn only_our_namespaces_have_a_run() {
        let run = Run::of_namespace("muster-5f01aa-1c2").expect("ours");
        assert_eq!(run.namespace(), "muster-5f01aa-1c2");
        let beside = Run::of_namespace("muster-5f01aa-1c2-beside").expect("ours too");
        assert_eq!(beside.directory(), run.directory());
        for other in [
            "muster-dhcp",
            "muster-",
            "muster-5f01aa-",
            "muster-5f01aa-beside",
            "rk1",
            "muster-x-1",
        ] {
            assert!(Run::of_namespace(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_run_is_stale_when_its_first_process_is_gone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let run = Run::at(directory.path().join("r"));
        fs::create_dir_all(run.path("run")).expect("make it");
        assert!(run.is_stale(), "no ledger");
        run.record("harness", std::process::id()).expect("record");
        assert!(!run.is_stale());
        fs::write(run.path("run/pids"), "1 18446744073709551615 harness\n").expect("write");
        assert!(run.is_stale(), "pid used again by another process");
    }
}
