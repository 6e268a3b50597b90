//! Fleet lines for a machine that no file declares.

use crate::observed::Discovered;
use rack_api::inventory::FirmwareKind;
use schema_ids::Mac;

/// The TOML that would declare it, to be pasted into a fleet file. Its name is made of its serial
/// number, or else of its MAC; the BMC's account is left to the person.
pub fn fleet_lines(mac: Mac, found: &Discovered) -> String {
    let inventory = &found.inventory;
    let mut lines = vec![
        format!(
            "# {} {}, seen on {} at {}",
            inventory.vendor, inventory.product, found.link, found.seen
        ),
        format!("[machine.{}]", quoted_name(mac, inventory.serial.as_deref())),
    ];
    if let Some(serial) = &inventory.serial {
        lines.push(format!("serial = {}", quoted(serial)));
    }
    if let Some(uuid) = inventory.uuid {
        lines.push(format!("uuid = \"{uuid}\""));
    }
    let mode = match inventory.firmware.kind {
        FirmwareKind::Bios => "bios",
        FirmwareKind::Uefi => "uefi",
    };
    lines.push(format!("boot.mode = \"{mode}\""));
    if let Some(address) = inventory.bmc.as_ref().and_then(|bmc| bmc.address) {
        lines.push(format!(
            "bmc = {{ driver = \"ipmi\", address = \"{address}\", secret = \"bmc\" }}"
        ));
    }
    for (index, nic) in inventory.nics.iter().enumerate() {
        let link = if nic.mac == mac {
            format!(", link = {}", quoted(&found.link))
        } else {
            String::new()
        };
        lines.push(format!("nic.p{index} = {{ mac = \"{}\"{link} }}", nic.mac));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A name as TOML writes it in a header: names may hold dots, which would nest.
fn quoted_name(mac: Mac, serial: Option<&str>) -> String {
    let from_serial = serial.map(|serial| serial.to_lowercase().replace(['.', '_', ' ', '/'], "-"));
    from_serial
        .filter(|text| text.parse::<schema_ids::Name>().is_ok())
        .unwrap_or_else(|| format!("m-{}", mac.hyphenated()))
}

/// A TOML basic string (TOML 1.0 §string).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
