//! The process that a scratch directory belongs to, written into names and read back from them.
//!
//! A pid alone names nothing, since it is used again, and each container counts its own; pid namespace, pid and
//! start time together name one process of one boot.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// What the names of all scratch directories and of their namespaces begin with.
const PREFIX: &str = "muster-test-";

/// Fields of `/proc/PID/stat` after the name, counted from the state (proc(5) field 3).
const STATE: usize = 0;
const STARTED: usize = 19;

/// A process that makes scratch directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Inode of its pid namespace.
    namespace: u64,
    pid: u32,
    /// Ticks from the host's boot to its start.
    started: u64,
}

impl Owner {
    /// This process.
    pub(crate) fn this() -> Self {
        let pid = std::process::id();
        Self {
            namespace: pid_namespace(),
            pid,
            started: started(pid).expect("this process is in /proc"),
        }
    }

    /// The name of its directory with this number.
    pub(crate) fn name(self, number: u32) -> String {
        let Self {
            namespace,
            pid,
            started,
        } = self;
        format!("{PREFIX}{namespace:x}-{pid}-{started}-{number}")
    }

    /// Whose it is, and the directory's name, when `name` is that of a scratch directory or of a namespace that
    /// goes with one.
    pub(crate) fn read(name: &str) -> Option<(Self, String)> {
        let mut words = name.strip_prefix(PREFIX)?.splitn(5, '-');
        let owner = Self {
            namespace: u64::from_str_radix(words.next()?, 16).ok()?,
            pid: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        };
        let number = words.next()?.parse().ok()?;
        Some((owner, owner.name(number)))
    }

    /// Whether it was a process that we would see, and is none any more.
    pub(crate) fn is_gone(self) -> bool {
        self.namespace == pid_namespace() && started(self.pid) != Some(self.started)
    }
}

fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |data| data.ino())
}

/// When the process started; nothing once it has ended, even if nobody has waited for it.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may itself hold spaces and parentheses.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let has_ended = matches!(*fields.get(STATE)?, "Z" | "X");
    if has_ended {
        return None;
    }
    fields.get(STARTED)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is() {
        let this = Owner::this();
        let directory = this.name(7);
        assert_eq!(Owner::read(&directory), Some((this, directory.clone())));
        assert_eq!(
            Owner::read(&format!("{directory}-client")),
            Some((this, directory))
        );
        for other in [
            "muster-5f01aa-1c2",
            "muster-test-",
            "muster-test-f0-1-2",
            "muster-test-f0-x-2-0",
            "lab",
        ] {
            assert_eq!(Owner::read(other), None, "{other}");
        }
    }

    #[test]
    fn an_owner_is_gone_when_its_pid_is_nobodys_or_anothers() {
        let this = Owner::this();
        assert!(!this.is_gone());
        let before = Owner {
            started: this.started - 1,
            ..this
        };
        assert!(before.is_gone(), "its pid is used again");
        let elsewhere = Owner {
            namespace: 1,
            ..before
        };
        assert!(
            !elsewhere.is_gone(),
            "another container's pids are not ours to judge"
        );
        let mut ended = std::process::Command::new("true")
            .spawn()
            .expect("true is a program");
        let child = Owner {
            pid: ended.id(),
            started: started(ended.id()).unwrap_or(0),
            ..this
        };
        ended.wait().expect("it was our child");
        assert!(child.is_gone());
    }
}
