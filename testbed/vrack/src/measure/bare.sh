#!/bin/bash
# A deployment as a person would script it: the yardstick that muster's is measured with, and no part of muster.
#
# It is PID 1 of the same ephemeral system, and puts what muster's deployment puts onto one blank disk: a table, a
# filesystem, the image with its digest compared, settings, a boot loader. It asks nobody, looks at nothing, keeps no
# record, and would do the same to a disk with somebody's data on it. `muster-vrack measure` puts values for `image`,
# `sha256`, `address`, `mac` and `key` before these lines.
set -euo pipefail
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
disk=/dev/vda
uuid=44444444-5555-4666-8777-888888888801

say() { echo "bare: $*" >&2; }
# The end of PID 1 would be a panic and a reboot; so a failure stays on the console.
trap 'say "failed in line $LINENO"; sleep 3600' ERR

say devices
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
/lib/systemd/systemd-udevd --daemon
udevadm trigger --type=subsystems --action=add
udevadm trigger --type=devices --action=add --subsystem-match={pci,virtio,acpi,platform,block,nvme,scsi,usb}
udevadm settle
say "devices: done"

say partition
sfdisk --quiet --wipe=always "$disk" <<TABLE
label: gpt
start=2MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=3MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=root
TABLE
udevadm settle
say "partition: done"

say mkfs
mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -U "$uuid" "${disk}2"
say "mkfs: done"

say mount
mkdir /target
mount "${disk}2" /target
say "mount: done"

say unpack
mkfifo /run/bytes
sha256sum </run/bytes >/run/sum &
busybox wget -q -O - "$image" | tee /run/bytes |
    tar --extract --zstd --file=- --numeric-owner --same-owner --preserve-permissions --xattrs '--xattrs-include=*' \
        --directory /target
wait $!
read -r sum _ </run/sum
[ "$sum" = "$sha256" ]
say "unpack: done"

say configure
cd /target
echo "UUID=$uuid / ext4 defaults 0 1" >etc/fstab
echo bare >etc/hostname
echo "127.0.0.1 localhost bare" >etc/hosts
umask 077
cat >etc/netplan/50-bare.yaml <<NETWORK
network:
  version: 2
  renderer: networkd
  ethernets:
    p0:
      match: {macaddress: "$mac"}
      set-name: p0
      dhcp4: false
      addresses: [$address/24]
NETWORK
mkdir -p var/lib/cloud/seed/nocloud
printf 'instance-id: bare\nlocal-hostname: bare\npublic-keys: ["%s"]\n' "$key" >var/lib/cloud/seed/nocloud/meta-data
printf '#cloud-config\n{}\n' >var/lib/cloud/seed/nocloud/user-data
umask 022
echo 'network: {config: disabled}' >etc/cloud/cloud.cfg.d/99-bare.cfg
mkdir -p etc/default/grub.d
echo 'GRUB_CMDLINE_LINUX="console=ttyS0,115200n8 no_timer_check"' >etc/default/grub.d/90-bare.cfg
# Says that the system is up at the moment at which muster's phone-home does.
cat >etc/systemd/system/bare-up.service <<UNIT
[Unit]
Wants=network-online.target
After=network-online.target
[Service]
Type=exec
ExecStart=/bin/sh -c 'sync; echo "bare: up" >/dev/ttyS0'
[Install]
WantedBy=multi-user.target
UNIT
ln -s /etc/systemd/system/bare-up.service etc/systemd/system/multi-user.target.wants/bare-up.service
say "configure: done"

say bootloader
for name in dev proc sys run; do
    mount --rbind "/$name" "/target/$name"
done
chroot /target grub-install --target=i386-pc "$disk" >/run/grub.log 2>&1
kernel=$(basename boot/vmlinuz-*)
cat >boot/grub/grub.cfg <<MENU
set timeout=0
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=root $uuid
menuentry 'Debian' {
    linux /boot/$kernel root=UUID=$uuid ro console=ttyS0,115200n8 no_timer_check
    initrd /boot/initrd.img-${kernel#vmlinuz-}
}
MENU
for name in dev proc sys run; do
    umount --recursive "/target/$name"
done
cd /
say "bootloader: done"

say finish
umount /target
sync
say "finish: done"
busybox reboot -f
