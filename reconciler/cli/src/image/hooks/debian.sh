#!/bin/sh
# Customize hook of the debian-12 image: settings of the new root $1 that hold on
# every machine. What differs per machine (names, addresses, keys, fstab, grub.cfg)
# is written by the installer.
set -eu
root=$1

# Settings of the bootstrap, not of the machine.
rm "$root/etc/apt/preferences.d/muster" "$root/etc/apt/apt.conf.d/99mmdebstrap"

install -m 0644 "$MUSTER_SCRIPTS/debian-cloud.cfg" "$root/etc/cloud/cloud.cfg.d/90-muster.cfg"
install -m 0644 "$MUSTER_SCRIPTS/debian-grub" "$root/etc/default/grub"

# Identity belongs to the machine: cloud-init makes host keys, systemd the machine id.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
: >"$root/etc/fstab"
rm -f "$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
