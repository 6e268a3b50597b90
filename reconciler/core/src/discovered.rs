//! Fleet lines for a machine that no file declares.

use crate::observed::Discovered;
use crate::plan::Plan;
use rack_api::inventory::FirmwareKind;
use schema_fleet::Fleet;
use schema_ids::{Mac, MarkOwner, Name, Uuid};

/// The TOML that would declare it, to be pasted into a fleet file; `muster check` accepts it as it is.
/// Its name is made of its serial number, or else of its MAC. Its rack is written if `adopted`, the plan in
/// force and its fleet, leaves no doubt. The BMC's account is left to the person, and with it the BMC.
/// One that bears the mark of another control plane than `fleet_uid` is only to be observed.
pub fn fleet_lines(
    mac: Mac,
    found: &Discovered,
    fleet_uid: Uuid,
    adopted: Option<(&Plan, &Fleet)>,
) -> String {
    let inventory = &found.inventory;
    let serial = inventory.serial.as_deref();
    let mut lines = vec![
        format!(
            "# {} {}, seen on {} at {}",
            printable(&inventory.vendor),
            printable(&inventory.product),
            printable(&found.link),
            found.seen
        ),
        format!("[machine.{}]", name(mac, serial, adopted)),
    ];
    if let Some(rack) = adopted.and_then(|(plan, fleet)| rack(plan, fleet, &found.link)) {
        lines.push(format!("rack = \"{rack}\""));
    }
    if let Some(serial) = serial {
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
    let owner = inventory.mark.as_ref().and_then(|mark| mark.found.owner());
    // Our own is on a machine that was removed and kept.
    if let Some(owner) = owner.filter(|owner| *owner != MarkOwner::Plane(fleet_uid)) {
        lines.push(format!(
            "# It bears the mark of {owner}: to take it over from there, see MARKED_BY_ANOTHER."
        ));
        lines.push("manage = \"observe\"".to_owned());
    }
    if let Some(address) = inventory.bmc.as_ref().and_then(|bmc| bmc.address) {
        lines.push("# To have it switched, name the secret that holds its BMC's account:".to_owned());
        lines.push(format!(
            "# bmc = {{ driver = \"ipmi\", address = \"{address}\", secret = \"...\" }}"
        ));
    }
    for (index, nic) in inventory.nics.iter().enumerate() {
        let is_known = adopted.is_none_or(|(plan, _)| plan.links.contains_key(&found.link));
        let link = if nic.mac == mac && is_known {
            format!(", link = {}", quoted(&found.link))
        } else {
            String::new()
        };
        lines.push(format!("nic.p{index} = {{ mac = \"{}\"{link} }}", nic.mac));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The rack that a machine on this link stands in: the only one that the link's agents serve.
fn rack<'a>(plan: &Plan, fleet: &'a Fleet, link: &str) -> Option<&'a Name> {
    let agents = &plan.links.get(link)?.agents;
    let mut served = fleet
        .racks
        .iter()
        .filter(|(_, rack)| rack.agents.iter().any(|agent| agents.contains(&agent.value)));
    match (served.next(), served.next()) {
        (Some((name, _)), None) => Some(name),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

/// A name that no machine has. Dots would nest in a TOML header.
fn name(mac: Mac, serial: Option<&str>, adopted: Option<(&Plan, &Fleet)>) -> String {
    let is_taken = |name: &Name| adopted.is_some_and(|(_, fleet)| fleet.machines.contains_key(name));
    serial
        .map(|serial| serial.to_lowercase().replace(['.', '_', ' ', '/'], "-"))
        .and_then(|text| text.parse().ok())
        .filter(|name| !is_taken(name))
        .map_or_else(|| format!("m-{}", mac.hyphenated()), |name| name.to_string())
}

/// What firmware says of itself, fit for a comment: a control character would end the line or worse.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
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
