//! What is said of a machine's hardware can be: M0311, M0312, M0314, M0315.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::machine::{BmcDriver, BootMode, Machine},
};
use schema_ids::Name;

/// What makers leave in the place of a serial number, in lower case.
const JUNK: [&str; 12] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "system serial number",
    "not specified",
    "none",
    "n/a",
    "unknown",
    "0",
    "0123456789",
    "123456789",
    "00000000",
];

/// Looks at every machine.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, machine) in &subject.draft.machines {
        let told = [
            secure_without_uefi(name, machine),
            tls_without_redfish(machine),
            junk(machine),
            fewer_than_named(machine),
        ];
        let told = told.into_iter().flatten();
        found.extend(told.map(|one| one.in_object(format!("machine.{name}"))));
    }
}

fn secure_without_uefi(name: &Name, machine: &Machine) -> Option<Diagnostic> {
    let boot = &machine.boot;
    (boot.secure_boot && boot.mode == BootMode::Bios).then(|| {
        let title = format!("machine \"{name}\" is to verify loaders and boots by PC BIOS");
        Diagnostic::error(
            Code::M0311,
            title,
            &place(&boot.origin),
            "Secure Boot is a part of UEFI",
        )
        .help("mode = \"uefi\", or leave `secure-boot` out")
    })
}

fn tls_without_redfish(machine: &Machine) -> Option<Diagnostic> {
    let bmc = machine.bmc.as_ref()?;
    (bmc.tls.is_some() && bmc.driver != BmcDriver::Redfish).then(|| {
        let title = format!("`tls` means nothing to driver {}", bmc.driver);
        Diagnostic::error(
            Code::M0312,
            title,
            &place(&bmc.origin),
            "only Redfish is spoken over TLS",
        )
    })
}

fn junk(machine: &Machine) -> Option<Diagnostic> {
    let serial = machine.serial.as_ref()?;
    let text = serial.trim();
    JUNK.iter().any(|junk| junk.eq_ignore_ascii_case(text)).then(|| {
        let title = format!("\"{}\" is no serial number of a machine", serial.value);
        Diagnostic::warning(
            Code::M0314,
            title,
            &serial.span,
            "makers leave this where they write none",
        )
        .help("many machines say the same, so it is not taken as evidence; leave it out")
    })
}

/// Fewer disks in all than are named by their sorts.
fn fewer_than_named(machine: &Machine) -> Option<Diagnostic> {
    let expect = machine.expect.as_ref()?;
    let all = expect.disks.as_ref()?;
    let named: u32 = expect.disk.iter().map(|disk| u32::from(disk.count.0)).sum();
    (named > all.value).then(|| {
        let title = format!("{} disks are expected, and {named} of their sorts", all.value);
        let diagnostic = Diagnostic::error(Code::M0315, title, &all.span, "fewer than those below together");
        match expect.disk.first() {
            Some(first) => diagnostic.also(&place(&first.origin), "the first of them"),
            None => diagnostic,
        }
    })
}
