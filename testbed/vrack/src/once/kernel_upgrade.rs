//! A life in which a mirrored machine gets the distribution's next kernel by the distribution's own tools, and
//! boots it: from both disks, then from the second alone.
//!
//! muster has no part in it; what it wrote at installation has to be enough for the hooks of the new package.

use crate::error::{Result, RigError, failed};
use crate::once::copies::{self, Point};
use crate::once::faults::Faults;
use crate::once::inside::Inside;
use crate::once::life::Life;
use crate::once::{mirror, reboots};
use crate::program;
use crate::qemu;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Kernels that were fetched stay here; machines of the rack have no way to a mirror.
const PACKAGES: &str = "/var/cache/muster/packages";
/// What the packages of the image's kernels are called around their version.
const PREFIX: &str = "linux-image-";
const SUFFIX: &str = "-cloud-amd64";
/// Some 35 MB from the host's own mirror.
const FETCH_MAX: Duration = Duration::from_secs(300);
/// apt's lists are large, and the host may be loaded.
const SHORT: Duration = Duration::from_secs(60);
/// Unpacking a kernel, making its initial RAM disk and looking for systems: half a minute on real hardware.
const INSTALL_MAX: Duration = Duration::from_secs(300);

/// As an administrator without a network would: apt checks what the package needs, dpkg runs its hooks.
const INSTALL: &str = "sudo DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes \
    -o Dpkg::Use-Pty=0 /tmp/kernel.deb 2>&1 && \
    sudo sync";
/// The kernel that runs, the array, the first entry of the menu.
const LOOK: &str = "uname -r; grep -o '\\[[U_]*\\]$' /proc/mdstat; \
    sudo grep --max-count 1 -o 'vmlinuz-[^ ]*' /boot/grub/grub.cfg";

/// Lives it, from its beginning or from the copy of the deployed machine.
pub(crate) fn live(life: &Life<'_>, from: Option<Point>) -> Result<()> {
    if from.is_none() {
        mirror::live(life)?;
        life.switch_off()?;
        copies::take(life, Point::Mirror)?;
    }
    life.by_hand("power 1")?;
    life.until("deployed", &mut Faults::default())?;
    let inside = &Inside::of(life)?;
    let old = look(inside)?.kernel;
    let (version, package) = newest(&old)?;
    println!("{old} runs; installing {version}");
    inside.put(&package, "/tmp/kernel.deb")?;
    println!("{}", inside.ask_within(INSTALL, INSTALL_MAX)?);

    life.switch_off()?;
    reboots::boot(life, "power 1", "its next kernel")?;
    expect(inside, &version, "[UU]")?;

    life.switch_off()?;
    lose_the_first_disk(life)?;
    reboots::boot(life, "power 1", "its second disk alone")?;
    expect(inside, &version, "[_U]")?;
    life.until("deployed", &mut Faults::default())?;
    life.prove_nothing_left()
}

/// What a system says of its kernel.
struct Said {
    kernel: String,
    array: String,
    menu: String,
}

fn look(inside: &Inside<'_>) -> Result<Said> {
    let said = inside.ask(LOOK)?;
    let lines: Vec<&str> = said.lines().collect();
    let [kernel, array, menu] = lines[..] else {
        return Err(RigError::Answer {
            whom: "the installed system".to_owned(),
            found: said,
        });
    };
    Ok(Said {
        kernel: kernel.to_owned(),
        array: array.to_owned(),
        menu: menu.to_owned(),
    })
}

/// The new kernel runs, on an array in this state, and is the first of the menu.
fn expect(inside: &Inside<'_>, version: &str, array: &str) -> Result<()> {
    let said = look(inside)?;
    println!(
        "inside: {} runs, the array is {}, the menu begins with {}",
        said.kernel, said.array, said.menu
    );
    if said.kernel == version && said.array == array && said.menu == format!("vmlinuz-{version}") {
        return Ok(());
    }
    Err(RigError::Disproved(format!("it shall be {version} on {array}")))
}

