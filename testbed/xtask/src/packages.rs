//! The distribution's packages that building, testing and virtual racks need, each with its reason.
//!
//! Asks nothing, waits for other package managers, fetches lists only when they lack something, and does
//! nothing at all when everything is there. Never makes or starts the distribution's own Postgres cluster, nor a
//! service of a package that is wanted for its programs alone.

use crate::cargo;
use crate::sudo;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Package and reason.
const PACKAGES: [(&str, &str); 31] = [
    (
        "build-essential",
        "links Rust programs and builds the C parts of libgit2, zstd and ring",
    ),
    ("git", "musterd fetches with it"),
    ("postgresql", "musterd's private cluster"),
    ("qemu-system-x86", "machines"),
    ("seabios", "their BIOS"),
    ("ovmf", "their UEFI"),
    ("ipxe-qemu", "their network cards' boot ROM"),
    ("ipxe", "boot files that muster-rackd serves"),
    (
        "shim-signed",
        "the first loader that muster-rackd serves where Secure Boot is on",
    ),
    ("grub-efi-amd64-signed", "the second"),
    ("openipmi", "ipmi_sim, their BMCs"),
    ("ipmitool", "an IPMI client that is not ours"),
    ("busybox-static", "udhcpc, a DHCP client that is not ours"),
    ("curl", "an HTTP and TFTP client that is not ours"),
    ("isc-dhcp-client", "dhclient, a DHCP client that is not ours"),
    ("dhcpcd-base", "dhcpcd, a DHCP client that is not ours"),
    ("nmap", "looks for DHCP servers as a stranger does"),
    ("tftp-hpa", "a TFTP client that is not ours"),
    ("atftp", "a TFTP client that knows windows"),
    ("strace", "shows in which order muster-rackd syncs and sends"),
    ("iproute2", "namespaces, bridges and taps"),
    ("nftables", "cuts a rack's HTTP off while the rest of it works"),
    ("mmdebstrap", "builds images"),
    ("squashfs-tools", "packs the ephemeral system's root"),
    ("zstd", "packs images"),
    ("cpio", "packs initrds"),
    ("e2fsprogs", "puts a filesystem on a disk behind muster's back"),
    ("fdisk", "looks at the disks that machines wrote"),
    (
        "openssh-client",
        "knocks at machines that were deployed, and signs commits",
    ),
    ("util-linux", "makes namespaces and frees loop devices"),
    ("ca-certificates", "fetches from mirrors over TLS"),
];

/// Packages whose programs are wanted and whose services are not: unpacked below [`UNPACKED_IN`], never installed, so
/// that nothing of them starts, now or at the host's next boot. Package, a file of it, reason.
const UNPACKED: [(&str, &str, &str); 1] = [(
    "isc-dhcp-relay",
    "usr/sbin/dhcrelay",
    "a DHCP relay that is not ours",
)];

/// Each in a folder of its name; tests know the place.
const UNPACKED_IN: &str = "/var/cache/muster/unpacked";

/// Seconds to wait for another package manager.
const LOCK_OPTION: &str = "DPkg::Lock::Timeout=300";

/// Where Postgres's packaging looks before it makes a cluster; files here are read beside the administrator's own.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d";

/// Installs what is missing.
pub(crate) fn install() -> Result<(), String> {
    let missing = missing()?;
    let packed = packed();
    if missing.is_empty() && packed.is_empty() {
        println!("all {} packages are there", PACKAGES.len() + UNPACKED.len());
        return Ok(());
    }
    for (name, _, reason) in &packed {
        println!("unpacking {name}: {reason}");
    }
    for (name, reason) in PACKAGES.iter().filter(|(name, _)| missing.contains(name)) {
        println!("installing {name}: {reason}");
    }
    if !sudo::is_root() {
        let own = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
        return cargo::succeed(sudo::as_root(own, &[]).arg("packages"));
    }
    for (name, _, _) in packed {
        unpack(name)?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !lists_know(&missing) {
        update()?;
    }
    let mut wanted: Vec<String> = missing.iter().map(|&name| name.to_owned()).collect();
    wanted.extend(qemu_family(&missing));
    if missing.contains(&"postgresql") {
        return without_cluster(|| fetch_and_install(&wanted));
    }
    fetch_and_install(&wanted)
}

/// Those that are not there, each with its reason.
pub(crate) fn missing_with_reasons() -> Result<Vec<(&'static str, &'static str)>, String> {
    let missing = missing()?;
    let installed = PACKAGES.into_iter().filter(|(name, _)| missing.contains(name));
    let unpacked = packed().into_iter().map(|(name, _, reason)| (name, reason));
    Ok(installed.chain(unpacked).collect())
}

/// Fetches packages into a directory and installs none of them.
pub(crate) fn download(names: &[&str], directory: &Path) -> Result<(), String> {
    if !lists_know(names) {
        update()?;
    }
    // `_apt` may not write where only root does; root fetches then, and apt says so.
    let fetch = || cargo::succeed(apt(&["download", "-q"]).args(names).current_dir(directory));
    fetch().or_else(|_| update().and_then(|()| fetch()))
}

/// Those that are not unpacked.
fn packed() -> Vec<(&'static str, &'static str, &'static str)> {
    let is_there = |name: &str, file: &str| Path::new(UNPACKED_IN).join(name).join(file).exists();
    let all = UNPACKED.into_iter();
    all.filter(|(name, file, _)| !is_there(name, file)).collect()
}

/// Fetches a package and puts its files into its folder.
fn unpack(name: &str) -> Result<(), String> {
    let folder = Path::new(UNPACKED_IN).join(name);
    let failed = |error| format!("cannot make {}: {error}", folder.display());
    // What an interrupted run left is no package.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(failed)?;
    if !lists_know(&[name]) {
        update()?;
    }
    // `_apt` may not write where only root does; root fetches then, and apt says so.
    let fetch = || cargo::succeed(apt(&["download", "-q", name]).current_dir(&folder));
    fetch().or_else(|_| update().and_then(|()| fetch()))?;
    let files =
        fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let fetched = files.flatten().map(|file| file.path());
    let mut fetched = fetched.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = fetched
        .next()
        .ok_or_else(|| format!("apt fetched no package {name}"))?;
    cargo::succeed(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder))?;
    fs::remove_file(&package).map_err(|error| format!("cannot remove {}: {error}", package.display()))
}

