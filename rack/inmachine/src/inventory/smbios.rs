//! Who made the machine and what it calls itself, from SMBIOS by way of the kernel (DSP0134 §7.2).
//!
//! Boards are sold with these fields unset or all alike; such values identify nothing and count as
//! absent.

use crate::sysfs::Sysfs;
use schema_ids::Uuid;

/// What vendors leave in a serial number, in lower case.
const JUNK_SERIALS: [&str; 13] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "default",
    "not specified",
    "not applicable",
    "not available",
    "system serial number",
    "serial number",
    "none",
    "n/a",
    "unknown",
    "invalid",
];

/// UUIDs found on whole product lines.
const JUNK_UUIDS: [&str; 3] = [
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];

/// The system UUID.
pub(super) fn uuid(sysfs: &Sysfs) -> Option<Uuid> {
    let uuid: Uuid = sysfs
        .text("sys/class/dmi/id/product_uuid")?
        .to_lowercase()
        .parse()
        .ok()?;
    let bytes = uuid.bytes();
    let monotonous = bytes.iter().all(|byte| *byte == bytes[0]);
    (!monotonous && !JUNK_UUIDS.contains(&uuid.to_string().as_str())).then_some(uuid)
}

/// The system serial number.
pub(super) fn serial(sysfs: &Sysfs) -> Option<String> {
    let serial = sysfs.text("sys/class/dmi/id/product_serial")?;
    let mut characters = serial.chars();
    let first = characters.next()?;
    let monotonous = characters.all(|c| c == first);
    let counted = "0123456789".starts_with(serial.as_str()) || "123456789".starts_with(serial.as_str());
    let junk = JUNK_SERIALS.contains(&serial.to_lowercase().as_str());
    (!monotonous && !counted && !junk).then_some(serial)
}

/// Another text, empty if unknown.
pub(super) fn text(sysfs: &Sysfs, attribute: &str) -> String {
    sysfs
        .text(&format!("sys/class/dmi/id/{attribute}"))
        .unwrap_or_default()
}
