//! Finds the machine's whole disks and what each is called for good.
//!
//! The identity is what the maker wrote into the device, taken from where the kernel shows it:
//! NGUID, EUI-64, WWN, else model and serial number. A disk whose identity another one has too gets
//! none: it could be either, so it can be neither selected nor erased.

use crate::sysfs::Sysfs;
use rack_api::inventory::DiskKind;
use schema_ids::DiskId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The kernel counts a disk's size in these, whatever its own sectors are.
const KERNEL_SECTOR_BYTES: u64 = 512;

/// A block device is followed through at most so many layers of md and dm.
pub(crate) const LAYERS_MAX: u32 = 8;

/// A whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDisk {
    /// The kernel's name in this boot: `sda`.
    pub name: String,
    /// Its identity, if it has one that no other disk has.
    pub id: Option<DiskId>,
    /// Model, without the bus's name.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Bytes of a logical sector, the unit of partition tables.
    pub sector_bytes: u64,
    /// What it is.
    pub kind: DiskKind,
    /// Whether it is built in: neither removable, nor on USB (a BMC's virtual medium is), nor
    /// reached over a fabric.
    pub local: bool,
}

impl BlockDisk {
    /// The device node.
    pub fn node(&self) -> PathBuf {
        PathBuf::from("/dev").join(&self.name)
    }
}

/// All whole disks with a medium, by name.
pub fn find_all(sysfs: &Sysfs) -> Vec<BlockDisk> {
    let mut disks: Vec<BlockDisk> = sysfs
        .names("sys/block")
        .into_iter()
        .filter(|name| is_whole_disk(sysfs, name))
        .filter_map(|name| read(sysfs, name))
        .collect();
    let mut count: BTreeMap<DiskId, u32> = BTreeMap::new();
    for id in disks.iter().filter_map(|disk| disk.id.clone()) {
        *count.entry(id).or_default() += 1;
    }
    for disk in &mut disks {
        disk.id = disk.id.take_if(|id| count[id] == 1);
    }
    disks
}

/// The one disk with this identity, as it is now.
pub fn find(sysfs: &Sysfs, id: &DiskId) -> Option<BlockDisk> {
    find_all(sysfs)
        .into_iter()
        .find(|disk| disk.id.as_ref() == Some(id))
}

/// The kernel's names of a disk's partitions, by number.
pub fn partitions(sysfs: &Sysfs, disk: &str) -> BTreeMap<u32, String> {
    let directory = format!("sys/block/{disk}");
    sysfs
        .names(&directory)
        .into_iter()
        .filter_map(|name| {
            let number = sysfs.number(&format!("{directory}/{name}/partition"))?;
            Some((number, name))
        })
        .collect()
}

/// The whole disk under a block device, given as `major:minor`; through md and dm the first of
/// those they stand on.
pub fn beneath(sysfs: &Sysfs, device: &str) -> Option<String> {
    let mut path = sysfs.resolve(&format!("sys/dev/block/{device}"))?;
    for _ in 0..LAYERS_MAX {
        match sysfs.names(&format!("{path}/slaves")).first() {
            Some(slave) => path = sysfs.resolve(&format!("{path}/slaves/{slave}"))?,
            None if sysfs.exists(&format!("{path}/partition")) => {
                path = path.rsplit_once('/')?.0.to_owned();
            }
            None => return Some(path.rsplit_once('/')?.1.to_owned()),
        }
    }
    None
}

/// The names of all whole disks under a block device of this name; itself, if it is one.
pub(crate) fn all_beneath(sysfs: &Sysfs, name: &str) -> BTreeSet<String> {
    let mut disks = BTreeSet::new();
    let mut layer = BTreeSet::from([name.to_owned()]);
    for _ in 0..=LAYERS_MAX {
        let mut next = BTreeSet::new();
        for name in layer {
            let slaves = sysfs.names(&format!("sys/block/{name}/slaves"));
            if slaves.is_empty() {
                disks.insert(name);
                continue;
            }
            for slave in slaves {
                let path = sysfs.resolve(&format!("sys/block/{name}/slaves/{slave}"));
                let whole = path.filter(|path| sysfs.exists(&format!("{path}/partition")));
                let whole = whole.and_then(|path| Some(path.rsplit('/').nth(1)?.to_owned()));
                next.insert(whole.unwrap_or(slave));
            }
        }
        layer = next;
    }
    // Deeper than this nothing is known: what is left counts as a disk that is nobody's.
    disks.extend(layer);
    disks
}

