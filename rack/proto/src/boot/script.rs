//! iPXE scripts: the one table of client × answer.
//!
//! |          | job, enlist                   | local    | refuse                            |
//! |----------|-------------------------------|----------|-----------------------------------|
//! | BIOS     | kernel, two initrds, `boot`   | `exit`   | reason, 10 s, then the next device |
//! | UEFI     | the same                      | `exit 1` | the same                          |
//!
//! A plain `exit` on UEFI reports success and leaves OVMF in its setup; `exit 1` makes it try the next
//! boot entry. Both work only in a script reached by `chain --replace`.
//!
//! A machine that starts signed loaders only has GRUB for iPXE; its scripts are in [`super::grub`].

use rack_api::{config::Ephemeral, kernel_argument, rack_path};
use schema_ids::Mac;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Which iPXE asks; by its `${platform}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `pcbios`.
    BiosIpxe,
    /// `efi`.
    UefiIpxe,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The ephemeral system, for a job.
    Job(Box<System>),
    /// The ephemeral system, for an inspection of an undeclared machine.
    Enlist(Box<System>),
    /// The next boot device.
    Local {
        /// Why, for the console.
        why: String,
    },
    /// The next boot device, after the reason was readable for a while.
    Refuse {
        /// Why, for the console.
        reason: String,
    },
}

/// The ephemeral system, ready to be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// What it is for, for the console.
    pub title: String,
    /// The rack agent's HTTP server as the client reached it.
    pub server: SocketAddr,
    /// What to boot.
    pub ephemeral: Ephemeral,
    /// The boot's token.
    pub token: String,
    /// The interface that boots.
    pub mac: Mac,
    /// Its address and prefix length; without one the system asks DHCP again.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// Added to the kernel's command line.
    pub kernel_arguments: Vec<String>,
}

impl Client {
    /// Reads `${platform}`; anything but `efi` is BIOS.
    pub fn from_platform(platform: &str) -> Self {
        if platform == "efi" {
            Self::UefiIpxe
        } else {
            Self::BiosIpxe
        }
    }

    /// The command that ends the script and boots the next device.
    fn next_device(self) -> &'static str {
        match self {
            Self::BiosIpxe => "exit",
            Self::UefiIpxe => "exit 1",
        }
    }
}

impl Answer {
    /// Its name in boot evidence.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Enlist(_) => "enlist",
            Self::Local { .. } => "local",
            Self::Refuse { .. } => "refuse",
        }
    }
}

/// The script that every iPXE is sent to first. It goes on to the machine's own by the MAC of the
/// interface in use (`netX`), whichever number that has.
pub fn first_script(server: SocketAddr) -> String {
    let boot = rack_path::BOOT;
    format!(
        "#!ipxe\n\
         chain --replace --autofree http://{server}{boot}${{netX/mac:hexhyp}}.ipxe?platform=${{platform}}\
         &arch=${{buildarch}}&uuid=${{uuid}}&serial=${{serial:uristring}} || goto failed\n\
         :failed\n\
         echo muster: no boot script from http://{server} (code BOOT-1), trying the next device\n\
         sleep 5\n\
         iseq ${{platform}} efi || exit\n\
         exit 1\n"
    )
}

/// One machine's script.
pub fn script(client: Client, answer: &Answer) -> String {
    let next = client.next_device();
    match answer {
        Answer::Local { why } => format!("#!ipxe\necho muster: local boot: {}\n{next}\n", plain(why)),
        Answer::Refuse { reason } => format!(
            "#!ipxe\necho muster: refused: {} (code BOOT-3), trying the next device\nsleep 10\n{next}\n",
            plain(reason)
        ),
        Answer::Job(system) | Answer::Enlist(system) => system_script(system, next),
    }
}

/// The agent's archive goes first: its length is a multiple of 512, while UEFI appends the second
/// archive without alignment, which only a compressed one survives.
fn system_script(system: &System, next: &str) -> String {
    let System {
        server, ephemeral, ..
    } = system;
    let artefact =
        |digest: schema_ids::Digest| format!("http://{server}{}{}", rack_path::ARTEFACT, digest.hex());
    let (kernel, initrd) = (artefact(ephemeral.kernel), artefact(ephemeral.initrd));
    let agent = rack_path::AGENT;
    let arguments = arguments(system, &artefact(ephemeral.rootfs)).join(" ");
    let title = plain(&system.title);
    format!(
        "#!ipxe\n\
         echo muster: {title}\n\
         kernel --name kernel {kernel} {arguments} || goto failed\n\
         initrd --name agent.cpio http://{server}{agent} || goto failed\n\
         initrd --name initrd {initrd} || goto failed\n\
         boot || goto failed\n\
         :failed\n\
         echo muster: {title}: cannot load it (code BOOT-2), trying the next device\n\
         sleep 5\n\
         {next}\n"
    )
}

/// The kernel's command line. `initrd=` names what UEFI's stub loads; BIOS ignores it.
pub(super) fn arguments(system: &System, rootfs: &str) -> Vec<String> {
    let mut words = vec![
        "initrd=agent.cpio".to_owned(),
        "initrd=initrd".to_owned(),
        "console=tty0".to_owned(),
        "console=ttyS0,115200n8".to_owned(),
        format!("{}=http://{}", kernel_argument::SERVER, system.server),
        format!("{}={}", kernel_argument::TOKEN, system.token),
        format!("{}={}", kernel_argument::MAC, system.mac),
        format!("{}={rootfs}", kernel_argument::ROOTFS),
        format!(
            "{}={}",
            kernel_argument::ROOTFS_SHA256,
            system.ephemeral.rootfs.hex()
        ),
    ];
    if let Some((address, prefix)) = system.address {
        words.push(format!("{}={address}/{prefix}", kernel_argument::ADDRESS));
    }
    if let Some(gateway) = system.gateway {
        words.push(format!("{}={gateway}", kernel_argument::GATEWAY));
    }
    words.extend(system.kernel_arguments.iter().map(|word| plain(word)));
    words
}

/// Text that iPXE neither expands nor takes for an operator.
pub(super) fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || " .,:/_=+@%()-".contains(c);
    text.chars().map(|c| if keep(c) { c } else { '?' }).collect()
}
