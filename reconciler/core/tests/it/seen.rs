//! A machine as an inspection finds it, said briefly.

use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic, PciDevices};
use rack_api::ownership::{MarkFound, MarkSeen, OwnershipMark};
use reconciler_core::plan::Plan;
use schema_ids::{MachineId, MarkOwner, PciId, Uuid};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenMachine {
    serial: Option<String>,
    uuid: Option<Uuid>,
    macs: Vec<schema_ids::Mac>,
    disks: Vec<SeenDisk>,
    /// Empty where nobody knows it.
    #[serde(default)]
    model: String,
    #[serde(default)]
    uefi: bool,
    /// Cores; threads are twice as many.
    #[serde(default = "one")]
    cores: u32,
    #[serde(default = "one")]
    memory_gib: u32,
    /// Class, vendor and device on PCI, and how many; of an old inspection, nothing.
    pci: Option<Vec<(PciId, PciId, PciId, u32)>>,
    /// GiB of the window of each GPU of those; of an old inspection, nothing.
    window_gib: Option<u64>,
    /// Of an old inspection, nothing; else `no-place`, `none`, `ours` or the owner of the mark, and behind `; ` why what git
    /// asks for was not done.
    mark: Option<String>,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenDisk {
    id: String,
    gb: u64,
    holds: Option<String>,
    /// The same in words.
    #[serde(default)]
    words: String,
    #[serde(default)]
    nvme: bool,
}

impl SeenMachine {
    /// `BINDING` in a marker stands for one that has ended, `OWN` for one that has not.
    pub(crate) fn inventory(&self, plan: &Plan) -> Inventory {
        let ended = plan
            .ended
            .iter()
            .next()
            .map(ToString::to_string)
            .unwrap_or_default();
        let content = |holds: &str| own(plan, &holds.replace("BINDING", &ended)).parse().unwrap();
        let disks = self.disks.iter().enumerate().map(|(at, disk)| Disk {
            id: disk.id.parse().ok(),
            path: format!("/dev/vd{}", char::from(b'a' + u8::try_from(at).unwrap())),
            model: "disk".to_owned(),
            serial: disk.id.split(':').next_back().unwrap_or_default().to_owned(),
            size_bytes: disk.gb * 1_000_000_000,
            kind: if disk.nvme { DiskKind::Nvme } else { DiskKind::Ssd },
            local: true,
            content: content(disk.holds.as_deref().unwrap_or("blank")),
            holds: disk.words.clone(),
        });
        let nics = self.macs.iter().map(|mac| Nic {
            name: "eth0".to_owned(),
            mac: *mac,
            speed_mbps: None,
            link: true,
            driver: "virtio".to_owned(),
        });
        Inventory {
            uuid: self.uuid,
            serial: self.serial.clone(),
            vendor: String::new(),
            product: self.model.clone(),
            firmware: Firmware {
                kind: if self.uefi {
                    FirmwareKind::Uefi
                } else {
                    FirmwareKind::Bios
                },
                version: String::new(),
            },
            cpu: Cpu {
                arch: "amd64".to_owned(),
                model: String::new(),
                cores: self.cores,
                threads: 2 * self.cores,
            },
            // A little is the kernel's.
            memory_bytes: u64::from(self.memory_gib) * 1_040_000_000,
            disks: disks.collect(),
            nics: nics.collect(),
            bmc: None,
            pci: self
                .pci
                .as_ref()
                .map(|all| all.iter().map(|row| devices(row, self.window_gib)).collect()),
            mark: self.mark.as_deref().map(mark),
        }
    }
}

/// The id of the control plane of every case.
const OURS: &str = "00000000-0000-4000-8000-00000000f1ee";

fn mark(said: &str) -> MarkSeen {
    let (whose, failed) = said.split_once("; ").unwrap_or((said, ""));
    let owner = || whose.replace("ours", OURS).parse().unwrap();
    let found = match whose {
        "no-place" => MarkFound::NoPlace,
        "none" => MarkFound::Absent,
        _ => match owner() {
            MarkOwner::Plane(plane) => MarkFound::Mark(OwnershipMark {
                plane,
                fleet: "theirs".parse().unwrap(),
                machine: MachineId("5eea0000-0000-4000-8000-000000000001".parse().unwrap()),
            }),
            owner @ MarkOwner::Unreadable(_) => MarkFound::Unreadable {
                owner,
                why: "it holds \"?\"".to_owned(),
            },
        },
    };
    let failed = (!failed.is_empty()).then(|| failed.to_owned());
    MarkSeen { found, failed }
}

fn devices(
    (class, vendor, device, count): &(PciId, PciId, PciId, u32),
    window_gib: Option<u64>,
) -> PciDevices {
    PciDevices {
        class: *class,
        vendor: *vendor,
        device: *device,
        subsystem: Some((PciId(0x1028), PciId(1))),
        window_bytes: window_gib
            .filter(|_| PciDevices::may_have_memory(*class))
            .map(|gib| gib << 30),
        count: *count,
    }
}

/// The text with the first binding of the plan for `OWN`, and the one of a machine for `OF-` and its name.
pub(crate) fn own(plan: &Plan, text: &str) -> String {
    let own = plan.bindings.keys().next().map(ToString::to_string);
    let text = text.replace("OWN", &own.unwrap_or_default());
    plan.bindings.iter().fold(text, |text, (id, binding)| {
        let name = &plan.machines[&binding.machine].name;
        text.replace(&format!("OF-{name}"), &id.to_string())
    })
}
