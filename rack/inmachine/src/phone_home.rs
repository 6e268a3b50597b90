//! The installed system's word that it runs, by the same program that installed it: so the disk
//! under the root has the same identity before and after.

use crate::console::chain;
use crate::disk;
use crate::rack::{CallError, Rack};
use crate::sysfs::Sysfs;
use rack_api::machine::PhoneHome;
use schema_ids::{BindingId, MachineId, Uuid};
use serde::{Deserialize, Serialize};

/// Where this program is put in the installed system.
pub const PROGRAM: &str = "/usr/lib/muster/muster-inmachine";

/// Where its configuration is put.
pub const CONFIG: &str = "/etc/muster/phone-home.json";

/// Whom to tell, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneHomeConfig {
    /// The rack agent: `http://`, address and port.
    pub server: String,
    /// Valid for this machine and binding.
    pub token: String,
    /// The machine.
    pub machine: MachineId,
    /// The binding.
    pub binding: BindingId,
}

/// Why the word did not get through; the unit tries again.
#[derive(Debug, thiserror::Error)]
pub enum PhoneHomeError {
    /// The configuration is not there.
    #[error("cannot read {CONFIG}")]
    NoConfig,
    /// It is not ours.
    #[error("cannot understand {CONFIG}")]
    BadConfig(#[source] serde_json::Error),
    /// The kernel does not tell its boot id.
    #[error("the kernel has no boot id")]
    NoBootId,
    /// The rack agent did not take it.
    #[error("the rack agent did not take it")]
    Call(#[source] CallError),
}

/// Says it once.
///
/// # Errors
/// It was not heard.
pub fn phone_home(sysfs: &Sysfs) -> Result<(), PhoneHomeError> {
    let text = sysfs
        .text(CONFIG.trim_start_matches('/'))
        .ok_or(PhoneHomeError::NoConfig)?;
    let config: PhoneHomeConfig = serde_json::from_str(&text).map_err(PhoneHomeError::BadConfig)?;
    let root = root_device(sysfs);
    let word = PhoneHome {
        token: config.token,
        machine: config.machine,
        binding: config.binding,
        boot_id: boot_id(sysfs).ok_or(PhoneHomeError::NoBootId)?,
        root_disk: root.as_ref().and_then(|(device, _)| {
            let name = disk::beneath(sysfs, device)?;
            let mut disks = disk::find_all(sysfs).into_iter();
            disks.find(|disk| disk.name == name)?.id
        }),
        root_device: root.map(|(_, source)| source).unwrap_or_default(),
    };
    // Who is called deployed survives a power cut: host keys and settings of the first boot are on the disk.
    rustix::fs::sync();
    Rack::new(&config.server, "")
        .phone_home(&word)
        .map_err(PhoneHomeError::Call)
}

/// The same for `main`: the exit status, with the reason on standard error for the journal.
///
/// First all that the system has written so far goes to the disk. From the word on somebody counts on the
/// system, and a power cut soon after its first boot would leave it with empty host keys, which cloud-init
/// makes once: ext4 and xfs may keep a new file's bytes in memory for half a minute.
pub fn run() -> std::process::ExitCode {
    rustix::fs::sync();
    match phone_home(&Sysfs::live()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            crate::say!("{}", chain(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// This boot's id.
pub fn boot_id(sysfs: &Sysfs) -> Option<Uuid> {
    sysfs.number("proc/sys/kernel/random/boot_id")
}

/// The root filesystem's device as `major:minor`, and its source in words (proc_pid_mountinfo(5)).
fn root_device(sysfs: &Sysfs) -> Option<(String, String)> {
    let text = sysfs.text("proc/self/mountinfo")?;
    // Of several mounts on the root the last is on top.
    text.lines().rev().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let fields: Vec<&str> = mount.split(' ').collect();
        let is_root = fields.get(4) == Some(&"/");
        is_root.then(|| {
            let source = source.split(' ').nth(1).unwrap_or_default();
            (fields[2].to_owned(), source.to_owned())
        })
    })
}