/// Those that are not installed.
fn missing() -> Result<Vec<&'static str>, String> {
    let names = PACKAGES.map(|(name, _)| name);
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(names)
        .output();
    let output = output.map_err(|_| {
        format!(
            "this is not Debian; install what these packages hold: {}",
            names.join(" ")
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    Ok(names
        .into_iter()
        .filter(|name| !installed.contains(name))
        .collect())
}

/// Whether apt's lists have something to install for each.
fn lists_know(names: &[&str]) -> bool {
    let output = Command::new("apt-cache")
        .arg("policy")
        .args(names)
        .env("LC_ALL", "C")
        .output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    candidates(&text).count() == names.len()
}

/// The candidate versions in the answer of `apt-cache policy`.
fn candidates(policy: &str) -> impl Iterator<Item = &str> {
    let versions = policy
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("Candidate: "));
    versions.filter(|version| *version != "(none)")
}

/// The QEMU packages must be of one version: a qemu-utils that is here from another suite forbids our QEMU, so it
/// is brought to the version of that.
fn qemu_family(missing: &[&str]) -> Option<String> {
    let present = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", "qemu-utils"])
        .output();
    let is_present = present.is_ok_and(|output| output.stdout == b"installed");
    if !missing.contains(&"qemu-system-x86") || !is_present {
        return None;
    }
    let output = Command::new("apt-cache")
        .args(["policy", "qemu-system-x86"])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = candidates(&text).next()?;
    // Rebuilds of one version (`+b3`) may differ between the packages of a family.
    let source = version.rsplit_once("+b").map_or(version, |(source, _)| source);
    Some(format!("qemu-utils={source}*"))
}

fn update() -> Result<(), String> {
    cargo::succeed(&mut apt(&["update", "-q"]))
}

/// Installs; lists that are too old name files that the mirror has dropped, so a failure is tried once more with new
/// ones.
fn fetch_and_install(names: &[String]) -> Result<(), String> {
    let install = || {
        let words = [
            "install",
            "-q",
            "-y",
            "--no-install-recommends",
            "--allow-downgrades",
        ];
        cargo::succeed(apt(&words).args(names))
    };
    install().or_else(|_| update().and_then(|()| install()))
}

fn apt(words: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", LOCK_OPTION])
        .args(words);
    command
}

/// Keeps the Postgres package from making its `main` cluster while it is installed, by a settings file that goes away
/// again: what the administrator makes later is not our business.
fn without_cluster(install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let directory = Path::new(CLUSTER_SETTINGS);
    let file = directory.join("muster.conf");
    let failed = |what: &str| format!("cannot {what} {}", file.display());
    let was_there = directory.exists();
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", failed("make")))?;
    fs::write(&file, "create_main_cluster = false\n")
        .map_err(|error| format!("{}: {error}", failed("write")))?;
    let installed = install();
    fs::remove_file(&file).map_err(|error| format!("{}: {error}", failed("remove")))?;
    if !was_there {
        // Kept by whoever else put something there.
        let _ = fs::remove_dir(directory);
    }
    installed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_candidate_is_not_known() {
        let policy = "git:\n  Installed: (none)\n  Candidate: 1:2.39.5\n  Version table:\nipxe:\n  Candidate: (none)\n";
        assert_eq!(candidates(policy).collect::<Vec<_>>(), ["1:2.39.5"]);
    }
}
