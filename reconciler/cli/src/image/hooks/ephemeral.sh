#!/bin/sh
# Customize hook of the ephemeral image: takes kernel and initrd out of the new
# root $1 into $MUSTER_OUT, then leaves in the root only what the agent uses.
set -eu
root=$1
kernel=$(basename "$root"/boot/vmlinuz-*)
version=${kernel#vmlinuz-}
mv "$root/boot/$kernel" "$MUSTER_OUT/kernel"

# The drivers of the boot interface and of the root filesystem, with what they need.
nics="virtio_pci virtio_net e1000 e1000e igb igc ixgbe ixgbevf i40e iavf ice r8169 tg3 bnx2 bnx2x bnxt_en
    be2net cxgb4 ena enic mlx4_core mlx4_en mlx5_core qede sfc atlantic vmxnet3 hv_netvsc xen-netfront"
initrd=$root/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/run"
chroot "$root" depmod "$version"
for module in $nics squashfs loop overlay; do
    chroot "$root" modprobe --set-version "$version" --show-depends "$module" || echo "no module $module" >&2
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r path; do
    mkdir -p "$initrd$(dirname "$path")"
    cp "$root$path" "$initrd$path"
done
cp "$root/lib/modules/$version"/modules.builtin* "$root/lib/modules/$version/modules.order" \
    "$initrd/lib/modules/$version/"
chroot "$root" depmod -b /initrd "$version"
cp "$root/bin/busybox" "$initrd/bin/busybox"
for applet in $(chroot "$root" busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$initrd/bin/$applet"
done
cp "$MUSTER_SCRIPTS/ephemeral-init.sh" "$initrd/init"
cp "$MUSTER_SCRIPTS/ephemeral-udhcpc.sh" "$initrd/udhcpc.sh"
chmod 0755 "$initrd/init" "$initrd/udhcpc.sh"
chroot "$root" sh -c 'cd /initrd && find . | sort | busybox cpio -o -H newc | zstd -q -9 -c' >"$MUSTER_OUT/initrd"
rm -r "$initrd"

# Python and ICU come with xfsprogs for xfs_scrub, the rest with Debian's defaults; the agent's tools
# use none of it.
rm -r "$root"/usr/lib/python3* "$root"/usr/bin/python3* "$root"/usr/lib/x86_64-linux-gnu/libicu* \
    "$root"/usr/lib/x86_64-linux-gnu/gconv "$root"/usr/lib/klibc "$root"/usr/share/initramfs-tools \
    "$root"/usr/share/zoneinfo "$root"/usr/share/bash-completion "$root"/boot/* "$root"/var/lib/dpkg/info \
    "$root"/var/cache/*

: >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"
echo muster >"$root/etc/hostname"