/// The first disk is gone: the second has its place, since a BIOS starts only its first disk, and a new one has
/// the place of the second.
fn lose_the_first_disk(life: &Life<'_>) -> Result<()> {
    let [first, second] = &life.spec.disks[..] else {
        return Err(RigError::Disproved("this life is one of two disks".to_owned()));
    };
    fs::rename(life.disk(1), life.disk(0)).map_err(failed("move the second disk"))?;
    let blank = File::create_new(life.disk(1)).map_err(failed("make a disk"))?;
    blank.set_len(first.bytes).map_err(failed("size a disk"))?;
    for (at, serial) in [second.serial.as_str(), "muster-disk-new"]
        .into_iter()
        .enumerate()
    {
        let label = life.rack.machine(&life.spec.name).join(qemu::serial_file(at));
        fs::write(label, serial).map_err(failed("label a disk"))?;
    }
    Ok(())
}

/// The newest kernel of the host's package lists, which must be newer than this, and its package.
fn newest(than: &str) -> Result<(String, PathBuf)> {
    let names = program::run(Command::new("apt-cache").args(["pkgnames", PREFIX]), SHORT)?;
    let found = newest_of(&names).filter(|found| numbers(found) > numbers(than));
    let Some(version) = found else {
        return Err(RigError::Unmet {
            lacks: format!("the host's package lists have no kernel newer than {than}"),
            fix: "run `apt-get update`; the security suite has the kernels of later releases".to_owned(),
        });
    };
    let package = fetch(&format!("{PREFIX}{version}"))?;
    Ok((version.to_owned(), package))
}

/// The version of the newest kernel that is a kernel itself, and no package that only needs one.
fn newest_of(names: &str) -> Option<&str> {
    let versions = names
        .lines()
        .filter(|name| name.ends_with(SUFFIX))
        .filter_map(|name| name.strip_prefix(PREFIX));
    let whole = versions.filter(|version| version.matches('.').count() == 2);
    whole.max_by_key(|version| numbers(version))
}

/// The numbers of a version, in order.
fn numbers(version: &str) -> Vec<u64> {
    let digits = version.split(|letter: char| !letter.is_ascii_digit());
    digits.filter_map(|number| number.parse().ok()).collect()
}

/// The package's file, fetched if it is not there.
fn fetch(name: &str) -> Result<PathBuf> {
    fs::create_dir_all(PACKAGES).map_err(failed("make the packages' folder"))?;
    if let Some(file) = fetched(name)? {
        return Ok(file);
    }
    let mut download = Command::new("apt-get");
    download.current_dir(PACKAGES).args(["download", "--quiet", name]);
    program::run(&mut download, FETCH_MAX)?;
    fetched(name)?.ok_or_else(|| RigError::Answer {
        whom: "apt-get download".to_owned(),
        found: format!("no file of {name}"),
    })
}

fn fetched(name: &str) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(Path::new(PACKAGES)).map_err(failed("look at the packages"))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let file = path
            .file_name()
            .and_then(|file| file.to_str())
            .unwrap_or_default();
        file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
    };
    Ok(files.find(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_found_by_its_numbers() {
        let names = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-10-cloud-amd64\n\
                     linux-image-6.12-cloud-amd64\nlinux-image-6.1.0-56-amd64\n\
                     linux-image-6.1.0-56-cloud-amd64-dbg\n";
        assert_eq!(newest_of(names), Some("6.1.0-10-cloud-amd64"));
        let next = format!("{names}linux-image-6.12.117+deb12-cloud-amd64\n");
        let next = newest_of(&next).expect("there are kernels");
        assert_eq!(next, "6.12.117+deb12-cloud-amd64");
        assert!(numbers(next) > numbers("6.1.0-56-cloud-amd64"));
    }
}
