//! GRUB scripts, for machines whose firmware starts signed loaders only: shim, then the distribution's signed GRUB,
//! then its signed kernel.
//!
//! The table of answers is iPXE's (see [`super::script`]) in another language. Signed GRUB has no HTTP, so its
//! files come by TFTP from where it was loaded. It cannot hand back to the firmware in a way that makes that try
//! the next entry, so it starts the loader on the machine's own disk itself, and switches off where there is none.

use super::script::{Answer, System, arguments, plain};
use rack_api::rack_path;
use std::fmt::Write;

/// The configuration that signed GRUB reads when it was loaded over the network.
pub const GRUB_SCRIPT: &str = "grub/grub.cfg";

/// An artefact by TFTP: this and the 64 digits of its SHA-256.
pub const TFTP_ARTEFACT: &str = "artefact/";

/// Where a system's own loader is: as our installations put it, then where firmware looks that lost its entries.
const OWN_LOADERS: [&str; 2] = ["/EFI/debian/shimx64.efi", "/EFI/BOOT/BOOTX64.EFI"];

/// One machine's script.
pub fn grub_script(answer: &Answer) -> String {
    let own_disk = own_disk();
    match answer {
        Answer::Local { why } => format!("echo 'muster: local boot: {}'\n{own_disk}", plain(why)),
        Answer::Refuse { reason } => format!(
            "echo 'muster: refused: {} (code BOOT-3), trying the next device'\nsleep 10\n{own_disk}",
            plain(reason)
        ),
        Answer::Job(system) | Answer::Enlist(system) => system_script(system, &own_disk),
    }
}

/// The agent's archive goes first, as in iPXE's script.
fn system_script(system: &System, own_disk: &str) -> String {
    let System {
        server, ephemeral, ..
    } = system;
    let rootfs = format!("http://{server}{}{}", rack_path::ARTEFACT, ephemeral.rootfs.hex());
    // GRUB hands its initrds over itself.
    let words = arguments(system, &rootfs)
        .into_iter()
        .filter(|word| !word.starts_with("initrd="));
    let arguments: String = words.map(|word| format!(" '{word}'")).collect();
    let title = plain(&system.title);
    let (kernel, initrd) = (ephemeral.kernel.hex(), ephemeral.initrd.hex());
    let agent = rack_path::AGENT;
    format!(
        "echo 'muster: {title}'\n\
         if linux /{TFTP_ARTEFACT}{kernel}{arguments}; then\n\
         \x20 if initrd {agent} /{TFTP_ARTEFACT}{initrd}; then\n\
         \x20   boot\n\
         \x20 fi\n\
         fi\n\
         echo 'muster: {title}: cannot load it (code BOOT-2), trying the next device'\n\
         sleep 5\n\
         {own_disk}"
    )
}

fn own_disk() -> String {
    let mut script = String::new();
    for loader in OWN_LOADERS {
        write!(
            script,
            "if search --no-floppy --file --set=own {loader}; then\n\
             \x20 if chainloader ($own){loader}; then boot; fi\n\
             fi\n"
        )
        .expect("a String takes all that is written");
    }
    script.push_str("echo 'muster: nothing to start on the own disks, switching off'\nsleep 10\nhalt\n");
    script
}
