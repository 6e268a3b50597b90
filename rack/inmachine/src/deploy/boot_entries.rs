//! The firmware's boot entries (UEFI 2.10 §3.1): the network first, then the installed system.
//!
//! The boot order is muster's: a machine asks the rack first at every boot. The installed system also
//! stands at the path for removable media, so firmware that refuses an entry still boots it; a failure
//! here is said and is no failure of the step.

use super::error::{DeployError, running};
use super::owned_disk::OwnedDisk;
use crate::console::chain;
use crate::program;
use crate::say;
use rack_api::job::PartitionKind;
use std::time::Duration;

/// Writing a variable takes a board's flash up to some seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// What `efibootmgr` shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entries {
    /// The entry of this boot.
    current: Option<String>,
    /// The order.
    order: Vec<String>,
    /// Number and label of each entry.
    labels: Vec<(String, String)>,
}

/// Replaces the entries of this label by one per disk, right behind the entry that booted us.
pub(super) fn set(disks: &[&OwnedDisk<'_>], label: &str) {
    if std::fs::read_dir("/sys/firmware/efi/efivars").is_ok_and(|mut entries| entries.next().is_some()) {
        if let Err(error) = try_set(disks, label) {
            say!("the firmware does not take a boot entry: {}", chain(&error));
        }
    } else {
        say!("this boot has no EFI variables; the firmware will find the system by its default path");
    }
}

fn try_set(disks: &[&OwnedDisk<'_>], label: &str) -> Result<(), DeployError> {
    let manage = |arguments: &[&str]| {
        program::run("efibootmgr", arguments, "", LIMIT).map_err(running("manage the boot entries"))
    };
    for number in numbers_of(&parse(&manage(&[])?), label) {
        manage(&["--quiet", "--bootnum", &number, "--delete-bootnum"])?;
    }
    let loader = format!("\\EFI\\{label}\\grubx64.efi");
    for disk in disks {
        let node = disk.node()?;
        let esp = disk
            .plan()
            .partitions
            .iter()
            .find(|partition| partition.kind == PartitionKind::Esp);
        let Some(number) = esp.map(|partition| partition.number.to_string()) else {
            continue;
        };
        manage(&[
            "--quiet",
            "--create-only",
            "--disk",
            &node,
            "--part",
            &number,
            "--label",
            label,
            "--loader",
            &loader,
        ])?;
    }
    let entries = parse(&manage(&[])?);
    let order = network_first(&entries, &numbers_of(&entries, label)).join(",");
    manage(&["--quiet", "--bootorder", &order]).map(|_| ())
}

fn parse(text: &str) -> Entries {
    let mut entries = Entries::default();
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("BootCurrent: ") {
            entries.current = Some(number.trim().to_owned());
        } else if let Some(order) = line.strip_prefix("BootOrder: ") {
            entries.order = order.trim().split(',').map(str::to_owned).collect();
        } else if let Some(entry) = line.strip_prefix("Boot")
            && let Some((number, rest)) = entry.split_at_checked(4)
            && number.chars().all(|c| c.is_ascii_hexdigit())
            && let Some(label) = rest.strip_prefix("* ").or_else(|| rest.strip_prefix("  "))
        {
            let label = label.split('\t').next().unwrap_or(label);
            entries.labels.push((number.to_owned(), label.to_owned()));
        }
    }
    entries
}

fn numbers_of(entries: &Entries, label: &str) -> Vec<String> {
    let ours = entries.labels.iter().filter(|(_, text)| text == label);
    ours.map(|(number, _)| number.clone()).collect()
}

/// The entry that booted us, which is the network's; then ours; then the rest as it was.
fn network_first(entries: &Entries, ours: &[String]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for number in entries.current.iter().chain(ours).chain(&entries.order) {
        let exists = entries.labels.iter().any(|(known, _)| known == number);
        if exists && !order.contains(number) {
            order.push(number.clone());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "BootCurrent: 0003\nTimeout: 0 seconds\nBootOrder: 0001,0007,0003,0000\n\
        Boot0000* UiApp\tFvVol(7cb8bdc9)/FvFile(462caa21)\n\
        Boot0001* debian\tHD(2,GPT,x)/File(\\EFI\\debian\\grubx64.efi)\n\
        Boot0003* UEFI PXEv4 (MAC:525400770001)\tPciRoot(0x0)\n\
        Boot0005* debian\tHD(2,GPT,y)\nMirroredPercentageAbove4G: 0.00\n";

    #[test]
    fn the_network_comes_first_and_the_system_second() {
        let entries = parse(SHOWN);
        let ours = numbers_of(&entries, "debian");
        assert_eq!(ours, ["0001", "0005"]);
        assert_eq!(network_first(&entries, &ours), ["0003", "0001", "0005", "0000"]);
    }

    #[test]
    fn without_a_current_entry_ours_comes_first() {
        let entries = parse(&SHOWN.replace("BootCurrent: 0003\n", ""));
        assert_eq!(
            network_first(&entries, &numbers_of(&entries, "debian")),
            ["0001", "0005", "0003", "0000"]
        );
    }
}