fn is_whole_disk(sysfs: &Sysfs, name: &str) -> bool {
    // Drives have a device behind them; loop, ram, md and dm have none. Optical and floppy drives and
    // the boot areas of eMMC are no place for a system; hidden ones are single paths of a multipath.
    let excluded = ["sr", "fd", "nbd", "rbd"];
    sysfs.exists(&format!("sys/block/{name}/device"))
        && !excluded.iter().any(|prefix| name.starts_with(prefix))
        && !(name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb")))
        && sysfs.text(&format!("sys/block/{name}/hidden")).as_deref() != Some("1")
}

fn read(sysfs: &Sysfs, name: String) -> Option<BlockDisk> {
    let text = |attribute: &str| sysfs.text(&format!("sys/block/{name}/{attribute}"));
    let size_bytes = text("size")?.parse::<u64>().ok()? * KERNEL_SECTOR_BYTES;
    if size_bytes == 0 {
        return None;
    }
    let vendor = text("device/vendor").filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x"));
    let model: Vec<String> = [vendor, text("device/model")].into_iter().flatten().collect();
    let model = model.join(" ");
    let serial = text("device/serial")
        .or_else(|| unit_serial(&sysfs.bytes(&format!("sys/block/{name}/device/vpd_pg80"))?))
        .or_else(|| text("serial"))
        .unwrap_or_default();
    let kind = if name.starts_with("nvme") {
        DiskKind::Nvme
    // virtio always says that it rotates, which tells nothing.
    } else if !name.starts_with("vd") && text("queue/rotational").as_deref() == Some("1") {
        DiskKind::Hdd
    } else {
        DiskKind::Ssd
    };
    Some(BlockDisk {
        id: identity(sysfs, &name, &model, &serial),
        model,
        serial,
        size_bytes,
        sector_bytes: text("queue/logical_block_size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(KERNEL_SECTOR_BYTES),
        kind,
        local: is_local(sysfs, &name),
        name,
    })
}

/// The serial number of SCSI's unit serial number page (SPC-5 §7.7.19): 4 bytes of header, then text.
fn unit_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let text = String::from_utf8_lossy(page.get(4..4 + length)?)
        .trim()
        .to_owned();
    (!text.is_empty()).then_some(text)
}

fn identity(sysfs: &Sysfs, name: &str, model: &str, serial: &str) -> Option<DiskId> {
    let text = |attribute: &str| sysfs.text(&format!("sys/block/{name}/{attribute}"));
    let digits = |text: String| text.replace(['-', ' '], "").to_lowercase();
    // "naa.5002538f…", "eui.0025385b…" or "t10.ATA …"; the last is model and serial again.
    let world_wide = text("device/wwid").or_else(|| text("wwid")).unwrap_or_default();
    let numbered = |prefix: &str| Some(world_wide.strip_prefix(prefix)?.to_lowercase());
    let of = |scheme: &str, value: Option<String>| DiskId::from_evidence(scheme, &value?);
    of("nguid", text("nguid").map(digits))
        .or_else(|| of("eui64", text("eui").map(digits)))
        .or_else(|| of("eui64", numbered("eui.")))
        .or_else(|| of("wwn", numbered("naa.").map(|digits| format!("0x{digits}"))))
        .or_else(|| {
            // A model without a serial number names a kind of disk, not a disk.
            DiskId::from_evidence("serial", serial)?;
            let namespace: u32 = sysfs.number(&format!("sys/block/{name}/nsid")).unwrap_or(1);
            let parts = [model, serial].into_iter().filter(|part| !part.is_empty());
            let mut value = parts.collect::<Vec<_>>().join("_");
            if namespace > 1 {
                value += &format!("_{namespace}");
            }
            DiskId::from_evidence("serial", &value)
        })
}

fn is_local(sysfs: &Sysfs, name: &str) -> bool {
    let removable = sysfs.text(&format!("sys/block/{name}/removable")).as_deref() == Some("1");
    let path = sysfs.resolve(&format!("sys/block/{name}")).unwrap_or_default();
    // USB; iSCSI; Fibre Channel.
    let far = ["/usb", "/session", "/rport-"];
    !removable && !far.iter().any(|part| path.contains(part)) && !is_fabric_nvme(sysfs, name)
}

/// NVMe over anything but PCIe. With multipath the namespace hangs below the subsystem, beside the
/// links to its controllers; otherwise below its one controller.
fn is_fabric_nvme(sysfs: &Sysfs, name: &str) -> bool {
    let device = format!("sys/block/{name}/device");
    let controllers = sysfs.names(&device);
    let below = controllers
        .iter()
        .filter(|name| name.starts_with("nvme"))
        .map(|name| format!("{device}/{name}/transport"));
    below
        .chain([format!("{device}/transport")])
        .filter_map(|path| sysfs.text(&path))
        .any(|transport| transport != "pcie")
}
