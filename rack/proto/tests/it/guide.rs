//! The tables of `docs/guide/how-a-machine-boots.md` are what the rack answers. With `MUSTER_UPDATE_PAGES=1` they are
//! written instead.

use crate::boot::{answers, server};
use crate::dhcp::loader;
use rack_proto::boot::{Client, first_script, grub_script, script};
use std::path::Path;

/// Who asks by DHCP, for people and as the conversations call it; whether its firmware starts signed loaders only.
const FIRMWARES: [(&str, &str, bool); 8] = [
    ("BIOS, PXE", "rom-bios", false),
    ("BIOS, the card's ROM is iPXE", "ipxe-bios", false),
    ("UEFI, PXE (architecture 7)", "ovmf-pxe", false),
    ("UEFI, PXE, Secure Boot", "ovmf-pxe", true),
    ("UEFI, HTTP boot (architecture 16)", "ovmf-http", false),
    ("UEFI, iPXE", "ipxe-efi", false),
    ("another architecture (arm64)", "arm64-pxe", false),
    ("an operating system", "linux", false),
];

const IPXE: [(&str, Client); 2] = [
    ("iPXE on BIOS", Client::BiosIpxe),
    ("iPXE on UEFI", Client::UefiIpxe),
];

/// What a script does, read off its commands.
fn told(script: &str) -> String {
    let last = script.lines().last().unwrap_or_default();
    if script.contains("\nboot || goto failed\n") {
        let loads = script.matches("\ninitrd ").count();
        return format!("kernel and {loads} archives by HTTP, `boot`; on an error BOOT-2, then `{last}`");
    }
    let pause = script.lines().find_map(|line| line.strip_prefix("sleep "));
    pause.map_or(format!("`{last}`"), |seconds| {
        format!("the reason for {seconds} s, then `{last}`")
    })
}

/// The same of GRUB, which leaves to the loader on the machine's own disk.
fn told_grub(script: &str) -> String {
    let before = script.split("\nif search ").next().unwrap_or_default();
    let end = "the own disk's loader by `chainloader`, without one `halt`";
    assert!(
        script.contains("chainloader ($own)") && script.trim_end().ends_with("halt"),
        "{script}"
    );
    if before.contains("\nif linux ") {
        let loads = before.lines().find(|line| line.trim().starts_with("if initrd "));
        let loads = loads.map_or(0, |line| line.split_whitespace().count() - 3);
        return format!("kernel and {loads} archives by TFTP, `boot`; on an error BOOT-2, then {end}");
    }
    let pause = before.lines().find_map(|line| line.strip_prefix("sleep "));
    pause.map_or(end.to_owned(), |seconds| {
        format!("the reason for {seconds} s, then {end}")
    })
}

fn loaders() -> String {
    let mut out = "| client | is told to load |\n|---|---|\n".to_owned();
    for (name, client, secure_boot) in FIRMWARES {
        let told = loader(client, secure_boot)
            .map_or("nothing: an address only".to_owned(), |file| format!("`{file}`"));
        out.push_str(&format!("| {name} | {told} |\n"));
    }
    out
}

fn scripts() -> String {
    let names: Vec<&str> = answers().iter().map(|answer| answer.name()).collect();
    let mut out = format!(
        "| client | {} |\n|---{}|\n",
        names.join(" | "),
        "|---".repeat(names.len())
    );
    for (name, client) in IPXE {
        let cells: Vec<String> = answers()
            .iter()
            .map(|answer| told(&script(client, answer)))
            .collect();
        out.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    let cells: Vec<String> = answers()
        .iter()
        .map(|answer| told_grub(&grub_script(answer)))
        .collect();
    out.push_str(&format!(
        "| signed GRUB (Secure Boot) | {} |\n",
        cells.join(" | ")
    ));
    let last: Vec<String> = first_script(server())
        .lines()
        .rev()
        .take(2)
        .map(|line| line.split(" || ").last().unwrap_or(line).to_owned())
        .collect();
    out.push_str(&format!(
        "\nWithout a script of its own (BOOT-1): `{}` on BIOS, `{}` on UEFI.\n",
        last[1], last[0]
    ));
    out
}

#[test]
fn the_guide_says_what_the_rack_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/how-a-machine-boots.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut wanted = page.clone();
    for (name, table) in [("loaders", loaders()), ("answers", scripts())] {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let (before, rest) = wanted.split_once(&open).unwrap();
        let (_, after) = rest.split_once(&close).unwrap();
        wanted = format!("{before}{open}{table}{close}{after}");
    }
    if std::env::var_os("MUSTER_UPDATE_PAGES").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert_eq!(page, wanted, "stale: run with MUSTER_UPDATE_PAGES=1");
}
