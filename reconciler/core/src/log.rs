//! What agents said, as lines of a log: every fact in words.
//!
//! Text of machines, firmware and strangers ends up here, and then on someone's terminal: [`line`] lets no
//! control character through and cuts what is too long. Nothing here decides.

use crate::boot_order;
use rack_api::fact::{BmcFaultKind, BootEvidence, FactBody, PowerSeen, StepState};
use rack_api::inventory::Inventory;
use rack_api::order::OrderRef;
use schema_ids::DiskId;

/// Characters of one line: three lines of a wide terminal, enough for any error of ours.
const LINE_MAX: usize = 400;

/// The text in one line of at most 400 characters, without anything that moves a cursor.
pub fn line(text: &str) -> String {
    let words = text.split(char::is_control).map(str::trim);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let whole = words.join(" ");
    match whole.char_indices().nth(LINE_MAX) {
        None => whole,
        Some((end, _)) => format!("{} ...", &whole[..end]),
    }
}

/// What a BMC's driver said, for a line that says already that it is of the BMC.
pub(crate) fn of_the_bmc(detail: &str) -> &str {
    detail.strip_prefix("BMC ").unwrap_or(detail)
}

/// A fact in words.
pub fn fact(body: &FactBody) -> String {
    line(&match body {
        FactBody::Boot { boot, .. } => boots(boot),
        FactBody::Leased { mac, address, .. } => format!("{address} leased to {mac}"),
        FactBody::AddressSeen { address, mac } => {
            let holder = mac.map_or("someone".to_owned(), |mac| mac.to_string());
            format!("{address} is in use by {holder}, to whom it was not given")
        }
        FactBody::Power { power, .. } => match power {
            PowerSeen::On => "power is on".to_owned(),
            PowerSeen::Off => "power is off".to_owned(),
            PowerSeen::Unknown => "the BMC does not tell the power state".to_owned(),
        },
        FactBody::BmcFault { fault, detail, .. } => {
            let how = match fault {
                BmcFaultKind::Silent => "is silent",
                BmcFaultKind::Credentials => "refuses the account or password",
                BmcFaultKind::Refused => "refuses",
                BmcFaultKind::Garbled => "answers what nobody can read",
            };
            format!("BMC {how}: {}", of_the_bmc(detail))
        }
        FactBody::OrderTaken { order } => format!("{} taken", place(order)),
        FactBody::OrderRefused { order, why, .. } => format!("{} refused: {why}", place(order)),
        FactBody::OrderDone { order } => format!("{} done", place(order)),
        FactBody::OrderFailed { order, step, error } => format!("{} failed: {step}: {error}", place(order)),
        FactBody::Enlisted { mac, link, inventory } => {
            format!("found on {link}, booting from {mac}: {}", made_of(inventory))
        }
        FactBody::JobStarted { job, .. } => {
            format!("job begun: generation {}, try {}", job.generation, job.attempt)
        }
        FactBody::Inventory { inventory, .. } => format!("inspected: {}", made_of(inventory)),
        FactBody::BootOrder { order, .. } => {
            format!("the firmware starts {}", boot_order::words(&order.left))
        }
        FactBody::Step { step, state, .. } => match state {
            StepState::Started => format!("{step}: begun"),
            StepState::Progress { done, .. } => format!("{step}: {} MiB", done >> 20),
            StepState::Done => format!("{step}: done"),
            StepState::Failed { code, error } => format!("{step} FAILED, {code}: {error}"),
        },
        FactBody::Erased {
            disk, method, sample, ..
        } => format!("disk {disk} erased ({method}): {sample}"),
        FactBody::Installed { disks, .. } => {
            let disks: Vec<_> = disks.iter().map(DiskId::as_str).collect();
            format!("installed on {}", disks.join(", "))
        }
        FactBody::PhonedHome {
            root_disk,
            root_device,
            ..
        } => {
            let disk = root_disk
                .as_ref()
                .map_or("an unknown disk".to_owned(), ToString::to_string);
            format!("the installed system phoned home from {root_device} on {disk}")
        }
        FactBody::JobDone { job, .. } => {
            format!("job done: generation {}, try {}", job.generation, job.attempt)
        }
    })
}

/// What the fact tells a further part of: a boot is told again as it gets on.
pub fn story(body: &FactBody) -> Option<String> {
    match body {
        FactBody::Boot { boot, .. } => Some(format!("boot of {} at {}", boot.mac, boot.began)),
        _ => None,
    }
}

/// A boot from the network, as far as it came: `52:54:00:77:00:01 on lab/pxe boots: DHCP 10.77.0.50,
/// TFTP ipxe.pxe, answered job`.
fn boots(boot: &BootEvidence) -> String {
    let stages: Vec<String> = stages(boot)
        .into_iter()
        .filter_map(|(stage, seen)| Some(format!("{stage} {}", seen?)))
        .collect();
    let far = match stages.is_empty() {
        true => "asked for an address".to_owned(),
        false => stages.join(", "),
    };
    format!("{} on {} boots: {far}", boot.mac, boot.link)
}

/// The stages of a boot in their order, with what was seen of each.
pub(crate) fn stages(boot: &BootEvidence) -> [(&'static str, Option<String>); 4] {
    [
        ("DHCP", boot.address.map(|address| address.to_string())),
        ("TFTP", boot.tftp.clone()),
        ("answered", boot.answer.clone()),
        ("HTTP", boot.http.clone()),
    ]
}

/// An order's place: its generation and number.
fn place(order: &OrderRef) -> String {
    format!("order {} of generation {}", order.number, order.generation)
}

/// An inventory in a few words.
fn made_of(inventory: &Inventory) -> String {
    let Inventory {
        vendor,
        product,
        serial,
        disks,
        nics,
        ..
    } = inventory;
    let serial = serial.as_deref().unwrap_or("-");
    format!(
        "{vendor} {product}, serial {serial}, {} and {}",
        counted(disks.len(), "disk"),
        counted(nics.len(), "NIC")
    )
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
